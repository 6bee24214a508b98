//! Spare logins: there when a session needs one, gone when nobody does, and held back before a user is locked.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use snowflake_session_tests::emulator::{self, Server};
use snowflake_session_tests::process::Ran;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

/// Longest time for what happens in the background.
const DEADLINE: Duration = Duration::from_secs(30);

/// Logins that the emulator holds.
fn logins(server: &Server) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the emulator listens");
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        .expect("the emulator reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the emulator answers in text");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
    let health: serde_json::Value = serde_json::from_str(body).expect("the body is JSON");
    health["sessions"].as_u64().expect("a number of sessions")
}

fn await_logins(server: &Server, count: u64) {
    until_true(&format!("{count} logins"), DEADLINE, || logins(server) == count);
}

/// Logs in over the connection `away`.
fn connect(stage: &Stage, session: &str) -> Ran {
    stage.sfctl(&["--connection", "away", "--session", session, "connect"])
}

/// What the service says of the spare logins of its only connection in use.
fn spares(stage: &Stage) -> serde_json::Value {
    let status = stage.sfctl(&["service", "status", "--format", "json"]).ok();
    let status: serde_json::Value = serde_json::from_str(&status).expect("the status is JSON");
    status["spare_logins"][0].clone()
}

#[test]
fn they_come_with_the_first_session_and_go_with_the_service() {
    let stage = Stage::new();
    let server = emulator::start(&stage, &[]);
    stage.connections(&server.connection("away", ""));
    stage.sfctl(&["service", "start"]).ok();
    assert_eq!(logins(&server), 0, "nobody has used the connection");
    connect(&stage, "a").ok();
    await_logins(&server, 2);
    until_true("a spare login in the status", DEADLINE, || {
        spares(&stage)["spare_count"] == 1
    });
    connect(&stage, "b").ok();
    await_logins(&server, 4);
    assert_eq!(spares(&stage)["connection"], "away");
    stage.sfctl(&["session", "close", "a"]).ok();
    await_logins(&server, 3);
    stage.sfctl(&["service", "stop"]).ok();
    await_logins(&server, 0);
}

#[test]
fn changed_settings_make_them_useless() {
    let stage = Stage::new();
    let server = emulator::start(&stage, &[]);
    stage.connections(&server.connection("away", ""));
    connect(&stage, "a").ok();
    await_logins(&server, 2);
    stage.connections(&server.connection("away", "role = \"PUBLIC\""));
    let described = connect(&stage, "b").ok();
    assert!(described.contains("PUBLIC"), "{described}");
    until_true("the old spare to be logged out", DEADLINE, || {
        let log = fs::read_to_string(stage.path("snowflake-emulator.log")).unwrap_or_default();
        log.matches("logged out").count() == 1
    });
}

#[test]
fn wrong_passwords_are_not_tried_again_and_again() {
    let stage = Stage::new();
    stage.foresee(r#""reason":"LoginRefused""#);
    stage.foresee("logins failed too often");
    let users = |password: &str| {
        let toml = format!("[[users]]\nname = \"tester\"\npassword = \"{password}\"\n");
        stage.write("users.toml", toml).to_string_lossy().into_owned()
    };
    let server = emulator::start(&stage, &["--config", &users("right")]);
    stage.connections(&server.connection("away", ""));
    for _ in 0..3 {
        connect(&stage, "a").fails(3, &["Incorrect username or password was specified."]);
    }
    let held_back = "no login is tried for another 15 min after 3 failures in a row";
    connect(&stage, "a").fails(3, &["390100", held_back, "get the user locked"]);
    let blocked_by = spares(&stage)["blocked_by"].clone();
    assert!(
        blocked_by.as_str().is_some_and(|why| why.contains("Incorrect")),
        "{blocked_by}"
    );
    let corrected = server.connection("away", "").replace("secret", "right");
    stage.connections(&corrected);
    connect(&stage, "a").ok();
}
