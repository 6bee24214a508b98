//! Texts that are very long or very deep are taken like any other: no recursion that follows them, no time
//! that grows faster than they do.
//!
//! Nothing is timed. A step that were quadratic in texts of this size would make the test take minutes.

use snowflake_session::domain::statement::class::{Class, Read, Statement, classify};

const SIZE: usize = 40_000;

fn class(sql: &str) -> Class {
    let statements = classify(sql);
    assert_eq!(statements.len(), 1, "{}", &sql[..40]);
    statements[0].class()
}

#[test]
fn deep_texts_are_taken() {
    let deep =
        |open: &str, inner: &str, close: &str| format!("{}{inner}{}", open.repeat(SIZE), close.repeat(SIZE));
    assert_eq!(
        class(&format!("select {}", deep("(", "1", ")"))),
        Class::Read(Read::Query)
    );
    assert_eq!(class(&deep("(", "select 1", ")")), Class::Read(Read::Query));
    assert_eq!(
        class(&format!("select {}", deep("[", "1", "]"))),
        Class::Read(Read::Query)
    );
    assert_eq!(
        class(&deep("select * from (", "select 1", ")")),
        Class::Read(Read::Query)
    );
    assert_eq!(
        class(&deep("with a as (", "select 1", ") select * from a ")),
        Class::Read(Read::Query)
    );
    assert_eq!(
        class(&deep("with a as (", "delete from t", ") select 1 ")),
        Class::Unknown
    );
    assert_eq!(class(&"(".repeat(SIZE)), Class::Unknown);
    assert_eq!(class(&format!("select {}", ")".repeat(SIZE))), Class::Unknown);
    for condition in [
        deep("(", "1 = 1", ")"),
        deep("(", "id = 1", ")"),
        deep("not (", "true", ")"),
        deep("(x or ", "id = 1", ")"),
        deep("(true and ", "1 = 1", ")"),
        "not ".repeat(SIZE),
        "a = a and ".repeat(SIZE),
        "(a or b) or ".repeat(SIZE),
    ] {
        assert!(class(&format!("delete from t where {condition}")).rank() >= 5);
    }
}

#[test]
fn long_texts_are_taken() {
    let tables: Vec<String> = (0..SIZE / 10).map(|number| format!("t{number}")).collect();
    let statements = classify(&format!("select * from {}", tables.join(", ")));
    assert_eq!(statements[0].links[0].sources.len(), tables.len());
    let ctes: Vec<String> = tables
        .iter()
        .map(|table| format!("{table} as (select 1)"))
        .collect();
    let sql = format!("with {} select * from {}", ctes.join(", "), tables.join(", "));
    let statements = classify(&sql);
    assert_eq!(
        (statements[0].is_read(), statements[0].links[0].sources.len()),
        (true, 0)
    );

    for (piece, expected) in [
        ("a.", 1),
        ("nextval.", 1),
        ("system$x(", 1),
        ("/* x */", 0),
        ("-- x\n", 0),
        ("''", 1),
        ("$$x$$ ", 1),
        ("@", 1),
        ("@s ", 1),
        ("begin ", 1),
        ("end ", 1),
        ("case ", 1),
        ("with ", 1),
        ("explain ", 1),
        ("identifier(", 1),
        ("from identifier((", 1),
        ("table(", 1),
        ("from (", 1),
        ("from t, ", 1),
        ("drop ", 1),
        ("x in ", 1),
        ("'", 1),
        ("/*", 1),
        ("->> ", 1),
    ] {
        let sql = piece.repeat(SIZE / 4);
        assert_eq!(classify(&sql).len(), expected, "{piece}");
        let sql = format!("select {sql}");
        assert!(!classify(&sql).is_empty(), "{piece}");
        let sql = format!("select * from {}", piece.repeat(SIZE / 4));
        assert!(!classify(&sql).is_empty(), "{piece}");
    }
    assert_eq!(classify(&"select 1;".repeat(SIZE)).len(), SIZE);
    assert!(
        classify(&"begin select 1; end;".repeat(SIZE / 8))
            .iter()
            .all(|statement| !statement.is_read())
    );
    assert_eq!(classify(&"select 1 ->> ".repeat(SIZE))[0].links.len(), SIZE + 1);
}

#[test]
fn a_text_of_nothing_holds_nothing() {
    for sql in ["", ";", " \n\t", "--", "/**/", "\u{feff}", "\u{feff};;"] {
        assert_eq!(classify(sql), Vec::<Statement>::new(), "{sql:?}");
    }
}
