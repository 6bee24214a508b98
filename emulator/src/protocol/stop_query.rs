//! `SYSTEM$CANCEL_QUERY('<query id>')`, selected or called alone: stops a statement of the same user.
//!
//! Statements are known here and not in the session, so this one form is answered here.

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use snowflake_emulator_engine::SqlType;
use uuid::Uuid;

use crate::results::{Collector, StoredResult, wire_columns};
use crate::session::{ResultColumn, SqlError, Submission};

use super::connector::Connector;
use super::execute::kept_not;
use super::query::Query;

/// The text is at most so long, however it is spaced; longer ones are not looked at.
const TEXT_LENGTH_MAX: usize = 200;

const VERBS: [&str; 2] = ["select", "call"];
const BEFORE_ID: &str = "system$cancel_query('";
const AFTER_ID: &str = "')";

/// A call, as it was written.
pub(super) struct Call {
    label: String,
    target: String,
}

/// The call that the submission is, if it is that alone.
pub(super) fn call(submission: &Submission) -> Option<Call> {
    if submission.sql.len() > TEXT_LENGTH_MAX || submission.describe_only || !submission.bindings.is_empty() {
        return None;
    }
    let text = submission.sql.trim().trim_end_matches(';').trim_end();
    let (verb, expression) = text.split_once(char::is_whitespace)?;
    if !VERBS.iter().any(|known| known.eq_ignore_ascii_case(verb)) {
        return None;
    }
    let packed: String = expression
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    let packed = packed.to_ascii_lowercase();
    let target = packed.strip_prefix(BEFORE_ID)?.strip_suffix(AFTER_ID)?;
    (!target.contains('\'')).then(|| Call {
        label: expression.trim().to_uppercase(),
        target: target.to_owned(),
    })
}

/// Stops what the call names, and says whether there was anything to stop.
pub(super) async fn carry_out(
    connector: &Connector,
    asking: &Query,
    call: &Call,
) -> Result<StoredResult, SqlError> {
    let id = Uuid::try_parse(&call.target).map_err(|_| SqlError {
        code: "001044",
        sql_state: "42P13",
        message: format!("SQL compilation error:\nInvalid UUID '{}'", call.target),
        position: None,
    })?;
    let known = connector
        .queries
        .get(id)
        .filter(|query| query.user == asking.user);
    let session = known.as_ref().and_then(|query| query.session.upgrade());
    let stopped = match (&known, session) {
        (Some(query), Some(session)) => query.stop(session.backend.as_ref()).await,
        _ => false,
    };
    let text = if stopped {
        format!("query [{id}] terminated.")
    } else {
        "Identified SQL statement is not currently executing.".to_owned()
    };
    let column = ResultColumn {
        name: call.label.clone(),
        sql_type: SqlType::Text { length: None },
        nullable: true,
        origin: Default::default(),
    };
    let field = Field::new(&column.name, DataType::Utf8, true);
    let rows = RecordBatch::try_new(
        Arc::new(Schema::new(vec![field])),
        vec![Arc::new(StringArray::from(vec![text]))],
    )
    .map_err(|error| kept_not(&error.into()))?;
    let limits = connector.settings.chunk_limits;
    let mut collector = Collector::new(wire_columns(vec![column]), limits, Arc::clone(&connector.spool));
    collector
        .push(&rows)
        .and_then(|()| collector.finish())
        .map_err(|error| kept_not(&error))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_the_plain_form_is_recognised() {
        let check = |text: &str| {
            let found = call(&Submission {
                query_id: Uuid::nil(),
                sql: text.to_owned(),
                bind_stage: None,
                bindings: BTreeMap::default(),
                parameters: BTreeMap::default(),
                describe_only: false,
                statement_count: None,
            });
            found.map(|call| (call.label, call.target))
        };
        let expected = Some(("SYSTEM$CANCEL_QUERY( 'AB' )".to_owned(), "ab".to_owned()));
        assert_eq!(check("select system$cancel_query( 'ab' );"), expected);
        assert_eq!(check("CALL\nSYSTEM$CANCEL_QUERY( 'ab' )"), expected);
        assert_eq!(check("select system$cancel_query('a') from t"), None);
        assert_eq!(check("select system$cancel_query('a'), '')"), None);
        assert_eq!(check("select 1"), None);
    }
}
