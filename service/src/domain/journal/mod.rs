//! What a session is made of and would be gone with its upstream session.
//!
//! The journal follows what Snowflake reports (role, warehouse, database, schema) and what the statements say
//! that set something. With it a new upstream session is brought to where the old one was ([`restore`]); what
//! it knows of but cannot bring back is named as a [`Loss`]. Kept in a file ([`record`]), it outlives the
//! service. It holds values that users set, which may be secrets: they are never logged or shown.

pub mod record;
pub mod restore;

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::domain::context::Context;
use crate::domain::loss::{Loss, LossKind};
use crate::domain::names::ObjectName;
use crate::domain::statement::{Effect, Literal, Named};

/// What a session holds. Names are in the form in which Snowflake stores them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// Where statements run, as last reported.
    pub context: Context,
    /// What `USE SECONDARY ROLES` was last told.
    pub secondary_roles: Option<String>,
    /// Session parameters that were set; without value when it cannot be set again.
    pub parameters: BTreeMap<String, Option<Literal>>,
    /// Session variables that were set; without value when it cannot be set again.
    pub variables: BTreeMap<String, Option<Literal>>,
    /// Temporary objects that were made and not dropped.
    pub temporary_objects: Vec<TemporaryObject>,
    /// When the open transaction began.
    pub transaction: Option<SystemTime>,
    /// The open transaction is that of a write which waits for its confirmation.
    pub transaction_is_held: bool,
    /// What was lost and not acknowledged.
    pub losses: Vec<Loss>,
}

/// A temporary object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemporaryObject {
    /// Its kind and name as a statement would say them, for example `TABLE T`.
    pub name: String,
    /// Kind, then database, schema and name as far as they are known; tells objects of one name apart.
    pub path: Vec<String>,
}

impl Journal {
    /// Notes what a successful statement did, which ran where [`context`](Self::context) says.
    ///
    /// Transactions are not noted here: whether one is open takes more than the statement's text.
    pub fn note(&mut self, effect: &Effect) {
        match effect {
            Effect::SetVariable { name, value } => {
                self.variables.insert(name.clone(), value.clone());
            }
            Effect::UnsetVariable(name) => {
                self.variables.remove(name);
            }
            Effect::SetParameter { name, value } => {
                self.parameters.insert(name.clone(), value.clone());
            }
            Effect::UnsetParameter(name) => {
                self.parameters.remove(name);
            }
            Effect::UseSecondaryRoles(roles) => self.secondary_roles = Some(roles.clone()),
            Effect::MakeTemporary(named) => self.made(named),
            Effect::Drop(named) => self.dropped(named),
            Effect::Begin | Effect::Commit | Effect::Rollback | Effect::Scripted => {}
        }
    }

    /// Notes what a statement may have done of which nobody knows how it ended: nothing of it can be repeated,
    /// and nothing is known to be gone.
    pub fn note_doubtful(&mut self, effect: &Effect) {
        match effect {
            Effect::SetVariable { name, .. } => {
                self.variables.insert(name.clone(), None);
            }
            Effect::SetParameter { name, .. } => {
                self.parameters.insert(name.clone(), None);
            }
            Effect::UnsetVariable(name) => {
                self.variables
                    .entry(name.clone())
                    .and_modify(|value| *value = None);
            }
            Effect::UnsetParameter(name) => {
                self.parameters
                    .entry(name.clone())
                    .and_modify(|value| *value = None);
            }
            Effect::MakeTemporary(named) => self.made(named),
            _ => {}
        }
    }

    /// The upstream session is gone: what cannot be brought back becomes a loss.
    pub fn lose(&mut self, cause: &str) {
        if self.transaction.take().is_some() {
            self.lose_transaction(cause);
        }
        for object in std::mem::take(&mut self.temporary_objects) {
            self.add_loss(LossKind::TemporaryObject, object.name, cause);
        }
        for name in take_unrepeatable(&mut self.variables) {
            self.add_loss(LossKind::Variable, name, cause);
        }
        for name in take_unrepeatable(&mut self.parameters) {
            self.add_loss(LossKind::Parameter, name, cause);
        }
    }

    /// True when an upstream session that ends now takes something with it that cannot be brought back.
    pub fn holds_irreplaceable(&self) -> bool {
        self.transaction.is_some()
            || !self.temporary_objects.is_empty()
            || self
                .variables
                .values()
                .chain(self.parameters.values())
                .any(Option::is_none)
    }

    /// Notes that the transaction is lost, or the write that it belongs to.
    pub fn lose_transaction(&mut self, cause: &str) {
        let kind = if std::mem::take(&mut self.transaction_is_held) {
            LossKind::Write
        } else {
            LossKind::Transaction
        };
        self.add_loss(kind, String::new(), cause);
    }

    /// Notes a loss; a thing that is lost twice is told once.
    pub fn add_loss(&mut self, kind: LossKind, name: String, cause: &str) {
        if !self
            .losses
            .iter()
            .any(|loss| loss.kind == kind && loss.name == name)
        {
            self.losses.push(Loss {
                kind,
                name,
                cause: cause.to_owned(),
            });
        }
    }

    fn made(&mut self, named: &Named) {
        let name = if named.parts.is_empty() {
            format!("{} without a known name", named.kind)
        } else {
            let parts: Vec<String> = named
                .parts
                .iter()
                .map(|part| ObjectName::from_stored(part).as_sql().to_owned())
                .collect();
            format!("{} {}", named.kind, parts.join("."))
        };
        let path = self.path_of(named);
        if named.parts.is_empty() || !self.temporary_objects.iter().any(|object| object.path == path) {
            self.temporary_objects.push(TemporaryObject { name, path });
        }
    }

    fn dropped(&mut self, named: &Named) {
        let gone = self.path_of(named);
        match named.kind.as_str() {
            "DATABASE" | "SCHEMA" => self
                .temporary_objects
                .retain(|object| !object.path[1..].starts_with(&gone[1..])),
            _ => self.temporary_objects.retain(|object| object.path != gone),
        }
    }

    /// Kind, database, schema and name of an object; what its name leaves out is where the session is.
    fn path_of(&self, named: &Named) -> Vec<String> {
        let outer: Vec<&String> = match named.kind.as_str() {
            "DATABASE" => Vec::new(),
            "SCHEMA" => self.context.database.iter().collect(),
            _ => self.context.database.iter().chain(&self.context.schema).collect(),
        };
        let levels = match named.kind.as_str() {
            "DATABASE" => 1,
            "SCHEMA" => 2,
            _ => 3,
        };
        let missing = outer.len().min(levels - named.parts.len().min(levels));
        std::iter::once(&named.kind)
            .chain(outer.into_iter().take(missing))
            .chain(&named.parts)
            .cloned()
            .collect()
    }
}

fn take_unrepeatable(set: &mut BTreeMap<String, Option<Literal>>) -> Vec<String> {
    let names: Vec<String> = set
        .iter()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name.clone())
        .collect();
    set.retain(|_, value| value.is_some());
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statement::check;

    fn journal() -> Journal {
        let mut journal = Journal::default();
        journal.context.database = Some("DB".into());
        journal.context.schema = Some("PUBLIC".into());
        journal
    }

    fn note(journal: &mut Journal, sql: &str) {
        for effect in check(sql, 10_000).unwrap() {
            journal.note(&effect);
        }
    }

    fn temporary(journal: &Journal) -> Vec<&str> {
        journal
            .temporary_objects
            .iter()
            .map(|object| object.name.as_str())
            .collect()
    }

    #[test]
    fn temporary_objects_come_and_go() {
        let mut journal = journal();
        for (sql, held) in [
            ("create temp table t (a int)", vec!["TABLE T"]),
            (
                "create or replace temporary table db.public.t (a int)",
                vec!["TABLE T"],
            ),
            ("create temp stage t", vec!["TABLE T", "STAGE T"]),
            (
                "create temp table other.t (a int)",
                vec!["TABLE T", "STAGE T", "TABLE OTHER.T"],
            ),
            ("drop table public.t", vec!["STAGE T", "TABLE OTHER.T"]),
            ("drop table x", vec!["STAGE T", "TABLE OTHER.T"]),
            ("drop schema other", vec!["STAGE T"]),
            ("drop database db", vec![]),
            ("create temp table \"my t\" (a int)", vec!["TABLE \"my t\""]),
        ] {
            note(&mut journal, sql);
            assert_eq!(temporary(&journal), held, "{sql}");
        }
    }

    #[test]
    fn a_table_of_another_schema_is_another_table() {
        let mut journal = journal();
        note(&mut journal, "create temp table t (a int)");
        journal.context.schema = Some("OTHER".into());
        note(&mut journal, "drop table t");
        assert_eq!(temporary(&journal), ["TABLE T"]);
    }

    #[test]
    fn what_can_be_set_again_is_not_lost() {
        let mut journal = journal();
        for sql in [
            "set a = 1",
            "set b = 1 + 1",
            "set (c, d) = ('x', f())",
            "unset c",
            "alter session set timezone = 'UTC', week_start = 1",
            "alter session unset week_start",
            "create temp table t (a int)",
        ] {
            note(&mut journal, sql);
        }
        assert!(journal.holds_irreplaceable());
        journal.transaction = Some(SystemTime::UNIX_EPOCH);
        journal.lose("it was stopped");
        let lost: Vec<String> = journal.losses.iter().map(ToString::to_string).collect();
        assert_eq!(
            lost,
            [
                "the open transaction",
                "temporary TABLE T",
                "variable B",
                "variable D"
            ]
        );
        assert_eq!(journal.variables.keys().collect::<Vec<_>>(), ["A"]);
        assert_eq!(journal.parameters.keys().collect::<Vec<_>>(), ["TIMEZONE"]);
        assert!(!journal.holds_irreplaceable());
        journal.lose("again");
        assert_eq!(journal.losses.len(), 4, "nothing is lost twice");
    }

    #[test]
    fn what_may_have_happened_is_never_repeated_nor_forgotten() {
        let mut journal = journal();
        note(&mut journal, "set a = 1");
        note(&mut journal, "create temp table t (a int)");
        for sql in [
            "set b = 2",
            "unset a",
            "drop table t",
            "alter session set timezone = 'UTC'",
        ] {
            for effect in check(sql, 1000).unwrap() {
                journal.note_doubtful(&effect);
            }
        }
        assert_eq!(
            journal.variables.into_iter().collect::<Vec<_>>(),
            [("A".to_owned(), None), ("B".to_owned(), None)]
        );
        assert_eq!(journal.parameters["TIMEZONE"], None);
        assert_eq!(journal.temporary_objects.len(), 1);
    }
}
