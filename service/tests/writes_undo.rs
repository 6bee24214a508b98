//! Writes that are taken back: what is asked first, what is run, and when it is refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use snowflake_session_proto::v1;
use support::writes::{dry, limited, table, write};
use support::{Service, reason, sql};

/// The counts that are asked before a write is taken back.
fn counts(service: &Service, gone: &str, come: &str, changed: &str, added: &str) {
    let names = ["EFFECT_GONE", "EFFECT_COME", "CHANGED", "ADDED"];
    let told = table(&names, &[&[gone, come, changed, added]]);
    let mut tables = service.seen.tables.lock().unwrap();
    tables.retain(|(beginning, _)| beginning != "SELECT (SELECT COUNT(*)");
    tables.push(("SELECT (SELECT COUNT(*)".to_owned(), told));
}

/// A service whose table has this key, if any, and which has just committed a write.
async fn written(key: bool) -> (Service, v1::Write) {
    let service = Service::start().await;
    let is_key = if key { "Y" } else { "N" };
    let described = table(
        &["name", "type", "primary key"],
        &[&["ID", "NUMBER(38,0)", is_key], &["A", "VARCHAR(9)", "N"]],
    );
    service
        .seen
        .tables
        .lock()
        .unwrap()
        .push(("DESCRIBE".to_owned(), described));
    counts(&service, "2", "0", "0", "0");
    let confirmed = v1::PrepareWriteRequest {
        confirmed: true,
        ..write("delete from t where a = 'x'")
    };
    let written = service.write(confirmed).await.unwrap().write;
    service.seen.take_sql();
    (service, written)
}

#[tokio::test]
async fn rows_of_a_table_with_a_key_are_merged_back_under_a_hold() {
    let (service, written) = written(true).await;
    let held = service.undo(&written.query_id).await.unwrap();
    assert_eq!(held.state(), v1::WriteState::Held);
    assert_eq!(held.concerns[0].rule, "undo");
    assert_eq!(held.target, "DB.PUBLIC.T");
    let seen = service.seen.take_sql();
    assert_eq!(seen[0], "DESCRIBE TABLE DB.PUBLIC.T");
    assert!(seen[1].starts_with("SELECT (SELECT COUNT(*)"), "{}", seen[1]);
    assert!(
        seen[1].contains("BEFORE (STATEMENT => 'q-3')"),
        "the commit's id: {}",
        seen[1]
    );
    let merge = seen.iter().find(|sql| sql.starts_with("MERGE")).unwrap();
    assert!(
        merge.starts_with("MERGE INTO DB.PUBLIC.T AS t_now USING"),
        "{merge}"
    );
    assert!(!seen.iter().any(|sql| sql == "COMMIT"));
    let confirmed = service.confirm(&held.token).await.unwrap();
    assert_eq!(confirmed.state(), v1::WriteState::Committed);
    assert_eq!(service.seen.take_sql(), ["COMMIT"]);
    // What was taken back can be taken back again.
    assert_eq!(service.undo("last").await.unwrap().state(), v1::WriteState::Held);
}

#[tokio::test]
async fn a_table_without_a_key_is_restored_as_a_whole() {
    let (service, written) = written(false).await;
    let confirmed = v1::PrepareUndoRequest {
        query: written.query_id.clone(),
        confirmed: true,
        ..v1::PrepareUndoRequest::default()
    };
    let undone = service.undo_with(confirmed).await.unwrap();
    assert_eq!(undone.state(), v1::WriteState::Committed);
    assert_eq!(
        service.seen.take_sql()[2..],
        [
            "BEGIN",
            "INSERT OVERWRITE INTO DB.PUBLIC.T (ID, A) SELECT ID, A FROM DB.PUBLIC.T BEFORE (STATEMENT => 'q-3')",
            "COMMIT"
        ]
    );
    let tried = v1::PrepareUndoRequest {
        query: written.query_id,
        dry_run: true,
        ..v1::PrepareUndoRequest::default()
    };
    let tried = service.undo_with(tried).await.unwrap();
    assert_eq!(tried.state(), v1::WriteState::RolledBack);
}

#[tokio::test]
async fn what_would_lose_other_changes_is_refused() {
    let (service, written) = written(true).await;
    for (gone, come, changed, added, part) in [
        ("2", "0", "1", "0", "was changed again since"),
        ("2", "0", "0", "1", "was changed again since"),
        ("0", "0", "0", "0", "has changed nothing"),
    ] {
        counts(&service, gone, come, changed, added);
        let status = service.undo(&written.query_id).await.unwrap_err();
        assert_eq!(reason(&status).0, "REFUSED");
        assert!(status.message().contains(part), "{}", status.message());
    }
    assert!(!service.seen.take_sql().iter().any(|sql| sql == "BEGIN"));
    service.run(sql("select 1")).await.unwrap();
}

#[tokio::test]
async fn only_what_counts_can_be_taken_back() {
    let service = Service::start().await;
    let tried = service
        .write(dry("delete from t where a = 1"))
        .await
        .unwrap()
        .write;
    let held = service
        .write(limited("delete from t where a = 1", 0))
        .await
        .unwrap()
        .write;
    for query in [&tried.query_id, &held.query_id] {
        let status = service.undo(query).await.unwrap_err();
        assert!(
            status.message().contains("does not count"),
            "{}",
            status.message()
        );
    }
    service.abandon(&held.token).await.unwrap();
    for query in ["unknown-id", "last"] {
        let status = service.undo(query).await.unwrap_err();
        assert_eq!(reason(&status).0, "NOT_FOUND", "{query}");
        assert!(reason(&status).1.contains_key("hint"), "{query}");
    }
}

#[tokio::test]
async fn what_was_dropped_is_undropped() {
    let service = Service::start().await;
    let confirmed = v1::PrepareWriteRequest {
        confirmed: true,
        ..write("drop table t")
    };
    let dropped = service.write(confirmed).await.unwrap().write;
    assert_eq!(dropped.undo_sql, "UNDROP TABLE DB.PUBLIC.T");
    let waiting = service.undo("last").await.unwrap();
    assert_eq!(waiting.state(), v1::WriteState::Waiting);
    assert_eq!(waiting.concerns[0].rule, "undo");
    let undone = service.confirm(&waiting.token).await.unwrap();
    assert_eq!(undone.state(), v1::WriteState::Committed);
    assert_eq!(
        service.seen.take_sql(),
        ["drop table t", "UNDROP TABLE DB.PUBLIC.T"]
    );
}

#[tokio::test]
async fn a_write_that_is_not_remembered_needs_its_table() {
    let (service, _) = written(true).await;
    let named = v1::PrepareUndoRequest {
        query: "01b0-0000".into(),
        table: "db.s.\"my t\"".into(),
        ..v1::PrepareUndoRequest::default()
    };
    let held = service.undo_with(named).await.unwrap();
    assert_eq!(held.state(), v1::WriteState::Held);
    assert!(service.seen.take_sql()[1].contains("db.s.\"my t\" AT (STATEMENT => '01b0-0000')"));
    let status = service
        .undo_with(v1::PrepareUndoRequest {
            query: "01b0-0000".into(),
            table: "t; drop table u".into(),
            ..v1::PrepareUndoRequest::default()
        })
        .await
        .unwrap_err();
    assert_eq!(reason(&status).0, "INVALID_REQUEST");
}
