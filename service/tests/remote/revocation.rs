//! Certificates that their authority has taken back.

use crate::authority::Authority;
use crate::home::stderr_of;
use crate::served::{NOW, Served};

/// Those of one that has ended.
const PAST: (i32, i32) = (2020, 2021);

const INTERN: &str = "spiffe://corp/intern";
const ETL: &str = "spiffe://corp/etl";

#[tokio::test]
async fn a_revoked_certificate_is_refused_in_the_handshake() {
    let served = Served::start_revoking(|ours| vec![ours.revocations(&[], NOW)]).await;
    let ours = &served.authority;
    let (intern, etl) = (ours.client(INTERN), ours.client(ETL));
    served.status(&intern).await;
    served.status(&etl).await;

    // What is taken back counts from the next reload on.
    served.write_lists(&[ours.revocations(&[intern.serial()], NOW)]);
    assert!(served.reload().await.faults.is_empty());
    let heard = served.refused(ours, Some(&intern)).await;
    assert!(heard.contains("CertificateRevoked"), "{heard}");
    served.status(&etl).await;

    // A file that cannot be used changes nothing.
    served.write_lists(&["-----BEGIN X509 CRL-----\nc2VjcmV0\n-----END X509 CRL-----\n".to_owned()]);
    let faults = served.reload().await.faults;
    assert!(
        faults.len() == 1
            && faults[0].message.contains("`tcp.revocation_lists`")
            && !faults[0].message.contains("c2VjcmV0"),
        "{faults:?}"
    );
    served.write_lists(&[ours.revocations(&[], NOW), ours.delta()]);
    let faults = served.reload().await.faults;
    let words = "lists.pem: holds a revocation list of CN=ours that is a delta list";
    assert!(
        faults.len() == 1 && faults[0].message.contains(words),
        "{faults:?}"
    );
    let heard = served.refused(ours, Some(&intern)).await;
    assert!(heard.contains("CertificateRevoked"), "{heard}");

    // Of two lists the newer one counts, wherever it stands.
    let (older, newer) = (
        ours.revocations(&[], (2021, 3000)),
        ours.revocations(&[etl.serial()], NOW),
    );
    served.write_lists(&[older, newer]);
    assert!(served.reload().await.faults.is_empty());
    let heard = served.refused(ours, Some(&etl)).await;
    assert!(heard.contains("CertificateRevoked"), "{heard}");
}

#[tokio::test]
async fn a_list_that_has_ended_lets_nobody_in_and_keeps_nobody_of_this_machine_out() {
    let served = Served::start_revoking(|ours| vec![ours.revocations(&[], PAST)]).await;
    let client = served.authority.client(ETL);
    // TLS has no word of its own for it.
    let heard = served.refused(&served.authority, Some(&client)).await;
    assert!(heard.contains("UnknownCA"), "{heard}");
    served.home.status().await;
    let words = "a list of revoked certificates has ended (`tcp.revocation_lists`): 2021-01-01T00:00:00Z";
    let warned = served.reload().await.warnings;
    assert!(warned.len() == 1 && warned[0].contains(words), "{warned:?}");
    let checked = served.home.output(&["config"]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.status.success() && told.contains(words), "{told}");
    served.write_lists(&[served.authority.revocations(&[], NOW)]);
    assert!(served.reload().await.faults.is_empty());
    assert!(served.reload().await.warnings.is_empty());
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
    let served = Served::start_revoking(|ours| vec![ours.revocations(&[], NOW)]).await;
    let ours = &served.authority;
    let (department, number) = ours.below("department");
    let client = department.client(ETL);
    let heard = served.refused(ours, Some(&client)).await;
    assert!(heard.contains("UnknownCA"), "{heard}");
    let own = department.revocations(&[], NOW);
    served.write_lists(&[ours.revocations(&[], NOW), own.clone()]);
    assert!(served.reload().await.faults.is_empty());
    served.status(&client).await;
    // An authority that is taken back takes its clients with it.
    served.write_lists(&[ours.revocations(&[number], NOW), own]);
    assert!(served.reload().await.faults.is_empty());
    let heard = served.refused(ours, Some(&client)).await;
    assert!(heard.contains("CertificateRevoked"), "{heard}");
    // A list counts with its authority's signature alone.
    let forged = Authority::new("ours");
    served.write_lists(&[forged.revocations(&[], NOW)]);
    assert!(served.reload().await.faults.is_empty());
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
    served.configure_revoking();
    let good = ours.revocations(&[], NOW);
    let cut = good.replacen("MI", "MA", 1);
    for (lists, words) in [
        (None, "cannot be read"),
        (Some(String::new()), "holds no revocation list in PEM form"),
        (Some(ours.pem()), "holds no revocation list in PEM form"),
        (Some(cut), "holds a revocation list that is none of version 2"),
        (
            Some(good.clone() + &ours.delta()),
            "lists.pem: holds a revocation list of CN=ours that is a delta list",
        ),
    ] {
        if let Some(lists) = lists {
            served.write_lists(&[lists]);
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
