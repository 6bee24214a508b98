//! Faults on the wire: every action in every phase, and the endpoint that sets them.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use snowflake_emulator::faults::{Faults, Rule};
use snowflake_emulator::protocol::{Accounts, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::{Answer, Fixture, Login, authorization, eventually, get, send};

/// Makes faults possible, with these to begin with.
fn faulty(rules: &[&str]) -> impl FnOnce(&mut Settings) {
    let rules = rules.iter().map(|text| Rule::parse(text).unwrap()).collect();
    move |settings| settings.faults = Some(Faults::new(1, rules, settings.clock.now()))
}

async fn start(rules: &[&str]) -> Fixture {
    Fixture::with(faulty(rules), Accounts::Anyone).await
}

async fn control(fixture: &Fixture, method: Method, body: &str) -> Answer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    send(fixture.address, method, "/faults", &[], body).await
}

async fn set(fixture: &Fixture, rules: &str) {
    let answer = control(fixture, Method::PUT, rules).await;
    assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
}

/// How often each rule matched and fired.
async fn counts(fixture: &Fixture) -> Vec<(u64, u64)> {
    let listed = control(fixture, Method::GET, "").await.json();
    let count = |fault: &Value, what: &str| fault[what].as_u64().unwrap();
    let faults = listed["data"]["faults"].as_array().unwrap().iter();
    faults
        .map(|fault| (count(fault, "matched"), count(fault, "fired")))
        .collect()
}

/// What a client saw on a connection of its own.
#[derive(Debug)]
struct Seen {
    /// Bytes up to the end.
    bytes: Vec<u8>,
    /// How it ended: in good order, or with an error.
    end: Result<(), ErrorKind>,
}

impl Seen {
    /// The length that the body was to have, and the body that came.
    fn body(&self) -> (usize, &[u8]) {
        let split = self.bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = self.bytes.split_at(split.unwrap() + 4);
        let head = std::str::from_utf8(head).unwrap().to_lowercase();
        let (_, rest) = head.split_once("content-length: ").unwrap();
        let (length, _) = rest.split_once("\r\n").unwrap();
        (length.parse().unwrap(), body)
    }

    fn json(&self) -> Value {
        let (length, body) = self.body();
        assert_eq!(length, body.len());
        serde_json::from_slice(body).unwrap()
    }
}

/// Sends a statement and gives the connection, on which the answer may come.
async fn ask(login: &Login, sql: &str, request_id: &str) -> TcpStream {
    let body = json!({ "sqlText": sql }).to_string();
    let (name, value) = authorization(&login.token);
    let mut stream = TcpStream::connect(login.address).await.unwrap();
    let request = format!(
        "POST /queries/v1/query-request?requestId={request_id} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
         {name}: {value}\r\ncontent-length: {}\r\n\r\n{body}",
        login.address,
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

async fn see(mut stream: TcpStream) -> Seen {
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await;
    Seen {
        bytes,
        end: end.map(|_| ()).map_err(|error| error.kind()),
    }
}

fn runs(fixture: &Fixture) -> usize {
    fixture.backend.runs.load(Ordering::SeqCst)
}

/// A fault that replaces the answer: checks what the client sees, whether the statement ran, and that asking again
/// with the same request id runs it once in all.
async fn check_lost(action: &str, phase: &str, seen: impl FnOnce(&Seen)) {
    let fixture = start(&[]).await;
    let login = fixture.login().await;
    set(&fixture, &format!("{action},phase={phase},on=query,times=1")).await;
    seen(&see(ask(&login, "insert", "r1").await).await);
    assert_eq!(runs(&fixture), usize::from(phase == "after"), "{action} {phase}");
    let again = see(ask(&login, "insert", "r1").await).await.json();
    assert_eq!(again["data"]["rowset"], json!([["3"]]), "{action} {phase}");
    assert_eq!(runs(&fixture), 1, "{action} {phase}");
    assert_eq!(counts(&fixture).await, [(2, 1)], "{action} {phase}");
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    for phase in ["before", "after"] {
        check_lost("reset", phase, |seen| {
            assert_eq!(seen.end, Err(ErrorKind::ConnectionReset), "{phase}");
            assert_eq!(seen.bytes, b"");
        })
        .await;
    }
}

#[tokio::test]
async fn a_status_stands_in_for_the_answer() {
    for phase in ["before", "after"] {
        check_lost("status=503,retry-after=1500ms", phase, |seen| {
            let text = String::from_utf8_lossy(&seen.bytes).to_lowercase();
            assert!(text.starts_with("http/1.1 503 service unavailable\r\n"), "{text}");
            assert!(text.contains("\r\nretry-after: 2\r\n"), "{text}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_code_stands_in_for_the_answer() {
    for phase in ["before", "after"] {
        check_lost("code=390112", phase, |seen| {
            assert!(seen.bytes.starts_with(b"HTTP/1.1 200 OK\r\n"));
            let answer = seen.json();
            assert_eq!(
                (&answer["success"], &answer["code"], &answer["data"]),
                (&json!(false), &json!("390112"), &Value::Null)
            );
            assert_eq!(answer["message"], "Session token has expired.");
        })
        .await;
    }
}

#[tokio::test]
async fn a_cut_lets_so_many_bytes_through() {
    for bytes in [0, 1, 100] {
        check_lost(&format!("cut={bytes}"), "after", |seen| {
            let (length, body) = seen.body();
            assert_eq!(body.len(), bytes);
            assert!(length > bytes, "the whole length is announced");
        })
        .await;
    }
    check_lost("cut=1000000", "after", |seen| {
        assert_eq!(seen.json()["success"], true, "a shorter body comes whole");
    })
    .await;
}

#[tokio::test]
async fn a_large_body_is_cut_where_it_was_asked() {
    let fixture = start(&["cut=300000,on=query"]).await;
    let login = fixture.login().await;
    let seen = see(ask(&login, "rows 20000", "r1").await).await;
    let (length, body) = seen.body();
    assert!(length > 300_000, "{length}");
    assert_eq!(body.len(), 300_000);
}

/// A fault that keeps the client waiting: checks that nothing comes, and whether the statement ran.
async fn check_waiting(action: &str, runs_first: bool) {
    let fixture = start(&[]).await;
    let login = fixture.login().await;
    set(&fixture, &format!("{action},on=query,times=1")).await;
    let stream = ask(&login, "insert", "r1").await;
    eventually("it fires", async || counts(&fixture).await == [(1, 1)]).await;
    eventually("it runs first", async || {
        runs(&fixture) == usize::from(runs_first)
    })
    .await;
    // Another one is answered meanwhile, and this one is not.
    assert_eq!(login.query("select 1").await["success"], true);
    let mut byte = [0];
    assert_eq!(
        stream.try_read(&mut byte).unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "{action}"
    );
    assert_eq!(runs(&fixture), 1 + usize::from(runs_first), "{action}");
    fixture.stop();
    // The end of the server is the end of the wait.
    see(stream).await;
}

#[tokio::test]
async fn a_stalled_request_is_never_answered() {
    check_waiting("stall,phase=before", false).await;
    check_waiting("stall,phase=after", true).await;
}

#[tokio::test]
async fn a_delay_comes_before_or_after() {
    check_waiting("delay=1h", false).await;
    check_waiting("delay=1h,phase=after", true).await;
    check_waiting("delay-answer=1h", true).await;
    for action in ["delay=1ms", "delay-answer=1ms"] {
        let fixture = start(&[action]).await;
        let login = fixture.login().await;
        assert_eq!(login.query("select 1").await["data"]["rowset"], json!([["1"]]));
    }
}

#[tokio::test]
async fn a_late_request_arrives_although_its_client_has_gone() {
    let fixture = start(&["delay=200ms,on=query,times=1"]).await;
    let login = fixture.login().await;
    let stream = ask(&login, "insert", "r1").await;
    eventually("it is on its way", async || counts(&fixture).await == [(1, 1)]).await;
    drop(stream);
    let again = see(ask(&login, "insert", "r1").await).await.json();
    assert_eq!(again["data"]["rowset"], json!([["3"]]), "the retry overtakes it");
    eventually("it has arrived", async || {
        get(fixture.address, "/health").await.json()["statements"] == 0
    })
    .await;
    assert_eq!(runs(&fixture), 1);
}

#[tokio::test]
async fn a_throttled_body_comes_slowly_and_whole() {
    let fixture = start(&["throttle=1000000,on=query,times=1", "throttle=1,on=query"]).await;
    let login = fixture.login().await;
    let fast = see(ask(&login, "rows 1000", "r1").await).await;
    assert_eq!(fast.end, Ok(()));
    assert_eq!(fast.json()["data"]["rowset"].as_array().unwrap().len(), 1000);

    let mut slow = ask(&login, "rows 1000", "r2").await;
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n{") {
        assert_ne!(slow.read_buf(&mut bytes).await.unwrap(), 0);
    }
    assert_eq!(runs(&fixture), 2);
    let mut byte = [0];
    assert_eq!(
        slow.try_read(&mut byte).unwrap_err().kind(),
        ErrorKind::WouldBlock,
        "the second byte comes a second later"
    );
}

#[tokio::test]
async fn a_session_can_be_ended_for_real() {
    for code in ["390111", "390114"] {
        let fixture = start(&[]).await;
        let (login, other) = (fixture.login().await, fixture.login().await);
        let session = &login.data["sessionId"];
        set(
            &fixture,
            &format!("code={code},end-session=true,session={session},phase=after,times=1"),
        )
        .await;
        assert_eq!(other.query("select 1").await["success"], true);
        assert_eq!(login.query("insert").await["code"], code);
        assert_eq!(runs(&fixture), 2, "it ran first");
        assert_eq!(fixture.connector.session_count(), 1);
        assert_eq!(fixture.backend.closed.load(Ordering::SeqCst), 1);
        assert_eq!(login.query("select 1").await["code"], "390111");
        assert_eq!(login.renew("RENEW").await["code"], "390111");
        assert_eq!(other.query("select 1").await["success"], true);
    }
}

#[tokio::test]
async fn rules_apply_where_they_say() {
    let rules = [
        "code=000001,on=/monitoring",
        "code=000002,method=GET,on=result",
        "code=000003,on=query,sql~=\"^INSERT\"",
        "code=000004,on=logout",
        "code=000005,on=renew",
    ];
    let fixture = start(&rules).await;
    let login = fixture.login().await;
    let select = login.query("select 1").await;
    assert_eq!(select["success"], true);
    let id = select["data"]["queryId"].as_str().unwrap();
    assert_eq!(login.query("insert").await["code"], "000003");
    assert_eq!(
        login.get(&format!("/queries/{id}/result")).await["code"],
        "000002"
    );
    assert_eq!(
        login.get(&format!("/monitoring/queries/{id}")).await["code"],
        "000001"
    );
    assert_eq!(
        login.post("/session/heartbeat", &json!({})).await["success"],
        true
    );
    assert_eq!(login.renew("RENEW").await["code"], "000005");
    assert_eq!(
        login.post("/session?delete=true", &json!({})).await["code"],
        "000004"
    );
    assert_eq!(counts(&fixture).await, [(1, 1); 5]);
}

#[tokio::test]
async fn connections_suffer_too_but_not_those_that_control() {
    let fixture = start(&["on=connect,reset"]).await;
    let login = Login {
        address: fixture.address,
        token: "none".to_owned(),
        master: "none".to_owned(),
        data: Value::Null,
    };
    let seen = see(ask(&login, "select 1", "r1").await).await;
    assert_eq!(
        (seen.bytes.as_slice(), seen.end),
        (&b""[..], Err(ErrorKind::ConnectionReset))
    );
    set(&fixture, "on=connect,stall").await;
    let mut stalled = ask(&login, "select 1", "r2").await;
    eventually("it stalls", async || counts(&fixture).await == [(1, 1)]).await;
    // The server takes what comes, and says nothing.
    stalled.write_all(&vec![b'x'; 10 << 20]).await.unwrap();
    let mut byte = [0];
    assert_eq!(
        stalled.try_read(&mut byte).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
    set(&fixture, "on=connect,delay=1ms").await;
    assert_eq!(
        see(ask(&login, "select 1", "r3").await).await.json()["code"],
        "390104"
    );
    set(&fixture, "on=connect,reset").await;
    // Also when it comes byte by byte.
    let mut slowly = TcpStream::connect(fixture.address).await.unwrap();
    slowly.set_nodelay(true).unwrap();
    for byte in "DELETE /faults HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".bytes() {
        slowly.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(see(slowly).await.json()["success"], true);
    assert_eq!(fixture.login().await.query("select 1").await["success"], true);
}

#[tokio::test]
async fn rules_are_set_as_lines_or_as_json() {
    let fixture = start(&["code=390195,times=1,on=login", "reset,on=chunk"]).await;
    let refused = fixture
        .try_login(json!({ "LOGIN_NAME": "ann", "PASSWORD": "x" }))
        .await;
    assert_eq!(refused["code"], "390195");
    let listed = control(&fixture, Method::GET, "").await.json();
    assert_eq!(
        listed["data"],
        json!({ "seed": 1, "faults": [
            { "rule": "code=390195,times=1,on=login", "matched": 1, "fired": 1, "spent": true },
            { "rule": "reset,on=chunk", "matched": 0, "fired": 0, "spent": false },
        ] })
    );
    set(&fixture, "# two rules\n\n  reset,on=chunk\nstall,on=abort\r\n").await;
    assert_eq!(counts(&fixture).await, [(0, 0); 2]);
    set(&fixture, r#" ["status=429,on=query"] "#).await;
    assert_eq!(counts(&fixture).await, [(0, 0)]);
    for wrong in ["reset\nrset", "[1]", "\u{0}"] {
        let answer = control(&fixture, Method::PUT, wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let answer = control(&fixture, Method::PUT, "reset\nrset").await.json();
    assert_eq!(
        answer["message"],
        "fault rule \"rset\": \"rset\" is not a key; did you mean reset?"
    );
    assert_eq!(counts(&fixture).await, [(0, 0)], "a mistake changes nothing");
    assert_eq!(
        control(&fixture, Method::POST, "reset").await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    control(&fixture, Method::DELETE, "").await;
    assert_eq!(counts(&fixture).await, []);
}

#[tokio::test]
async fn rules_end_with_their_time() {
    let fixture = start(&["code=000001,on=query,for=10s"]).await;
    let login = fixture.login().await;
    assert_eq!(login.query("select 1").await["code"], "000001");
    fixture.skip(std::time::Duration::from_secs(10));
    assert_eq!(login.query("select 1").await["success"], true);
}

#[tokio::test]
async fn without_faults_there_is_nothing_to_control() {
    let fixture = Fixture::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(
            control(&fixture, method, "reset").await.status,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn a_stalled_client_that_hangs_up_is_forgotten() {
    // With one place for connections, a stalled one that stayed would let nobody else in.
    let faults = Faults::new(
        1,
        vec![Rule::parse("stall,times=2").unwrap()],
        std::time::Instant::now(),
    );
    let shared = Arc::clone(&faults);
    let fixture = Fixture::with(
        |settings| {
            settings.connections_max = 1;
            settings.faults = Some(shared);
        },
        Accounts::Anyone,
    )
    .await;
    let login = Login {
        address: fixture.address,
        token: "none".to_owned(),
        master: "none".to_owned(),
        data: Value::Null,
    };
    for fired in 1..=2 {
        let stream = ask(&login, "select 1", "r").await;
        eventually("it stalls", async || {
            faults.report(std::time::Instant::now())[0].fired == fired
        })
        .await;
        drop(stream);
    }
    fixture.login().await;
}
