//! Functions whose answer is the session's: who, where, when.
//!
//! They become literals. In stored expressions (defaults of columns, views) the clock must be read when they run, and
//! the session be asked that runs them: those become calls of the engine's clock and of a function that is told.

use sqlparser::ast::Expr;

use super::Scope;
use super::build::{call, engine_cast, null, raw, text};
use super::expressions::Work;
use super::refuse::{invalid_argument, unsupported};
use crate::catalog::names::literal as quoted;
use crate::contract::SqlError;

/// The functions whose answer is a text that a kept expression can be told.
const FACTS: [&str; 17] = [
    "CURRENT_DATABASE",
    "CURRENT_SCHEMA",
    "CURRENT_SCHEMAS",
    "CURRENT_USER",
    "CURRENT_ROLE",
    "CURRENT_AVAILABLE_ROLE",
    "CURRENT_AVAILABLE_ROLES",
    "CURRENT_SECONDARY_ROLES",
    "CURRENT_WAREHOUSE",
    "CURRENT_ACCOUNT",
    "CURRENT_ACCOUNT_NAME",
    "CURRENT_ORGANIZATION_NAME",
    "CURRENT_REGION",
    "CURRENT_VERSION",
    "CURRENT_CLIENT",
    "CURRENT_IP_ADDRESS",
    "CURRENT_SESSION",
];

/// The engine's function that answers for the session whose statement it is in.
const SESSION_FACT: &str = "sf_session_fact";

/// What the functions of kept expressions answer in a session: a JSON object of texts and nulls.
pub fn session_facts(scope: &Scope<'_>) -> String {
    let facts = FACTS.iter().map(|name| {
        let answer = fact(name, scope).map_or(serde_json::Value::Null, serde_json::Value::from);
        ((*name).to_owned(), answer)
    });
    serde_json::Value::Object(facts.collect()).to_string()
}

/// The answer of one of [`FACTS`]; none is NULL.
fn fact(name: &str, scope: &Scope<'_>) -> Option<String> {
    let facts = scope.facts;
    let names = scope.names;
    let answer = match name {
        "CURRENT_DATABASE" => names.database?.as_str(),
        "CURRENT_SCHEMA" => names.schema?.as_str(),
        "CURRENT_SCHEMAS" => {
            return Some(match (names.database, names.schema) {
                (Some(database), Some(schema)) => format!("[\"{database}.{schema}\"]"),
                _ => "[]".to_owned(),
            });
        }
        "CURRENT_USER" => facts.user,
        "CURRENT_ROLE" | "CURRENT_AVAILABLE_ROLE" => facts.role?,
        "CURRENT_AVAILABLE_ROLES" => return Some(format!("[\"{}\"]", facts.role.unwrap_or("PUBLIC"))),
        "CURRENT_SECONDARY_ROLES" => "{\"roles\":\"\",\"value\":\"\"}",
        "CURRENT_WAREHOUSE" => facts.warehouse?,
        "CURRENT_ACCOUNT" | "CURRENT_ACCOUNT_NAME" | "CURRENT_ORGANIZATION_NAME" => facts.account,
        "CURRENT_REGION" => facts.region,
        "CURRENT_VERSION" => facts.version,
        "CURRENT_CLIENT" => facts.client,
        "CURRENT_IP_ADDRESS" => facts.ip_address,
        "CURRENT_SESSION" => return Some(facts.session_id.to_string()),
        _ => return None,
    };
    Some(answer.to_owned())
}

/// The value of a session function; `None` when `name` is none.
pub(super) fn value(name: &str, args: &[Expr], work: &mut Work<'_>) -> Result<Option<Expr>, SqlError> {
    let facts = work.scope.facts;
    let answer = match name {
        _ if FACTS.contains(&name) => {
            if work.deferred {
                call(SESSION_FACT, vec![text(name)])
            } else {
                fact(name, work.scope).map_or_else(null_text, text)
            }
        }
        "CURRENT_TRANSACTION" | "CURRENT_STATEMENT" | "LAST_QUERY_ID" if work.deferred => {
            return Err(unsupported(&format!("{name} in a view or a default")));
        }
        "CURRENT_TRANSACTION" => facts
            .transaction_id
            .map_or_else(null_text, |transaction| text(transaction.to_string())),
        "CURRENT_STATEMENT" => text(work.scope.source.unwrap_or_default()),
        "LAST_QUERY_ID" => last_query(args, facts.query_ids)?,
        "GETVARIABLE" if work.deferred => return Err(unsupported("GETVARIABLE in a view or a default")),
        "GETVARIABLE" => match args {
            [variable] => {
                let variable = super::build::literal_text(variable).ok_or_else(|| invalid_argument(name))?;
                let known = work.scope.variables.get(variable);
                known
                    .and_then(|known| known.text.as_deref())
                    .map_or_else(null_text, text)
            }
            _ => return Err(invalid_argument(name)),
        },
        "IS_ROLE_IN_SESSION" => match args {
            [role] => {
                let role = super::build::literal_text(role).ok_or_else(|| invalid_argument(name))?;
                if work.deferred {
                    raw(format!(
                        "({SESSION_FACT}('CURRENT_ROLE') IS NOT DISTINCT FROM {})",
                        quoted(role)
                    ))
                } else {
                    super::build::boolean(facts.role == Some(role))
                }
            }
            _ => return Err(invalid_argument(name)),
        },
        "CURRENT_TIMESTAMP" | "GETDATE" | "LOCALTIMESTAMP" | "SYSTIMESTAMP" | "SYSDATE" | "CURRENT_DATE"
        | "CURRENT_TIME" | "LOCALTIME" => clock(name, work)?,
        _ => return Ok(None),
    };
    work.uses_session_state = true;
    Ok(Some(answer))
}

fn null_text() -> Expr {
    engine_cast(null(), "VARCHAR")
}

/// `LAST_QUERY_ID()`, `LAST_QUERY_ID(-2)`, `LAST_QUERY_ID(1)`.
fn last_query(args: &[Expr], query_ids: &[String]) -> Result<Expr, SqlError> {
    let position = match args {
        [] => -1,
        [position] => {
            super::build::literal_integer(position).ok_or_else(|| invalid_argument("LAST_QUERY_ID"))?
        }
        _ => return Err(invalid_argument("LAST_QUERY_ID")),
    };
    let from_end = usize::try_from(-position)
        .ok()
        .and_then(|back| query_ids.len().checked_sub(back));
    let from_start = usize::try_from(position)
        .ok()
        .and_then(|place| place.checked_sub(1));
    let found = if position < 0 { from_end } else { from_start };
    Ok(found
        .and_then(|index| query_ids.get(index))
        .map_or_else(null_text, text))
}

/// The statement's time in the form that the function gives.
fn clock(name: &str, work: &Work<'_>) -> Result<Expr, SqlError> {
    let facts = work.scope.facts;
    if work.stored {
        // The engine's clock gives its transaction's start in UTC.
        let utc = "CAST(CAST(now() AS TIMESTAMP) AS TIMESTAMP_NS)";
        let local = format!("sf_to_timestamp_ntz(CAST({utc} AS sf_timestamp_ltz))");
        return Ok(raw(match name {
            "SYSDATE" => utc.to_owned(),
            "CURRENT_DATE" => format!("CAST({local} AS DATE)"),
            "CURRENT_TIME" | "LOCALTIME" => format!("CAST({local} AS TIME)"),
            _ => format!("CAST({utc} AS sf_timestamp_ltz)"),
        }));
    }
    let instant = jiff::Timestamp::from_nanosecond(i128::from(facts.statement_time_ns))
        .map_err(|_| unsupported("clock outside of the calendar"))?;
    let utc = jiff::tz::TimeZone::UTC.to_datetime(instant);
    let offset = jiff::tz::Offset::from_seconds(facts.zone_offset_minutes * 60)
        .map_err(|_| unsupported("time zone offset"))?;
    let local = offset.to_datetime(instant);
    Ok(match name {
        "CURRENT_DATE" => raw(format!("DATE {}", quoted(&local.date().to_string()))),
        "CURRENT_TIME" | "LOCALTIME" => raw(format!("CAST('{:.9}' AS TIME_NS)", local.time())),
        "SYSDATE" => raw(format!(
            "CAST('{}' AS TIMESTAMP_NS)",
            super::casts::timestamp_text(utc)
        )),
        _ => raw(format!(
            "CAST(CAST('{}' AS TIMESTAMP_NS) AS sf_timestamp_ltz)",
            super::casts::timestamp_text(utc)
        )),
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered, lowering};

    #[test]
    fn the_session_answers() {
        check(
            lowered,
            &[
                (
                    "select current_database() a, current_schema() b, current_warehouse() c",
                    r#"SELECT 'D' AS "A", 'S' AS "B", CAST(NULL AS VARCHAR) AS "C""#,
                ),
                (
                    "select current_date a, current_date() b",
                    r#"SELECT DATE '2024-01-02' AS "A", DATE '2024-01-02' AS "B""#,
                ),
                (
                    "select current_timestamp a",
                    r#"SELECT CAST(CAST('2024-01-02 12:00:00.000000000' AS TIMESTAMP_NS) AS sf_timestamp_ltz) AS "A""#,
                ),
                (
                    "select current_time()",
                    r#"SELECT CAST('04:00:00.000000000' AS TIME_NS) AS "CURRENT_TIME{28}{29}""#,
                ),
                (
                    "select last_query_id() a",
                    r#"SELECT CAST(NULL AS VARCHAR) AS "A""#,
                ),
            ],
        );
        check(
            lowered,
            &[
                (
                    "create view v as select current_user() a, is_role_in_session('R') b",
                    r#"CREATE VIEW "D.S"."V" AS SELECT sf_session_fact('CURRENT_USER') AS "A", (sf_session_fact('CURRENT_ROLE') IS NOT DISTINCT FROM 'R') AS "B""#,
                ),
                (
                    "create view v as select last_query_id() a",
                    "000002 0A000: Unsupported feature 'LAST_QUERY_ID in a view or a default'.",
                ),
            ],
        );
        assert!(lowering("select current_user").unwrap().uses_session_state);
        assert!(!lowering("select 1").unwrap().uses_session_state);
    }
}
