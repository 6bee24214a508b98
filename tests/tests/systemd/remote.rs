//! Clients of other machines at a TCP socket that systemd holds: their calls start the service, and mutual TLS decides.

use snowflake_session_tests::authority::{Authority, Signed};
use snowflake_session_tests::machine::{ALICE, Machine, ROOT};
use snowflake_session_tests::process::Ran;

use crate::{SERVICE, SOCKET, TCP, alices_socket, main_pid};

/// Where the units listen for other machines, as long as nobody edits them.
const ADDRESS: &str = "127.0.0.1:7443";
/// The client that the configuration names.
const ETL: &str = "spiffe://corp/etl";
/// Where the client's files are, in Alice's home.
const FILES: &str = "client";

/// Gives the client its files: our authority, a certificate that is on the list, and one of somebody else's authority.
fn client(machine: &Machine, ours: &Authority) {
    machine.write_home(&format!("{FILES}/ca.pem"), ours.pem());
    let foreign = Authority::new("foreign");
    for (name, signed) in [
        ("etl", ours.client("etl", ETL, 3000)),
        ("stranger", foreign.client("stranger", ETL, 3000)),
    ] {
        machine.write_home(&format!("{FILES}/{name}.pem"), signed.certificate);
        machine.write_home(&format!("{FILES}/{name}.key"), signed.key);
    }
}

/// Runs `sfctl` as on another machine, with the certificate of this name.
fn sfctl_as(machine: &Machine, name: &str, arguments: &[&str]) -> Ran {
    let (server, ca) = (format!("https://{ADDRESS}"), format!("{FILES}/ca.pem"));
    let (certificate, key) = (format!("{FILES}/{name}.pem"), format!("{FILES}/{name}.key"));
    let place = [
        "sfctl",
        "--server",
        &server,
        "--tls-ca",
        &ca,
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ];
    machine.run(ALICE, &[&place, arguments].concat())
}

/// What OpenSSL's client hears; `sfctl` does not even dial without a certificate.
fn openssl_hears(machine: &Machine, arguments: &[&str]) -> String {
    let ca = format!("{FILES}/ca.pem");
    let client = [
        "openssl", "s_client", "-connect", ADDRESS, "-CAfile", &ca, "-alpn", "h2", "-ign_eof",
    ];
    machine.run(ALICE, &[&client, arguments].concat()).to_string()
}

/// Whoever has no certificate of ours is refused, by `sfctl`'s word and by OpenSSL's.
fn strangers_stay_out(machine: &Machine) {
    let heard = openssl_hears(machine, &[]);
    assert!(heard.contains("alert certificate required"), "{heard}");
    let heard = openssl_hears(
        machine,
        &["-cert", "client/stranger.pem", "-key", "client/stranger.key"],
    );
    assert!(heard.contains("alert unknown ca"), "{heard}");
    sfctl_as(machine, "stranger", &["query", "select 1"]).fails(
        3,
        &[
            "did not accept this client's certificate",
            "does not know the authority",
        ],
    );
}

/// The section of the configuration; only `key` is not beside the other files.
fn section(folder: &str, key: &str) -> String {
    format!(
        "[tcp]\ncertificate = \"{folder}/server.pem\"\nkey = \"{key}\"\n\
         client_authorities = \"{folder}/clients.pem\"\nallow = [\"uri:{ETL}\"]\n"
    )
}

/// The units as the package brings them: nothing but the TCP socket is enabled.
pub(crate) fn a_call_over_tcp_starts_the_service(machine: &Machine) {
    let ours = Authority::new("ours");
    client(machine, &ours);
    let Signed { certificate, key } = ours.server("127.0.0.1");
    for (name, text) in [
        ("server.pem", certificate.as_str()),
        ("server.key", key.as_str()),
        ("clients.pem", ours.pem()),
    ] {
        machine.write_home(&format!("tls/{name}"), text);
    }
    machine.write_home(
        ".config/snowflake-session/config.toml",
        section("/home/alice/tls", "/home/alice/tls/server.key"),
    );
    machine.alice(&["systemctl", "--user", "enable", "--quiet", "--now", TCP]);
    let states = || {
        [TCP, SOCKET, SERVICE]
            .map(|unit| machine.show(unit, &["ActiveState"]))
            .join(" ")
    };
    assert_eq!(states(), "active inactive inactive");

    // The first call is the one that starts it, and is answered.
    let rows = sfctl_as(
        machine,
        "etl",
        &["query", "select 40 + 2 as n", "--format", "csv"],
    )
    .ok();
    assert_eq!(rows, "N\n42\n");
    assert_eq!(states(), "active active active");
    let status = sfctl_as(machine, "etl", &["service", "status", "--format", "json"]).ok();
    let status: serde_json::Value = serde_json::from_str(&status).expect("a document");
    assert_eq!(
        (status["manager"].as_str(), status["tcp"].as_str()),
        (Some("systemd"), Some(ADDRESS)),
        "{status}"
    );
    let pid = main_pid(machine);
    strangers_stay_out(machine);
    assert!(machine.log(SERVICE).contains("client over TCP refused"));
    // On this machine the same service answers at its own socket.
    let socket = alices_socket();
    machine.alice(&[
        "sfctl",
        "--no-autostart",
        "--socket",
        &socket,
        "service",
        "status",
    ]);
    assert_eq!(main_pid(machine), pid);

    // The socket outlives the service: a stranger's call starts it too, and gets nothing from it.
    machine.alice(&["systemctl", "--user", "stop", SERVICE]);
    assert_eq!(machine.show(TCP, &["ActiveState"]), "active");
    strangers_stay_out(machine);
    assert_ne!(main_pid(machine), pid);
    machine.alice(&["systemctl", "--user", "restart", SERVICE]);
    sfctl_as(machine, "etl", &["context"]).ok();
}

/// The unit of the system, whose user exists only while it runs, with a key that only root can read.
pub(crate) fn a_shared_service_is_called_over_tcp(machine: &Machine) {
    machine.ok(ROOT, &["groupadd", "--system", "snowflake"]);
    let ours = Authority::new("ours");
    client(machine, &ours);
    let folder = "/etc/snowflake-session/tls";
    let Signed { certificate, key } = ours.server("127.0.0.1");
    machine.write(&format!("{folder}/server.pem"), certificate);
    machine.write(&format!("{folder}/clients.pem"), ours.pem());
    machine.write(&format!("{folder}/server.key"), key);
    machine.ok(ROOT, &["chmod", "600", &format!("{folder}/server.key")]);
    machine.write(
        "/etc/snowflake-session/config.toml",
        section(folder, &format!("/run/credentials/{SERVICE}/server.key")),
    );
    machine.write(
        &format!("/etc/systemd/system/{SERVICE}.d/tls.conf"),
        format!("[Service]\nLoadCredential=server.key:{folder}/server.key\n"),
    );
    machine.ok(ROOT, &["systemctl", "daemon-reload"]);
    machine.ok(ROOT, &["systemctl", "enable", "--quiet", "--now", TCP]);
    let state = || machine.run(ROOT, &["systemctl", "is-active", SERVICE]).out();
    assert_eq!(state().trim(), "inactive");
    // Alice is not in the group: her certificate alone lets her in.
    let ran = sfctl_as(
        machine,
        "etl",
        &["query", "select 40 + 2 as n", "--format", "csv"],
    );
    assert_eq!(
        ran.code,
        0,
        "{ran}\n{}",
        machine
            .run(ROOT, &["systemctl", "status", "--no-pager", SERVICE])
            .out()
    );
    assert_eq!((ran.out().as_str(), state().trim()), ("N\n42\n", "active"));
    strangers_stay_out(machine);
    machine
        .run(
            ALICE,
            &["sfctl", "--socket", "/run/snowflake-session/grpc.sock", "context"],
        )
        .fails(3, &["ermission denied"]);
}
