//! Whether a transaction is open: what statements say about it, and when Snowflake must be asked.

use std::time::SystemTime;

use super::{AUTOCOMMIT, Session};
use crate::domain::error::{Error, Reason};
use crate::domain::query::StatementKind;
use crate::domain::statement::{Effect, Literal};

/// Why it is not known whether a transaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doubt {
    /// A statement succeeded that can do anything.
    Scripted,
    /// A statement failed, which ends a transaction under some settings; a failed DDL statement has committed it.
    Failed,
    /// The statement that was to end it failed.
    NotEnded,
    /// A statement was in flight when the service ended.
    Adopted,
}

/// Answers one row when a transaction is open and none when not, so that nobody has to look into rows.
pub const ASK_TRANSACTION: &str = "SELECT 1 FROM (SELECT CURRENT_TRANSACTION() AS ID) WHERE ID IS NOT NULL";

/// Why a transaction is gone of whose end nobody was told.
const UNHEARD: &str = "a statement ended it whose answer nobody heard";

/// What DDL does to an open transaction.
const COMMITTED_BY_DDL: &str = "the open transaction was committed by this DDL statement";

impl Session {
    /// When the open transaction began.
    pub fn transaction(&self) -> Option<SystemTime> {
        self.journal.transaction
    }

    /// True while a transaction is open.
    pub fn transaction_open(&self) -> bool {
        self.journal.transaction.is_some()
    }

    /// True while Snowflake must be asked whether a transaction is open.
    pub fn transaction_is_doubtful(&self) -> bool {
        self.doubt.is_some()
    }

    /// Snowflake is to be asked, since nobody here saw how the last statement ended.
    pub(super) fn doubt_after_adoption(&mut self) {
        self.doubt = Some(Doubt::Adopted);
    }

    pub(super) fn may_have_transaction(&self) -> bool {
        self.transaction_open() || self.doubt.is_some()
    }

    /// Checks that a transaction can begin.
    ///
    /// # Errors
    ///
    /// When one is open already.
    pub fn check_begin(&self) -> Result<(), Error> {
        if self.transaction_open() {
            return Err(
                Error::invalid(format!("session {} has an open transaction already", self.name))
                    .with_hint("end it with `sfctl commit` or `sfctl rollback`, or use another session"),
            );
        }
        Ok(())
    }

    /// Checks that a transaction can end.
    ///
    /// # Errors
    ///
    /// When none is open.
    pub fn check_end(&self) -> Result<(), Error> {
        if self.transaction_open() {
            return Ok(());
        }
        Err(
            Error::invalid(format!("session {} has no open transaction", self.name)).with_hint(
                "`sfctl begin` begins one; DDL statements commit it, and an idle one is rolled back",
            ),
        )
    }

    /// Snowflake said whether a transaction is open, right after the statement that left it in doubt or, when it is
    /// `late`, only before the next one. Returns what the user should hear of it with the statement's answer.
    pub fn transaction_told(&mut self, open: bool, late: bool, now: SystemTime) -> Option<String> {
        let doubt = self.doubt.take()?;
        let notice = self.told(doubt, open, late, now);
        self.forget_held_without_transaction();
        notice
    }

    fn told(&mut self, doubt: Doubt, open: bool, late: bool, now: SystemTime) -> Option<String> {
        match (open, self.transaction_open()) {
            (true, false) => {
                self.change().transaction = Some(now);
                None
            }
            (false, true) => {
                self.change().transaction = None;
                match doubt {
                    Doubt::Scripted if !late => {
                        Some("the open transaction was ended by this statement".to_owned())
                    }
                    Doubt::Scripted => self.lose_transaction("an earlier statement ended it"),
                    Doubt::Failed => self.lose_transaction("Snowflake ended it when a statement failed"),
                    Doubt::Adopted => self.lose_transaction(UNHEARD),
                    // The error of that statement has been told.
                    Doubt::NotEnded => None,
                }
            }
            (true, true) | (false, false) => None,
        }
    }

    /// A statement with these effects succeeded while a transaction was open, but nobody hears its notices: when it
    /// ended the transaction without being asked to, that has to be told later.
    pub fn ended_unheard(&mut self, effects: &[Effect]) {
        let was_asked = effects.iter().any(Effect::ends_transaction);
        if !was_asked && !self.may_have_transaction() {
            self.lose_transaction(UNHEARD);
        }
    }

    fn lose_transaction(&mut self, cause: &str) -> Option<String> {
        self.change().lose_transaction(cause);
        None
    }

    /// The open transaction was rolled back because nobody used it.
    pub fn transaction_expired(&mut self, cause: &str) {
        self.doubt = None;
        if self.transaction_open() {
            let journal = self.change();
            journal.transaction = None;
            journal.lose_transaction(cause);
        }
        self.forget_held_without_transaction();
    }

    /// What a successful statement did to the transaction, and what the user should hear of it.
    pub(super) fn transaction_after(
        &mut self,
        effects: &[Effect],
        kind: StatementKind,
        now: SystemTime,
    ) -> Vec<String> {
        let was_open = self.transaction_open();
        let mut open = was_open;
        let mut notices = Vec::new();
        match kind {
            // Snowflake commits before and after each DDL statement.
            StatementKind::Ddl => {
                if was_open {
                    notices.push(COMMITTED_BY_DDL.to_owned());
                }
                open = false;
            }
            StatementKind::Dml => match self.autocommit {
                Some(autocommit) => open |= !autocommit,
                None => self.doubt = Some(Doubt::Scripted),
            },
            StatementKind::Call | StatementKind::Multi => self.doubt = Some(Doubt::Scripted),
            _ => {}
        }
        for effect in effects {
            match effect {
                Effect::Begin => {
                    if was_open {
                        notices.push("a transaction was open already; this BEGIN changed nothing".to_owned());
                    }
                    open = true;
                }
                Effect::Commit | Effect::Rollback => {
                    if !was_open {
                        let word = if *effect == Effect::Commit {
                            "COMMIT"
                        } else {
                            "ROLLBACK"
                        };
                        notices.push(format!("no transaction was open; this {word} changed nothing"));
                    }
                    open = false;
                }
                Effect::Scripted => self.doubt = Some(Doubt::Scripted),
                Effect::SetParameter { name, value } if name == AUTOCOMMIT => {
                    let told = value.as_ref().and_then(Literal::truth);
                    self.autocommit = told.or(self.autocommit);
                    self.doubt = was_open.then_some(Doubt::Scripted);
                }
                Effect::UnsetParameter(name) if name == AUTOCOMMIT => {
                    self.autocommit = Some(self.autocommit_at_login);
                    self.doubt = was_open.then_some(Doubt::Scripted);
                }
                _ => {}
            }
        }
        if effects.iter().any(Effect::ends_transaction) && !effects.contains(&Effect::Scripted) {
            self.doubt = None;
        }
        if open != was_open {
            self.change().transaction = open.then_some(now);
        }
        if was_open && !open && self.held().is_some() {
            notices.push(
                "the write that waited for a confirmation was given up with the transaction".to_owned(),
            );
        }
        self.forget_held_without_transaction();
        notices
    }

    /// What a failed statement leaves in doubt.
    pub(super) fn doubt_after_failure(&mut self, effects: &[Effect], error: &Error) {
        let was_tried =
            error.may_have_run() || matches!(error.reason(), Reason::SqlRejected | Reason::Cancelled);
        if error.may_have_run() && effects.iter().any(Effect::sets_autocommit) {
            self.autocommit = None;
        }
        // The first doubt is the one to be told.
        if !was_tried || self.doubt.is_some() {
            return;
        }
        let begins = |effect: &Effect| matches!(effect, Effect::Begin | Effect::Scripted);
        if self.transaction_open() {
            self.doubt = Some(if effects.iter().any(Effect::ends_transaction) {
                Doubt::NotEnded
            } else {
                Doubt::Failed
            });
        } else if effects.iter().any(begins) || (error.may_have_run() && !self.autocommit()) {
            self.doubt = Some(Doubt::Failed);
        }
    }
}
