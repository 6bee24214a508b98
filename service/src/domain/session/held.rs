//! The write that waits for a confirmation.

use super::Session;
use crate::domain::error::Error;
use crate::domain::statement::Effect;
use crate::domain::write::{Held, terms};

impl Session {
    /// The write that waits for a confirmation.
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// A write waits from now on. When it ran in a transaction of its own, that is what is lost with it.
    pub fn hold(&mut self, held: Held) {
        if held.ran && !held.joined {
            self.change().transaction_is_held = true;
        }
        self.held = Some(held);
    }

    /// The write does not wait any more; its transaction is as it was.
    pub fn release(&mut self) {
        if self.journal.transaction_is_held {
            self.change().transaction_is_held = false;
        }
        self.held = None;
    }

    /// The transaction that was begun for a write is gone or does not matter any more, and nothing is lost with it
    /// that its error does not tell.
    pub fn forget_transaction(&mut self) {
        self.doubt = None;
        self.held = None;
        if self.journal.transaction.is_some() || self.journal.transaction_is_held {
            let journal = self.change();
            journal.transaction = None;
            journal.transaction_is_held = false;
        }
    }

    /// Checks that a statement may run while a write waits: a read, or what gives the write up.
    ///
    /// # Errors
    ///
    /// When one waits and this is neither.
    pub fn check_held(&self, is_read: bool, effects: &[Effect]) -> Result<(), Error> {
        match &self.held {
            Some(held) if !is_read && effects != [Effect::Rollback] => {
                Err(terms::refused_while_held(self.name.as_str(), held.ran))
            }
            _ => Ok(()),
        }
    }

    /// A write that ran is over when its transaction is.
    pub(super) fn forget_held_without_transaction(&mut self) {
        if self.transaction_open() {
            return;
        }
        if self.held.as_ref().is_some_and(|held| held.ran || held.joined) {
            self.held = None;
        }
        if self.journal.transaction_is_held {
            self.change().transaction_is_held = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::domain::error::{Error, Reason};
    use crate::domain::loss::LossKind;
    use crate::domain::names::{ConnectionName, SessionName};
    use crate::domain::query::Executed;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn holding(ran: bool, joined: bool) -> Session {
        let mut session = Session::new(SessionName::default_name(), ConnectionName::local(), None);
        session.connected(
            crate::domain::upstream::Identity::default(),
            crate::domain::context::Context::default(),
            true,
            NOW,
        );
        if ran || joined {
            session.finished(&[Effect::Begin], &Executed::default(), NOW);
        }
        session.hold(Held {
            sql: "delete from t".into(),
            ran,
            joined,
            rows: 2,
            expire_time: NOW,
        });
        session
    }

    #[test]
    fn only_reads_and_a_rollback_run_while_a_write_waits() {
        let session = holding(true, false);
        assert!(session.check_held(true, &[]).is_ok());
        assert!(session.check_held(false, &[Effect::Rollback]).is_ok());
        for effects in [
            vec![],
            vec![Effect::Commit],
            vec![Effect::Rollback, Effect::Scripted],
        ] {
            let error = session.check_held(false, &effects).unwrap_err();
            assert_eq!(error.reason(), Reason::Refused);
            assert_eq!(error.facts().rule.as_deref(), Some("held"));
            assert!(error.facts().hint.as_deref().unwrap().contains("--confirm"));
        }
        let mut session = session;
        session.release();
        assert!(session.check_held(false, &[]).is_ok());
    }

    #[test]
    fn a_rollback_gives_a_held_write_up_and_says_so() {
        let mut session = holding(true, false);
        let notices = session.finished(&[Effect::Rollback], &Executed::default(), NOW);
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert_eq!(session.held(), None);
        assert!(!session.journal().transaction_is_held);
        let mut waiting = holding(false, false);
        waiting.finished(&[], &Executed::default(), NOW);
        assert!(waiting.held().is_some(), "it needs no transaction");
    }

    #[test]
    fn what_is_lost_with_the_upstream_session_is_the_write_or_the_transaction() {
        for (ran, joined, lost) in [
            (true, false, Some(LossKind::Write)),
            (true, true, Some(LossKind::Transaction)),
            (false, true, Some(LossKind::Transaction)),
            (false, false, None),
        ] {
            let mut session = holding(ran, joined);
            session.upstream_lost("it had expired");
            let kinds: Vec<LossKind> = session.losses().iter().map(|loss| loss.kind).collect();
            assert_eq!(kinds, lost.into_iter().collect::<Vec<_>>(), "{ran} {joined}");
            assert_eq!(session.held().is_some(), lost.is_none());
        }
    }

    #[test]
    fn a_transaction_that_snowflake_ended_takes_the_write_with_it() {
        let mut session = holding(true, false);
        session.failed(&[], &Error::new(Reason::SqlRejected, "no"));
        session.transaction_told(false, true, NOW);
        assert_eq!(session.losses()[0].kind, LossKind::Write);
        assert_eq!(session.held(), None);
    }

    #[test]
    fn a_transaction_that_was_begun_for_a_write_is_forgotten_without_loss() {
        let mut session = holding(true, false);
        session.forget_transaction();
        session.upstream_lost("it had expired");
        assert_eq!(session.losses(), []);
    }
}
