//! The plan: what a statement that was read will do, before it does it.
//!
//! [`kind`] says what type of statement it is and how it meets a transaction. [`plan_ddl`] turns
//! statements that change objects into engine SQL, catalog SQL and effects on the session, all to be carried
//! out elsewhere ([`DdlPlan`]); it reads the catalog but writes nothing. [`Shower`] answers SHOW and DESCRIBE;
//! [`shape`] makes the results that the emulator words itself.

mod account;
mod alter_table;
mod change;
mod clone;
mod ddl;
mod describe;
pub mod explain;
mod files;
mod get_ddl;
mod grants;
mod keys;
pub mod kind;
mod namespaces;
mod sequences;
pub mod shape;
mod show;
mod show_absent;
mod show_files;
mod show_grants;
mod show_keys;
mod show_objects;
mod table_options;
mod tables;

pub use ddl::{DdlPlan, Effect, Failure, Made, Planner, Step, Temporary};
pub use describe::description;
pub use files::{FileScope, TemporaryFiles, stored_copy_options};
pub use show::Shower;
pub use show_grants::KnownUser;

use sqlparser::ast::Statement;

use crate::catalog::names::Name;
use crate::contract::SqlError;
use crate::front::{Command, Parsed};

/// Plans a statement that changes objects ([`kind::Manner::Ddl`]).
pub fn plan_ddl(
    planner: &mut Planner<'_>,
    parsed: &Parsed,
    current_warehouse: Option<&Name>,
) -> Result<DdlPlan, Failure> {
    match parsed {
        Parsed::Command(command) => plan_command(planner, command, current_warehouse),
        Parsed::Sql(statement) => match statement.as_ref() {
            Statement::CreateTable(table) => tables::create_table(planner, table),
            Statement::CreateView(view) => tables::create_view(planner, view),
            Statement::AlterTable(table) => alter_table::alter_table(planner, table),
            Statement::Drop {
                object_type,
                if_exists,
                names,
                ..
            } => change::drop_object(planner, *object_type, *if_exists, names),
            other => {
                let text = other.to_string();
                let words: Vec<&str> = text.split_whitespace().take(2).collect();
                Err(SqlError::unsupported(words.join(" ")).into())
            }
        },
    }
}

fn plan_command(
    planner: &mut Planner<'_>,
    command: &Command,
    current_warehouse: Option<&Name>,
) -> Result<DdlPlan, Failure> {
    match command {
        Command::CreateNamespace(made) => namespaces::create(planner, made),
        Command::DropNamespace(dropped) => namespaces::drop(planner, dropped),
        Command::UndropNamespace(kind, path) => namespaces::undrop(planner, *kind, path),
        Command::AlterNamespace(altered) => namespaces::alter(planner, altered),
        Command::UndropTable(path) => change::undrop_table(planner, path),
        Command::CreateAccountObject(made) => account::create(planner, made),
        Command::DropAccountObject(dropped) => account::drop(planner, dropped),
        Command::AlterAccountObject(altered) => account::alter(planner, altered, current_warehouse),
        Command::CreateSequence(made) => sequences::create(planner, made),
        Command::AlterSequence(altered) => sequences::alter(planner, altered),
        Command::DropSequence(dropped) => sequences::drop(planner, dropped),
        Command::AlterTable(altered) => table_options::alter_options(planner, altered),
        Command::AlterView(altered) => change::alter_view(planner, altered),
        Command::Grant(grant) => grants::grant(planner, grant),
        Command::Comment(comment) => change::comment(planner, comment),
        Command::Stage(command) => files::plan(planner, command),
        Command::CommentColumns(comments) => {
            let mut plan = DdlPlan::executed();
            for comment in comments {
                plan.steps.extend(change::comment(planner, comment)?.steps);
            }
            Ok(plan)
        }
        Command::CreateFromTemplate(_)
        | Command::Show(_)
        | Command::Describe(_)
        | Command::DescribeResult(_)
        | Command::Explain(_)
        | Command::ExecuteImmediate(_)
        | Command::Use(_)
        | Command::Set(..)
        | Command::Unset(_)
        | Command::AlterSession(_)
        | Command::Begin(_)
        | Command::Commit
        | Command::Rollback
        | Command::Wait(_)
        | Command::Truncate { .. } => {
            Err(SqlError::internal("a statement that changes no object was planned as one that does").into())
        }
    }
}
