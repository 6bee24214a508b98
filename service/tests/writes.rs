//! Writes that are looked at before they count: what reaches Snowflake, in which order, and what is told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use snowflake_session_proto::v1;
use support::writes::{confirm, dry, limited, table, write};
use support::{Service, reason, sql};

#[tokio::test]
async fn a_write_within_its_limits_is_committed_and_can_be_looked_back_at() {
    let service = Service::start().await;
    let answer = service.write(write("delete from t where a = 1")).await.unwrap();
    let written = &answer.write;
    assert_eq!(written.state(), v1::WriteState::Committed);
    assert_eq!(written.dml.unwrap().rows_deleted, 2);
    assert_eq!((written.token.as_str(), written.transaction_open), ("", false));
    assert_eq!(written.target, "T");
    assert_eq!(
        written.undo_sql, "SELECT * FROM DB.PUBLIC.T BEFORE (STATEMENT => 'q-4')",
        "the point in time is that of the commit"
    );
    assert!(answer.schema.is_some(), "the statement's own result comes too");
    assert_eq!(
        service.seen.take_sql(),
        [
            "BEGIN",
            "SELECT * FROM t WHERE a = 1 LIMIT 11",
            "delete from t where a = 1",
            "COMMIT"
        ]
    );
}

#[tokio::test]
async fn a_confirmed_write_is_neither_sampled_nor_held() {
    let service = Service::start().await;
    let confirmed = v1::PrepareWriteRequest {
        confirmed: true,
        ..write("delete from t")
    };
    service.seen.changes.lock().unwrap().push(1_000_000);
    let written = service.write(confirmed).await.unwrap().write;
    assert_eq!(written.state(), v1::WriteState::Committed);
    assert_eq!(written.rows_max, -1);
    assert_eq!(service.seen.take_sql(), ["BEGIN", "delete from t", "COMMIT"]);
    // A limit that the request names binds all the same.
    let confirmed = v1::PrepareWriteRequest {
        confirmed: true,
        ..limited("delete from t", 1)
    };
    let written = service.write(confirmed).await.unwrap().write;
    assert_eq!(written.state(), v1::WriteState::Held);
    assert_eq!(written.concerns[0].rule, "rows");
}

#[tokio::test]
async fn a_dry_run_shows_rows_before_and_after_and_is_rolled_back() {
    let service = Service::start().await;
    service.seen.tables.lock().unwrap().extend([
        (
            "DESCRIBE".to_owned(),
            table(
                &["name", "type", "primary key"],
                &[&["ID", "NUMBER(38,0)", "Y"], &["A", "VARCHAR(9)", "N"]],
            ),
        ),
        (
            "SELECT * FROM t WHERE".to_owned(),
            table(&["ID", "A"], &[&["1", "x"], &["2", "y"]]),
        ),
    ]);
    let written = service
        .write(dry("update t set a = 'z' where id < 3"))
        .await
        .unwrap()
        .write;
    assert_eq!(written.state(), v1::WriteState::RolledBack);
    assert_eq!(written.key_columns, ["ID"]);
    assert_eq!((written.undo_sql.as_str(), written.transaction_open), ("", false));
    let seen = service.seen.take_sql();
    assert_eq!(
        seen,
        [
            "BEGIN",
            "DESCRIBE TABLE T",
            "SELECT * FROM t WHERE id < 3 LIMIT 11",
            "update t set a = 'z' where id < 3",
            "SELECT * FROM t WHERE (ID = 1) OR (ID = 2)",
            "ROLLBACK"
        ]
    );
    let (before, after) = (written.before.unwrap(), written.after.unwrap());
    assert_eq!((before.row_count, after.row_count), (2, 2));
    assert_eq!(before.arrow_batches[0], seen[2].as_bytes());
    assert_eq!(after.arrow_batches[0], seen[4].as_bytes());
}

#[tokio::test]
async fn a_large_write_is_held_and_then_counts() {
    let service = Service::start().await;
    let held = service
        .write(limited("insert into t select 1", 1))
        .await
        .unwrap()
        .write;
    assert_eq!(held.state(), v1::WriteState::Held);
    assert_eq!((held.rows_max, held.transaction_open), (1, true));
    assert_eq!(held.token.len(), 32);
    assert!(held.expire_time.is_some());
    assert_eq!(held.concerns[0].rule, "rows");
    assert_eq!(held.after.unwrap().row_count, 0);
    let shown = service.session("").await;
    let waiting = shown.held_write.unwrap();
    let status = service
        .lifecycle()
        .get_status(v1::GetStatusRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((status.held_write_count, status.query_count), (1, 0));
    assert_eq!(
        (waiting.sql.as_str(), waiting.ran, waiting.row_count),
        ("insert into t select 1", true, 2)
    );
    assert_eq!(waiting.expire_time, held.expire_time);
    assert_eq!(shown.transaction_expire_time, held.expire_time);
    let confirmed = service.confirm(&held.token).await.unwrap();
    assert_eq!(confirmed.state(), v1::WriteState::Committed);
    assert_eq!(confirmed.query_id, held.query_id);
    assert!(confirmed.undo_sql.contains("BEFORE"));
    assert!(service.session("").await.held_write.is_none());
    assert_eq!(service.seen.take_sql().last().unwrap(), "COMMIT");
    let again = service.confirm(&held.token).await.unwrap_err();
    assert_eq!(reason(&again).0, "NOT_FOUND");
    assert_eq!(again.message(), "the write of this token was confirmed already");
}

#[tokio::test]
async fn while_a_write_is_held_only_reads_run() {
    let service = Service::start().await;
    let held = service
        .write(limited("delete from t where a = 1", 0))
        .await
        .unwrap()
        .write;
    service.run(sql("select 1")).await.unwrap();
    for text in [
        "insert into t",
        "commit",
        "begin",
        "use schema x",
        "create table u (a int)",
    ] {
        let status = service.run(sql(text)).await.err().unwrap();
        let (reason, facts) = reason(&status);
        assert_eq!(
            (reason.as_str(), facts["rule"].as_str()),
            ("REFUSED", "held"),
            "{text}"
        );
        assert!(facts["hint"].contains("--confirm") && facts["hint"].contains("--abandon"));
    }
    let status = service
        .write(write("delete from t where a = 2"))
        .await
        .unwrap_err();
    assert_eq!(reason(&status).0, "REFUSED");
    let abandoned = service.abandon(&held.token).await.unwrap();
    assert_eq!(abandoned.state(), v1::WriteState::RolledBack);
    service.run(sql("insert into t")).await.unwrap();
    assert!(!service.seen.sql().iter().any(|sql| sql == "COMMIT"));
}

#[tokio::test]
async fn a_rollback_gives_a_held_write_up() {
    for typed in [true, false] {
        let service = Service::start().await;
        let held = service
            .write(limited("delete from t where a = 1", 0))
            .await
            .unwrap()
            .write;
        if typed {
            let summary = service.run(sql("rollback")).await.unwrap().summary;
            assert_eq!(summary.notices.len(), 1, "{:?}", summary.notices);
        } else {
            service
                .session_service()
                .rollback_transaction(v1::RollbackTransactionRequest::default())
                .await
                .unwrap();
        }
        let shown = service.session("").await;
        assert!(shown.held_write.is_none() && !shown.transaction_open);
        let status = service.confirm(&held.token).await.unwrap_err();
        assert!(status.message().contains("given up"), "{}", status.message());
    }
}

#[tokio::test]
async fn what_commits_by_itself_waits_without_having_run() {
    let service = Service::start().await;
    for (text, rule) in [("drop table t", "destroys"), ("truncate table t", "destroys")] {
        let waiting = service.write(write(text)).await.unwrap().write;
        assert_eq!(waiting.state(), v1::WriteState::Waiting, "{text}");
        assert_eq!(waiting.concerns[0].rule, rule, "{text}");
        assert_eq!(service.seen.take_sql(), [""; 0], "{text}");
        let shown = service.session("").await.held_write.unwrap();
        assert_eq!((shown.sql.as_str(), shown.ran), (text, false));
        let confirmed = service.confirm(&waiting.token).await.unwrap();
        assert_eq!(confirmed.state(), v1::WriteState::Committed, "{text}");
        assert!(!confirmed.undo_sql.is_empty(), "{text}");
        assert_eq!(service.seen.take_sql(), [text]);
    }
    let waiting = service.write(write("drop table t")).await.unwrap().write;
    let abandoned = service.abandon(&waiting.token).await.unwrap();
    assert_eq!(abandoned.state(), v1::WriteState::Abandoned);
    assert_eq!(service.seen.take_sql(), [""; 0]);
    // What neither destroys nor is asked for runs.
    let written = service
        .write(write("create table u (a int)"))
        .await
        .unwrap()
        .write;
    assert_eq!(written.state(), v1::WriteState::Committed);
}

#[tokio::test]
async fn in_an_open_transaction_a_write_joins_it() {
    let service = Service::start().await;
    service.run(sql("begin")).await.unwrap();
    let joined = service
        .write(write("insert into t values (1)"))
        .await
        .unwrap()
        .write;
    assert_eq!(joined.state(), v1::WriteState::Joined);
    assert!(joined.transaction_joined && joined.transaction_open);
    let waiting = service.write(write("delete from t")).await.unwrap().write;
    assert_eq!(waiting.state(), v1::WriteState::Waiting);
    assert_eq!(waiting.concerns[0].rule, "unconditional");
    let confirmed = service.confirm(&waiting.token).await.unwrap();
    assert_eq!(confirmed.state(), v1::WriteState::Joined);
    let waiting = service
        .write(write("create table u (a int)"))
        .await
        .unwrap()
        .write;
    assert_eq!(waiting.concerns[0].rule, "transaction");
    service.abandon(&waiting.token).await.unwrap();
    assert!(service.session("").await.transaction_open);
    let status = service.write(dry("insert into t values (1)")).await.unwrap_err();
    assert!(
        status.message().contains("a transaction is open"),
        "{}",
        status.message()
    );
    service.run(sql("commit")).await.unwrap();
    assert_eq!(
        service.seen.take_sql(),
        ["begin", "insert into t values (1)", "delete from t", "commit"]
    );
    // From the commit on they count, and can be taken back.
    service.seen.tables.lock().unwrap().push((
        "DESCRIBE".to_owned(),
        table(&["name", "type"], &[&["A", "NUMBER(38,0)"]]),
    ));
    let status = service.undo("last").await.unwrap_err();
    assert_eq!(
        reason(&status).0,
        "INTERNAL",
        "the counts were asked for: {}",
        status.message()
    );
    assert!(service.seen.sql()[1].contains("BEFORE (STATEMENT => 'q-4')"));
}

#[tokio::test]
async fn too_many_rows_in_an_open_transaction_hold_all_of_it() {
    for confirm in [true, false] {
        let service = Service::start().await;
        service.run(sql("begin")).await.unwrap();
        let held = service
            .write(limited("insert into t values (1)", 1))
            .await
            .unwrap()
            .write;
        assert_eq!(held.state(), v1::WriteState::Held);
        assert!(held.transaction_joined);
        service.seen.take_sql();
        if confirm {
            let joined = service.confirm(&held.token).await.unwrap();
            assert_eq!(joined.state(), v1::WriteState::Joined);
            assert_eq!(service.seen.take_sql(), [""; 0]);
            assert!(service.session("").await.transaction_open);
        } else {
            let gone = service.abandon(&held.token).await.unwrap();
            assert_eq!(gone.state(), v1::WriteState::RolledBack);
            assert!(
                gone.notices[0].contains("whole transaction"),
                "{:?}",
                gone.notices
            );
            assert_eq!(service.seen.take_sql(), ["ROLLBACK"]);
            assert!(!service.session("").await.transaction_open);
        }
    }
}

#[tokio::test]
async fn a_request_that_is_repeated_hears_what_came_of_the_first() {
    let service = Service::start().await;
    let request = v1::PrepareWriteRequest {
        request_id: uuid::Uuid::new_v4().to_string(),
        ..limited("delete from t where a = 1", 1)
    };
    let first = service.write(request.clone()).await.unwrap().write;
    let again = service.write(request.clone()).await.unwrap().write;
    assert_eq!(
        (again.state(), &again.token),
        (v1::WriteState::Held, &first.token)
    );
    service.confirm(&first.token).await.unwrap();
    let again = service.write(request).await.unwrap().write;
    assert_eq!(
        (again.state(), again.token.as_str()),
        (v1::WriteState::Committed, "")
    );
    let statements = service.seen.sql();
    assert_eq!(
        statements.iter().filter(|sql| sql.starts_with("delete")).count(),
        1
    );
    let other = v1::PrepareWriteRequest {
        request_id: again_id(&first, &service).await,
        ..write("delete from other where a = 1")
    };
    let status = service.write(other).await.unwrap_err();
    assert_eq!(reason(&status).0, "INVALID_REQUEST");
}

/// The request id of the latest query.
async fn again_id(_: &v1::Write, service: &Service) -> String {
    let listed = service
        .queries()
        .list_queries(v1::ListQueriesRequest::default())
        .await
        .unwrap()
        .into_inner();
    listed.queries[0].request_id.clone()
}

#[tokio::test]
async fn statements_that_change_nothing_are_no_writes() {
    let service = Service::start().await;
    for text in ["select 1", "use schema x", "begin", "set x = 1"] {
        let status = service.write(write(text)).await.unwrap_err();
        assert_eq!(reason(&status).0, "INVALID_REQUEST", "{text}");
        assert!(reason(&status).1["hint"].contains("sfctl"), "{text}");
    }
    assert_eq!(service.seen.take_sql(), [""; 0]);
}

#[tokio::test]
async fn without_a_transaction_nothing_runs_unconfirmed() {
    let service = Service::start().await;
    let alone = v1::PrepareWriteRequest {
        mode: v1::WriteMode::NoTransaction.into(),
        ..write("insert into t values (1)")
    };
    let waiting = service.write(alone).await.unwrap().write;
    assert_eq!(waiting.state(), v1::WriteState::Waiting);
    assert_eq!(waiting.concerns[0].rule, "rows");
    let written = service.confirm(&waiting.token).await.unwrap();
    assert_eq!(written.state(), v1::WriteState::Committed);
    assert!(written.undo_sql.contains("'q-1'"), "{}", written.undo_sql);
    assert_eq!(service.seen.take_sql(), ["insert into t values (1)"]);
}

#[tokio::test]
async fn wrong_tokens_are_not_found() {
    let service = Service::start().await;
    let held = service
        .write(limited("delete from t where a = 1", 0))
        .await
        .unwrap()
        .write;
    for token in ["", "x", &"0".repeat(32)] {
        for status in [
            service.confirm(token).await.unwrap_err(),
            service.abandon(token).await.unwrap_err(),
        ] {
            assert_eq!(reason(&status).0, "NOT_FOUND");
            assert_eq!(status.message(), "no write waits under this token");
        }
    }
    assert!(service.session("").await.held_write.is_some());
    assert_eq!(confirm(&held.token).token, held.token);
}

#[tokio::test]
async fn a_closed_session_takes_its_held_write_with_it() {
    let service = Service::start().await;
    let held = service
        .write(limited("delete from t where a = 1", 0))
        .await
        .unwrap()
        .write;
    let closed = service
        .session_service()
        .delete_session(v1::DeleteSessionRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert!(closed.transaction_rolled_back);
    assert_eq!(service.seen.take_sql().last().unwrap(), "ROLLBACK");
    let status = service.confirm(&held.token).await.unwrap_err();
    assert_eq!(reason(&status).0, "NOT_FOUND");
    assert!(
        status.message().contains("does not count"),
        "{}",
        status.message()
    );
    tokio::time::timeout(Duration::from_secs(20), service.sessions.quiet())
        .await
        .unwrap();
}
