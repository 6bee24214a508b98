//! The program itself: how it starts, says so, stops, and refuses.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

struct Emulator {
    child: Child,
    address: SocketAddr,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_snowflake-emulator"));
    command
        .env_clear()
        .env("HOME", home)
        .env("TMPDIR", home)
        .arg("serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Emulator {
    fn start(home: &Path, arguments: &[&str]) -> Self {
        let ready = home.join("ready.json");
        let mut child = program(home)
            .args(["--listen", "127.0.0.1:0", "--ready-file"])
            .arg(&ready)
            .args(arguments)
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break text;
            }
            assert!(child.try_wait().unwrap().is_none(), "ended before it was ready");
            assert!(Instant::now() < deadline, "never ready");
            std::thread::yield_now();
        };
        let told: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["pid"], child.id());
        std::fs::remove_file(ready).unwrap();
        Self {
            child,
            address: told["address"].as_str().unwrap().parse().unwrap(),
        }
    }

    /// Sends a request and gives the answer's JSON.
    fn post(&self, path: &str, token: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Snowflake Token=\"{token}\"\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    fn login(&self) -> String {
        let data = json!({ "data": { "LOGIN_NAME": "ann", "PASSWORD": "x" } });
        let answer = self.post("/session/v1/login-request", "None", &data);
        answer["data"]["token"].as_str().unwrap().to_owned()
    }

    fn query(&self, token: &str, sql: &str) -> Value {
        let answer = self.post(
            "/queries/v1/query-request?requestId=",
            token,
            &json!({ "sqlText": sql }),
        );
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"]["rowset"].clone()
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// The exit code, once it has ended by itself.
    fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "never ended");
            std::thread::yield_now();
        }
    }
}

fn refused(home: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = program(home).args(arguments).output().unwrap();
    assert_eq!(stdout, b"");
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    let mut emulator = Emulator::start(home.path(), &arguments);
    let token = emulator.login();
    for sql in [
        "create database d",
        "create table d.public.t (a int)",
        "insert into d.public.t values (7)",
    ] {
        emulator.query(&token, sql);
    }
    emulator.signal(Signal::TERM);
    assert_eq!(emulator.ended(), Some(0));
    let mut stderr = String::new();
    emulator
        .child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    let announced = format!(
        "listening on http://{}, data in {}",
        emulator.address,
        data.display()
    );
    assert!(stderr.contains(&announced), "{stderr}");

    let mut emulator = Emulator::start(home.path(), &arguments);
    let token = emulator.login();
    assert_eq!(emulator.query(&token, "select a from d.public.t"), json!([["7"]]));
    let (code, stderr) = refused(
        home.path(),
        &["--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()],
    );
    assert_eq!(code, Some(3), "{stderr}");
    assert!(stderr.contains("another emulator"), "{stderr}");
    emulator.signal(Signal::INT);
    assert_eq!(emulator.ended(), Some(0));
}

#[test]
fn the_end_of_standard_input_is_the_end_if_asked_for() {
    let home = TempDir::new().unwrap();
    let mut emulator = Emulator::start(home.path(), &["--in-memory", "--stop-with-stdin"]);
    let token = emulator.login();
    assert_eq!(emulator.query(&token, "select 1"), json!([["1"]]));
    drop(emulator.child.stdin.take());
    assert_eq!(emulator.ended(), Some(0));
}

#[test]
fn faults_are_given_on_the_command_line() {
    let home = TempDir::new().unwrap();
    let rule = "code=390112,on=query,sql~=\"a, b\",times=1";
    let emulator = Emulator::start(home.path(), &["--fault", rule, "--fault-seed", "7"]);
    let token = emulator.login();
    let ask = || {
        emulator.post(
            "/queries/v1/query-request",
            &token,
            &json!({ "sqlText": "select 1 a, b" }),
        )
    };
    assert_eq!(ask()["code"], "390112");
    assert_eq!(ask()["code"], "000904");
    let (code, stderr) = refused(home.path(), &["--fault", "status=503,tmies=1"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("did you mean times?"), "{stderr}");
}

#[test]
fn what_cannot_be_served_is_said_with_its_code() {
    let home = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stderr) = refused(home.path(), &["--listen", &address]);
    assert_eq!(code, Some(3));
    assert!(stderr.contains(&address), "{stderr}");
    let (code, stderr) = refused(home.path(), &["--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--allow-remote"), "{stderr}");
    for wrong in [
        ["--listen", "nowhere"],
        ["--session-token-seconds", "0"],
        ["--log", "x=y=z"],
    ] {
        assert_eq!(refused(home.path(), &wrong).0, Some(2), "{wrong:?}");
    }
}
