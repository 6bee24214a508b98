//! Each class of failures, and the names that are near.

use super::*;
use crate::domain::statement::class::classify;

fn context() -> Context {
    Context {
        role: Some("ANALYST".into()),
        warehouse: None,
        database: Some("DB".into()),
        schema: Some("my schema".into()),
    }
}

fn error(code: &str, state: &str, message: &str) -> Error {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Error::new(Reason::SqlRejected, message).with_facts(Facts {
        snowflake_code: some(code),
        sql_state: some(state),
        ..Facts::default()
    })
}

#[test]
fn each_class_is_known_by_code_words_or_state() {
    for (code, state, message, part) in [
        (
            "002003",
            "42S02",
            "Object 'T' does not exist or not authorized.",
            "DB.\"my schema\"",
        ),
        (
            "",
            "",
            "Table 'T' does not exist or not authorized.",
            "role ANALYST is in force",
        ),
        ("", "42S02", "no such thing", "look at the spelling"),
        (
            "000606",
            "57P03",
            "No active warehouse selected in the current session.",
            "use warehouse",
        ),
        ("", "57P03", "x", "use warehouse"),
        (
            "090105",
            "22000",
            "This session does not have a current database.",
            "use database",
        ),
        (
            "090106",
            "22000",
            "This session does not have a current schema.",
            "use schema",
        ),
        (
            "003001",
            "42501",
            "Insufficient privileges to operate on table 'T'",
            "role ANALYST",
        ),
        (
            "001003",
            "42000",
            "syntax error line 1 at position 7 unexpected 'x'.",
            "the place that is named",
        ),
        ("000904", "42000", "invalid identifier 'X'", "describe table"),
        ("002028", "42601", "ambiguous column name 'A'", "TABLE.COLUMN"),
        (
            "100038",
            "22018",
            "Numeric value 'x' is not recognized",
            "TRY_TO_NUMBER",
        ),
        ("100040", "22007", "Date 'x' is not recognized", "TO_DATE"),
        (
            "100078",
            "22000",
            "String 'xyz' is too long and would be truncated",
            "LEFT",
        ),
        ("100051", "22012", "Division by zero", "DIV0"),
        (
            "100072",
            "22000",
            "NULL result in a non-nullable column",
            "must not be NULL",
        ),
        (
            "000630",
            "57014",
            "Statement reached its statement or warehouse timeout of 10 second(s) and was canceled.",
            "STATEMENT_TIMEOUT",
        ),
        (
            "000625",
            "57014",
            "Statement 'x' has locked table 'T' in transaction 1",
            "SHOW LOCKS",
        ),
        (
            "000666",
            "57014",
            "Your account is suspended due to lack of payment method.",
            "administrator",
        ),
        (
            "090073",
            "22000",
            "Warehouse 'W' cannot be resumed because resource monitor 'M' has exceeded its quota.",
            "warehouse resume",
        ),
        ("", "25006", "x", "only be read"),
        ("", "", "Cannot modify a shared database", "only be read"),
    ] {
        let told = explain(error(code, state, message), &context());
        let hint = told.facts().hint.clone().unwrap_or_default();
        assert!(hint.contains(part), "{code} {state} {message}: {hint:?}");
        assert!(!hint.ends_with('.'), "{hint}");
    }
    assert_eq!(hint(&Facts::default(), "something else", None), None);
}

#[test]
fn no_code_belongs_to_two_classes() {
    let mut codes: Vec<&str> = CLASSES.iter().flat_map(|class| class.codes).copied().collect();
    let all = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all);
    assert!(codes.iter().all(|code| code.len() == 6));
}

#[test]
fn what_is_not_in_force_is_not_claimed() {
    let missing = error("002003", "42S02", "Object 'T' does not exist or not authorized.");
    let bare = hint(missing.facts(), "", None).unwrap();
    assert_eq!(
        bare,
        "look at the spelling; another role may see it; `sfctl context` shows what is in force"
    );
    let nowhere = explain(missing, &Context::default());
    assert!(
        nowhere
            .facts()
            .hint
            .as_deref()
            .unwrap()
            .contains("no database is chosen")
    );
    let refused = Error::new(Reason::Refused, "no").with_hint("ask");
    assert_eq!(explain(refused, &context()).facts().hint.as_deref(), Some("ask"));
}

#[test]
fn names_are_asked_for_where_the_missing_one_would_be() {
    for (message, query) in [
        (
            "SQL compilation error:\nObject 'DB.PUBLIC.T' does not exist or not authorized.",
            Some("SHOW TERSE OBJECTS IN SCHEMA DB.PUBLIC"),
        ),
        (
            "Object 'T' does not exist or not authorized.",
            Some("SHOW TERSE OBJECTS IN SCHEMA DB.\"my schema\""),
        ),
        (
            "Table '\"a.b\".T' does not exist or not authorized.",
            Some("SHOW TERSE OBJECTS IN SCHEMA DB.\"a.b\""),
        ),
        (
            "Schema 'X.Y' does not exist or not authorized.",
            Some("SHOW TERSE SCHEMAS IN DATABASE X"),
        ),
        (
            "Database 'X' does not exist or not authorized.",
            Some("SHOW TERSE DATABASES"),
        ),
        ("Warehouse 'X' does not exist or not authorized.", None),
        ("something does not exist or not authorized.", None),
    ] {
        let told = wanted(&error("002003", "", message), &[], &context());
        let queries = told.map(|wanted| wanted.queries);
        assert_eq!(queries, query.map(|query| vec![query.to_owned()]), "{message}");
    }
    let statements = classify("select nme from db.s.t join u on t.a = u.a");
    let told = wanted(
        &error("000904", "", "invalid identifier 'T.NME'"),
        &statements,
        &context(),
    )
    .unwrap();
    assert_eq!(told.queries, ["DESCRIBE TABLE DB.S.T", "DESCRIBE TABLE U"]);
    assert_eq!(told.nearest(["NAME", "ID", "AGE"].into_iter()), ["NAME"]);
}

#[test]
fn the_nearest_names_come_first() {
    let wanted = |name: &str| Wanted {
        name: name.into(),
        queries: Vec::new(),
        column: "name",
    };
    let names = ["CUSTOMERS", "CUSTOMER", "ORDERS", "orders", "CUSTOM", "X"];
    assert_eq!(
        wanted("CUSTOMRE").nearest(names.into_iter()),
        ["CUSTOMER", "CUSTOM", "CUSTOMERS"]
    );
    assert_eq!(
        wanted("ORDERS_2024").nearest(names.into_iter()),
        ["\"orders\"", "ORDERS"]
    );
    assert_eq!(wanted("NOTHING").nearest(names.into_iter()), [""; 0]);
    assert_eq!(wanted("Y").nearest(names.into_iter()), ["X"]);
    let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (near, told) in [
        (some(&[]), "look"),
        (some(&["A"]), "perhaps A is meant; look"),
        (some(&["A", "B", "C"]), "perhaps A, B or C is meant; look"),
    ] {
        assert_eq!(naming(Some("look"), &near).as_deref(), Some(told));
    }
    assert_eq!(naming(None, &[]), None);
}
