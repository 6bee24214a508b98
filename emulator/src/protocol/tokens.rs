//! Session and master tokens: who holds which, until when, and what became of the others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use uuid::Uuid;

use super::connector::ClientSession;
use super::refusal::Refusal;

/// Tokens of one session that are known at a time; a renewal adds two and forgets the oldest.
const TOKENS_PER_SESSION_MAX: usize = 32;
/// Tokens of ended sessions that are remembered, so that their holders are told what happened.
const ENDED_TOKENS_MAX: usize = 8192;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Statements, heartbeat, logout.
    Session,
    /// Renewal.
    Master,
}

/// Why a token does not open the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenFault {
    /// None was sent.
    Missing,
    /// Never issued, or for the other purpose.
    Unknown,
    /// Its life is over, or a renewal has replaced it.
    Expired,
    /// Its session has ended.
    Ended,
}

impl TokenFault {
    /// Snowflake's words for it.
    pub(super) fn refusal(self, role: Role) -> Refusal {
        let (code, message) = match (role, self) {
            (Role::Session, Self::Missing) => ("390103", "Session token not found in the request data."),
            (Role::Session, Self::Unknown) => ("390104", "Session token is invalid."),
            (Role::Session, Self::Expired) => ("390112", "Session token has expired."),
            (Role::Master, Self::Missing) => ("390113", "Master token not found in the request data."),
            (Role::Master, Self::Unknown) => ("390115", "Master token is invalid."),
            (Role::Master, Self::Expired) => (
                "390114",
                "Authentication token has expired.  The user must authenticate again.",
            ),
            (_, Self::Ended) => (
                "390111",
                "Session no longer exists.  New login required to access the service.",
            ),
        };
        Refusal::new(code, message)
    }
}

#[derive(Debug)]
enum Entry {
    Live {
        session: Arc<ClientSession>,
        role: Role,
        expires: Instant,
        superseded: bool,
    },
    Ended,
}

/// All tokens.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: HashMap<Box<str>, Entry>,
    /// Tokens by session, oldest first.
    held: HashMap<u64, VecDeque<Box<str>>>,
    /// Tokens of ended sessions, oldest first.
    ended: VecDeque<Box<str>>,
}

impl Tokens {
    /// Makes a token.
    pub(super) fn issue(&self, session: &Arc<ClientSession>, role: Role, expires: Instant) -> String {
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let key: Box<str> = token.as_str().into();
        let mut guard = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        let entry = Entry::Live {
            session: Arc::clone(session),
            role,
            expires,
            superseded: false,
        };
        inner.entries.insert(key.clone(), entry);
        let held = inner.held.entry(session.id()).or_default();
        held.push_back(key);
        if held.len() > TOKENS_PER_SESSION_MAX
            && let Some(oldest) = held.pop_front()
        {
            inner.entries.remove(&oldest);
        }
        token
    }

    /// The session that a token opens.
    pub(super) fn find(
        &self,
        token: Option<&str>,
        role: Role,
        now: Instant,
    ) -> Result<Arc<ClientSession>, TokenFault> {
        let token = token.ok_or(TokenFault::Missing)?;
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        match inner.entries.get(token) {
            None => Err(TokenFault::Unknown),
            Some(Entry::Ended) => Err(TokenFault::Ended),
            Some(Entry::Live { role: other, .. }) if *other != role => Err(TokenFault::Unknown),
            Some(Entry::Live {
                expires, superseded, ..
            }) if *superseded || *expires <= now => Err(TokenFault::Expired),
            Some(Entry::Live { session, .. }) => Ok(Arc::clone(session)),
        }
    }

    /// Ends the life of a session's session tokens. Master tokens live on: another thread of the
    /// client may be renewing with the same one at this moment.
    pub(super) fn supersede(&self, session_id: u64) {
        let mut guard = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        for token in inner.held.get(&session_id).into_iter().flatten() {
            if let Some(Entry::Live {
                role: Role::Session,
                superseded,
                ..
            }) = inner.entries.get_mut(token)
            {
                *superseded = true;
            }
        }
    }

    /// True when a master token of the session is still good.
    pub(super) fn renewable(&self, session_id: u64, now: Instant) -> bool {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.held.get(&session_id).into_iter().flatten().any(|token| {
            matches!(inner.entries.get(token), Some(Entry::Live { role: Role::Master, expires, .. }) if *expires > now)
        })
    }

    /// Forgets a session; its tokens are remembered as ended.
    pub(super) fn end(&self, session_id: u64) {
        let mut guard = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        for token in inner.held.remove(&session_id).into_iter().flatten() {
            inner.entries.insert(token.clone(), Entry::Ended);
            inner.ended.push_back(token);
        }
        while inner.ended.len() > ENDED_TOKENS_MAX
            && let Some(oldest) = inner.ended.pop_front()
        {
            inner.entries.remove(&oldest);
        }
    }
}

/// The token in an `Authorization: Snowflake Token="…"` header; drivers send `None` before they have one.
pub(super) fn authorization(headers: &http::HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?;
    let token = value.strip_prefix("Snowflake Token=")?.trim_matches('"');
    (!token.is_empty() && token != "None").then_some(token)
}
