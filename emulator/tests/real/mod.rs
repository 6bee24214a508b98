//! The emulator's program as it is shipped, and plain HTTP to it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// A running emulator; its end is the value's.
pub(crate) struct Emulator {
    pub(crate) home: TempDir,
    child: Child,
    pub(crate) address: String,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An HTTP answer, read to its end and unpacked.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads what came on a connection until it was closed; nothing when that is no HTTP answer.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let mut body = bytes[end + 4..].to_vec();
        if head.to_ascii_lowercase().contains("content-encoding: gzip") {
            let mut unpacked = Vec::new();
            GzDecoder::new(body.as_slice()).read_to_end(&mut unpacked).ok()?;
            body = unpacked;
        }
        Some(Self { status, head, body })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Emulator {
    /// Starts one with a configuration file of this text.
    pub(crate) fn start(config: &str, arguments: &[&str]) -> Self {
        let home = TempDir::new().unwrap();
        let (file, ready) = (home.path().join("emulator.toml"), home.path().join("ready.json"));
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_snowflake-emulator"))
            .env_clear()
            .env("TMPDIR", home.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics", "--log", "warn"])
            .arg("--ready-file")
            .arg(&ready)
            .arg("--config")
            .arg(&file)
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

    /// Logs in.
    pub(crate) fn user(&self, name: &str) -> User {
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
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    /// Sends a request on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        send(&self.address, method, path, headers, body)
    }
}

/// Sends a request on a connection of its own; `headers` are whole lines.
pub(crate) fn send(address: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    Answer::parse(&answer).unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&answer)))
}

/// A logged-in user.
#[derive(Clone)]
pub(crate) struct User {
    address: String,
    pub(crate) token: String,
}

impl User {
    pub(crate) fn request(&self, method: &str, path: &str, body: &Value) -> Value {
        let headers = format!("Authorization: Snowflake Token=\"{}\"\r\n", self.token);
        send(&self.address, method, path, &headers, body.to_string().as_bytes()).json()
    }

    /// Submits a statement that nobody waits for, and gives its query id.
    pub(crate) fn submit(&self, sql: &str) -> String {
        let body = json!({ "sqlText": sql, "asyncExec": true });
        let answer = self.request("POST", "/queries/v1/query-request", &body);
        assert_eq!(answer["code"], "333334", "{answer}");
        answer["data"]["queryId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn run(&self, sql: &str) -> Value {
        let answer = self.request("POST", "/queries/v1/query-request", &json!({ "sqlText": sql }));
        assert_eq!(answer["success"], true, "{sql}: {answer}");
        answer["data"].clone()
    }

    pub(crate) fn state(&self, query: &str) -> String {
        let answer = self.request("GET", &format!("/monitoring/queries/{query}"), &json!({}));
        let told = &answer["data"]["queries"][0]["status"];
        told.as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The result of a statement, once it has ended.
    pub(crate) fn result(&self, query: &str) -> Value {
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

    /// All rows of a result, those in chunks too.
    pub(crate) fn rows(&self, data: &Value) -> Vec<Value> {
        let mut rows = data["rowset"].as_array().unwrap().clone();
        for chunk in data["chunks"].as_array().into_iter().flatten() {
            let url = chunk["url"].as_str().unwrap();
            let answer = send(
                &self.address,
                "GET",
                &url[url.find("/results/").unwrap()..],
                "",
                b"",
            );
            assert_eq!(answer.status, 200, "{}", answer.head);
            let bracketed = [b"[", answer.body.as_slice(), b"]"].concat();
            rows.extend(serde_json::from_slice::<Vec<Value>>(&bracketed).unwrap());
        }
        rows
    }
}
