//! Faults of a running emulator, by its endpoint `/faults`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::process::look;
use super::{LifeError, note, print};
use crate::config::{FaultTarget, FaultVerb};
use crate::folder::DataFolder;

/// Longest wait for an answer.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer: a thousand rules of some length.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// `fault`: adds, lists and removes rules.
pub fn fault(verb: &FaultVerb) -> Result<(), LifeError> {
    match verb {
        FaultVerb::Add { rules, target } => ask(target, "PATCH", &json!(rules).to_string()).map(drop),
        FaultVerb::Clear { target } => ask(target, "DELETE", "").map(drop),
        FaultVerb::List { target, json } => {
            let rules = &ask(target, "GET", "")?["data"]["faults"];
            if rules.as_array().is_some_and(Vec::is_empty) {
                note("there are no rules");
            }
            print(rules, *json)
        }
    }
}

fn ask(target: &FaultTarget, method: &str, body: &str) -> Result<Value, LifeError> {
    let address = match (&target.data, target.address) {
        (Some(data), _) => serving(data)?,
        (None, Some(address)) => address,
        (None, None) => {
            return Err(LifeError::Control(
                "neither --data nor --address is given".to_owned(),
            ));
        }
    };
    let (status, body) = exchange(address, method, body)
        .map_err(|error| LifeError::Control(format!("the emulator at {address} cannot be asked: {error}")))?;
    let answer: Value = serde_json::from_str(&body).unwrap_or_default();
    match status {
        200 if answer["data"]["faults"].is_array() => Ok(answer),
        200 | 404 => Err(LifeError::Control(format!(
            "the emulator at {address} makes no faults; start it with --fault-control, or set `emulator.fault_control` and \
             restart the service if it is the service's own"
        ))),
        _ => {
            let said = answer["message"].as_str().unwrap_or(&body);
            Err(LifeError::Control(format!(
                "the emulator at {address} refuses: {said}"
            )))
        }
    }
}

fn serving(data: &Path) -> Result<SocketAddr, LifeError> {
    let serving = look(&DataFolder::new(data))?.ok_or_else(|| LifeError::NotServing(data.to_owned()))?;
    if serving.scheme != "http" {
        return Err(LifeError::Control(format!(
            "the emulator at {} speaks TLS; send the request to {}://{}/faults with a client that trusts its certificate",
            serving.address, serving.scheme, serving.address
        )));
    }
    Ok(serving.address)
}

/// One request on a connection of its own. Gives the answer's status and body.
fn exchange(address: SocketAddr, method: &str, body: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WAIT_MAX)?;
    stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
    stream.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
    write!(
        stream,
        "{method} /faults HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    let unreadable = || std::io::Error::other("what answers there is no emulator");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(unreadable)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(unreadable)?, body.to_owned()))
}
