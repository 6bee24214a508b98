//! Lowering: Snowflake's syntax tree in, the engine's SQL out.
//!
//! An ordered list of small steps over `sqlparser`'s tree. Each step is a pure function in a file of its
//! own with text-in, text-out tests. Nothing here runs SQL or looks into a database: which tables exist
//! and what types columns have is the engine's binder's business. Where Snowflake's semantics depend on
//! types, the lowering writes a call of an `sf_*` function, which sees the types when it is bound.
//!
//! What the lowering does not know it refuses by name (`Unknown function F`, `Unsupported feature 'X'`);
//! nothing is passed to the engine in the hope that it means the same there.
//!
//! Start at [`lower`], whose body is the list with the reasons for its order.

mod build;
mod casts;
mod chains;
#[cfg(test)]
mod check;
mod constants;
mod expressions;
mod functions;
mod identifiers;
mod intervals;
mod kinds;
mod labels;
mod lambdas;
mod operators;
pub mod outline;
mod parts;
mod paths;
mod physical;
pub mod pivots;
mod refuse;
mod relations;
mod remainders;
mod scope;
mod select;
mod session_functions;
mod sources;
mod statements;
mod table_functions;
mod tables;
mod types;

pub use kinds::{ColumnKinds, NO_COLUMNS};
pub use scope::{Answer, Constant, DeclaredColumn, Facts, Guard, Lowered, Scope};
pub use session_functions::session_facts;
pub use sources::{
    NO_SOURCES, Source, SourceKind, SourceRequest, column_count, names_sources, source_requests,
};
pub use statements::{converted, is_checked, plain_column};
pub use table_functions::numbers_inputs;
pub use types::{sql_type, written_type};

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, Statement, visit_relations};

use crate::catalog::names::{NameScope, ObjectPath};
use crate::contract::SqlError;

/// The statement with its bound values and session variables in their places.
pub fn with_values(statement: &Statement, scope: &Scope<'_>) -> Result<Statement, SqlError> {
    let mut statement = statement.clone();
    constants::apply(&mut statement, scope)?;
    Ok(statement)
}

/// A name of a statement with session variables in their places.
pub fn name_with_values(name: &ObjectName, scope: &Scope<'_>) -> Result<ObjectName, SqlError> {
    constants::name_with_values(name, scope)
}

/// The tables and views that a statement names, as far as its names resolve.
pub fn named_tables(statement: &Statement, names: &NameScope<'_>) -> BTreeSet<ObjectPath> {
    let mut paths = BTreeSet::new();
    let _: ControlFlow<()> = visit_relations(statement, |name| {
        // What does not resolve is refused where it is lowered.
        paths.extend(names.object(name, "SELECT"));
        ControlFlow::Continue(())
    });
    paths
}

/// A bound value as text of the type that it is given: Snowflake's spelling of dates and times.
pub fn bound_constant(type_name: &str, value: Option<String>) -> Result<Constant, SqlError> {
    casts::bound_constant(type_name, value)
}

/// Rewrites one statement for the engine.
///
/// Fails with Snowflake's compilation error for what Snowflake would refuse, and with `Unsupported
/// feature` for what this emulator does not do.
pub fn lower(statement: &Statement, scope: &Scope<'_>) -> Result<Lowered, SqlError> {
    let mut statement = statement.clone();
    // First, while expressions still are what was written.
    labels::apply(&mut statement, scope.source);
    // Before names have their spelling, because IDENTIFIER(..) makes names.
    let has_values = constants::apply(&mut statement, scope)?;
    let defaults = statements::written_defaults(&statement);
    // While names still are what was written, and before anything moves.
    sources::apply(&mut statement, scope.sources);
    identifiers::apply(&mut statement);
    // Clauses and tables move expressions about; they are lowered in their final place.
    select::apply(&mut statement)?;
    tables::apply(&mut statement)?;
    let tables = relations::apply(&mut statement, &scope.names, scope.sources)?;
    // While columns and literals are still seen as such.
    let named = tables
        .iter()
        .map(|path| (scope.names.physical_of(path), outline::Rows::Table(path.clone())));
    let made = scope.sources.values().filter_map(|source| {
        let columns = source.columns.clone()?;
        Some((source.sql.clone(), outline::Rows::Made(columns)))
    });
    let outline = outline::read(&statement, &named.chain(made).collect());
    let mut work = expressions::Work::new(scope);
    work.defaults = defaults;
    work.stored = matches!(
        statement,
        Statement::CreateTable(_) | Statement::CreateView(_) | Statement::AlterTable(_)
    );
    // A CREATE TABLE … AS runs its query at once.
    work.deferred =
        work.stored && !matches!(&statement, Statement::CreateTable(table) if table.query.is_some());
    expressions::apply(&mut statement, &mut work)?;
    remainders::apply(&mut statement);
    // Last, the target and the engine's spelling.
    let mut lowered = statements::finish(statement, &mut work)?;
    lowered.outline = outline;
    lowered.tables.extend(tables);
    lowered.tables.extend(work.sequences);
    lowered.uses_session_state |= has_values || work.uses_session_state;
    Ok(lowered)
}
