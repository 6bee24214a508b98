//! `sfctl doctor` where no service manager runs the service: what it finds, mends, packs, and keeps to itself.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::Value;
use snowflake_session_tests::config::repository;
use snowflake_session_tests::emulator::{self, Server};
use snowflake_session_tests::process::Ran;
use snowflake_session_tests::stage::Stage;

/// What was found, as programs read it.
fn examined(stage: &Stage, arguments: &[&str]) -> (Ran, Value) {
    let ran = stage.sfctl(&[&["doctor", "--json"], arguments].concat());
    let found = serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"));
    (ran, found)
}

/// State and texts of one check.
#[track_caller]
fn check(found: &Value, id: &str) -> (String, String) {
    let checks = found["checks"].as_array().expect("a list of checks");
    let check = checks.iter().find(|check| check["id"] == id);
    let check = check.unwrap_or_else(|| panic!("no {id}: {found:#}"));
    let state = check["state"].as_str().unwrap_or_default().to_owned();
    (state, format!("{} {}", check["seen"], check["repair"]))
}

#[track_caller]
fn is(found: &Value, id: &str, state: &str, told: &str) {
    let (is, text) = check(found, id);
    assert!(is == state && text.contains(told), "{id} is {is}: {text}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("the file is there")
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn without_a_service_it_looks_and_starts_nothing() {
    let stage = Stage::new();
    let (ran, found) = examined(&stage, &[]);
    assert!(ran.code <= 1, "{ran}");
    is(&found, "socket.listener", "skip", "the next command starts it");
    is(&found, "version.service", "skip", "no service answers");
    is(&found, "configuration.connections", "ok", "local");
    is(&found, "snowflake.login", "skip", "--online");
    assert!(stage.processes("snowflake-session").is_empty());
    let screen = stage.sfctl(&["doctor"]);
    assert!(
        screen.out().contains("left out") && screen.out().contains("socket.listener"),
        "{screen}"
    );
}

#[test]
fn a_service_that_runs_is_examined() {
    let stage = Stage::new();
    assert_eq!(stage.rows("select 1"), "1");
    let (ran, found) = examined(&stage, &["--online"]);
    assert!(ran.code <= 1, "{ran}");
    let pid = stage.processes("snowflake-session")[0]
        .as_raw_nonzero()
        .to_string();
    is(&found, "socket.listener", "ok", &pid);
    is(&found, "socket.file", "ok", "0600");
    is(&found, "socket.answer", "ok", "answers within");
    is(&found, "version.service", "ok", "both speak protocol 1");
    is(&found, "version.running_program", "ok", "");
    is(&found, "logging.place", "ok", "service.log");
    is(&found, "snowflake.sessions", "ok", "1 sessions, 1 logged in");
    is(&found, "snowflake.login", "ok", "at 127.0.0.1");
    // The session of the trial is gone again.
    let sessions = stage.sfctl(&["session", "list", "--format", "csv"]).ok();
    assert!(!sessions.contains("doctor-"), "{sessions}");
}

#[test]
fn a_server_is_looked_at_without_a_login() {
    let stage = Stage::new();
    let plain = emulator::start(&stage, &[]);
    let pem = |name: &str| {
        let path = repository().join("emulator/tests/tls").join(name);
        path.to_string_lossy().into_owned()
    };
    let (certificate, key) = (pem("cert.pem"), pem("key.pem"));
    let mut command = stage.program("snowflake-emulator", &["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--in-memory", "--tls-cert", &certificate, "--tls-key", &key]);
    let encrypted = Server::start(&stage, "encrypted", command);
    let of_encrypted = encrypted
        .connection("encrypted", "")
        .replace("\"http\"", "\"https\"");
    stage.connections(&(plain.connection("plain", "") + &of_encrypted));

    let (_, found) = examined(&stage, &["--connection", "plain"]);
    is(&found, "snowflake.clock", "ok", "127.0.0.1");
    is(&found, "snowflake.certificate", "skip", "without TLS");
    let (ran, found) = examined(&stage, &["--connection", "encrypted"]);
    assert_eq!(ran.code, 2, "{ran}");
    is(&found, "snowflake.certificate", "fail", "snowflake-emulator test");
    is(&found, "snowflake.certificate", "fail", "update-ca-certificates");
    is(&found, "snowflake.clock", "ok", "127.0.0.1");
    assert!(stage.processes("snowflake-session").is_empty());
    // Nobody has logged in.
    assert!(plain.health().contains("\"sessions\":0"), "{}", plain.health());
}

#[test]
fn modes_are_found_and_mended() {
    let stage = Stage::new();
    let path = stage.connections("[default]\naccount = \"a-b\"\nuser = \"me\"\npassword = \"s3same\"\nhost = \"127.0.0.1\"\nport = 1\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("our own file");
    let (ran, found) = examined(&stage, &[]);
    assert_eq!(ran.code, 2, "nobody listens at the host: {ran}");
    is(&found, "configuration.modes", "warn", "chmod 600");
    is(&found, "snowflake.network", "fail", "127.0.0.1:1");
    assert_eq!(mode(&path), 0o644, "nothing is changed unasked");

    let (_, found) = examined(&stage, &["--fix"]);
    is(&found, "configuration.modes", "ok", "0600");
    assert!(
        found["repaired"].to_string().contains("connections.toml"),
        "{found:#}"
    );
    assert_eq!(mode(&path), 0o600);

    // Where others may write, the file is not read at all.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("our own file");
    let (ran, found) = examined(&stage, &[]);
    assert_eq!(ran.code, 2, "{ran}");
    is(&found, "configuration.connections", "fail", "chmod 0600");
}

#[test]
fn a_socket_that_is_left_over_is_removed() {
    let stage = Stage::new();
    let socket = stage.write("run/snowflake-session/grpc.sock", "");
    fs::set_permissions(
        socket.parent().expect("a folder"),
        fs::Permissions::from_mode(0o700),
    )
    .expect("our own");
    fs::remove_file(&socket).expect("our own file");
    drop(UnixListener::bind(&socket).expect("the folder is ours"));
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).expect("our own file");
    let (ran, found) = examined(&stage, &[]);
    assert_eq!(ran.code, 1, "{ran}");
    is(&found, "socket.listener", "warn", "left over");
    let (_, found) = examined(&stage, &["--fix"]);
    is(&found, "socket.listener", "skip", "");
    assert!(!socket.exists());
}

#[test]
fn the_bundle_is_private_and_has_no_secrets() {
    let mut stage = Stage::new();
    stage.set("HTTPS_PROXY", "http://u:pr0xypw@127.0.0.1:9");
    stage.connections("[default]\naccount = \"a-b\"\nuser = \"me\"\npassword = \"s3same\"\nhost = \"127.0.0.1\"\nport = 1\n");
    stage
        .sfctl(&["--connection", "local", "query", "select 'r0w'"])
        .ok();
    let path = stage.path("report.tar.gz");
    let ran = stage.sfctl(&["doctor", "--bundle", &path.to_string_lossy()]);
    assert!(ran.stderr.contains("report.tar.gz"), "{ran}");
    assert_eq!(mode(&path), 0o600);
    let mut text = Vec::new();
    let file = fs::File::open(&path).expect("the archive is there");
    flate2::read::GzDecoder::new(file)
        .read_to_end(&mut text)
        .expect("it is whole");
    let text = String::from_utf8_lossy(&text);
    for part in [
        "doctor.json",
        "versions.txt",
        "connections.json",
        "status.txt",
        "log.jsonl",
        "127.0.0.1",
    ] {
        assert!(text.contains(part), "no {part}");
    }
    for secret in ["s3same", "pr0xypw", "r0w"] {
        assert!(!text.contains(secret), "{secret} is in the bundle");
        assert!(!ran.out().contains(secret), "{secret} is on the screen");
    }
}
