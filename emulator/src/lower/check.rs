//! The one check function of the room's tests.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::Statement;
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;

use super::{Facts, Lowered, Scope, lower};
use crate::catalog::names::{Name, NameScope};
use crate::contract::SqlError;

/// Runs `transform` on the first text of each pair and expects the second.
pub(super) fn check(transform: impl Fn(&str) -> String, pairs: &[(&str, &str)]) {
    for (input, expected) in pairs {
        let actual = transform(input);
        assert_eq!(actual, *expected, "\n  input: {input}");
    }
}

/// Parses one statement.
pub(super) fn parse(sql: &str) -> Statement {
    let mut statements =
        Parser::parse_sql(&SnowflakeDialect {}, sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    assert_eq!(statements.len(), 1, "{sql}");
    statements.remove(0)
}

/// Lowers one statement in database `D`, schema `S`, at noon on 2 January 2024 UTC.
pub(super) fn lowering(sql: &str) -> Result<Lowered, SqlError> {
    let (database, schema) = (Name::exact("D"), Name::exact("S"));
    let (temporary, variables, bindings) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
    let scope = Scope {
        names: NameScope {
            database: Some(&database),
            schema: Some(&schema),
            temporary: &temporary,
        },
        source: Some(sql),
        sources: &super::NO_SOURCES,
        columns: &super::NO_COLUMNS,
        facts: facts(),
        variables: &variables,
        bindings: &bindings,
        target: &[],
        random_seed: Some(42),
    };
    lower(&parse(sql), &scope)
}

/// Session facts with fixed values.
pub(super) fn facts() -> Facts<'static> {
    Facts {
        user: "ANN",
        role: Some("SYSADMIN"),
        warehouse: None,
        account: "LOCAL",
        region: "LOCAL",
        version: "9.35.0",
        session_id: 7,
        transaction_id: None,
        query_ids: &[],
        statement_time_ns: 1_704_196_800_000_000_000,
        zone: "America/Los_Angeles",
        zone_offset_minutes: -480,
        client: "test",
        ip_address: "127.0.0.1",
    }
}

/// The engine's text of a statement, or the code and first useful line of the refusal.
pub(super) fn lowered(sql: &str) -> String {
    match lowering(sql) {
        Ok(lowered) => lowered.sql,
        Err(error) => format!(
            "{} {}: {}",
            error.code,
            error.sql_state,
            error.message.replace('\n', " ")
        ),
    }
}
