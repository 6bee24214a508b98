//! An emulator's life from outside: started, asked, copied, killed, emptied, put back, by its own commands.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "life/under_writers.rs"]
mod under_writers;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

/// A data folder; whatever serves it ends with it.
struct Folder(TempDir);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = self.run(&["stop"]);
    }
}

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_snowflake-emulator"))
            .env_clear()
            .env("HOME", self.0.path())
            .env("TMPDIR", self.0.path())
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .output()
            .unwrap()
    }

    /// What a command that must succeed prints.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The exit code and the words of a command that must fail.
    fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert_eq!(output.stdout, b"", "{arguments:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), stderr)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }

    fn start(&self) -> Client {
        let told = self.json(&["start", "--listen", "127.0.0.1:0", "--fault-control"]);
        Client::log_in(told["address"].as_str().unwrap())
    }

    fn status(&self) -> Value {
        self.json(&["status", "--json"])
    }

    /// Kills what serves the folder, as power that fails does.
    fn kill(&self) {
        let pid = self.status()["pid"].as_i64().unwrap();
        let process = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        kill_process(process, Signal::KILL).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while self.status()["state"] != "stopped" {
            assert!(Instant::now() < deadline, "it still has the folder");
        }
    }
}

#[derive(Clone)]
struct Client {
    address: String,
    token: String,
}

impl Client {
    fn log_in(address: &str) -> Self {
        let mut client = Self {
            address: address.to_owned(),
            token: "None".to_owned(),
        };
        let data = json!({ "data": { "LOGIN_NAME": "ann", "PASSWORD": "x" } });
        let answer = client.post("/session/v1/login-request", &data).unwrap();
        answer["data"]["token"]
            .as_str()
            .unwrap()
            .clone_into(&mut client.token);
        client
    }

    /// None when the connection breaks.
    fn post(&self, path: &str, body: &Value) -> Option<Value> {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).ok()?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Snowflake Token=\"{}\"\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    fn ask(&self, sql: &str) -> Option<Value> {
        self.post("/queries/v1/query-request", &json!({ "sqlText": sql }))
    }

    fn run(&self, sql: &str) -> Value {
        let answer = self.ask(sql).unwrap();
        assert_eq!(answer["success"], true, "{sql}: {answer}");
        answer["data"]["rowset"].clone()
    }

    fn number(&self, sql: &str) -> i64 {
        self.run(sql)[0][0].as_str().unwrap().parse().unwrap()
    }
}

#[test]
fn it_is_started_found_and_stopped() {
    let folder = Folder::new();
    assert_eq!(folder.status()["state"], "stopped");
    let client = folder.start();
    assert_eq!(client.run("select 1"), json!([["1"]]));
    let status = folder.status();
    assert_eq!(status["state"], "running");
    assert_eq!(status["address"], client.address.as_str());
    assert_eq!(status["supervised"], false);
    assert!(
        folder.done(&["status"]).contains(&client.address),
        "people read it too"
    );
    let again = folder.json(&["start", "--listen", "127.0.0.1:0"]);
    assert_eq!(again["pid"], status["pid"], "there is one already");
    let (code, stderr) = folder.refused(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("another emulator is running on it"), "{stderr}");
    assert!(folder.done(&["logs", "-n", "5"]).contains(&client.address));
    folder.done(&["stop"]);
    assert_eq!(folder.status()["state"], "stopped");
    folder.done(&["stop"]);
    let (code, stderr) = folder.refused(&["start", "--memory", "0"]);
    assert_eq!(code, 2, "{stderr}");
    let (code, stderr) = folder.refused(&["start", "--listen", "192.0.2.1:1", "--allow-remote"]);
    assert_ne!(code, 0, "{stderr}");
}

#[test]
fn one_that_does_not_start_says_why() {
    let folder = Folder::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stderr) = folder.refused(&["start", "--listen", &address]);
    assert_eq!(code, 3);
    assert!(stderr.contains("failed to listen on"), "{stderr}");
}

/// Two rows in each transaction: whoever finds one without the other has found half of one.
#[test]
fn what_was_committed_outlives_a_kill_and_nothing_else_does() {
    let folder = Folder::new();
    let client = folder.start();
    client.run("create database d");
    client.run("create table t (writer int, n int)");
    client.run("create table filling (a int)");
    client.run("begin");
    client.run("insert into t values (99, 0)");
    let writers: Vec<_> = (0..3)
        .map(|writer| {
            let client = Client::log_in(&client.address);
            thread::spawn(move || {
                client.run("use schema d.public");
                let mut confirmed = 0;
                for n in 1.. {
                    let insert =
                        format!("insert into t select {writer}, {n} from table(generator(rowcount => 2))");
                    match client.ask(&insert) {
                        Some(answer) if answer["success"] == true => confirmed = n,
                        _ => break,
                    }
                }
                confirmed
            })
        })
        .collect();
    let reader = Client::log_in(&client.address);
    reader.run("use schema d.public");
    let deadline = Instant::now() + PATIENCE;
    while reader.number("select count(distinct n) from t") < 20 {
        assert!(Instant::now() < deadline, "nobody writes");
    }
    // A long statement is under way, too.
    let large = Client::log_in(&client.address);
    let filler = thread::spawn(move || {
        large.run("use schema d.public");
        large.ask("insert into filling select seq4() from table(generator(rowcount => 1000000000))")
    });
    folder.kill();
    let confirmed: Vec<i64> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    assert_eq!(filler.join().unwrap(), None);

    let client = folder.start();
    client.run("use schema d.public");
    assert_eq!(
        client.number("select count(*) from t where writer = 99"),
        0,
        "never committed"
    );
    assert_eq!(client.number("select count(*) from filling"), 0, "never ended");
    let halves = "select count(*) from (select writer, n from t group by writer, n having count(*) <> 2)";
    assert_eq!(client.number(halves), 0);
    for (writer, confirmed) in confirmed.into_iter().enumerate() {
        let found = client.number(&format!(
            "select count(distinct n) from t where writer = {writer}"
        ));
        // One more may have been committed whose answer was lost.
        assert!(
            (confirmed..=confirmed + 1).contains(&found),
            "{writer}: {found} of {confirmed}"
        );
    }
}

#[test]
fn a_snapshot_is_taken_while_others_write_and_is_one_state() {
    let folder = Folder::new();
    let (code, stderr) = folder.refused(&["snapshot", "create", "early"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no database"), "{stderr}");
    let client = folder.start();
    client.run("create database d");
    client.run("create table t (n int, pad varchar)");
    client.run("create table pairs (n int)");
    client.run("create stage files");
    client.run("copy into @files/one.csv from (select 1) single = true");
    let writer = {
        let client = Client::log_in(&client.address);
        thread::spawn(move || {
            client.run("use schema d.public");
            let mut written = 0;
            // Until the emulator is stopped under it.
            while let Some(answer) = client
                .ask("insert into t select seq4(), repeat('x', 1000) from table(generator(rowcount => 1000))")
            {
                if answer["success"] != true {
                    break;
                }
                written += 1;
            }
            written
        })
    };
    let deadline = Instant::now() + PATIENCE;
    while client.number("select count(*) from t") < 3000 {
        assert!(Instant::now() < deadline, "nobody writes");
    }
    let taken: Vec<String> = (0..3)
        .map(|number| {
            let name = format!("s{number}");
            folder.done(&["snapshot", "create", &name]);
            name
        })
        .collect();
    let (code, stderr) = folder.refused(&["snapshot", "create", "s0"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("already"), "{stderr}");
    assert_eq!(
        folder
            .json(&["snapshot", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        3
    );
    client.run("remove @files");
    client.run("drop table pairs");

    let (code, stderr) = folder.refused(&["restore", "s0"]);
    assert_eq!(code, 3);
    assert!(stderr.contains("--restart"), "{stderr}");
    assert_eq!(folder.refused(&["restore", "none", "--restart"]).0, 2);
    let mut before = 3000;
    for name in &taken {
        folder.done(&["restore", name, "--restart"]);
        assert_eq!(
            client.ask("select 1").unwrap()["success"],
            false,
            "its session has ended"
        );
        // The address is that of before.
        let client = Client::log_in(&client.address);
        client.run("use schema d.public");
        let rows = client.number("select count(*) from t");
        assert_eq!(rows % 1000, 0, "half of a statement");
        assert!(
            rows >= before,
            "{rows} are less than an earlier snapshot's {before}"
        );
        before = rows;
        assert_eq!(client.number("select count(*) from pairs"), 0);
        assert_eq!(client.run("select $1 from @files"), json!([["1"]]));
        client.run("remove @files");
    }
    assert!(writer.join().unwrap() >= 3);
    folder.done(&["snapshot", "delete", "s1"]);
    assert_eq!(folder.refused(&["snapshot", "delete", "s1"]).0, 2);
    assert_eq!(
        folder
            .json(&["snapshot", "list", "--json"])
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_reset_leaves_nothing_but_snapshots() {
    let folder = Folder::new();
    let client = folder.start();
    client.run("create database d");
    folder.done(&["snapshot", "create", "full"]);
    assert_eq!(folder.refused(&["reset"]).0, 3);
    folder.done(&["reset", "--restart"]);
    let client = Client::log_in(&client.address);
    assert_eq!(client.ask("use database d").unwrap()["success"], false);
    folder.done(&["stop"]);
    folder.done(&["restore", "full"]);
    folder.start().run("use database d");
    assert!(Path::new(&folder.data().join("serving.json")).exists());
}

#[test]
fn faults_come_and_go_by_command() {
    let folder = Folder::new();
    assert_eq!(folder.refused(&["fault", "list"]).0, 3, "nobody is there");
    let client = folder.start();
    folder.done(&["fault", "add", "warehouse-suspended,on=query,times=1"]);
    folder.done(&[
        "fault",
        "add",
        "expire-token,on=query,times=1",
        "status=429,on=query,times=1",
    ]);
    assert_eq!(client.ask("select 1").unwrap()["code"], "000606");
    let listed = folder.json(&["fault", "list", "--json"]);
    assert_eq!(listed[0]["fired"], 1);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!(client.ask("select 1").unwrap()["code"], "390112");
    let (code, stderr) = folder.refused(&["fault", "add", "rest"]);
    assert_eq!(code, 3);
    assert!(stderr.contains("did you mean reset?"), "{stderr}");
    folder.done(&["fault", "clear"]);
    assert_eq!(client.run("select 1"), json!([["1"]]));
    assert_eq!(folder.json(&["fault", "list", "--json"]), json!([]));
}
