//! The driver's errors in our words, with a hint for the common ones.

use snowflake_session_driver::{DriverError, SqlError};

use super::emulator::Running;
use crate::domain::error::{Error, Facts, Reason};
use crate::domain::hint;

/// Translates an error of the driver.
pub(super) fn from_driver(error: DriverError) -> Error {
    let may_have_run = error.may_have_run();
    let error = translate(error);
    if may_have_run { error.with_doubt() } else { error }
}

fn translate(error: DriverError) -> Error {
    let facts = Facts {
        query_id: error.query_id().map(str::to_owned),
        ..Facts::default()
    };
    match error {
        DriverError::Sql(error) => from_sql(*error),
        DriverError::LoginRefused {
            code,
            sql_state,
            ref message,
        } => {
            let hint = login_hint(code.as_deref());
            let facts = Facts {
                snowflake_code: code,
                sql_state,
                hint: Some(hint.to_owned()),
                ..facts
            };
            // Snowflake's own words; that it refused is what the reason says.
            Error::new(Reason::LoginRefused, message.clone()).with_facts(facts)
        }
        DriverError::Unreachable { .. } => Error::new(Reason::Unreachable, error.to_string())
            .with_hint("look at the network and at account, host and protocol of the connection"),
        DriverError::SessionExpired { code, message, .. } => {
            let facts = Facts {
                snowflake_code: code,
                ..facts
            };
            Error::new(
                Reason::SessionLost,
                format!("the Snowflake session is no longer valid: {message}"),
            )
            .with_facts(facts)
            .with_hint("run the statement again: the session logs in anew")
        }
        DriverError::Timeout { .. } => Error::new(Reason::Timeout, error.to_string()).with_facts(facts),
        DriverError::OutcomeLost { .. } => Error::new(Reason::Unreachable, error.to_string())
            .with_facts(facts)
            .with_hint("look at what the statement should have done before you send it again"),
        DriverError::Cancelled { .. } => Error::new(Reason::Cancelled, error.to_string()).with_facts(facts),
        DriverError::Configuration { message, hint } => {
            let error = Error::new(Reason::Configuration, message);
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        }
        DriverError::Unsupported { .. } => {
            Error::new(Reason::InvalidRequest, error.to_string()).with_facts(facts)
        }
        DriverError::Value { .. } => Error::new(Reason::SqlRejected, error.to_string())
            .with_hint("cast the column in the SQL to a type that holds the value, for example to VARCHAR"),
        // Files that the driver reads are the user's: connections, keys, tokens.
        DriverError::Io { .. } => Error::new(Reason::Configuration, error.to_string())
            .with_hint("look at the file's path and permissions")
            .with_source(error),
        DriverError::Protocol { .. } => Error::internal(error.to_string()).with_source(error),
        other => Error::internal(other.to_string()).with_source(other),
    }
}

/// Translates an error of the driver, in the words that fit the emulator when that is what went away.
pub(super) fn explain(error: DriverError, emulator: Option<&Running>) -> Error {
    let error = from_driver(error);
    let went_away = matches!(error.reason(), Reason::Unreachable | Reason::SessionLost)
        && emulator.is_some_and(|emulator| !emulator.is_alive());
    if !went_away {
        return error;
    }
    let ended = Error::new(Reason::Unreachable, "the local emulator ended unexpectedly")
        .with_hint("the emulator is started anew; its log, emulator.log, is in the state folder");
    let ended = if error.may_have_run() {
        ended.with_doubt()
    } else {
        ended
    };
    ended.with_source(error)
}

/// Codes with which servers say that they have no result under an id: unknown, or not kept any more.
const UNAVAILABLE: [&str; 3] = ["000612", "000709", "000710"];

/// True when the server has no result under the id that was asked for.
pub(super) fn is_unavailable(error: &DriverError) -> bool {
    matches!(error, DriverError::Sql(sql) if UNAVAILABLE.contains(&sql.code.as_str()))
}

/// Translates an error that was met while a result was read by its query's id.
pub(super) fn explain_read(error: DriverError, query_id: &str, emulator: Option<&Running>) -> Error {
    if !is_unavailable(&error) {
        return explain(error, emulator);
    }
    let facts = Facts {
        query_id: Some(query_id.to_owned()),
        hint: Some(
            "Snowflake keeps results for 24 hours; look at the id, or run the statement again".to_owned(),
        ),
        ..Facts::default()
    };
    Error::new(
        Reason::NotFound,
        format!("Snowflake has no result of query {query_id}"),
    )
    .with_facts(facts)
    .with_source(error)
}

fn from_sql(error: SqlError) -> Error {
    let narrow = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    let facts = Facts {
        snowflake_code: Some(error.code),
        sql_state: error.sql_state,
        query_id: error.query_id,
        line: narrow(error.line),
        position: narrow(error.position),
        ..Facts::default()
    };
    let facts = Facts {
        hint: hint::hint(&facts, &error.message, None),
        ..facts
    };
    Error::new(Reason::SqlRejected, error.message).with_facts(facts)
}

fn login_hint(code: Option<&str>) -> &'static str {
    match code {
        Some("390100") => "look at user and password (or token) of the connection",
        Some("390144" | "394300" | "394301" | "394302" | "394303" | "394304" | "394305" | "394306") => {
            "look at the user's public key (RSA_PUBLIC_KEY), the account name and this machine's clock"
        }
        Some("390303" | "390318") => {
            "the OAuth token is invalid or has expired: put a new one into the connection"
        }
        Some("390422") => "this machine's address is not allowed by the account's network policy",
        _ => "look at the connection's account, user and credentials",
    }
}

#[cfg(test)]
mod tests {
    use snowflake_session_driver::Fate;

    use super::*;

    #[test]
    fn a_rejected_statement_keeps_its_facts_and_gets_a_hint() {
        let error = from_driver(DriverError::Sql(Box::new(SqlError {
            code: "002003".into(),
            sql_state: Some("42S02".into()),
            message: "Object 'T' does not exist or not authorized.".into(),
            query_id: Some("q".into()),
            line: Some(1),
            position: Some(14),
        })));
        assert_eq!(error.reason(), Reason::SqlRejected);
        assert_eq!(error.to_string(), "Object 'T' does not exist or not authorized.");
        let facts = error.facts();
        assert_eq!(facts.sql_state.as_deref(), Some("42S02"));
        assert_eq!((facts.line, facts.position), (Some(1), Some(14)));
        assert!(facts.hint.as_deref().unwrap().contains("sfctl context"));
    }

    #[test]
    fn an_outcome_that_is_lost_is_in_doubt_and_no_rejection() {
        let error = from_driver(DriverError::OutcomeLost {
            query_id: Some("q".into()),
        });
        assert_eq!(error.reason(), Reason::Unreachable);
        assert!(error.may_have_run());
        assert_eq!(error.facts().query_id.as_deref(), Some("q"));
    }

    #[test]
    fn reasons_follow_what_the_receiver_can_do() {
        let refused = DriverError::LoginRefused {
            code: Some("390100".into()),
            sql_state: None,
            message: "no".into(),
        };
        let unreachable = DriverError::Unreachable {
            endpoint: "http://x.test".into(),
            reason: "refused".into(),
            attempts: 3,
            fate: Fate::NotRun,
        };
        let expired = DriverError::SessionExpired {
            code: Some("390114".into()),
            message: "gone".into(),
            fate: Fate::NotRun,
        };
        let configuration = DriverError::Configuration {
            message: "no account".into(),
            hint: None,
        };
        let protocol = DriverError::Protocol {
            message: "odd".into(),
        };
        for (error, reason) in [
            (refused, Reason::LoginRefused),
            (unreachable, Reason::Unreachable),
            (expired, Reason::SessionLost),
            (configuration, Reason::Configuration),
            (protocol, Reason::Internal),
            (DriverError::Cancelled { query_id: None }, Reason::Cancelled),
        ] {
            assert_eq!(from_driver(error).reason(), reason);
        }
    }
}
