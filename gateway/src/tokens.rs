//! The two tokens of an upstream session, and what their expiry means.

use std::sync::Mutex;

use serde::Deserialize;
use serde_json::Value;

use crate::envelope::text;
use crate::http_client::Answer;
use crate::secret::Secret;

/// The current tokens. `generation` grows with each renewal, so that a request that failed with old tokens can see that
/// somebody else renewed them meanwhile.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) session: Secret,
    pub(crate) master: Option<Secret>,
    pub(crate) generation: u64,
}

/// Tokens that several requests use while one of them may renew.
pub(crate) struct TokenCell(Mutex<Tokens>);

impl TokenCell {
    pub(crate) fn new(session: Secret, master: Option<Secret>) -> Self {
        Self(Mutex::new(Tokens {
            session,
            master,
            generation: 0,
        }))
    }

    pub(crate) fn current(&self) -> Tokens {
        self.lock().clone()
    }

    pub(crate) fn replace(&self, session: Secret, master: Option<Secret>) {
        let mut tokens = self.lock();
        tokens.session = session;
        if master.is_some() {
            tokens.master = master;
        }
        tokens.generation += 1;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tokens> {
        // A panic while holding the lock cannot leave half a token behind.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What an answer says about the tokens of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: the answer is about the request itself.
    Fine,
    /// The session token is no longer accepted; the master token may get a new one.
    Renewable { code: Option<String>, message: String },
    /// The session itself is over.
    Over { code: Option<String>, message: String },
}

/// The part of an answer that can speak about tokens; the rest is skipped, not decoded.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    success: bool,
    code: Value,
    message: Value,
}

/// Answers about tokens are small. Larger bodies are results and are not parsed twice.
const VERDICT_BODY_BYTES_MAX: usize = 64 * 1024;

/// Reads what `answer` says about the tokens.
pub(crate) fn verdict(answer: &Answer) -> Verdict {
    if answer.status != 401 && answer.body.len() > VERDICT_BODY_BYTES_MAX {
        return Verdict::Fine;
    }
    let head: Head = serde_json::from_slice(&answer.body).unwrap_or_default();
    if head.success && answer.status != 401 {
        return Verdict::Fine;
    }
    let code = text(&head.code);
    let message =
        text(&head.message).unwrap_or_else(|| "the server no longer accepts the session token".to_owned());
    match code.as_deref() {
        Some("390111" | "390113" | "390114" | "390115") => Verdict::Over { code, message },
        Some("390103" | "390104" | "390112") => Verdict::Renewable { code, message },
        _ if answer.status == 401 => Verdict::Renewable { code, message },
        _ => Verdict::Fine,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn check(status: u16, body: &str, expected: &str) {
        let answer = Answer {
            status,
            body: Bytes::copy_from_slice(body.as_bytes()),
            attempts: 1,
        };
        let found = match verdict(&answer) {
            Verdict::Fine => "fine",
            Verdict::Renewable { .. } => "renewable",
            Verdict::Over { .. } => "over",
        };
        assert_eq!(found, expected, "{status} {body}");
    }

    #[test]
    fn codes_and_status_decide() {
        check(200, r#"{"success":true,"data":{"queryId":"q"}}"#, "fine");
        check(200, r#"{"success":false,"code":"002003"}"#, "fine");
        check(200, r#"{"success":false,"code":"390112"}"#, "renewable");
        check(200, r#"{"success":false,"code":390112}"#, "renewable");
        check(401, r#"{"success":false,"code":"390104"}"#, "renewable");
        check(401, "<html>no</html>", "renewable");
        for code in ["390111", "390113", "390114", "390115"] {
            check(200, &format!(r#"{{"success":false,"code":"{code}"}}"#), "over");
            check(401, &format!(r#"{{"success":false,"code":"{code}"}}"#), "over");
        }
    }

    #[test]
    fn a_code_inside_a_large_result_is_not_looked_for() {
        let padding = "x".repeat(VERDICT_BODY_BYTES_MAX);
        check(
            200,
            &format!(r#"{{"success":false,"code":"390112","message":"{padding}"}}"#),
            "fine",
        );
    }
}
