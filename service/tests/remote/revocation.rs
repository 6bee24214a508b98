//! Certificates that their authority has taken back.

use snowflake_session_proto::v1;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;

use crate::authority::Authority;
use crate::home::{Home, stderr_of};
use crate::served::Served;
use crate::support;

/// Years of a list that counts.
const NOW: (i32, i32) = (2024, 3000);
/// Those of one that has ended.
const PAST: (i32, i32) = (2020, 2021);

const INTERN: &str = "spiffe://corp/intern";
const ETL: &str = "spiffe://corp/etl";

fn setting(home: &Home) -> String {
    format!("revocation_lists = \"{}/lists.pem\"", home.path().display())
}

fn write(home: &Home, lists: &[String]) {
    std::fs::write(home.path().join("lists.pem"), lists.concat()).unwrap();
}

/// A service that asks whether certificates were taken back, with these lists.
async fn start(lists: impl FnOnce(&Authority) -> Vec<String>) -> Served {
    let mut served = Served::prepared("");
    served.configure(&format!(
        "listen = \"127.0.0.1:0\"\nallow = [\"*\"]\n{}",
        setting(&served.home)
    ));
    write(&served.home, &lists(&served.authority));
    served.serve().await;
    served
}

async fn reload(served: &Served) -> v1::ReloadResponse {
    let channel = support::connect(&served.home.socket()).await;
    let reloaded = LifecycleServiceClient::new(channel)
        .reload(v1::ReloadRequest {})
        .await;
    reloaded.unwrap().into_inner()
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_in_the_handshake() {
    let served = start(|ours| vec![ours.revocations(&[], NOW)]).await;
    let ours = &served.authority;
    let (intern, etl) = (ours.client(INTERN), ours.client(ETL));
    served.status(&intern).await;
    served.status(&etl).await;

    // What is taken back counts from the next reload on.
    write(&served.home, &[ours.revocations(&[intern.serial()], NOW)]);
    assert!(reload(&served).await.faults.is_empty());
    let heard = served.refused(ours, Some(&intern)).await;
    assert!(heard.contains("CertificateRevoked"), "{heard}");
    served.status(&etl).await;

    // A file that cannot be used changes nothing.
    write(
        &served.home,
        &["-----BEGIN X509 CRL-----\nc2VjcmV0\n-----END X509 CRL-----\n".to_owned()],
    );
    let faults = reload(&served).await.faults;
    assert!(
        faults.len() == 1
            && faults[0].message.contains("`tcp.revocation_lists`")
            && !faults[0].message.contains("c2VjcmV0"),
        "{faults:?}"
    );
    let heard = served.refused(ours, Some(&intern)).await;
    assert!(heard.contains("CertificateRevoked"), "{heard}");

    // Of two lists the newer one counts, wherever it stands.
    let (older, newer) = (
        ours.revocations(&[], (2021, 3000)),
        ours.revocations(&[etl.serial()], NOW),
    );
    write(&served.home, &[older, newer]);
    assert!(reload(&served).await.faults.is_empty());
    let heard = served.refused(ours, Some(&etl)).await;
    assert!(heard.contains("CertificateRevoked"), "{heard}");
}

#[tokio::test]
async fn a_list_that_has_ended_lets_nobody_in_and_keeps_nobody_of_this_machine_out() {
    let served = start(|ours| vec![ours.revocations(&[], PAST)]).await;
    let client = served.authority.client(ETL);
    // TLS has no word of its own for it.
    let heard = served.refused(&served.authority, Some(&client)).await;
    assert!(heard.contains("UnknownCA"), "{heard}");
    served.home.status().await;
    let words = "a list of revoked certificates has ended (`tcp.revocation_lists`): 2021-01-01T00:00:00Z";
    let warned = reload(&served).await.warnings;
    assert!(warned.len() == 1 && warned[0].contains(words), "{warned:?}");
    let checked = served.home.output(&["config"]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success() && told.contains(words), "{told}");
    write(&served.home, &[served.authority.revocations(&[], NOW)]);
    assert!(reload(&served).await.faults.is_empty());
    assert!(reload(&served).await.warnings.is_empty());
    served.status(&client).await;
    let said = served.log_at_end();
    for words in [
        "a list of revoked certificates has ended",
        "client over TCP refused",
        "expired",
    ] {
        assert!(said.contains(words), "no {words:?} in {said}");
    }
}

#[tokio::test]
async fn each_authority_between_needs_a_list() {
    let served = start(|ours| vec![ours.revocations(&[], NOW)]).await;
    let ours = &served.authority;
    let (department, number) = ours.below("department");
    let client = department.client(ETL);
    let heard = served.refused(ours, Some(&client)).await;
    assert!(heard.contains("UnknownCA"), "{heard}");
    let own = department.revocations(&[], NOW);
    write(&served.home, &[ours.revocations(&[], NOW), own.clone()]);
    assert!(reload(&served).await.faults.is_empty());
    served.status(&client).await;
    // An authority that is taken back takes its clients with it.
    write(&served.home, &[ours.revocations(&[number], NOW), own]);
    assert!(reload(&served).await.faults.is_empty());
    let heard = served.refused(ours, Some(&client)).await;
    assert!(heard.contains("CertificateRevoked"), "{heard}");
    // A list counts with its authority's signature alone.
    let forged = Authority::new("ours");
    write(&served.home, &[forged.revocations(&[], NOW)]);
    assert!(reload(&served).await.faults.is_empty());
    let heard = served.refused(ours, Some(&ours.client(ETL))).await;
    assert!(heard.contains("UnknownCA"), "{heard}");
    let said = served.log_at_end();
    assert!(
        said.contains("a revocation list cannot be used (`tcp.revocation_lists`)")
            && said.contains("BadSignature"),
        "{said}"
    );
}

#[test]
fn lists_that_cannot_be_used_stop_the_start() {
    let served = Served::prepared("");
    let (home, ours) = (&served.home, &served.authority);
    served.configure(&format!(
        "listen = \"127.0.0.1:0\"\nallow = [\"*\"]\n{}",
        setting(home)
    ));
    let good = ours.revocations(&[], NOW);
    let cut = good.replacen("MI", "MA", 1);
    for (lists, words) in [
        (None, "cannot be read"),
        (Some(String::new()), "holds no revocation list in PEM form"),
        (Some(ours.pem()), "holds no revocation list in PEM form"),
        (Some(cut), "holds a revocation list that is none of version 2"),
    ] {
        if let Some(lists) = lists {
            write(home, &[lists]);
        }
        for verb in ["run", "config"] {
            let output = home.output(&[verb]);
            let said = format!(
                "{}{}",
                stderr_of(&output),
                String::from_utf8_lossy(&output.stdout)
            );
            assert_eq!(output.status.code(), Some(78), "{said}");
            assert!(
                said.contains("config.toml:")
                    && said.contains("`tcp.revocation_lists`")
                    && said.contains(words),
                "{words}: {said}"
            );
        }
    }
}
