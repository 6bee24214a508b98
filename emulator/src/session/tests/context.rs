//! USE, session variables, parameters, several statements, bindings.

use std::collections::BTreeMap;

use super::support::{Fixture, bind, submission};
use crate::session::{ContextSnapshot, ParameterValue, SessionSpec, Submission};

#[test]
fn a_login_without_context_has_none() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let context = client.session.context();
    assert_eq!((context.database, context.schema), (None, None));
    assert_eq!(
        (context.warehouse.as_deref(), context.role.as_deref()),
        (Some("COMPUTE_WH"), Some("ACCOUNTADMIN"))
    );
    let error = client.error("select * from t");
    assert_eq!((error.code, error.sql_state), ("090105", "22000"));
    assert_eq!(client.one("select 1"), "1");
}

#[test]
fn a_login_may_name_what_does_not_exist() {
    let fixture = Fixture::new();
    let spec = SessionSpec {
        user: "u".to_owned(),
        database: Some("nope".to_owned()),
        warehouse: Some("nope".to_owned()),
        ..SessionSpec::default()
    };
    let context = fixture.client_with(spec).session.context();
    assert_eq!((context.database, context.warehouse), (None, None));
    fixture.client_in("d");
    let spec = SessionSpec {
        user: "u".to_owned(),
        database: Some("d".to_owned()),
        ..SessionSpec::default()
    };
    let context = fixture.client_with(spec).session.context();
    assert_eq!(
        (context.database.as_deref(), context.schema.as_deref()),
        (Some("D"), Some("PUBLIC"))
    );
}

#[test]
fn a_login_that_wants_it_finds_what_it_names_or_is_refused() {
    let fixture = Fixture::new();
    fixture.client_in("d").ok("create schema \"low\"");
    let login = |validates: ParameterValue, names: [Option<&str>; 4]| {
        let [database, schema, warehouse, role] = names.map(|name| name.map(str::to_owned));
        let parameters = [("CLIENT_VALIDATE_DEFAULT_PARAMETERS".to_owned(), validates)];
        let spec = SessionSpec {
            user: "u".to_owned(),
            database,
            schema,
            warehouse,
            role,
            parameters: parameters.into(),
            ..SessionSpec::default()
        };
        let opened = fixture.instance.open_session(spec);
        opened.map_or_else(
            |error| format!("{} {}", error.code, error.message),
            |_| String::new(),
        )
    };
    let on = || ParameterValue::Bool(true);
    assert_eq!(
        login(
            on(),
            [Some("d"), Some("\"low\""), Some("compute_wh"), Some("public")]
        ),
        ""
    );
    assert_eq!(login(on(), [None; 4]), "");
    for (names, message) in [
        (
            [Some("x"), None, None, None],
            "390201 The requested database does not exist or not authorized.",
        ),
        (
            [Some("d"), Some("low"), None, None],
            "390201 The requested schema does not exist or not authorized.",
        ),
        (
            [None, None, Some("x"), None],
            "390201 The requested warehouse does not exist or not authorized.",
        ),
    ] {
        assert_eq!(login(on(), names), message);
        assert_eq!(login(ParameterValue::Text("TRUE".to_owned()), names), message);
        assert_eq!(login(ParameterValue::Bool(false), names), "");
    }
    let refused = login(ParameterValue::Bool(false), [None, None, None, Some("x")]);
    assert!(
        refused.starts_with("390189 Role 'X' specified in the connect string"),
        "{refused}"
    );
}

#[test]
fn use_changes_where_names_are_found() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.ok("create database d");
    client.ok("create schema d.s");
    client.ok("use database d");
    assert_eq!(
        client.one("select current_database(), current_schema()"),
        "D|PUBLIC"
    );
    client.ok("use schema s");
    client.ok("create table t (a int)");
    client.ok("use d.public");
    assert_eq!(client.error("select * from t").code, "002003");
    client.ok("use schema d.s");
    assert_eq!(client.all("select * from t"), Vec::<String>::new());
    let error = client.error("use database nope");
    assert_eq!((error.code, error.sql_state), ("002043", "02000"));
    assert_eq!(
        error.message,
        "SQL compilation error:\nObject does not exist, or operation cannot be performed."
    );
    assert_eq!(client.error("use warehouse nope").code, "002043");
    client.ok("use role sysadmin");
    let context = client.session.context();
    assert_eq!(
        context,
        ContextSnapshot {
            database: Some("D".to_owned()),
            schema: Some("S".to_owned()),
            warehouse: Some("COMPUTE_WH".to_owned()),
            role: Some("SYSADMIN".to_owned()),
            transaction_open: false,
        }
    );
}

#[test]
fn variables_hold_values() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.ok("set x = 1 + 1");
    client.ok("set (a, b) = ('it''s', 2.50)");
    assert_eq!(client.one("select $x + 1, $a, $b"), "3|it's|2.50");
    client.ok("set x = 7");
    assert_eq!(client.one("select $x"), "7");
    client.ok("unset x");
    assert_eq!(client.error("select $x").code, "000904");
    assert_eq!(
        client.error(&format!("set y = '{}'", "x".repeat(300))).sql_state,
        "22001"
    );
    assert_eq!(client.all("show variables like 'a'").len(), 1);
}

#[test]
fn parameters_are_set_and_shown() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let value = |name: &str| {
        client
            .session
            .parameters()
            .into_iter()
            .find(|(known, _)| known == name)
            .unwrap()
            .1
    };
    assert_eq!(
        value("TIMEZONE"),
        ParameterValue::Text("America/Los_Angeles".to_owned())
    );
    client.ok("alter session set timezone = 'UTC', query_tag = 'q'");
    assert_eq!(value("TIMEZONE"), ParameterValue::Text("UTC".to_owned()));
    assert!(
        client
            .one("show parameters like 'query_tag'")
            .starts_with("QUERY_TAG|q||SESSION")
    );
    client.ok("alter session unset query_tag");
    assert_eq!(value("QUERY_TAG"), ParameterValue::Text(String::new()));
    assert_eq!(client.error("alter session set nope = 1").code, "001016");
    // One that does not fit leaves the others as they were.
    client.error("alter session set query_tag = 'z', lock_timeout = 'x'");
    assert_eq!(value("QUERY_TAG"), ParameterValue::Text(String::new()));
}

#[test]
fn parameters_of_a_statement_reach_functions_and_go_with_it() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.ok("alter session set timezone = 'Asia/Tokyo'");
    let sql = "select to_varchar('2024-01-01 00:00:00 +0000'::timestamp_ltz, 'HH24 TZH')";
    assert_eq!(client.one(sql), "09 +09");
    let utc = ParameterValue::Text("UTC".to_owned());
    for failing in [false, true] {
        let output = client.submit(Submission {
            parameters: [("TIMEZONE".to_owned(), utc.clone())].into(),
            ..submission(if failing { "select 'x'::int" } else { sql })
        });
        let rows = output.and_then(|output| client.rows(output));
        assert_eq!(rows.ok(), (!failing).then(|| vec!["00 +00".to_owned()]));
        assert_eq!(client.one(sql), "09 +09");
    }
}

#[test]
fn parameters_change_what_functions_do() {
    let fixture = Fixture::new();
    let mut spec = SessionSpec {
        user: "tester".to_owned(),
        ..SessionSpec::default()
    };
    spec.parameters.insert(
        "DATE_OUTPUT_FORMAT".to_owned(),
        ParameterValue::Text("DD/MM/YYYY".to_owned()),
    );
    let client = fixture.client_with(spec);
    let shown = "select to_char('2026-11-20'::date)";
    assert_eq!(client.one(shown), "20/11/2026");
    client.ok("alter session set date_output_format = 'YYYY.MM.DD'");
    assert_eq!(client.one(shown), "2026.11.20");
    client.ok("alter session unset date_output_format");
    assert_eq!(client.one(shown), "2026-11-20");
    client.ok("alter session set week_start = 7");
    assert_eq!(
        client.one("select to_char(date_trunc('week', '2026-11-20'::date))"),
        "2026-11-15"
    );
    // Other sessions keep their own.
    assert_eq!(fixture.client().one(shown), "2026-11-20");
}

#[test]
fn a_login_begins_where_definitions_say_at_that_time() {
    let fixture = Fixture::new();
    let owner = fixture.client();
    let login = || {
        let spec = SessionSpec {
            user: "tester".to_owned(),
            database: Some("d".to_owned()),
            schema: Some("s".to_owned()),
            warehouse: Some("w".to_owned()),
            role: Some("r".to_owned()),
            ..SessionSpec::default()
        };
        match fixture.instance.open_session(spec) {
            Ok(session) => {
                let context = session.context();
                [context.database, context.schema, context.warehouse, context.role]
                    .map(Option::unwrap_or_default)
                    .join(" ")
            }
            Err(error) => error.code.to_owned(),
        }
    };
    assert_eq!(login(), "390189");
    for (statement, after) in [
        ("create role r", "   R"),
        ("create database d", "D   R"),
        ("create schema d.s", "D S  R"),
        ("create warehouse w", "D S W R"),
        ("drop schema d.s", "D  W R"),
        ("undrop schema d.s", "D S W R"),
        ("drop warehouse w", "D S  R"),
        ("drop role r", "390189"),
        ("create role r", "D S  R"),
        ("drop database d", "   R"),
        ("create database d", "D   R"),
    ] {
        owner.ok(statement);
        assert_eq!(login(), after, "{statement}");
        assert_eq!(login(), after, "{statement}, again");
    }
}

#[test]
fn a_count_of_statements_that_is_none_is_refused() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let counted = |value: ParameterValue| {
        let mut asked = submission("select 1");
        asked.parameters.insert("MULTI_STATEMENT_COUNT".to_owned(), value);
        client.submit(asked).unwrap_err()
    };
    for value in [
        ParameterValue::Integer(-1),
        ParameterValue::Text("-1".to_owned()),
        ParameterValue::Text("1.5".to_owned()),
        ParameterValue::Text("two".to_owned()),
        ParameterValue::Bool(true),
    ] {
        let error = counted(value.clone());
        assert_eq!((error.code, error.sql_state), ("001008", "22023"), "{value:?}");
    }
    let error = counted(ParameterValue::Integer(5_000_000_000));
    assert_eq!(
        error.message,
        "Actual statement count 1 did not match the desired statement count 5000000000."
    );
    assert_eq!(
        client.error("alter session set multi_statement_count = -1").code,
        "001008"
    );
}

#[test]
fn a_text_that_ran_before_must_still_have_the_right_count() {
    let fixture = Fixture::new();
    let client = fixture.client();
    client.ok("select 1");
    client.ok("select 1");
    client.ok("alter session set multi_statement_count = 2");
    let error = client.error("select 1");
    assert_eq!(error.code, "000008");
    assert_eq!(
        error.message,
        "Actual statement count 1 did not match the desired statement count 2."
    );
}

#[test]
fn several_statements_need_to_be_announced() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let error = client.error("select 1; select 2");
    assert_eq!((error.code, error.sql_state), ("000008", "0A000"));
    assert_eq!(
        error.message,
        "Actual statement count 2 did not match the desired statement count 1."
    );
    for count in [0, 3] {
        let mut asked = submission("create or replace database d; select 1 a; select 2 b;");
        asked.statement_count = Some(count);
        let output = client.submit(asked).unwrap();
        assert_eq!(output.statement_type, 0xA000);
        let types: Vec<u32> = output.children.iter().map(|child| child.statement_type).collect();
        assert_eq!(types, [0x6000, 0x1000, 0x1000]);
    }
    let mut asked = submission("select 1; select nope; select 2");
    asked.statement_count = Some(0);
    let error = client.submit(asked).unwrap_err();
    assert_eq!((error.code, error.sql_state), ("100132", "P0000"));
    assert!(
        error.message.contains("\"select nope\" (at line 1, position 10)"),
        "{}",
        error.message
    );
    assert!(
        error.message.contains("invalid identifier 'NOPE'"),
        "{}",
        error.message
    );
}

#[test]
fn empty_and_huge_texts_are_refused() {
    let fixture = Fixture::new();
    let client = fixture.client();
    assert_eq!(
        client.error(" -- nothing").message,
        "SQL compilation error:\nEmpty SQL statement."
    );
    let error = client.error(&format!("select '{}'", "x".repeat(2 << 20)));
    assert_eq!(error.sql_state, "54000");
}

#[test]
fn bindings_take_their_places() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    let mut asked = submission("select ? + 1, ?, :1");
    asked.bindings = BTreeMap::from([
        ("1".to_owned(), bind("FIXED", &[Some("41")])),
        ("2".to_owned(), bind("TEXT", &[Some("a")])),
    ]);
    let output = client.submit(asked).unwrap();
    assert_eq!(client.rows(output).unwrap(), ["42|a|41"]);

    client.ok("create table t (a int, b varchar)");
    let mut asked = submission("insert into t values (?, ?)");
    asked.bindings = BTreeMap::from([
        ("1".to_owned(), bind("FIXED", &[Some("1"), Some("2"), None])),
        ("2".to_owned(), bind("TEXT", &[Some("x"), None, Some("z")])),
    ]);
    let output = client.submit(asked).unwrap();
    assert_eq!(output.stats.unwrap().inserted, 3);
    assert_eq!(client.rows(output).unwrap(), ["3"]);
    assert_eq!(
        client.all("select * from t order by b"),
        ["1|x", "NULL|z", "2|NULL"]
    );

    let mut asked = submission("update t set b = ? where a = ?");
    asked.bindings = BTreeMap::from([
        ("1".to_owned(), bind("TEXT", &[Some("p"), Some("q")])),
        ("2".to_owned(), bind("FIXED", &[Some("1"), Some("2")])),
    ]);
    assert_eq!(client.submit(asked).unwrap().stats.unwrap().updated, 2);
}

#[test]
fn a_statements_own_parameters_end_with_it() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let tagged = |sql: &str| {
        let mut asked = submission(sql);
        let tag = ParameterValue::Text("own".to_owned());
        asked.parameters.insert("QUERY_TAG".to_owned(), tag);
        client.submit(asked).unwrap()
    };
    let shown = || client.one("show parameters like 'query_tag'");
    tagged("select 1");
    assert!(shown().starts_with("QUERY_TAG||"), "{}", shown());
    // Also when the statement sets another one,
    tagged("alter session set timezone = 'UTC'");
    assert!(shown().starts_with("QUERY_TAG||"), "{}", shown());
    assert!(
        client
            .one("show parameters like 'timezone'")
            .starts_with("TIMEZONE|UTC|")
    );
    // but not what it sets itself.
    tagged("alter session set query_tag = 'mine'");
    assert!(shown().starts_with("QUERY_TAG|mine|"), "{}", shown());
    tagged("alter session unset query_tag");
    assert!(shown().starts_with("QUERY_TAG||"), "{}", shown());
}

#[test]
fn describing_runs_nothing() {
    let fixture = Fixture::new();
    let client = fixture.client_in("d");
    client.ok("create table t (a int, b varchar)");
    let mut asked = submission("select a, b as \"low\" from t where a = ? and b = ?");
    asked.describe_only = true;
    let output = client.submit(asked).unwrap();
    let names: Vec<&str> = output.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!((names, output.bind_count), (vec!["A", "low"], 2));
    let mut asked = submission("insert into t values (1, 'x')");
    asked.describe_only = true;
    assert_eq!(
        client.submit(asked).unwrap().columns[0].name,
        "number of rows inserted"
    );
    assert_eq!(client.one("select count(*) from t"), "0");
}

#[test]
fn the_last_query_is_remembered() {
    let fixture = Fixture::new();
    let client = fixture.client();
    let asked = submission("select 1");
    let query_id = asked.query_id;
    client.submit(asked).unwrap();
    assert_eq!(client.one("select last_query_id()"), query_id.to_string());
}
