//! Feeds any text to the understanding of SQL.
//!
//! `cargo +nightly fuzz run classify` in the folder of the service; `cargo +nightly fuzz run classify
//! ../tests/statements ../fuzz/corpus/sql` begins with the corpora. The same is done for a fixed number of mutated texts by the
//! ordinary tests, in `service/tests/statements/mutations.rs`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use snowflake_session::domain::statement::class::{Statement, classify};

fuzz_target!(|sql: &str| {
    let statements = classify(sql);
    let mut at = 0;
    for statement in &statements {
        assert!(at <= statement.span.start && statement.span.end <= sql.len());
        assert!(sql.get(statement.span.clone()).is_some(), "a span cuts a character");
        assert!(!statement.links.is_empty());
        at = statement.span.end;
    }
    // A statement that writes, behind a text that is closed, is found whatever stands before it.
    let is_closed = statements
        .iter()
        .flat_map(|statement| &statement.links)
        .all(|link| link.doubt.is_none());
    if is_closed {
        let behind = format!("{sql}\n;delete from t");
        assert!(!classify(&behind).iter().all(Statement::is_read), "{behind:?}");
    }
});
