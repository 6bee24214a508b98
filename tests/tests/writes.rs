//! Writes that can be looked at before they count, on the embedded Snowflake with the shipped programs.

use std::time::Duration;

use snowflake_session_proto::v1::{PrepareUndoRequest, Write, WriteState};
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;
use snowflake_session_tests::writes::{Writer, dry, limited, write};

/// Longest time to notice; a hang takes longer.
const NOTICE_DEADLINE: Duration = Duration::from_secs(30);

/// A stage with table `t (id int primary key, a varchar)` of three rows, and table `u` without a key.
fn stage() -> (Stage, Writer) {
    let stage = Stage::new();
    stage.sfctl(&["query", "select 1"]).ok();
    let writer = writer(&stage);
    for sql in [
        "create database d",
        "use schema d.public",
        "create table t (id int primary key, a varchar)",
        "insert into t values (1, 'x'), (2, 'y'), (3, 'z')",
        "create table u (a int, at timestamp_ltz default current_timestamp())",
        "insert into u (a) values (1), (2)",
    ] {
        writer.run(sql);
    }
    (stage, writer)
}

fn writer(stage: &Stage) -> Writer {
    Writer::connect(&stage.path("run/snowflake-session/grpc.sock"))
}

/// The rows of `t` as another session sees them.
fn seen_by_others(stage: &Stage) -> String {
    let sql = "select id, a from d.public.t order by id";
    let out = stage
        .sfctl(&["query", sql, "--session", "other", "--format", "csv"])
        .ok();
    out.lines().skip(1).collect::<Vec<_>>().join(" ")
}

const UNCHANGED: &str = "1,x 2,y 3,z";

fn rows(write: &Write) -> i64 {
    let dml = write.dml.unwrap_or_default();
    dml.rows_inserted + dml.rows_updated + dml.rows_deleted
}

#[test]
fn a_small_write_is_committed() {
    let (stage, writer) = stage();
    let written = writer
        .write(write("update t set a = 'new' where id <= 2"))
        .unwrap();
    assert_eq!(written.state(), WriteState::Committed, "{written:?}");
    assert_eq!((rows(&written), written.transaction_open), (2, false));
    assert_eq!(seen_by_others(&stage), "1,new 2,new 3,z");
    assert!(
        written.undo_sql.starts_with("SELECT * FROM D.PUBLIC.T BEFORE"),
        "{written:?}"
    );
}

#[test]
fn a_dry_run_shows_what_would_change_and_changes_nothing() {
    let (stage, writer) = stage();
    for (sql, before, after, key) in [
        ("update t set a = 'new' where id <= 2", Some(2), Some(2), 1),
        ("delete from t where id = 3", Some(1), None, 0),
        (
            "insert into t (a, id) values ('n', 7), ('m', 8)",
            None,
            Some(2),
            0,
        ),
        ("insert into t select id + 10, a from t", None, Some(3), 0),
        ("update u set a = a + 1", Some(2), None, 0),
        (
            "merge into t using (select 1 as id, 'm' as a) s on t.id = s.id when matched then update set a = s.a",
            Some(1),
            Some(1),
            1,
        ),
    ] {
        let tried = writer.write(dry(sql)).unwrap();
        assert_eq!(tried.state(), WriteState::RolledBack, "{sql}");
        let count = |sample: &Option<snowflake_session_proto::v1::RowSample>| {
            sample.as_ref().map(|sample| sample.row_count)
        };
        assert_eq!(
            (count(&tried.before), count(&tried.after), tried.key_columns.len()),
            (before, after, key),
            "{sql}: {}",
            tried.sample_omitted
        );
        assert!(rows(&tried) > 0, "{sql}");
    }
    assert_eq!(seen_by_others(&stage), UNCHANGED);
    let cut = writer
        .write(snowflake_session_proto::v1::PrepareWriteRequest {
            sample_rows: 2,
            ..dry("delete from t")
        })
        .unwrap();
    let before = cut.before.unwrap();
    assert_eq!((before.row_count, before.truncated), (2, true));
}

#[test]
fn a_large_write_waits_for_its_confirmation() {
    let (stage, writer) = stage();
    stage.foresee("so it runs reads only");
    let held = writer.write(limited("delete from t where id > 1", 1)).unwrap();
    assert_eq!(held.state(), WriteState::Held, "{held:?}");
    assert_eq!(held.concerns[0].rule, "rows");
    assert_eq!(seen_by_others(&stage), UNCHANGED, "nothing is committed yet");
    assert_eq!(
        stage.rows("select count(*) from t"),
        "1",
        "its own session sees it"
    );
    assert_eq!(writer.session().held_write.unwrap().row_count, 2);
    let status = writer.write(write("delete from u where a = 1")).unwrap_err();
    assert!(status.message().contains("reads only"), "{status:?}");
    let confirmed = writer.confirm(&held.token).unwrap();
    assert_eq!(confirmed.state(), WriteState::Committed);
    assert_eq!(seen_by_others(&stage), "1,x");
    let held = writer.write(write("delete from u")).unwrap();
    assert_eq!(held.concerns[0].rule, "unconditional");
    let gone = writer.abandon(&held.token).unwrap();
    assert_eq!(gone.state(), WriteState::RolledBack);
    assert_eq!(stage.rows("select count(*) from u"), "2");
}

#[test]
fn what_destroys_is_asked_about_before_it_runs() {
    let (stage, writer) = stage();
    let waiting = writer.write(write("drop table u")).unwrap();
    assert_eq!(waiting.state(), WriteState::Waiting);
    assert_eq!(stage.rows("select count(*) from u"), "2");
    let confirmed = writer.confirm(&waiting.token).unwrap();
    assert_eq!(confirmed.state(), WriteState::Committed);
    stage
        .sfctl(&["query", "select count(*) from u"])
        .fails(1, &["does not exist"]);
}

#[test]
fn a_write_in_an_open_transaction_is_part_of_it() {
    let (stage, writer) = stage();
    writer.run("begin");
    let joined = writer.write(write("update t set a = 'j' where id = 1")).unwrap();
    assert_eq!(joined.state(), WriteState::Joined);
    let held = writer
        .write(limited("update t set a = 'k' where id > 1", 1))
        .unwrap();
    assert_eq!(held.state(), WriteState::Held);
    assert!(held.transaction_joined);
    let gone = writer.abandon(&held.token).unwrap();
    assert_eq!(gone.state(), WriteState::RolledBack);
    assert!(!gone.transaction_open);
    assert_eq!(seen_by_others(&stage), UNCHANGED, "all of it is gone");
}

#[test]
fn a_statement_that_fails_leaves_nothing_behind() {
    let (stage, writer) = stage();
    let status = writer
        .write(write("insert into t select a, id from t"))
        .unwrap_err();
    assert!(!status.message().is_empty());
    let shown = writer.session();
    assert!(!shown.transaction_open && shown.losses.is_empty(), "{shown:?}");
    assert_eq!(seen_by_others(&stage), UNCHANGED);
}

#[test]
fn a_killed_service_takes_a_held_write_with_it_and_its_successor_says_so() {
    let (stage, writer) = stage();
    let held = writer.write(write("delete from t")).unwrap();
    assert_eq!(held.state(), WriteState::Held);
    stage.kill("snowflake-session");
    until_true("the orphaned emulator to end", NOTICE_DEADLINE, || {
        stage.processes("snowflake-emulator").is_empty()
    });
    stage.foresee(r#""reason":"SessionLost""#);
    stage
        .sfctl(&["query", "select 1"])
        .fails(1, &["the write that was held"]);
    let status = self::writer(&stage).confirm(&held.token).unwrap_err();
    assert!(status.message().contains("no write waits"), "{status:?}");
    stage.sfctl(&["query", "select 1", "--accept-loss"]).ok();
    assert_eq!(seen_by_others(&stage), UNCHANGED);
}

#[test]
fn a_misspelt_table_is_told_with_the_one_that_is_near() {
    let (stage, writer) = stage();
    writer.run("create table customers (name varchar)");
    for (sql, meant) in [
        ("select * from custmers", "perhaps CUSTOMERS is meant"),
        ("select nmae from customers", "perhaps NAME is meant"),
        ("select * from d.publik.t", "perhaps PUBLIC is meant"),
    ] {
        stage.sfctl(&["query", sql]).fails(1, &[meant]);
    }
}

fn undo(written: &Write) -> PrepareUndoRequest {
    PrepareUndoRequest {
        query: written.query_id.clone(),
        ..PrepareUndoRequest::default()
    }
}

#[test]
fn rows_are_taken_back_by_their_key_and_no_others() {
    let (stage, writer) = stage();
    for (sql, changed) in [
        ("update t set a = 'new' where id <= 2", "1,new 2,new 3,z"),
        ("delete from t where id = 3", "1,x 2,y"),
        ("insert into t values (7, 'n')", "1,x 2,y 3,z 7,n"),
        (
            "merge into t using (select 1 as id union all select 8) s on t.id = s.id \
             when matched then delete when not matched then insert (id, a) values (s.id, 'm')",
            "2,y 3,z 8,m",
        ),
    ] {
        let written = writer.write(write(sql)).unwrap();
        assert_eq!(written.state(), WriteState::Committed, "{sql}");
        assert_eq!(seen_by_others(&stage), changed, "{sql}");
        // What others do with other rows stays.
        writer.run("insert into t values (9, 'later')");
        let held = writer.undo(undo(&written)).unwrap();
        assert_eq!(
            (held.state(), held.concerns[0].rule.as_str()),
            (WriteState::Held, "undo")
        );
        let undone = writer.confirm(&held.token).unwrap();
        assert_eq!(undone.state(), WriteState::Committed);
        assert_eq!(seen_by_others(&stage), format!("{UNCHANGED} 9,later"), "{sql}");
        writer.run("delete from t where id = 9");
    }
}

#[test]
fn what_was_changed_again_is_not_taken_back() {
    let (stage, writer) = stage();
    stage.foresee("was changed again since the write");
    let written = writer
        .write(write("update t set a = 'new' where id = 1"))
        .unwrap();
    writer.run("update t set a = 'newer' where id = 1");
    let status = writer.undo(undo(&written)).unwrap_err();
    assert!(status.message().contains("was changed again"), "{status:?}");
    let written = writer.write(write("delete from u where a = 1")).unwrap();
    writer.run("insert into u (a) values (5)");
    let status = writer.undo(undo(&written)).unwrap_err();
    assert!(status.message().contains("was changed again"), "{status:?}");
    assert_eq!(seen_by_others(&stage), "1,newer 2,y 3,z");
}

#[test]
fn a_table_without_a_key_is_restored_as_a_whole() {
    let (stage, writer) = stage();
    for sql in ["delete from u where a = 1", "truncate table u"] {
        let written = match writer.write(write(sql)).unwrap() {
            waiting if waiting.state() == WriteState::Waiting => writer.confirm(&waiting.token).unwrap(),
            written => written,
        };
        assert_eq!(written.state(), WriteState::Committed, "{sql}");
        let tried = writer
            .undo(PrepareUndoRequest {
                dry_run: true,
                ..undo(&written)
            })
            .unwrap();
        assert_eq!(tried.state(), WriteState::RolledBack, "{sql}");
        let undone = writer
            .undo(PrepareUndoRequest {
                confirmed: true,
                ..undo(&written)
            })
            .unwrap();
        assert_eq!(undone.state(), WriteState::Committed, "{sql}");
        assert_eq!(stage.rows("select a from u order by a"), "1\n2", "{sql}");
    }
}
