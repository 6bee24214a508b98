//! What was gone with an upstream session and cannot be brought back.

use std::fmt;
use std::time::Duration;

use crate::domain::error::{Error, Facts, Reason};
use crate::domain::names::SessionName;

/// Kinds of things that can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    /// An open transaction.
    Transaction,
    /// A write that was held and not confirmed.
    Write,
    /// A temporary table, stage or other temporary object; its name begins with its kind.
    TemporaryObject,
    /// A session variable whose value cannot be set again.
    Variable,
    /// A session parameter that could not be set again.
    Parameter,
    /// Role, warehouse, database or schema that could not be used again; its name begins with its kind.
    Context,
}

/// Something that was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// What kind of thing.
    pub kind: LossKind,
    /// Its name; empty for a transaction and a write.
    pub name: String,
    /// Why it is gone, a fragment such as `the service was stopped`.
    pub cause: String,
}

impl fmt::Display for Loss {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            LossKind::Transaction => write!(formatter, "the open transaction"),
            LossKind::Write => write!(formatter, "the write that was held"),
            LossKind::TemporaryObject => write!(formatter, "temporary {}", self.name),
            LossKind::Variable => write!(formatter, "variable {}", self.name),
            LossKind::Parameter => write!(formatter, "parameter {}", self.name),
            LossKind::Context => write!(formatter, "{}", self.name),
        }
    }
}

/// Most lost things that a message names; all of them are in the facts.
const NAMED_MAX: usize = 8;

/// The error with which a session refuses to go on as if nothing had happened. `losses` is not empty.
pub fn refusal(session: &SessionName, losses: &[Loss]) -> Error {
    let mut causes: Vec<(&str, Vec<String>)> = Vec::new();
    for loss in losses.iter().take(NAMED_MAX) {
        match causes.iter_mut().find(|(cause, _)| *cause == loss.cause) {
            Some((_, lost)) => lost.push(loss.to_string()),
            None => causes.push((&loss.cause, vec![loss.to_string()])),
        }
    }
    let mut told: Vec<String> = causes
        .into_iter()
        .map(|(cause, lost)| format!("{} ({cause})", lost.join(", ")))
        .collect();
    if let Some(more) = losses.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        told.push(format!("{more} more"));
    }
    let lines: Vec<String> = losses
        .iter()
        .map(|loss| format!("{loss}: {}", loss.cause))
        .collect();
    let facts = Facts {
        lost: Some(lines.join("\n")),
        hint: Some(
            "look at what has to be done again, then begin anew with `sfctl session reset`, or run it again with --accept-loss to go on without"
                .to_owned(),
        ),
        ..Facts::default()
    };
    Error::new(
        Reason::SessionLost,
        format!("session {session} has lost {}; nothing was run", told.join("; ")),
    )
    .with_facts(facts)
}

/// The cause of a loss through a limit: `it was not used for 15min`.
pub fn unused_for(limit: Duration) -> String {
    let seconds = limit.as_secs();
    let told = match (seconds, limit.subsec_millis()) {
        (0, millis) => format!("{millis}ms"),
        (seconds, _) if seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        (seconds, _) if seconds % 60 == 0 => format!("{}min", seconds / 60),
        (seconds, _) => format!("{seconds}s"),
    };
    format!("it was not used for {told}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(kind: LossKind, name: &str, cause: &str) -> Loss {
        Loss {
            kind,
            name: name.into(),
            cause: cause.into(),
        }
    }

    #[test]
    fn a_refusal_names_each_thing_and_why() {
        let losses = [
            loss(LossKind::Transaction, "", "the service was stopped"),
            loss(LossKind::TemporaryObject, "TABLE T", "the service was stopped"),
            loss(
                LossKind::Parameter,
                "TIMEZONE",
                "Snowflake refused it: no such zone",
            ),
        ];
        let error = refusal(&SessionName::default_name(), &losses);
        assert_eq!(error.reason(), Reason::SessionLost);
        assert_eq!(
            error.to_string(),
            "session default has lost the open transaction, temporary TABLE T (the service was stopped); \
             parameter TIMEZONE (Snowflake refused it: no such zone); nothing was run"
        );
        assert_eq!(
            error.facts().lost.as_deref(),
            Some(
                "the open transaction: the service was stopped\n\
                 temporary TABLE T: the service was stopped\n\
                 parameter TIMEZONE: Snowflake refused it: no such zone"
            )
        );
    }

    #[test]
    fn limits_are_told_in_their_largest_unit() {
        for (millis, told) in [
            (50, "50ms"),
            (90_000, "90s"),
            (900_000, "15min"),
            (14_400_000, "4h"),
        ] {
            let cause = unused_for(Duration::from_millis(millis));
            assert_eq!(cause, format!("it was not used for {told}"));
        }
    }

    #[test]
    fn many_losses_are_counted() {
        let losses: Vec<Loss> = (0..20)
            .map(|number| loss(LossKind::Variable, &format!("V{number}"), "gone"))
            .collect();
        let error = refusal(&SessionName::default_name(), &losses);
        assert!(
            error
                .to_string()
                .ends_with("variable V7 (gone); 12 more; nothing was run"),
            "{error}"
        );
        assert_eq!(error.facts().lost.as_deref().unwrap().lines().count(), 20);
    }
}
