//! The emulator as a server of its own, as a test suite or another client would run it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::stage::Stage;
use crate::wait::until;

/// Longest wait for a server to listen.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// A running server of the connector protocol; dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// TCP port on 127.0.0.1.
    pub port: u16,
}

impl Server {
    /// Starts a program that says on stdout or stderr where on 127.0.0.1 it listens.
    pub fn start(stage: &Stage, name: &str, mut command: std::process::Command) -> Self {
        let path = stage.path(format!("{name}.log"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .expect("the home is writable");
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("an open file"))
            .stderr(log);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("start {name}: {error}"));
        let port = until(&format!("{name} to listen"), START_DEADLINE, || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            if let Ok(Some(status)) = child.try_wait() {
                panic!("{name} ended with {status}:\n{text}");
            }
            announced_port(&text)
        });
        Self { child, port }
    }

    /// A connection of `connections.toml` that leads here.
    pub fn connection(&self, name: &str, more: &str) -> String {
        format!(
            "[{name}]\naccount = \"local\"\nuser = \"tester\"\npassword = \"secret\"\nhost = \"127.0.0.1\"\nport = {}\n\
             protocol = \"http\"\n{more}\n",
            self.port
        )
    }
}

/// What a server of this project answers besides the protocol.
impl Server {
    /// Replaces its faults; see `docs/emulator.md`.
    pub fn faults(&self, rules: &str) {
        self.http("PUT", "/faults", rules);
    }

    /// Its faults with their counts, as JSON.
    pub fn faults_now(&self) -> String {
        self.http("GET", "/faults", "")
    }

    /// How it is, as JSON.
    pub fn health(&self) -> String {
        self.http("GET", "/health", "")
    }

    fn http(&self, method: &str, path: &str, body: &str) -> String {
        let answer = (|| {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(START_DEADLINE))?;
            write!(
                stream,
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            std::io::Result::Ok(answer)
        })();
        let answer = answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        body.to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the emulator in memory on a free port, with further arguments.
pub fn start(stage: &Stage, arguments: &[&str]) -> Server {
    let mut command = stage.program(
        "snowflake-emulator",
        &["serve", "--listen", "127.0.0.1:0", "--in-memory"],
    );
    command.args(arguments);
    Server::start(stage, "snowflake-emulator", command)
}

fn announced_port(log: &str) -> Option<u16> {
    // Only whole lines: half a number is a number too.
    let whole = &log[..=log.rfind('\n')?];
    let (_, rest) = whole.split_once("127.0.0.1:")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_read_from_whole_lines() {
        assert_eq!(announced_port("listening on 127.0.0.1:8085\n"), Some(8085));
        assert_eq!(
            announced_port("INFO http://127.0.0.1:8085 (Press CTRL+C to quit)\nmore"),
            Some(8085)
        );
        assert_eq!(announced_port("listening on 127.0.0.1:80"), None);
        assert_eq!(announced_port("starting\n"), None);
    }
}
