//! On which terms a statement is written: what it is, how it is to be treated, and what has to be confirmed.

use crate::domain::error::{Error, Facts, Reason};
use crate::domain::policy::{self, Concern};
use crate::domain::statement::class::{Class, File, Statement};

/// How to treat a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Commit within the limits, else hold.
    #[default]
    Commit,
    /// Run it, tell what it changed, and roll it back.
    DryRun,
    /// Run it without a transaction around it.
    NoTransaction,
    /// Hold it in any case.
    Hold,
}

/// On which terms a write runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How to treat it.
    pub mode: Mode,
    /// Most rows that it may change without a confirmation.
    pub rows_max: RowsMax,
    /// The user has confirmed what the rules would ask to confirm.
    pub confirmed: bool,
    /// What the rules ask to confirm.
    pub concerns: Vec<Concern>,
}

/// Most rows that a write may change without a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsMax {
    /// No limit.
    None,
    /// The configured limit, which a confirmation lifts.
    Configured(u64),
    /// A limit that the request names, which binds in any case.
    Asked(u64),
}

/// What a statement is to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// It changes rows in a transaction.
    Rows,
    /// It commits by itself, and what was open before it.
    Commits,
    /// It does what no transaction takes back, and leaves an open one open as far as is known.
    Plain,
}

impl RowsMax {
    /// The limit that is in force.
    pub fn in_force(self, confirmed: bool) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Configured(_) if confirmed => None,
            Self::Configured(rows) | Self::Asked(rows) => Some(rows),
        }
    }
}

impl Terms {
    /// What remains to be confirmed of what the rules ask.
    pub fn open_concerns(&self) -> Vec<Concern> {
        if self.confirmed {
            Vec::new()
        } else {
            self.concerns.clone()
        }
    }

    /// What is to be confirmed after the statement has changed `rows` rows; `None` when Snowflake did not say.
    pub fn concerns_after(&self, rows: Option<u64>) -> Vec<Concern> {
        let mut concerns = self.open_concerns();
        if let Some(most) = self.rows_max.in_force(self.confirmed) {
            match rows {
                Some(rows) if rows > most => concerns.push(Concern::new(
                    "rows",
                    format!(
                        "it changed {}, and {most} may be changed without a confirmation",
                        count(rows)
                    ),
                )),
                None => concerns.push(Concern::new(
                    "rows",
                    "Snowflake did not say how many rows it changed",
                )),
                Some(_) => {}
            }
        }
        if self.mode == Mode::Hold && concerns.is_empty() {
            concerns.push(Concern::new("asked", "it was asked to be held"));
        }
        concerns
    }

    /// True when it may be that the statement is held after it ran.
    pub fn may_hold(&self) -> bool {
        self.mode == Mode::Hold
            || !self.open_concerns().is_empty()
            || self.rows_max.in_force(self.confirmed).is_some()
    }
}

fn count(rows: u64) -> String {
    match rows {
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    }
}

impl Handling {
    /// What the only statement of a text is.
    ///
    /// # Errors
    ///
    /// When it changes nothing, or only the session.
    pub fn of(statements: &[Statement]) -> Result<Self, Error> {
        let classes = || {
            statements
                .iter()
                .flat_map(|statement| &statement.links)
                .map(|link| link.class)
        };
        if policy::commits_by_itself(statements) {
            return Ok(Self::Commits);
        }
        let strictest = classes()
            .max_by_key(|class| class.rank())
            .unwrap_or(Class::Unknown);
        let is_chain = classes().count() > 1;
        match strictest {
            Class::Read(_) => Err(no_write("reads only", "run it with `sfctl query`")),
            Class::Use | Class::Session => Err(no_write(
                "changes the session only",
                "run it with `sfctl query` or `sfctl use`",
            )),
            Class::Transaction(_) => Err(no_write(
                "begins or ends a transaction",
                "use `sfctl begin`, `sfctl commit` and `sfctl rollback`",
            )),
            Class::Write(_) if !is_chain && policy::changes_rows(statements) => Ok(Self::Rows),
            Class::Write(_)
            | Class::File(File::Put | File::Get | File::Remove)
            | Class::Ddl(_)
            | Class::Call(_)
            | Class::Unknown => Ok(Self::Plain),
        }
    }
}

fn no_write(what: &str, hint: &str) -> Error {
    Error::invalid(format!(
        "the statement {what}, so that there is nothing to write; nothing was run"
    ))
    .with_hint(hint)
}

/// The error of a session that holds a write, for what is not a read.
pub fn refused_while_held(session: &str, ran: bool) -> Error {
    let what = if ran {
        "holds a write that is not committed"
    } else {
        "has a write that waits for a confirmation"
    };
    Error::new(
        Reason::Refused,
        format!("session {session} {what}, so it runs reads only; nothing was run"),
    )
    .with_facts(Facts {
        rule: Some("held".to_owned()),
        hint: Some(
            "let it count with `sfctl write --confirm TOKEN` or give it up with `sfctl write --abandon TOKEN` or `sfctl rollback`"
                .to_owned(),
        ),
        ..Facts::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::statement::class::classify;

    #[test]
    fn statements_are_handled_by_what_a_transaction_does_for_them() {
        for (sql, expected) in [
            ("delete from t", Some(Handling::Rows)),
            ("insert into t select 1", Some(Handling::Rows)),
            (
                "merge into t using s on t.a = s.a when matched then delete",
                Some(Handling::Rows),
            ),
            ("copy into t from @s", Some(Handling::Rows)),
            ("copy into @s from t", Some(Handling::Plain)),
            ("truncate table t", Some(Handling::Commits)),
            ("drop table t", Some(Handling::Commits)),
            ("put file:///a @s", Some(Handling::Plain)),
            ("remove @s/a", Some(Handling::Plain)),
            ("call p()", Some(Handling::Plain)),
            ("delete from t ->> select * from $1", Some(Handling::Plain)),
            ("select 1", None),
            ("use schema s", None),
            ("commit", None),
        ] {
            assert_eq!(Handling::of(&classify(sql)).ok(), expected, "{sql}");
        }
    }

    fn terms(rows_max: RowsMax, confirmed: bool) -> Terms {
        Terms {
            mode: Mode::Commit,
            rows_max,
            confirmed,
            concerns: vec![Concern::new("unconditional", "it has no condition")],
        }
    }

    #[test]
    fn a_confirmation_covers_the_rules_and_the_configured_limit_only() {
        for (rows_max, confirmed, rows, expected) in [
            (RowsMax::None, false, Some(5), vec!["unconditional"]),
            (
                RowsMax::Configured(4),
                false,
                Some(5),
                vec!["unconditional", "rows"],
            ),
            (RowsMax::Configured(5), false, Some(5), vec!["unconditional"]),
            (RowsMax::Configured(4), true, Some(5), vec![]),
            (RowsMax::Asked(4), true, Some(5), vec!["rows"]),
            (RowsMax::Asked(4), true, None, vec!["rows"]),
            (RowsMax::None, true, None, vec![]),
        ] {
            let concerns = terms(rows_max, confirmed).concerns_after(rows);
            let rules: Vec<&str> = concerns.iter().map(|concern| concern.rule).collect();
            assert_eq!(rules, expected, "{rows_max:?} {confirmed} {rows:?}");
        }
    }

    #[test]
    fn a_hold_is_a_concern_of_its_own_when_there_is_no_other() {
        let hold = Terms {
            mode: Mode::Hold,
            ..terms(RowsMax::None, true)
        };
        assert_eq!(hold.concerns_after(Some(0))[0].rule, "asked");
        assert!(hold.may_hold());
        assert!(!terms(RowsMax::Configured(1), true).may_hold());
    }
}
