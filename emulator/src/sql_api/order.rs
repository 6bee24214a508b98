//! What a request asks to be run: its query string and its body, read and checked.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::bindings::{self, WireBindings};
use super::parameters;
use super::refusal::Refusal;
use super::settings::STATEMENT_TIME_MAX;
use crate::protocol::{Exchange, Identity, Parameters};
use crate::results::JsonStyle;
use crate::session::{Binding, Needs, ParameterValue, SessionSpec, SqlError, needs};

/// The parameter that limits how long a statement runs, in seconds.
const STATEMENT_TIMEOUT: &str = "STATEMENT_TIMEOUT_IN_SECONDS";
/// How long a statement runs at most when the request does not say: Snowflake's two days.
const STATEMENT_TIME_USUAL: Duration = Duration::from_hours(48);
/// The only form of results that there is.
const FORMAT: &str = "jsonv2";

/// Has no `Debug`: statements and values are the user's affair.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    statement: Option<String>,
    timeout: Option<i64>,
    database: Option<String>,
    schema: Option<String>,
    warehouse: Option<String>,
    role: Option<String>,
    bindings: Option<WireBindings>,
    parameters: Option<Parameters>,
    result_set_meta_data: Option<ResultSetMetaData>,
}

#[derive(Deserialize)]
struct ResultSetMetaData {
    format: Option<String>,
}

/// What the query string of a submission says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manner {
    pub(super) request_id: Option<Uuid>,
    pub(super) is_async: bool,
    pub(super) is_retry: bool,
    /// NULL is the text `null`.
    pub(super) null_as_text: bool,
}

/// What is to be run.
pub(super) struct Order {
    pub(super) manner: Manner,
    pub(super) statement: String,
    /// How many statements the text holds; 0 is any number, none is as the session has it.
    pub(super) statement_count: Option<u32>,
    pub(super) spec: SessionSpec,
    pub(super) bindings: BTreeMap<String, Binding>,
    pub(super) style: JsonStyle,
    pub(super) rows_max: Option<u64>,
    pub(super) partition_bytes_max: Option<u64>,
    /// Why the statement will not run, although the request is as it should be.
    pub(super) refused: Option<SqlError>,
}

impl Manner {
    /// Reads the query string.
    pub(super) fn read(exchange: &Exchange) -> Result<Self, Refusal> {
        Ok(Self {
            request_id: request_id(exchange)?,
            is_async: truth(exchange, "async", false)?,
            is_retry: truth(exchange, "retry", false)?,
            null_as_text: !truth(exchange, "nullable", true)?,
        })
    }
}

/// The id of a request, which must be a UUID.
pub(super) fn request_id(exchange: &Exchange) -> Result<Option<Uuid>, Refusal> {
    let id = exchange.query("requestId").map(|id| Uuid::parse_str(&id));
    id.transpose()
        .map_err(|_| Refusal::payload("requestId must be a UUID."))
}

fn truth(exchange: &Exchange, name: &str, usual: bool) -> Result<bool, Refusal> {
    match exchange
        .query(name)
        .map(|text| text.to_ascii_lowercase())
        .as_deref()
    {
        None => Ok(usual),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(Refusal::payload(&format!("{name} must be true or false."))),
    }
}

/// The statement of a body, for those who only want to look at it.
pub(super) fn statement(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Body>(body).ok()?.statement
}

impl Order {
    /// Reads a submission of somebody whose statement may run for `time_max`.
    pub(super) fn read(exchange: &Exchange, who: &Identity, time_max: Duration) -> Result<Self, Refusal> {
        let manner = Manner::read(exchange)?;
        let body: Body = serde_json::from_slice(exchange.body()).map_err(|error| {
            // Only where it broke is told: the text may hold secrets.
            Refusal::payload(&format!(
                "It breaks at line {} column {}.",
                error.line(),
                error.column()
            ))
        })?;
        Self::of(manner, body, who, time_max)
    }

    fn of(manner: Manner, body: Body, who: &Identity, time_max: Duration) -> Result<Self, Refusal> {
        let Some(statement) = body.statement else {
            return Err(Refusal::payload("It has no statement."));
        };
        let format = body.result_set_meta_data.and_then(|meta| meta.format);
        if format.is_some_and(|format| !format.eq_ignore_ascii_case(FORMAT)) {
            return Err(Refusal::payload("The format of results is jsonv2."));
        }
        let mut asked = parameters::read(&body.parameters.unwrap_or_default())?;
        asked.style.null_as_text = manner.null_as_text;
        let seconds = time_limit(body.timeout, time_max)?.as_secs();
        let timeout = ParameterValue::Integer(i64::try_from(seconds).unwrap_or(i64::MAX));
        asked.session.insert(STATEMENT_TIMEOUT.to_owned(), timeout);
        let (bindings, unrecognized) = match bindings::read(body.bindings.unwrap_or_default())? {
            Ok(bindings) => (bindings, None),
            Err(error) => (BTreeMap::new(), Some(error)),
        };
        Ok(Self {
            manner,
            refused: unrecognized.or_else(|| refused(&statement, !bindings.is_empty())),
            statement,
            statement_count: asked.statement_count,
            spec: SessionSpec {
                user: who.user.clone(),
                role: exact(body.role),
                roles: who.roles.clone(),
                warehouse: exact(body.warehouse),
                database: exact(body.database),
                schema: exact(body.schema),
                parameters: asked.session,
            },
            bindings,
            style: asked.style,
            rows_max: asked.rows_max,
            partition_bytes_max: asked.partition_bytes_max,
        })
    }
}

/// How long the statement may run; 0 is as long as can be.
fn time_limit(timeout: Option<i64>, time_max: Duration) -> Result<Duration, Refusal> {
    let asked = match timeout.map(u64::try_from) {
        None => STATEMENT_TIME_USUAL,
        Some(Ok(0)) => STATEMENT_TIME_MAX,
        Some(Ok(seconds)) => Duration::from_secs(seconds),
        Some(Err(_)) => return Err(Refusal::payload("timeout must not be negative.")),
    };
    Ok(asked.min(time_max).max(Duration::from_secs(1)))
}

/// A name that is meant as it is written, in the form in which sessions take such names; empty is none.
fn exact(name: Option<String>) -> Option<String> {
    let name = name.filter(|name| !name.is_empty())?;
    Some(SessionSpec::exact_name(&name))
}

/// Why a text is not run by a request: its statements need what a request does not have.
fn refused(sql: &str, has_bindings: bool) -> Option<SqlError> {
    let unsupported = |message: String| {
        Some(SqlError {
            code: "391911",
            sql_state: "0A000",
            message,
            position: None,
        })
    };
    // What cannot be cut into statements is the session's to refuse.
    let statements = needs(sql).ok()?;
    for statement in &statements {
        match statement {
            Needs::Client(name) => return unsupported(format!("Unsupported statement type '{name}'.")),
            Needs::Session(name) if statements.len() == 1 => {
                return unsupported(format!(
                    "Unsupported statement type '{name}'. It is allowed among several statements of one request."
                ));
            }
            Needs::Session(_) | Needs::Nothing => {}
        }
    }
    if statements.len() > 1 && has_bindings {
        return unsupported(
            "Bind variables are not supported in requests with several statements.".to_owned(),
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(body: &str) -> Result<Order, String> {
        let body: Body = serde_json::from_str(body).map_err(|error| error.to_string())?;
        Order::of(
            Manner::default(),
            body,
            &"ANN".to_owned().into(),
            STATEMENT_TIME_MAX,
        )
        .map_err(|refusal| format!("{refusal:?}"))
    }

    #[test]
    fn names_are_meant_as_they_are_written() {
        let order = order(r#"{"statement":"select 1","database":"My \"Db","schema":"","role":"R"}"#).unwrap();
        assert_eq!(order.spec.database.as_deref(), Some("\"My \"\"Db\""));
        assert_eq!(order.spec.schema, None);
        assert_eq!(order.spec.role.as_deref(), Some("\"R\""));
    }

    #[test]
    fn a_timeout_of_zero_is_the_longest() {
        let limit = |timeout, max| {
            time_limit(timeout, Duration::from_secs(max))
                .map(|limit| limit.as_secs())
                .ok()
        };
        assert_eq!(limit(None, 604_800), Some(172_800));
        assert_eq!(limit(Some(0), 604_800), Some(604_800));
        assert_eq!(limit(Some(0), 60), Some(60));
        assert_eq!(limit(Some(10), 60), Some(10));
        assert_eq!(limit(Some(-1), 60), None);
    }

    #[test]
    fn what_needs_a_session_is_refused_alone() {
        let refused = |sql: &str| refused(sql, false).map(|error| error.message);
        assert_eq!(refused("select 1"), None);
        assert!(refused("begin").is_some_and(|message| message.contains("'BEGIN'")));
        assert_eq!(refused("begin; select 1; commit"), None);
        assert!(refused("select 1; put file:///x @s").is_some());
        assert!(super::refused("select ?; select 2", true).is_some());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = serde_json::from_slice::<Body>(&body);
            let _ = statement(&body);
        }

        #[test]
        fn whatever_is_to_be_run_is_read(sql in ".*", timeout in any::<i64>(), name in ".*") {
            let body = serde_json::json!({ "statement": sql, "timeout": timeout, "database": name });
            let _ = order(&body.to_string());
        }
    }
}
