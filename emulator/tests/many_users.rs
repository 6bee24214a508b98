//! Many users at once: nothing is lost, nobody sees another's, nobody starves another.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(3);

struct Emulator {
    home: TempDir,
    child: Child,
    address: String,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Emulator {
    fn start(limits: &str, arguments: &[&str]) -> Self {
        let home = TempDir::new().unwrap();
        let (config, ready) = (home.path().join("emulator.toml"), home.path().join("ready.json"));
        std::fs::write(&config, limits).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_snowflake-emulator"))
            .env_clear()
            .env("TMPDIR", home.path())
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics",
                "--log",
                "warn",
                "--ready-file",
            ])
            .arg(&ready)
            .arg("--config")
            .arg(&config)
            .args(arguments)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + PATIENCE;
        let text = loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                break text;
            }
            assert!(child.try_wait().unwrap().is_none(), "ended before it was ready");
            assert!(Instant::now() < deadline, "never ready");
            thread::sleep(Duration::from_millis(1));
        };
        let told: Value = serde_json::from_str(&text).unwrap();
        let address = told["address"].as_str().unwrap().to_owned();
        Self { home, child, address }
    }

    fn user(&self, name: &str) -> User {
        let mut user = User {
            address: self.address.clone(),
            token: "None".to_owned(),
        };
        let login = json!({ "data": { "LOGIN_NAME": name, "PASSWORD": "x" } });
        let answer = user.request("POST", "/session/v1/login-request", &login);
        let token = answer["data"]["token"].as_str();
        token
            .unwrap_or_else(|| panic!("{answer}"))
            .clone_into(&mut user.token);
        user
    }

    /// Bytes of memory that the emulator has used at most.
    fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }
}

#[derive(Clone)]
struct User {
    address: String,
    token: String,
}

impl User {
    fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Snowflake Token=\"{}\"\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    /// Submits a statement that nobody waits for, and gives its query id.
    fn submit(&self, sql: &str) -> String {
        let body = json!({ "sqlText": sql, "asyncExec": true });
        let answer = self.request("POST", "/queries/v1/query-request", &body);
        assert_eq!(answer["code"], "333334", "{answer}");
        answer["data"]["queryId"].as_str().unwrap().to_owned()
    }

    fn run(&self, sql: &str) -> Value {
        let answer = self.request("POST", "/queries/v1/query-request", &json!({ "sqlText": sql }));
        assert_eq!(answer["success"], true, "{sql}: {answer}");
        answer["data"].clone()
    }

    fn state(&self, query: &str) -> String {
        let answer = self.request("GET", &format!("/monitoring/queries/{query}"), &json!({}));
        let told = &answer["data"]["queries"][0]["status"];
        told.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The result of a statement, once it has ended.
    fn result(&self, query: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.request("GET", &format!("/queries/{query}/result"), &json!({}));
            if answer["success"] == true && answer["data"]["rowset"].is_array() {
                return answer["data"].clone();
            }
            assert!(
                ["333333", "333334"].iter().any(|code| answer["code"] == *code),
                "lost or failed: {answer}"
            );
            assert!(Instant::now() < deadline, "it never ends");
        }
    }
}

/// Each user has 20 statements: some that run at once, some that wait for their turn, some whose large results are held
/// until they are read at the end.
#[test]
fn fifty_users_have_a_thousand_statements_and_none_is_lost() {
    const USERS: usize = 50;
    const EACH: usize = 20;
    let emulator = Emulator::start(
        "[limits]\nstatements_running = 8\nmemory_mib = 512\nresult_memory_mib = 16\nresult_inline_mib = 400\n",
        &[],
    );
    let submitted: Vec<_> = (0..USERS)
        .map(|number| {
            let user = emulator.user(&format!("u{number}"));
            thread::spawn(move || {
                user.run(&format!("set who = {number}"));
                let queries: Vec<String> = (0..EACH)
                    .map(|statement| {
                        user.submit(&match statement % 4 {
                            // Held for reading: several chunks.
                            0 => format!("select $who, {statement}, seq4(), repeat('x', 100) from table(generator(rowcount => 15000))"),
                            1 => format!("select $who, {statement}, count(*), 1 from table(generator(rowcount => 300000))"),
                            2 => format!("select $who, {statement}, current_user(), 1"),
                            _ => format!("select $who, {statement}, sum(seq8()), 1 from table(generator(rowcount => 100000))"),
                        })
                    })
                    .collect();
                (user, queries)
            })
        })
        .collect();
    let users: Vec<(User, Vec<String>)> = submitted
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    // Another user's statement is none.
    let foreign = users[0]
        .0
        .request("GET", &format!("/queries/{}/result", users[1].1[2]), &json!({}));
    assert_eq!(foreign["success"], false, "{foreign}");
    let readers: Vec<_> = users
        .into_iter()
        .enumerate()
        .map(|(number, (user, queries))| {
            thread::spawn(move || {
                for (statement, query) in queries.iter().enumerate() {
                    let data = user.result(query);
                    let first = &data["rowset"][0];
                    assert_eq!(first[0], number.to_string(), "another user's row");
                    assert_eq!(first[1], statement.to_string());
                    match statement % 4 {
                        0 => {
                            assert_eq!(data["total"], 15000);
                            assert!(data["chunks"].as_array().is_some_and(|chunks| !chunks.is_empty()));
                        }
                        1 => assert_eq!(first[2], "300000"),
                        2 => assert_eq!(first[2], format!("U{number}")),
                        _ => assert_eq!(first[2], "4999950000"),
                    }
                }
            })
        })
        .collect();
    for reader in readers {
        reader.join().unwrap();
    }
    // 250 results are held, with up to a megabyte each inline and 16 MiB of the rest in memory; with the engine's own
    // half a gigabyte, a stack for each thread and the program itself that stays below this.
    let peak = emulator.peak_memory();
    assert!(peak < 1200 * 1024 * 1024, "{peak} bytes");
    assert!(emulator.home.path().exists());
}

#[test]
fn one_users_many_statements_do_not_starve_another_users_one() {
    let emulator = Emulator::start("[limits]\nstatements_running = 1\n", &[]);
    let (busy, modest) = (emulator.user("busy"), emulator.user("modest"));
    let heavy = "select count(*) from table(generator(rowcount => 300000)) where seq8() % 7 = 3";
    let many: Vec<String> = (0..100).map(|_| busy.submit(heavy)).collect();
    let deadline = Instant::now() + PATIENCE;
    while !many.iter().any(|query| busy.state(query) == "QUEUED") {
        assert!(Instant::now() < deadline, "nothing waits for its turn");
    }
    let waiting = |queries: &[String]| {
        queries
            .iter()
            .filter(|query| busy.state(query) == "QUEUED")
            .count()
    };
    let before = waiting(&many);
    modest.run("select count(*) from table(generator(rowcount => 10))");
    let after = waiting(&many);
    assert!(after > 0, "it came after all {before} others");
    // What waits can be stopped, and leaves the others alone.
    let last = many.last().unwrap();
    let stop = json!({ "sqlText": format!("select system$cancel_query('{last}')") });
    assert_eq!(
        busy.request("POST", "/queries/v1/query-request", &stop)["success"],
        true
    );
    for query in &many[..many.len() - 1] {
        assert_eq!(busy.result(query)["rowset"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn results_beyond_their_limits_are_refused_by_name() {
    let emulator = Emulator::start("[limits]\nresult_memory_mib = 1\nresult_disk_mib = 8\n", &[]);
    let user = emulator.user("u");
    let large = "select seq8(), repeat('x', 1000) from table(generator(rowcount => 40000))";
    let answer = user.request("POST", "/queries/v1/query-request", &json!({ "sqlText": large }));
    assert_eq!(answer["success"], false, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("result"), "{message}");
    user.run("select 1");
}

#[test]
fn an_open_transaction_is_not_kept_waiting_by_those_that_wait_for_it() {
    let emulator = Emulator::start("[limits]\nstatements_running = 1\n", &[]);
    let owner = emulator.user("owner");
    owner.run("create database d");
    owner.run("create table t (n int)");
    owner.run("insert into t values (0)");
    owner.run("begin");
    owner.run("update t set n = n + 1");
    let waiters: Vec<_> = (0..5)
        .map(|number| {
            let user = emulator.user(&format!("w{number}"));
            (user.submit("update d.public.t set n = n + 1"), user)
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while !waiters.iter().all(|(query, user)| user.state(query) == "BLOCKED") {
        assert!(Instant::now() < deadline, "they do not wait for the lock");
    }
    // Nobody has the one turn while he waits.
    emulator.user("other").run("select count(*) from d.public.t");
    owner.run("update t set n = n + 1");
    owner.run("commit");
    for (query, user) in &waiters {
        user.result(query);
    }
    assert_eq!(owner.run("select n from t")["rowset"], json!([["7"]]));
}
