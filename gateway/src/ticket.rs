//! What it takes to go on with an upstream session in another process.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use url::Url;

use crate::clock::Reading;
use crate::error::GatewayError;
use crate::login::LoginFacts;
use crate::secret::Secret;
use crate::tokens::Tokens;

/// A ticket of an upstream session: its tokens, where it is, and what the server said of it at login.
///
/// Whoever has it is logged in, so its text is for memory alone and is never shown. It is good for one process at a
/// time: two that renew the tokens would each make those of the other useless. The session parameters of the login are
/// not on it.
#[derive(Clone, Debug)]
pub struct SessionTicket(Secret);

impl SessionTicket {
    /// Takes the text of a ticket; whether it is one is seen when it is used.
    pub fn from_text(text: Secret) -> Self {
        Self(text)
    }

    /// The ticket as text. Call it only where that is kept.
    pub fn text(&self) -> &Secret {
        &self.0
    }

    pub(crate) fn issue(parts: &Parts) -> Self {
        let (tokens, facts) = (&parts.tokens, &parts.facts);
        let written = Written {
            version: VERSION,
            endpoint: parts.endpoint.to_string(),
            keep_alive: parts.keep_alive,
            sequence: parts.sequence,
            session_token: tokens.session.expose().to_owned(),
            master_token: tokens.master.as_ref().map(|token| token.expose().to_owned()),
            received_ms: tokens
                .received()
                .wall
                .duration_since(SystemTime::UNIX_EPOCH)
                .ok()
                .map(millis),
            validity_ms: tokens.validity().map(millis),
            master_validity_ms: facts.master_validity.map(millis),
            server_version: facts.server_version.clone(),
            session_id: facts.session_id,
            user: facts.user.clone(),
            database: facts.database.clone(),
            schema: facts.schema.clone(),
            warehouse: facts.warehouse.clone(),
            role: facts.role.clone(),
        };
        // Texts, numbers and nothing else: this cannot fail.
        Self(Secret::new(serde_json::to_string(&written).unwrap_or_default()))
    }

    pub(crate) fn read(&self) -> Result<Parts, GatewayError> {
        let unusable = |what: &str| GatewayError::Configuration {
            message: format!("the ticket of the session {what}"),
        };
        // What serde says of a fault may quote a token.
        let written: Written =
            serde_json::from_str(self.0.expose()).map_err(|_| unusable("cannot be read"))?;
        if written.version != VERSION {
            return Err(unusable("was written by another version"));
        }
        let endpoint = Url::parse(&written.endpoint).map_err(|_| unusable("names no server"))?;
        let received = written.received_ms.map(Duration::from_millis);
        let received = received.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        let received = Reading {
            wall: received.unwrap_or(SystemTime::UNIX_EPOCH),
            // The steady clock says nothing across processes; a reading believes the clock that saw more time.
            steady: Instant::now(),
        };
        let validity = written.validity_ms.map(Duration::from_millis);
        Ok(Parts {
            endpoint,
            keep_alive: written.keep_alive,
            sequence: written.sequence,
            tokens: Tokens::new(
                Secret::new(written.session_token),
                written.master_token.map(Secret::new),
                received,
                validity,
            ),
            facts: LoginFacts {
                server_version: written.server_version,
                session_id: written.session_id,
                user: written.user,
                database: written.database,
                schema: written.schema,
                warehouse: written.warehouse,
                role: written.role,
                parameters: Vec::new(),
                validity,
                master_validity: written.master_validity_ms.map(Duration::from_millis),
            },
        })
    }
}

/// Grows when an older or newer gateway could not go on with the ticket.
const VERSION: u32 = 1;

/// What a ticket is made of, and an adopted session begins with.
pub(crate) struct Parts {
    pub(crate) endpoint: Url,
    pub(crate) keep_alive: bool,
    /// Number of the last statement.
    pub(crate) sequence: u64,
    pub(crate) tokens: Tokens,
    pub(crate) facts: LoginFacts,
}

#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    endpoint: String,
    keep_alive: bool,
    sequence: u64,
    session_token: String,
    master_token: Option<String>,
    /// When the tokens came, in milliseconds since 1970.
    received_ms: Option<u64>,
    validity_ms: Option<u64>,
    master_validity_ms: Option<u64>,
    server_version: String,
    session_id: Option<i64>,
    user: Option<String>,
    database: Option<String>,
    schema: Option<String>,
    warehouse: Option<String>,
    role: Option<String>,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn parts() -> Parts {
        let received = Clock::system().read();
        Parts {
            endpoint: Url::parse("https://a.example/").unwrap(),
            keep_alive: true,
            sequence: 7,
            tokens: Tokens::new(
                Secret::new("sesame"),
                Some(Secret::new("master-sesame")),
                received,
                Some(Duration::from_hours(1)),
            ),
            facts: LoginFacts {
                role: Some("R".into()),
                session_id: Some(12),
                validity: Some(Duration::from_hours(1)),
                ..LoginFacts::default()
            },
        }
    }

    #[test]
    fn what_is_issued_is_read() {
        let read = SessionTicket::issue(&parts()).read().unwrap();
        assert_eq!(read.tokens.session.expose(), "sesame");
        assert_eq!(read.tokens.master.unwrap().expose(), "master-sesame");
        assert_eq!((read.sequence, read.keep_alive), (7, true));
        assert_eq!(
            (read.facts.role.as_deref(), read.facts.session_id),
            (Some("R"), Some(12))
        );
    }

    #[test]
    fn the_age_of_the_tokens_goes_on_counting() {
        let mut old = parts();
        let received = Reading {
            wall: SystemTime::now() - Duration::from_mins(59),
            steady: Instant::now(),
        };
        old.tokens = Tokens::new(Secret::new("s"), None, received, Some(Duration::from_hours(1)));
        let read = SessionTicket::issue(&old).read().unwrap();
        let now = Clock::system().read();
        let in_minutes = |minutes| Reading {
            wall: now.wall + Duration::from_mins(minutes),
            ..now
        };
        assert!(!read.tokens.is_expired(now));
        assert!(read.tokens.is_expired(in_minutes(2)));
    }

    #[test]
    fn nothing_shows_a_token() {
        let ticket = SessionTicket::issue(&parts());
        assert!(!format!("{ticket:?}").contains("sesame"));
        let spoilt = ticket.text().expose().replace("true", "\"sesame\"");
        let error = SessionTicket::from_text(Secret::new(spoilt))
            .read()
            .err()
            .unwrap();
        assert!(!format!("{error} {error:?}").contains("sesame"));
        let other = ticket.text().expose().replace("\"version\":1", "\"version\":2");
        let error = SessionTicket::from_text(Secret::new(other)).read().err().unwrap();
        assert!(error.to_string().contains("another version"), "{error}");
    }
}
