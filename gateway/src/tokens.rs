//! The two tokens of an upstream session, and what their expiry means.

use std::sync::Mutex;
use std::time::Duration;

use serde::Deserialize;

use crate::clock::Reading;
use crate::http_client::Answer;
use crate::raw::{Raw, text};
use crate::secret::Secret;

/// The current tokens. `generation` grows with each renewal, so that a request that failed with old tokens can see that
/// somebody else renewed them meanwhile.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) session: Secret,
    pub(crate) master: Option<Secret>,
    pub(crate) generation: u64,
    /// When they came.
    received: Reading,
    /// How long the session token is good for, when the server said so.
    validity: Option<Duration>,
}

impl Tokens {
    /// Tokens that came just now.
    pub(crate) fn new(
        session: Secret,
        master: Option<Secret>,
        received: Reading,
        validity: Option<Duration>,
    ) -> Self {
        Self {
            session,
            master,
            generation: 0,
            received,
            // Some servers say 0 for "unknown"; no token is born dead.
            validity: validity.filter(|validity| !validity.is_zero()),
        }
    }

    /// When they came.
    pub(crate) fn received(&self) -> Reading {
        self.received
    }

    /// How long the session token is good for from then on, when the server said so.
    pub(crate) fn validity(&self) -> Option<Duration> {
        self.validity
    }

    /// True when the session token's time is over, so that the server would refuse it.
    pub(crate) fn is_expired(&self, now: Reading) -> bool {
        self.validity
            .is_some_and(|validity| self.received.until(now) >= validity)
    }

    /// Time from `now` until the session token should be renewed: `ahead` before its end, or at nine tenths of its life
    /// where that is later. `None` when its end is unknown, or nothing can renew it.
    pub(crate) fn renewal_due_in(&self, now: Reading, ahead: Duration) -> Option<Duration> {
        let validity = self.validity.filter(|_| self.master.is_some())?;
        let due = validity.saturating_sub(ahead.min(validity / 10));
        Some(due.saturating_sub(self.received.until(now)))
    }
}

/// Tokens that several requests use while one of them may renew.
pub(crate) struct TokenCell(Mutex<Tokens>);

impl TokenCell {
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self(Mutex::new(tokens))
    }

    pub(crate) fn current(&self) -> Tokens {
        self.lock().clone()
    }

    /// Puts renewed tokens in the place of the old ones. A server that renews the session token alone leaves the master
    /// token as it was.
    pub(crate) fn replace(&self, renewed: Tokens) {
        let mut tokens = self.lock();
        *tokens = Tokens {
            master: renewed.master.or_else(|| tokens.master.take()),
            generation: tokens.generation + 1,
            ..renewed
        };
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
struct Head<'a> {
    success: bool,
    #[serde(borrow)]
    code: Raw<'a>,
    #[serde(borrow)]
    message: Raw<'a>,
}

/// Codes after which only a new login helps: the session is gone; the master token is missing, expired, or not accepted;
/// the token that the user logged in with (id token, OAuth) has expired or is not accepted.
const SESSION_OVER: [&str; 8] = [
    "390111", "390113", "390114", "390115", "390110", "390195", "390303", "390318",
];

/// Answers about tokens are small. Larger bodies are results and are not parsed twice.
const VERDICT_BODY_BYTES_MAX: usize = 64 * 1024;

/// What all codes about tokens begin with.
const TOKEN_CODES: &[u8] = b"390";

/// Reads what `answer` says about the tokens.
pub(crate) fn verdict(answer: &Answer) -> Verdict {
    let says_something = answer.body.len() <= VERDICT_BODY_BYTES_MAX
        && memchr::memmem::find(&answer.body, TOKEN_CODES).is_some();
    if answer.status != 401 && !says_something {
        return Verdict::Fine;
    }
    let head: Head<'_> = serde_json::from_slice(&answer.body).unwrap_or_default();
    if head.success && answer.status != 401 {
        return Verdict::Fine;
    }
    let code = text(head.code);
    let message =
        text(head.message).unwrap_or_else(|| "the server no longer accepts the session token".to_owned());
    match code.as_deref() {
        Some(code_text) if SESSION_OVER.contains(&code_text) => Verdict::Over { code, message },
        Some("390103" | "390104" | "390112") => Verdict::Renewable { code, message },
        _ if answer.status == 401 => Verdict::Renewable { code, message },
        _ => Verdict::Fine,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::clock::Clock;
    use crate::error::Fate;

    fn check(status: u16, body: &str, expected: &str) {
        let answer = Answer {
            status,
            body: Bytes::copy_from_slice(body.as_bytes()),
            attempts: 1,
            before: Fate::NotRun,
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
        for code in SESSION_OVER {
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

    fn tokens(validity_s: u64, master: Option<&str>) -> (Tokens, impl Fn(u64) -> Reading) {
        let born = Clock::system().read();
        let validity = Some(Duration::from_secs(validity_s));
        let after = move |seconds| Reading {
            wall: born.wall + Duration::from_secs(seconds),
            ..born
        };
        (
            Tokens::new(Secret::from("s"), master.map(Secret::from), born, validity),
            after,
        )
    }

    #[test]
    fn a_token_is_renewed_before_its_end() {
        let ahead = Duration::from_mins(5);
        let due = |(tokens, after): (Tokens, _), seconds| {
            let after: &dyn Fn(u64) -> Reading = &after;
            tokens
                .renewal_due_in(after(seconds), ahead)
                .map(|due| due.as_secs())
        };
        assert_eq!(due(tokens(3600, Some("m")), 0), Some(3300));
        assert_eq!(due(tokens(3600, Some("m")), 3299), Some(1));
        assert_eq!(due(tokens(3600, Some("m")), 9999), Some(0));
        assert_eq!(
            due(tokens(10, Some("m")), 0),
            Some(9),
            "nine tenths of a short life"
        );
        assert_eq!(due(tokens(3600, None), 0), None, "nothing renews it");
        assert_eq!(due(tokens(0, Some("m")), 0), None, "its end is unknown");
        let (short, after) = tokens(10, Some("m"));
        assert!(!short.is_expired(after(9)) && short.is_expired(after(10)));
    }
}
