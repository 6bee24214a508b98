//! What the front reads, as text in and shape out.

use super::*;
use crate::catalog::names::Name;

fn read(text: &str) -> Result<Parsed, SqlError> {
    let pieces = split(text)?;
    parse(&pieces[0])
}

fn command(text: &str) -> Command {
    match read(text).unwrap_or_else(|error| panic!("{text}: {error}")) {
        Parsed::Command(command) => command,
        Parsed::Sql(statement) => panic!("{text} was read as {statement}"),
    }
}

fn path(text: &str) -> Path {
    crate::catalog::names::parse_dotted(text).unwrap()
}

#[test]
fn show_is_read() {
    let Command::Show(show) =
        command("show terse tables history like 'A%' in schema d.s starts with 'AB' limit 5 from 'x'")
    else {
        panic!("not SHOW")
    };
    assert_eq!(
        (show.kind, show.terse, show.history),
        (ShowKind::Tables, true, true)
    );
    assert_eq!(show.like.as_deref(), Some("A%"));
    assert_eq!(show.scope, ShowScope::Schema(Some(path("d.s"))));
    assert_eq!(
        (show.starts_with.as_deref(), show.limit, show.from.as_deref()),
        (Some("AB"), Some(5), Some("x"))
    );

    let scope_of = |text: &str| match command(text) {
        Command::Show(show) => show.scope,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        scope_of("SHOW SCHEMAS IN d"),
        ShowScope::Database(Some(path("d")))
    );
    assert_eq!(scope_of("SHOW TABLES IN DATABASE"), ShowScope::Database(None));
    assert_eq!(
        scope_of("SHOW COLUMNS IN TABLE d.s.t"),
        ShowScope::Table(path("d.s.t"))
    );
    assert_eq!(scope_of("SHOW VIEWS IN ACCOUNT"), ShowScope::Account);
    assert_eq!(scope_of("SHOW OBJECTS"), ShowScope::Unsaid);
    assert_eq!(read("show locks").unwrap_err().code, "000002");
    assert_eq!(read("show nonsense").unwrap_err().code, "001003");
}

#[test]
fn use_is_read() {
    assert_eq!(command("use d"), Command::Use(Use::Database(Name::exact("D"))));
    assert_eq!(
        command("use database \"d\""),
        Command::Use(Use::Database(Name::exact("d")))
    );
    assert_eq!(command("use d.s"), Command::Use(Use::Schema(path("d.s"))));
    assert_eq!(command("use schema s"), Command::Use(Use::Schema(path("s"))));
    assert_eq!(
        command("use warehouse w"),
        Command::Use(Use::Warehouse(Name::exact("W")))
    );
    assert_eq!(
        command("use role identifier('r')"),
        Command::Use(Use::Role(Name::exact("R")))
    );
}

#[test]
fn variables_are_read() {
    let Command::Set(names, query) = command("set x = 1 + 1") else {
        panic!("not SET")
    };
    assert_eq!((names.len(), query.to_string().as_str()), (1, "SELECT 1 + 1"));
    let Command::Set(names, query) = command("set (a, b) = (1, 'x')") else {
        panic!("not SET")
    };
    assert_eq!((names.len(), query.to_string().as_str()), (2, "SELECT 1, 'x'"));
    let Command::Set(_, query) = command("set (a, b) = (select 1, 2)") else {
        panic!("not SET")
    };
    assert_eq!(query.to_string(), "SELECT 1, 2");
    assert_eq!(command("unset (a, b)"), Command::Unset(path("a.b")));
    assert_eq!(read("set x =").unwrap_err().code, "001003");
}

#[test]
fn transactions_are_read() {
    assert_eq!(command("begin"), Command::Begin(None));
    assert_eq!(command("begin work"), Command::Begin(None));
    assert_eq!(
        command("start transaction name t1"),
        Command::Begin(Some(Name::exact("T1")))
    );
    assert_eq!(command("commit work"), Command::Commit);
    assert_eq!(command("rollback"), Command::Rollback);
    assert_eq!(read("rollback to savepoint x").unwrap_err().code, "001003");
}

#[test]
fn namespaces_are_read() {
    let Command::CreateNamespace(created) = command(
        "create or replace transient schema d.s with managed access comment = 'c' data_retention_time_in_days = 1",
    ) else {
        panic!("not CREATE")
    };
    assert!(created.or_replace && created.transient && !created.if_not_exists);
    assert_eq!(created.path, path("d.s"));
    assert_eq!(created.properties.len(), 3);
    assert!(
        matches!(command("create database if not exists d"), Command::CreateNamespace(c) if c.if_not_exists)
    );
    assert!(matches!(command("drop schema if exists d.s cascade"), Command::DropNamespace(d) if d.if_exists));
    assert_eq!(
        command("undrop database d"),
        Command::UndropNamespace(NamespaceKind::Database, path("d"))
    );
    let Command::AlterNamespace(altered) = command("alter database d rename to e") else {
        panic!("not ALTER")
    };
    assert_eq!(altered.change, Change::Rename(path("e")));
}

#[test]
fn account_objects_are_read() {
    let Command::CreateAccountObject(created) = command(
        "create warehouse if not exists w with warehouse_size = 'X-SMALL' auto_suspend = 60 initially_suspended = true",
    ) else {
        panic!("not CREATE")
    };
    assert_eq!(
        (created.kind, created.properties.len()),
        (AccountKind::Warehouse, 3)
    );
    assert!(
        matches!(command("alter warehouse w suspend"), Command::AlterAccountObject(a) if a.change == Change::Suspend)
    );
    assert!(
        matches!(command("alter warehouse resume if suspended"), Command::AlterAccountObject(a) if a.path.is_empty())
    );
    assert!(matches!(command("drop role r"), Command::DropAccountObject(d) if d.kind == AccountKind::Role));
}

#[test]
fn grants_are_read() {
    let grant = |text: &str| match command(text) {
        Command::Grant(grant) => grant,
        other => panic!("{other:?}"),
    };
    let usual = grant("grant select, insert on table d.s.t to role r with grant option");
    assert_eq!(
        (usual.privileges.len(), usual.on_kind.as_str(), usual.grant_option),
        (2, "TABLE", true)
    );
    assert_eq!(usual.grantee, path("r"));
    let all = grant("grant all privileges on all tables in schema d.s to r");
    assert_eq!(
        (all.privileges[0].as_str(), all.on_kind.as_str()),
        ("ALL PRIVILEGES", "ALL TABLES IN SCHEMA")
    );
    assert_eq!(grant("grant role a to user b").grantee_kind, "USER");
    assert!(grant("revoke usage on database d from role r").revoke);
}

#[test]
fn session_settings_are_read() {
    let Command::AlterSession(altered) =
        command("alter session set timezone = 'UTC', autocommit = false lock_timeout = 5")
    else {
        panic!("not ALTER SESSION")
    };
    assert_eq!(altered.set.len(), 3);
    assert_eq!(altered.set[1].value, PropertyValue::Bool(false));
    let Command::AlterSession(altered) = command("alter session unset timezone, autocommit") else {
        panic!()
    };
    assert_eq!(altered.unset, ["TIMEZONE", "AUTOCOMMIT"]);
}

#[test]
fn sequences_and_views_are_read() {
    let Command::CreateSequence(made) =
        command("create or replace sequence s start with 5 increment by -2 comment = 'c'")
    else {
        panic!("not CREATE SEQUENCE")
    };
    assert_eq!(
        (made.start, made.step, made.comment.as_str(), made.or_replace),
        (5, -2, "c", true)
    );
    assert!(
        matches!(command("create sequence s start = 3 noorder"), Command::CreateSequence(s) if s.start == 3)
    );
    assert_eq!(
        read("create sequence s increment 0").unwrap_err().sql_state,
        "22023"
    );
    assert!(matches!(command("drop sequence if exists s"), Command::DropSequence(d) if d.if_exists));
    assert!(
        matches!(command("alter view v rename to w"), Command::AlterView(a) if a.change == Change::Rename(path("w")))
    );
}

#[test]
fn the_rest_is_sqlparsers() {
    for text in [
        "select 1",
        "create table t (a int)",
        "drop table t",
        "alter table t add column b int",
        "insert into t values (1)",
    ] {
        assert!(matches!(read(text).unwrap(), Parsed::Sql(_)), "{text}");
    }
    assert!(matches!(
        command("truncate table if exists t"),
        Command::Truncate { if_exists: true, .. }
    ));
    assert!(
        matches!(command("comment on column d.s.t.c is 'x'"), Command::Comment(c) if c.kind == CommentKind::Column)
    );
    for text in [
        "alter table d.s.t alter a comment 'x', \"b\" comment $$y$$",
        "alter table d.s.t modify (column a comment 'x', column \"b\" comment 'y')",
    ] {
        let Command::CommentColumns(comments) = command(text) else {
            panic!("{text}");
        };
        let found: Vec<_> = comments
            .iter()
            .map(|comment| (comment.path[3].as_str(), comment.text.as_str()))
            .collect();
        assert_eq!(found, [("A", "x"), ("b", "y")], "{text}");
    }
    assert!(matches!(
        read("alter table t alter column a set not null").unwrap(),
        Parsed::Sql(_)
    ));
}

fn check_syntax(text: &str, line: u32, position: u32, unexpected: &str) {
    let error = read(text).unwrap_err();
    assert_eq!(
        (error.code, error.sql_state, error.position),
        ("001003", "42000", Some((line, position))),
        "{text}: {error}"
    );
    let expected = format!(
        "SQL compilation error:\nsyntax error line {line} at position {position} unexpected '{unexpected}'."
    );
    assert_eq!(error.message, expected);
}

#[test]
fn syntax_errors_know_their_place() {
    check_syntax("show tables like x", 1, 17, "x");
    check_syntax("selec 1", 1, 0, "selec");
    check_syntax("select *\nfrom t wher x y", 2, 12, "x");
    check_syntax("select 1 +", 1, 10, "<EOF>");
    check_syntax("use database", 1, 12, "<EOF>");
}
