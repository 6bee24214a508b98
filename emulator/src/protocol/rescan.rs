//! Reading a known result again by SQL: `select * from table(result_scan('<query id>'))`.
//!
//! Drivers fetch the outcome of a detached statement with exactly this text, so this one form is answered here, from
//! the result as it lies. For anything more that is asked of a result (columns, conditions, joins) the session asks
//! for the rows, and runs a statement over them.

use std::sync::Arc;

use uuid::Uuid;

use crate::results::StoredResult;
use crate::session::{SqlError, Submission};

use super::connector::Connector;
use super::query::Query;

/// The text is at most so long, however it is spaced; longer ones are not looked at.
const TEXT_LENGTH_MAX: usize = 200;

const BEFORE_ID: &str = "select*fromtable(result_scan('";
const AFTER_ID: &str = "'))";

/// The query whose result the submission asks for, if it asks for that alone.
pub(super) fn target(submission: &Submission) -> Option<Uuid> {
    if submission.sql.len() > TEXT_LENGTH_MAX || submission.describe_only || !submission.bindings.is_empty() {
        return None;
    }
    let text: String = submission
        .sql
        .chars()
        .filter(|character| !character.is_whitespace())
        .collect();
    let text = text.to_ascii_lowercase();
    let id = text
        .trim_end_matches(';')
        .strip_prefix(BEFORE_ID)?
        .strip_suffix(AFTER_ID)?;
    Uuid::try_parse(id).ok()
}

/// The rows that a query gave; it must have ended well, and be the same user's. It counts as read from here on: who
/// asks holds its rows.
pub(super) fn rows(
    connector: &Connector,
    asking: &Query,
    target: Uuid,
) -> Result<Arc<StoredResult>, SqlError> {
    let known = connector
        .queries
        .get(target)
        .filter(|query| query.user == asking.user);
    let rows = known.as_ref().and_then(|query| {
        let statement = query.statement()?;
        Some((query, Arc::clone(&statement.rows)))
    });
    let (query, rows) = rows.ok_or_else(|| SqlError::no_statement(&target.to_string()))?;
    for part in 0..=rows.chunks().len() {
        connector.queries.given(query, part);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_the_plain_form_is_recognised() {
        let id = Uuid::new_v4();
        let check = |text: String| {
            target(&Submission {
                query_id: Uuid::nil(),
                sql: text,
                bindings: BTreeMap::default(),
                bind_stage: None,
                parameters: BTreeMap::default(),
                describe_only: false,
                statement_count: None,
            })
        };
        assert_eq!(
            check(format!("select * from table(result_scan('{id}'))")),
            Some(id)
        );
        assert_eq!(
            check(format!("SELECT *\nFROM TABLE ( RESULT_SCAN('{id}') );")),
            Some(id)
        );
        assert_eq!(check(format!("select a from table(result_scan('{id}'))")), None);
        assert_eq!(
            check(format!("select * from table(result_scan('{id}')) limit 1")),
            None
        );
        assert_eq!(
            check("select * from table(result_scan(last_query_id()))".to_owned()),
            None
        );
        assert_eq!(check("select 1".to_owned()), None);
    }
}
