//! Clients of other machines: the shipped binary over TCP with mutual TLS, and all who may not come.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "remote/authority.rs"]
mod authority;
#[allow(dead_code, reason = "shared with the tests of the process")]
#[path = "process/home.rs"]
mod home;
#[path = "remote/revocation.rs"]
mod revocation;
#[path = "remote/served.rs"]
mod served;
#[path = "remote/standing.rs"]
mod standing;
mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use snowflake_session_proto::v1;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use authority::Authority;
use home::{Running, stderr_of, wait_until};
use served::Served;

const ETL: &str = "spiffe://corp/etl";

#[tokio::test]
async fn a_client_with_a_certificate_is_served_and_named_in_the_audit_log() {
    let served = Served::start(&format!("allow = [\"uri:{ETL}\"]")).await;
    let client = served.authority.client(ETL);
    assert_eq!(
        served.status(&client).await.tcp_address,
        format!("127.0.0.1:{}", served.port)
    );
    let channel = served.authority.channel(served.port, &client).await;
    let mut queries = support::queries(&channel);
    // Refused before anything is sent anywhere, and audited all the same.
    let request = v1::ExecuteQueryRequest {
        policy: v1::PolicyLevel::ReadOnly.into(),
        ..support::sql("drop table t")
    };
    let stream = queries.execute_query(request).await;
    let ended = match stream {
        Ok(answer) => support::collect(answer.into_inner()).await.err(),
        Err(status) => Some(status),
    };
    assert_eq!(support::reason(&ended.unwrap()).0, "REFUSED");
    let audit = served.home.path().join(".local/state/snowflake-session/audit");
    let logged = || {
        let files = std::fs::read_dir(&audit).into_iter().flatten().flatten();
        files
            .map(|file| std::fs::read_to_string(file.path()).unwrap_or_default())
            .collect::<String>()
    };
    wait_until("the refusal is logged", || logged().contains("\"REFUSED\""));
    let text = logged();
    assert!(
        text.contains(&format!("\"identity\":\"uri:{ETL}\",\"address\":\"127.0.0.1:"))
            && !text.contains("\"uid\""),
        "{text}"
    );
}

#[tokio::test]
async fn who_has_no_right_certificate_hears_why() {
    let served = Served::start(&format!("allow = [\"uri:{ETL}\"]")).await;
    let ours = &served.authority;
    let foreign = Authority::new("foreign");
    for (client, alert) in [
        (None, "CertificateRequired"),
        (Some(foreign.client(ETL)), "UnknownCA"),
        (Some(ours.expired_client(ETL)), "CertificateExpired"),
        (Some(ours.client("spiffe://corp/intern")), "AccessDenied"),
        // A certificate for servers is none for clients.
        (Some(ours.server()), "UnsupportedCertificate"),
    ] {
        let heard = served.refused(ours, client.as_ref()).await;
        assert!(heard.contains(alert), "{alert}: {heard}");
    }
    // The next one is served as if they had not been.
    served.status(&ours.client(ETL)).await;
}

#[tokio::test]
async fn who_speaks_no_tls_or_nothing_at_all_holds_nobody_up() {
    let served = Served::start("allow = [\"*\"]\nhandshakes_max = 3\nhandshake_timeout = \"1s\"").await;
    let mut plain = TcpStream::connect(("127.0.0.1", served.port)).await.unwrap();
    plain
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.unwrap();
    // An alert, and not a byte of HTTP/2.
    assert_eq!((answer.first(), answer.len()), (Some(&21), 7), "{answer:?}");
    // As many as may shake hands at a time say nothing; who comes after them is served, within their deadline or after.
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(TcpStream::connect(("127.0.0.1", served.port)).await.unwrap());
    }
    served.status(&served.authority.client(ETL)).await;
    let mut buffer = [0];
    for mut stream in silent {
        assert_eq!(stream.read(&mut buffer).await.unwrap_or(0), 0, "it is hung up on");
    }
}

#[tokio::test]
async fn a_slow_handshake_does_not_delay_another() {
    // Nobody waits an hour for the slow one.
    let served = Served::start("allow = [\"*\"]\nhandshakes_max = 2\nhandshake_timeout = \"1h\"").await;
    let _slow = TcpStream::connect(("127.0.0.1", served.port)).await.unwrap();
    served.status(&served.authority.client(ETL)).await;
}

#[tokio::test]
async fn connections_over_tcp_have_a_limit_of_their_own() {
    let served = Served::start("allow = [\"*\"]\nconnections_max = 1").await;
    let client = served.authority.client(ETL);
    let channel = served.authority.channel(served.port, &client).await;
    let mut second = tokio::spawn({
        let (authority, port) = (Authority::new("foreign"), served.port);
        // It waits before anybody looks at its certificate.
        async move { authority.greet(port, None).await.map(drop) }
    });
    // This machine's own clients have places of their own.
    served.home.status().await;
    assert!(!second.is_finished());
    drop(channel);
    let heard = tokio::time::timeout(Duration::from_secs(20), &mut second).await;
    assert!(heard.expect("its turn comes").unwrap().is_err());
}

#[tokio::test]
async fn a_reload_counts_for_those_who_come_after_it() {
    let served = Served::start(&format!("allow = [\"uri:{ETL}\"]")).await;
    let mut local = LifecycleServiceClient::new(support::connect(&served.home.socket()).await);
    let intern = served.authority.client("spiffe://corp/intern");
    let heard = served.refused(&served.authority, Some(&intern)).await;
    assert!(heard.contains("AccessDenied"), "{heard}");
    served.configure("listen = \"127.0.0.1:0\"\nallow = [\"uri:spiffe://corp/*\"]");
    // A file that cannot be used changes nothing.
    let key = served.home.path().join("key.pem");
    let good = std::fs::read(&key).unwrap();
    std::fs::write(&key, "").unwrap();
    let told = local.reload(v1::ReloadRequest {}).await.unwrap().into_inner();
    assert!(
        told.faults.len() == 1 && told.faults[0].message.contains("`tcp.key`"),
        "{told:?}"
    );
    let heard = served.refused(&served.authority, Some(&intern)).await;
    assert!(heard.contains("AccessDenied"), "{heard}");
    std::fs::write(&key, good).unwrap();
    let told = local.reload(v1::ReloadRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (told.applied_keys, told.restart_keys),
        (vec!["tcp.allow".to_owned()], vec![])
    );
    served.status(&intern).await;
}

#[test]
fn without_all_of_it_the_service_does_not_start() {
    let served = Served::prepared("listen = \"127.0.0.1:0\"\nallow = [\"*\"]");
    let home = &served.home;
    let run = |variables: &[(&str, &str)], words: &[&str]| {
        for verb in ["run", "config"] {
            let mut command = home.command(&[verb]);
            command.envs(variables.iter().copied());
            let output = command.output().unwrap();
            let said = format!(
                "{}{}",
                stderr_of(&output),
                String::from_utf8_lossy(&output.stdout)
            );
            assert_eq!(output.status.code(), Some(78), "{said}");
            for word in words {
                assert!(said.contains(word), "no {word:?} in {said}");
            }
        }
    };
    run(&[("SNOWFLAKE_SESSIOND_TCP__KEY", "")], &["`tcp.key`: is missing"]);
    run(
        &[("SNOWFLAKE_SESSIOND_TCP__ALLOW", "")],
        &["`tcp.allow`: names nobody"],
    );
    run(
        &[("SNOWFLAKE_SESSIOND_TCP__ALLOW", "etl; dns:*.corp")],
        &["what kind of name it is", "which only a"],
    );
    run(
        &[("SNOWFLAKE_SESSIOND_TCP__LISTEN", "localhost")],
        &["`tcp.listen`", "is not an address"],
    );
    let key = home.path().join("key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    run(
        &[],
        &["config.toml:", "`tcp.key`", "its mode is 0644", "chmod 600"],
    );
}

#[tokio::test]
async fn a_passed_tcp_socket_is_served_beside_the_other() {
    let mut served = Served::prepared("allow = [\"*\"]");
    let socket = served.home.socket();
    std::fs::create_dir(socket.parent().unwrap()).unwrap();
    let local = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    served.port = tcp.local_addr().unwrap().port();
    let mut command = served.home.passing([
        ("grpc", local.into()),
        ("grpc-tcp", tcp.try_clone().unwrap().into()),
    ]);
    let running = Running(command.spawn().unwrap());
    let status = served.status(&served.authority.client(ETL)).await;
    assert_eq!(
        (status.manager(), status.tcp_address),
        (v1::ServiceManager::Systemd, format!("127.0.0.1:{}", served.port))
    );
    assert_eq!(served.home.status().await.pid, status.pid);
    drop(running);

    // Without a word on who may come, it is refused.
    std::fs::remove_file(served.home.path().join(".config/snowflake-session/config.toml")).unwrap();
    std::fs::remove_dir_all(socket.parent().unwrap()).unwrap();
    let output = served.home.passing([("grpc-tcp", tcp.into())]).output().unwrap();
    assert_eq!(output.status.code(), Some(78), "{}", stderr_of(&output));
    assert!(
        stderr_of(&output).contains("`tcp.allow`"),
        "{}",
        stderr_of(&output)
    );
}
