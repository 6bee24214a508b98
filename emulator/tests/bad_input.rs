//! Bad input to the shipped program, over both protocols: each gets Snowflake's kind of answer or the end of its
//! connection, nothing crashes, and memory stays within what is configured however often and however many at once.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

#[path = "bad_input/cases.rs"]
mod cases;
#[expect(dead_code, reason = "other tests use more of it")]
mod real;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::thread;

use cases::Outcome::{Answer as Answers, Ends};
use cases::{Case, Protocol, STATEMENTS, SUBMIT, Then, common, of_api, of_connector};
use real::{Answer, Emulator, PATIENCE};
use serde_json::{Value, json};

/// How the emulator is configured. Its bodies take at most 64 MiB as sent, and as much unpacked.
const CONFIG: &str = "[limits]\nbody_mib = 32\nbodies_mib = 128\nbody_seconds = 5\nmemory_mib = 256\n\
                      [[users]]\nname = \"ann\"\npassword = \"x\"\ntokens = [\"of-ann\"]\n\
                      [[users]]\nname = \"bob\"\npassword = \"x\"\ntokens = [\"of-bob\"]\n";

/// What all the bad input may add to the memory of an emulator that has answered usual requests: its bodies, twice
/// where a buffer grows by doubling, what is made of those that can be read, and what the allocator keeps of it.
const GROWTH_MAX: u64 = 448 * 1024 * 1024;

/// How often each case is sent, by so many clients at once; what takes its time, once by each.
const ROUNDS: usize = 4;
const CLIENTS: usize = 3;
/// Requests from this size on take their time.
const LARGE_BYTES: usize = 1 << 20;

/// Sends a case; tells what is wrong with what came of it.
fn send(address: &str, case: &Case) -> Result<(), String> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    // A server that has read enough may close while the rest is on its way.
    let _ = stream.write_all(&case.request);
    if case.then == Then::HalfCloses {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    if let Err(error) = read
        && error.kind() == std::io::ErrorKind::WouldBlock
    {
        return Err("neither answered nor ended".to_owned());
    }
    let answer = Answer::parse(&bytes);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into_owned();
    match (case.outcome, answer) {
        (Ends, None) => Ok(()),
        (Ends, Some(answer)) if answer.status < 500 => Ok(()),
        (Answers(status, code), Some(answer)) if answer.status == status => {
            let text = String::from_utf8_lossy(&answer.body);
            let told = code.is_empty()
                || serde_json::from_slice::<Value>(&answer.body).is_ok_and(|json| json["code"] == code);
            if !told || answer.head.contains("X-Injected") || text.contains("panicked") {
                return Err(shown);
            }
            Ok(())
        }
        _ => Err(shown),
    }
}

#[test]
fn bad_input_is_answered_and_takes_no_memory() {
    let emulator = Emulator::start(CONFIG, &[]);
    let (ann, bob) = (emulator.user("ann"), emulator.user("bob"));
    let query = ann.submit("select 1");
    ann.result(&query);
    let token = |token: &str| format!("Authorization: Snowflake Token=\"{token}\"\r\n");
    let connector = Protocol {
        ann: token(&ann.token),
        bob: token(&bob.token),
        path: SUBMIT,
        good: json!({ "sqlText": "select 1" }),
        statement: "sqlText",
        json: "Content-Type: application/json\r\n",
    };
    let bearer = |user: &str| {
        format!("Authorization: Bearer of-{user}\r\nAccept: application/json\r\nUser-Agent: tests/1\r\n")
    };
    let api = Protocol {
        ann: bearer("ann"),
        bob: bearer("bob"),
        path: STATEMENTS,
        good: json!({ "statement": "select 1" }),
        statement: "statement",
        json: "Content-Type: application/json\r\n",
    };
    let cases: Vec<(&str, Case)> = [
        ("connector", common(&connector)),
        ("connector", of_connector(&connector, &query)),
        ("SQL API", common(&api)),
        ("SQL API", of_api(&api, &query)),
    ]
    .into_iter()
    .flat_map(|(name, cases)| cases.into_iter().map(move |case| (name, case)))
    .collect();
    let before = emulator.peak_memory();
    let wrong: BTreeMap<String, String> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (cases, address) = (&cases, &emulator.address);
                scope.spawn(move || {
                    let mut wrong = BTreeMap::new();
                    for number in 0..cases.len() * ROUNDS {
                        // Each begins elsewhere, so that different cases meet.
                        let (protocol, case) =
                            &cases[(number + client * cases.len() / CLIENTS) % cases.len()];
                        let takes_time =
                            case.request.len() >= LARGE_BYTES || matches!(case.outcome, Answers(408, _));
                        if takes_time && number >= cases.len() {
                            continue;
                        }
                        if let Err(answer) = send(address, case) {
                            wrong.insert(format!("{protocol}, {}: {:?}", case.name, case.outcome), answer);
                        }
                    }
                    wrong
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("no client panics"))
            .collect()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
    // It is alive, and so are the sessions.
    assert_eq!(ann.run("select 7")["rowset"], json!([["7"]]));
    assert_eq!(bob.run("select 8")["rowset"], json!([["8"]]));
    let grown = emulator.peak_memory() - before;
    assert!(grown < GROWTH_MAX, "{} MiB", grown >> 20);
}
