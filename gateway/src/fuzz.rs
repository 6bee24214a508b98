//! What a server sends is read or refused, whatever it is; `fuzz/mutate.rs` feeds the targets.

#[path = "../../fuzz/mutate.rs"]
mod mutate;

use bytes::Bytes;

use crate::answer::QueryAnswer;
use crate::envelope::ControlAnswer;
use crate::login::take_nonce;
use crate::secret::Secret;
use crate::ticket::SessionTicket;
use mutate::fuzz;

#[test]
fn answers() {
    let words = [
        "\"data\":",
        "\"success\": true,",
        "\"code\": \"333334\",",
        "\"rowtype\": [",
        "\"rowset\":",
        "\"rowsetBase64\":",
        "\"chunks\": [",
        "\"getResultUrl\":",
        "\"parameters\": [",
        "\"stats\": {",
        "\"resultIds\": \"a,b\",",
        "null",
        "{",
        "}",
        "[",
        "]",
    ];
    fuzz("answer", &words, |bytes| {
        let body = Bytes::copy_from_slice(bytes);
        // It is shown in logs, too.
        if let Ok(answer) = QueryAnswer::parse(&body) {
            let _ = format!("{answer:?}");
        }
        if let Ok(answer) = ControlAnswer::parse(bytes) {
            let _ = answer.message_or("nothing");
        }
        let _ = take_nonce(bytes);
    });
}

#[test]
fn tickets() {
    fuzz(
        "ticket",
        &["\"version\":", "\"endpoint\":", "\"validity_ms\":", "null"],
        |bytes| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            if let Err(error) = SessionTicket::from_text(Secret::new(text)).read().map(drop) {
                assert!(!error.to_string().contains("a-long-secret"), "{error}");
            }
        },
    );
}

/// What is mutated is good before: else the targets would show nothing.
#[test]
fn what_is_mutated_is_read() {
    let answer = QueryAnswer::parse(&Bytes::from_static(include_bytes!(
        "../../fuzz/corpus/answer/json"
    )));
    assert_eq!(answer.expect("an answer").query_id.as_deref(), Some("01b2"));
    let ticket = include_str!("../../fuzz/corpus/ticket/written");
    assert!(SessionTicket::from_text(Secret::new(ticket)).read().is_ok());
}
