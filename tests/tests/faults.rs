//! The emulator's faults as a test suite of somebody else would use them: command line, `/faults`, plain HTTP.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use snowflake_session_tests::emulator::{self, Server};
use snowflake_session_tests::process::run;
use snowflake_session_tests::stage::Stage;

/// Longest wait for an answer that must come.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// Sends a request on a connection of its own; gives the status and the body, if they come whole.
fn send(server: &Server, method: &str, path: &str, token: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port))?;
    stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Snowflake Token=\"{token}\"\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
}

fn login(server: &Server) -> String {
    let data = json!({ "data": { "LOGIN_NAME": "tester", "PASSWORD": "any" } }).to_string();
    let (_, body) =
        send(server, "POST", "/session/v1/login-request", "None", &data).expect("no fault on logins");
    let answer: Value = serde_json::from_str(&body).expect("an answer is JSON");
    answer["data"]["token"]
        .as_str()
        .expect("a login has a token")
        .to_owned()
}

fn query(server: &Server, token: &str, request_id: &str, sql: &str) -> io::Result<Value> {
    let path = format!("/queries/v1/query-request?requestId={request_id}");
    let (status, body) = send(
        server,
        "POST",
        &path,
        token,
        &json!({ "sqlText": sql }).to_string(),
    )?;
    assert_eq!(status, 200, "{sql}: {body}");
    Ok(serde_json::from_str(&body)?)
}

/// The rules with their counts.
fn faults(server: &Server) -> Value {
    let (status, body) = send(server, "GET", "/faults", "None", "").expect("control suffers no faults");
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).expect("an answer is JSON");
    answer["data"]["faults"].clone()
}

#[test]
fn a_write_whose_answer_is_lost_happens_once() {
    for lost in ["reset,phase=after", "cut=10", "status=503,phase=after"] {
        let stage = Stage::new();
        let rule = format!("{lost},on=query,sql~=^insert,times=1");
        let server = emulator::start(&stage, &["--fault", &rule]);
        let token = login(&server);
        for (number, sql) in ["create database d", "create table t (a int)"].iter().enumerate() {
            let made = query(&server, &token, &format!("make-{number}"), sql);
            assert_eq!(made.expect("no fault on this")["success"], true);
        }
        let insert = || {
            let path = "/queries/v1/query-request?requestId=insert";
            let body = json!({ "sqlText": "insert into t values (1)" }).to_string();
            let answer = send(&server, "POST", path, &token, &body)
                .ok()
                .filter(|(status, _)| *status == 200);
            answer.and_then(|(_, body)| serde_json::from_str::<Value>(&body).ok())
        };
        assert_eq!(insert(), None, "{lost}: the answer is lost");
        let again = insert().expect("the fault happens once");
        assert_eq!(again["data"]["rowset"], json!([["1"]]), "{lost}");
        let count = query(&server, &token, "count", "select count(*) from t").expect("no fault on this");
        assert_eq!(count["data"]["rowset"], json!([["1"]]), "{lost}");
        assert_eq!(
            faults(&server),
            json!([{ "rule": rule, "matched": 2, "fired": 1, "spent": true }])
        );
    }
}

#[test]
fn rules_change_while_it_serves() {
    let stage = Stage::new();
    let server = emulator::start(&stage, &["--fault-control"]);
    assert_eq!(faults(&server), json!([]));
    let token = login(&server);
    let ask = || query(&server, &token, "", "select 1").map(|answer| answer["code"].clone());
    assert_eq!(ask().expect("no faults yet"), Value::Null);

    let (status, _) = send(&server, "PUT", "/faults", "", "# all\ncode=390112,on=query\n").expect("control");
    assert_eq!(status, 200);
    assert_eq!(ask().expect("an answer"), "390112");
    let (status, said) = send(
        &server,
        "PUT",
        "/faults",
        "",
        r#"["code=390112", "on=query,rest"]"#,
    )
    .expect("control");
    assert_eq!(status, 400);
    assert!(said.contains("did you mean reset?"), "{said}");
    assert_eq!(ask().expect("the rules are as they were"), "390112");

    let (status, _) = send(&server, "PUT", "/faults", "", r#"["on=connect,reset"]"#).expect("control");
    assert_eq!(status, 200);
    let refused = ask().expect_err("no connection lives");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionReset);
    let (status, _) = send(&server, "DELETE", "/faults", "", "").expect("control");
    assert_eq!(status, 200);
    assert_eq!(ask().expect("no faults any more"), Value::Null);
}

#[test]
fn the_same_seed_makes_the_same_faults() {
    let happens = |seed: &str| -> Vec<u16> {
        let stage = Stage::new();
        let rule = "status=503,on=heartbeat,probability=0.5";
        let server = emulator::start(&stage, &["--fault", rule, "--fault-seed", seed]);
        let beat = |_| {
            send(&server, "POST", "/session/heartbeat", "none", "")
                .expect("an answer")
                .0
        };
        (0..64).map(beat).collect()
    };
    let first = happens("7");
    assert!(first.contains(&503) && first.contains(&200), "{first:?}");
    assert_eq!(first, happens("7"));
    assert_ne!(first, happens("8"));
}

#[test]
fn what_cannot_be_understood_is_a_usage_error() {
    let stage = Stage::new();
    for (rule, said) in [
        (
            "status=503,tmies=2",
            "\"tmies\" is not a key; did you mean times?",
        ),
        (
            "status=200",
            "status=200: expected an HTTP status from 400 to 599",
        ),
        ("stall,on=logn", "did you mean login?"),
        (
            "cut=5,phase=before",
            "cut needs an answer, which phase=before does not make",
        ),
        ("on=query", "it says not what happens"),
    ] {
        let command = stage.program("snowflake-emulator", &["serve", "--in-memory", "--fault", rule]);
        run(command, None).fails(2, &[&format!("fault rule {rule:?}"), said]);
    }
}
