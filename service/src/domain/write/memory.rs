//! The latest writes of all sessions, so that a repeated request hears what came of the first, a write can be taken
//! back by its id, and a token that is over says how it ended.

use std::collections::{BTreeMap, VecDeque};

use super::report::{Report, State};
use super::token::Token;
use super::undo::Undoable;
use crate::domain::error::{Error, Reason};
use crate::domain::names::{ConnectionName, RequestId, SessionName};

/// A write that is remembered.
#[derive(Debug, Clone)]
pub struct Written {
    /// The request.
    pub request_id: RequestId,
    /// What came of it, without rows unless it waits.
    pub report: Report,
    /// How it can be taken back.
    pub undoable: Undoable,
    /// The statement that made it visible, by Snowflake's id; `None` while it does not count.
    pub visible_since: Option<String>,
}

/// How a token's write ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was confirmed.
    Confirmed,
    /// It was given up by somebody.
    Abandoned,
    /// Nobody confirmed it in time.
    Expired,
    /// It went with its session or its transaction.
    Lost,
}

/// The memory.
#[derive(Debug)]
pub struct WriteMemory {
    per_session_max: usize,
    sessions_max: usize,
    writes: BTreeMap<SessionName, VecDeque<Written>>,
    waiting: Vec<(Token, SessionName, ConnectionName)>,
    /// The latest tokens that are over.
    over: VecDeque<(Token, Fate)>,
}

/// Tokens that are remembered after their end.
const OVER_MAX: usize = 256;

impl WriteMemory {
    /// Nothing yet.
    pub fn new(per_session_max: usize, sessions_max: usize) -> Self {
        Self {
            per_session_max,
            sessions_max,
            writes: BTreeMap::new(),
            waiting: Vec::new(),
            over: VecDeque::new(),
        }
    }

    /// Remembers a write, in the place of what was known of its request.
    pub fn remember(&mut self, written: Written) {
        let session = written.report.session.clone();
        let log = self.writes.entry(session.clone()).or_default();
        log.retain(|known| known.request_id != written.request_id);
        log.push_back(written);
        while log.len() > self.per_session_max {
            log.pop_front();
        }
        if self.writes.len() > self.sessions_max
            && let Some(other) = self.writes.keys().find(|name| **name != session).cloned()
        {
            self.writes.remove(&other);
        }
    }

    /// Changes a remembered write.
    pub fn update(&mut self, session: &SessionName, request: RequestId, change: impl FnOnce(&mut Written)) {
        let log = self.writes.get_mut(session);
        if let Some(written) = log.and_then(|log| log.iter_mut().find(|known| known.request_id == request)) {
            change(written);
        }
    }

    /// Forgets a write.
    pub fn forget(&mut self, session: &SessionName, request: RequestId) {
        if let Some(log) = self.writes.get_mut(session) {
            log.retain(|known| known.request_id != request);
        }
    }

    /// The transaction of a session was committed by this statement: what joined it counts now. Without a statement
    /// it was rolled back.
    pub fn transaction_ended(&mut self, session: &SessionName, committed_by: Option<&str>) {
        for written in self.writes.get_mut(session).into_iter().flatten() {
            if written.report.state != State::Joined {
                continue;
            }
            written.report.state = match committed_by {
                Some(query_id) => {
                    written.visible_since = Some(query_id.to_owned());
                    written.report.undo_sql = written.undoable.line(query_id);
                    State::Committed
                }
                None => State::RolledBack,
            };
        }
    }

    /// What is remembered of a request.
    pub fn of_request(&self, session: &SessionName, request: RequestId) -> Option<&Written> {
        let log = self.writes.get(session)?;
        log.iter().find(|known| known.request_id == request)
    }

    /// The write that somebody names: by Snowflake's id, by its request, or the latest that counts.
    pub fn find(&self, session: Option<&SessionName>, query: Option<&str>) -> Option<&Written> {
        let logs = self
            .writes
            .iter()
            .filter(|(name, _)| session.is_none_or(|wanted| wanted == *name));
        let mut all = logs.flat_map(|(_, log)| log.iter().rev());
        match query {
            None => all.find(|written| written.report.state == State::Committed),
            Some(id) => all.find(|written| {
                written.report.query_id == id
                    || id
                        .parse::<RequestId>()
                        .is_ok_and(|request| request == written.request_id)
            }),
        }
    }

    /// A write waits under this token.
    pub fn wait(&mut self, token: Token, session: SessionName, connection: ConnectionName) {
        self.waiting.push((token, session, connection));
    }

    /// A write does not wait any more.
    pub fn end(&mut self, token: &Token, fate: Fate) {
        self.waiting.retain(|(known, _, _)| !known.is(token.expose()));
        self.over.push_back((token.clone(), fate));
        while self.over.len() > OVER_MAX {
            self.over.pop_front();
        }
    }

    /// Sessions that hold a write.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The session in which a token's write waits.
    ///
    /// # Errors
    ///
    /// When none does; the text says what came of it, as far as it is remembered.
    pub fn session_of(&self, given: &str) -> Result<(SessionName, ConnectionName), Error> {
        let mut found = None;
        // All are looked at, so that the time says nothing about which is right.
        for (token, session, connection) in &self.waiting {
            if token.is(given) {
                found = Some((session.clone(), connection.clone()));
            }
        }
        found.ok_or_else(|| {
            let fate = self.over.iter().fold(
                None,
                |found, (token, fate)| if token.is(given) { Some(*fate) } else { found },
            );
            not_waiting(fate)
        })
    }
}

/// The error of a token for which nothing waits.
pub fn not_waiting(fate: Option<Fate>) -> Error {
    let (message, hint) = match fate {
        Some(Fate::Confirmed) => (
            "the write of this token was confirmed already",
            "`sfctl job list` shows the latest statements",
        ),
        Some(Fate::Abandoned) => (
            "the write of this token was given up and does not count",
            "run it again to get a new token",
        ),
        Some(Fate::Expired) => (
            "nobody confirmed the write of this token in time; it was given up and does not count",
            "run it again to get a new token; how long one waits is `write.hold`",
        ),
        Some(Fate::Lost) => (
            "the write of this token went with its transaction and does not count",
            "look at the session with `sfctl session show`, then run it again",
        ),
        None => (
            "no write waits under this token",
            "tokens count once, for ten minutes unless configured, and not after a restart of the service; what was not confirmed by then does not count",
        ),
    };
    Error::new(Reason::NotFound, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::context::Context;
    use crate::domain::query::StatementKind;
    use crate::domain::statement::class::classify;

    fn session(name: &str) -> SessionName {
        name.parse().unwrap()
    }

    fn written(name: &str, number: u128, state: State) -> Written {
        let context = Context {
            database: Some("D".into()),
            schema: Some("S".into()),
            ..Context::default()
        };
        Written {
            request_id: RequestId::new(uuid::Uuid::from_u128(number)),
            report: Report {
                state,
                token: None,
                expire_time: None,
                concerns: Vec::new(),
                query_id: format!("q{number}"),
                kind: StatementKind::Dml,
                dml: None,
                rows_max: None,
                before: None,
                after: None,
                key_columns: Vec::new(),
                sample_omitted: String::new(),
                undo_sql: String::new(),
                session: session(name),
                connection: ConnectionName::local(),
                context: context.clone(),
                transaction_open: false,
                joined: false,
                notices: Vec::new(),
                elapsed: Duration::ZERO,
                target: String::new(),
            },
            undoable: Undoable::of(&classify("delete from t"), &context),
            visible_since: None,
        }
    }

    #[test]
    fn writes_are_found_by_their_names_and_forgotten_in_order() {
        let mut memory = WriteMemory::new(2, 2);
        for number in 1..=3 {
            memory.remember(written("a", number, State::Committed));
        }
        memory.remember(written("b", 4, State::Held));
        let found = |memory: &WriteMemory, session: Option<&SessionName>, query: Option<&str>| {
            memory
                .find(session, query)
                .map(|written| written.report.query_id.clone())
        };
        assert_eq!(found(&memory, None, Some("q1")), None);
        assert_eq!(found(&memory, None, Some("q2")).as_deref(), Some("q2"));
        let request = uuid::Uuid::from_u128(3).to_string();
        assert_eq!(found(&memory, None, Some(&request)).as_deref(), Some("q3"));
        assert_eq!(found(&memory, Some(&session("a")), None).as_deref(), Some("q3"));
        assert_eq!(
            found(&memory, Some(&session("b")), None),
            None,
            "it does not count"
        );
        memory.remember(written("c", 5, State::Committed));
        assert_eq!(memory.writes.len(), 2);
    }

    #[test]
    fn what_joined_a_transaction_counts_from_its_commit() {
        let mut memory = WriteMemory::new(9, 9);
        memory.remember(written("a", 1, State::Joined));
        memory.transaction_ended(&session("a"), Some("c1"));
        let one = memory.find(None, Some("q1")).unwrap();
        assert_eq!(one.visible_since.as_deref(), Some("c1"));
        assert_eq!(one.report.state, State::Committed);
        assert_eq!(
            one.report.undo_sql,
            "SELECT * FROM D.S.T BEFORE (STATEMENT => 'c1')"
        );
        memory.remember(written("a", 2, State::Joined));
        memory.transaction_ended(&session("a"), None);
        assert_eq!(
            memory.find(None, Some("q2")).unwrap().report.state,
            State::RolledBack
        );
    }

    #[test]
    fn a_token_leads_to_its_session_once() {
        let mut memory = WriteMemory::new(9, 9);
        let (one, other) = (Token::new(1), Token::new(2));
        memory.wait(one.clone(), session("a"), ConnectionName::local());
        memory.wait(other.clone(), session("b"), ConnectionName::local());
        assert_eq!(memory.session_of(other.expose()).unwrap().0, session("b"));
        for (fate, part) in [
            (Fate::Confirmed, "confirmed already"),
            (Fate::Abandoned, "given up"),
            (Fate::Expired, "in time"),
            (Fate::Lost, "went with"),
        ] {
            memory.wait(one.clone(), session("a"), ConnectionName::local());
            memory.over.clear();
            memory.end(&one, fate);
            let error = memory.session_of(one.expose()).unwrap_err();
            assert_eq!(error.reason(), Reason::NotFound);
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains(one.expose()));
        }
        let error = memory.session_of("wrong").unwrap_err();
        assert!(error.to_string().contains("no write waits"), "{error}");
        assert_eq!(memory.waiting(), 1);
        for number in 10..(10 + OVER_MAX as u128 + 5) {
            memory.end(&Token::new(number), Fate::Lost);
        }
        assert_eq!(memory.over.len(), OVER_MAX);
    }
}
