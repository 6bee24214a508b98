//! Snowflake's statement types, and which one a statement is.

use sqlparser::ast::{ObjectType, Statement};

use crate::front::{Command, Parsed, StageCommand, Use};

/// `SELECT`.
pub const SELECT: u32 = 0x1000;
/// `EXPLAIN`.
pub const EXPLAIN: u32 = 0x1001;
/// `INSERT`.
pub const INSERT: u32 = 0x3100;
/// `UPDATE`.
pub const UPDATE: u32 = 0x3200;
/// `DELETE`.
pub const DELETE: u32 = 0x3300;
/// `MERGE`.
pub const MERGE: u32 = 0x3400;
/// `INSERT ALL`.
pub const MULTI_TABLE_INSERT: u32 = 0x3500;
/// `COPY INTO` a table.
pub const COPY: u32 = 0x3600;
/// `COPY INTO` a stage.
pub const UNLOAD: u32 = 0x3700;
/// Statements about the session: `SET`, `UNSET`.
pub const SESSION: u32 = 0x4000;
/// `ALTER SESSION`.
pub const ALTER_SESSION: u32 = 0x4100;
/// `USE ROLE`, `USE SECONDARY ROLES`.
pub const USE: u32 = 0x4300;
/// `USE DATABASE`.
pub const USE_DATABASE: u32 = 0x4301;
/// `USE SCHEMA`.
pub const USE_SCHEMA: u32 = 0x4302;
/// `USE WAREHOUSE`.
pub const USE_WAREHOUSE: u32 = 0x4303;
/// `SHOW`.
pub const SHOW: u32 = 0x4400;
/// `DESCRIBE`.
pub const DESCRIBE: u32 = 0x4500;
/// `LIST`.
pub const LIST: u32 = 0x4701;
/// `BEGIN` and `ROLLBACK`.
pub const TRANSACTION: u32 = 0x5000;
/// `COMMIT`.
pub const COMMIT: u32 = 0x5100;
/// Everything that makes, changes or drops objects.
pub const DDL: u32 = 0x6000;
/// `GET`.
pub const GET: u32 = 0x7101;
/// `PUT`.
pub const PUT: u32 = 0x7102;
/// `REMOVE`.
pub const REMOVE: u32 = 0x7103;
/// `CALL`.
pub const CALL: u32 = 0x9000;
/// Several statements in one request.
pub const MULTI_STATEMENT: u32 = 0xA000;

/// `statementTypeId` of a statement.
pub fn statement_type(parsed: &Parsed) -> u32 {
    match parsed {
        Parsed::Command(command) => command_type(command),
        Parsed::Sql(statement) => match statement.as_ref() {
            Statement::Query(_) => SELECT,
            Statement::Insert(insert) if insert.multi_table_insert_type.is_some() => MULTI_TABLE_INSERT,
            Statement::Insert(_) => INSERT,
            Statement::Update(_) => UPDATE,
            Statement::Delete(_) => DELETE,
            Statement::Merge(_) => MERGE,
            _ => DDL,
        },
    }
}

fn command_type(command: &Command) -> u32 {
    match command {
        Command::Show(_) => SHOW,
        Command::Describe(_) | Command::DescribeResult(_) => DESCRIBE,
        Command::Explain(_) => EXPLAIN,
        Command::Use(Use::Database(_)) => USE_DATABASE,
        Command::Use(Use::Schema(_)) => USE_SCHEMA,
        Command::Use(Use::Warehouse(_)) => USE_WAREHOUSE,
        Command::Use(Use::Role(_) | Use::SecondaryRoles(_)) => USE,
        Command::Set(..) | Command::Unset(_) => SESSION,
        Command::AlterSession(_) => ALTER_SESSION,
        Command::Begin(_) | Command::Rollback => TRANSACTION,
        Command::Commit => COMMIT,
        // What it runs has the type of its own.
        Command::ExecuteImmediate(_) => CALL,
        Command::Wait(wait) if wait.called => CALL,
        Command::Wait(_) => SELECT,
        Command::Stage(command) => match command {
            StageCommand::DescribeStage(_) | StageCommand::DescribeFormat(_) => DESCRIBE,
            StageCommand::List(_) => LIST,
            StageCommand::Remove(_) => REMOVE,
            StageCommand::Put(_) => PUT,
            StageCommand::Get(_) => GET,
            StageCommand::CopyIn(_) => COPY,
            StageCommand::CopyOut(_) => UNLOAD,
            _ => DDL,
        },
        _ => DDL,
    }
}

/// How a statement meets the transaction it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Reads rows.
    Query,
    /// Changes rows; begins a transaction when AUTOCOMMIT is off.
    Dml,
    /// Changes objects; commits an open transaction first and itself at once.
    Ddl,
    /// Touches neither rows nor objects.
    Session,
}

/// The manner of a statement.
pub fn manner(parsed: &Parsed) -> Manner {
    match statement_type(parsed) {
        _ if matches!(parsed, Parsed::Command(Command::Wait(_))) => Manner::Session,
        SELECT => Manner::Query,
        INSERT..=COPY => Manner::Dml,
        UNLOAD => Manner::Query,
        DDL => match parsed {
            Parsed::Command(Command::Truncate { .. }) => Manner::Dml,
            _ => Manner::Ddl,
        },
        _ => Manner::Session,
    }
}

/// What a statement does, as messages about missing databases name it.
pub fn operation(parsed: &Parsed) -> &'static str {
    match parsed {
        Parsed::Sql(statement) => match statement.as_ref() {
            Statement::Insert(_) => "INSERT",
            Statement::Update(_) => "UPDATE",
            Statement::Delete(_) => "DELETE",
            Statement::Merge(_) => "MERGE",
            Statement::CreateTable(_) => "CREATE TABLE",
            Statement::CreateView(_) => "CREATE VIEW",
            Statement::AlterTable(_) => "ALTER TABLE",
            Statement::Drop {
                object_type: ObjectType::View,
                ..
            } => "DROP VIEW",
            Statement::Drop { .. } => "DROP",
            _ => "SELECT",
        },
        Parsed::Command(command) => match command {
            Command::Show(_) => "SHOW",
            Command::Describe(_) | Command::DescribeResult(_) => "DESCRIBE",
            Command::Explain(explain) => operation(&explain.statement),
            Command::Truncate { .. } => "TRUNCATE",
            Command::CommentColumns(_) | Command::AlterTable(_) => "ALTER TABLE",
            Command::CreateNamespace(_) => "CREATE SCHEMA",
            Command::CreateFromTemplate(_) => "CREATE TABLE",
            Command::CreateSequence(_) => "CREATE SEQUENCE",
            Command::AlterSequence(_) => "ALTER SEQUENCE",
            _ => "statement",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{parse, split};

    fn check(text: &str, statement_type: u32, manner: Manner) {
        let pieces = split(text).unwrap();
        let parsed = parse(&pieces[0]).unwrap();
        assert_eq!(
            (super::statement_type(&parsed), super::manner(&parsed)),
            (statement_type, manner),
            "{text}"
        );
    }

    #[test]
    fn statements_have_snowflakes_types() {
        check("select 1", 0x1000, Manner::Query);
        check("with a as (select 1) select * from a", 0x1000, Manner::Query);
        check("insert into t values (1)", 0x3100, Manner::Dml);
        check("update t set a = 1", 0x3200, Manner::Dml);
        check("delete from t", 0x3300, Manner::Dml);
        check(
            "merge into t using s on t.a = s.a when matched then delete",
            0x3400,
            Manner::Dml,
        );
        check("truncate table t", 0x6000, Manner::Dml);
        check("create table t (a int)", 0x6000, Manner::Ddl);
        check("drop view v", 0x6000, Manner::Ddl);
        check("use schema a.b", 0x4302, Manner::Session);
        check("explain select 1", 0x1001, Manner::Session);
        check("show tables", 0x4400, Manner::Session);
        check("copy into t from @s", 0x3600, Manner::Dml);
        check("copy into @s from t", 0x3700, Manner::Query);
        check("list @s", 0x4701, Manner::Session);
        check("put file:///a @s", 0x7102, Manner::Session);
        check("rm @s", 0x7103, Manner::Session);
        check("create stage s", 0x6000, Manner::Ddl);
        check("set x = 1", 0x4000, Manner::Session);
        check("alter session set timezone = 'UTC'", 0x4100, Manner::Session);
        check("call system$wait(1)", 0x9000, Manner::Session);
        check("select system$wait(1)", 0x1000, Manner::Session);
        check("begin", 0x5000, Manner::Session);
        check("commit", 0x5100, Manner::Session);
    }
}
