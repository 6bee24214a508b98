//! The plugin's writes as Claude Code would run them: dry, held, confirmed, abandoned, taken back, refused.

use serde_json::Value;
use snowflake_session_tests::desk::{Desk, TRAPS};
use snowflake_session_tests::plugin::{self, Snippet};
use snowflake_session_tests::process::Ran;

const DRY_RUN: &str = "sfctl write --dry-run --format json -";
const WRITE: &str = "sfctl write --max-rows='N' --format json -";
const CONFIRM: &str = "sfctl write --format json --confirm='TOKEN'";
const ABANDON: &str = "sfctl write --format json --abandon='TOKEN'";
const DRY_UNDO: &str = "sfctl write --dry-run --undo='ID' --format json";
const UNDO: &str = "sfctl write --undo='ID' --format json";

/// A desk with the table that the snippets' examples name: three rows.
fn desk() -> Desk {
    let desk = Desk::with_sfctl();
    for sql in [
        "create database demo",
        "create table demo.public.t (n int primary key, s varchar)",
        "insert into demo.public.t values (1, 'one'), (2, 'two'), (3, 'three')",
    ] {
        desk.sfctl(&["write", sql]).ok();
    }
    desk
}

fn snippet(command: &str) -> Snippet {
    plugin::text("commands/sf-write").snippet(command)
}

/// The object on standard output of a write that ended with this code.
#[track_caller]
fn told(ran: &Ran, code: i32) -> Value {
    assert_eq!(ran.code, code, "{ran}");
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran}"))
}

fn rows(desk: &Desk) -> String {
    let query = [
        "query",
        "--format",
        "csv",
        "select n from demo.public.t order by n",
    ];
    let table = desk.sfctl(&query).ok();
    table.lines().skip(1).collect::<Vec<_>>().join(" ")
}

#[test]
fn texts_show_no_other_write() {
    let known = [DRY_RUN, WRITE, CONFIRM, ABANDON, DRY_UNDO, UNDO];
    let mut shown = Vec::new();
    for snippet in plugin::texts().iter().flat_map(plugin::Text::snippets) {
        let line = snippet.template.lines().next().unwrap();
        let command = line.split(" <<").next().unwrap().to_owned();
        if command.starts_with("sfctl write") {
            assert!(known.contains(&command.as_str()), "{}: {command}", snippet.text);
            shown.push(command);
        }
    }
    assert!(
        known.iter().all(|command| shown.contains(&(*command).to_owned())),
        "{shown:?}"
    );
}

#[test]
fn a_dry_run_shows_what_it_would_change_and_leaves_nothing() {
    let desk = desk();
    let write = told(
        &desk.run(&snippet(DRY_RUN), "", "delete from demo.public.t where n = 1"),
        0,
    );
    assert_eq!(write["state"], "rolled_back", "{write:#}");
    assert_eq!(write["dry_run"], true, "{write:#}");
    assert_eq!(write["rows"]["deleted"], 1, "{write:#}");
    assert_eq!(write["before"]["rows"][0]["S"], "one", "{write:#}");
    assert_eq!(write["token"], Value::Null, "{write:#}");
    assert_eq!(rows(&desk), "1 2 3");
}

#[test]
fn within_the_agreed_number_it_counts_and_the_way_back_is_named() {
    let desk = desk();
    let ran = desk.run(&snippet(WRITE), "1", "delete from demo.public.t where n = 1");
    let write = told(&ran, 0);
    assert_eq!(write["state"], "committed", "{write:#}");
    assert_eq!(rows(&desk), "2 3");
    let id = write["query_id"].as_str().unwrap();
    assert_eq!(write["undo"], format!("sfctl write --undo {id}"), "{write:#}");
    let tried = told(&desk.run(&snippet(DRY_UNDO), id, ""), 0);
    assert_eq!(tried["state"], "rolled_back", "{tried:#}");
    assert_eq!(tried["rows"]["inserted"], 1, "{tried:#}");
    assert_eq!(rows(&desk), "2 3");
    let held = told(&desk.run(&snippet(UNDO), id, ""), 5);
    assert_eq!(held["state"], "held", "{held:#}");
    let back = told(
        &desk.run(&snippet(CONFIRM), held["token"].as_str().unwrap(), ""),
        0,
    );
    assert_eq!(back["state"], "committed", "{back:#}");
    assert_eq!(rows(&desk), "1 2 3");
}

#[test]
fn beyond_it_the_write_is_held_and_the_token_decides() {
    let desk = desk();
    let all = "delete from demo.public.t where n > 0";
    for (decision, state, left) in [(ABANDON, "rolled_back", "1 2 3"), (CONFIRM, "committed", "")] {
        let held = told(&desk.run(&snippet(WRITE), "1", all), 5);
        assert_eq!(held["state"], "held", "{held:#}");
        assert_eq!(held["rows"]["deleted"], 3, "{held:#}");
        assert!(held["concerns"].to_string().contains("\"rows\""), "{held:#}");
        let context = desk.sfctl(&["context", "--format", "json"]).ok();
        assert!(context.contains("\"held_write\":{"), "{context}");
        let decided = told(
            &desk.run(&snippet(decision), held["token"].as_str().unwrap(), ""),
            0,
        );
        assert_eq!(decided["state"], state, "{decided:#}");
        assert_eq!(rows(&desk), left);
    }
}

#[test]
fn what_destroys_waits_and_has_not_run() {
    let desk = desk();
    let waiting = told(&desk.run(&snippet(WRITE), "1", "drop table demo.public.t"), 5);
    assert_eq!(waiting["state"], "waiting", "{waiting:#}");
    assert!(
        waiting["concerns"].to_string().contains("\"destroys\""),
        "{waiting:#}"
    );
    assert_eq!(rows(&desk), "1 2 3");
    let given_up = told(
        &desk.run(&snippet(ABANDON), waiting["token"].as_str().unwrap(), ""),
        0,
    );
    assert_eq!(given_up["state"], "abandoned", "{given_up:#}");
    assert_eq!(rows(&desk), "1 2 3");
}

#[test]
fn what_reads_refuses_to_write_and_names_the_rule() {
    let desk = desk();
    let reading = |text: &str| plugin::text(text).snippet("sfctl query --policy read-only");
    let catalog = reading("commands/sf-catalog");
    let query = plugin::text("commands/sf-query").snippet("sfctl query --policy read-only --budget");
    for sql in [
        "delete from demo.public.t",
        "insert into demo.public.t select * from demo.public.t",
        "truncate table demo.public.t",
        "create or replace table demo.public.t as select 1 as n",
        "call system$wait(0)",
        "begin delete from demo.public.t; end",
        "grant select on table demo.public.t to role public",
    ] {
        for snippet in [&catalog, &query] {
            desk.run(snippet, "", sql)
                .fails(5, &["error: ", "rule: read-only"]);
        }
    }
    // A second statement behind a harmless one is not run either.
    let two = "select 1 as n; drop table demo.public.t";
    desk.run(&query, "", two).fails(2, &["2 statements"]);
    assert_eq!(rows(&desk), "1 2 3");
}

#[test]
fn texts_are_written_as_they_are() {
    let desk = desk();
    for trap in TRAPS {
        let literal = trap.replace('\\', r"\\").replace('\'', "''");
        let sql = format!("update demo.public.t set s = '{literal}' where n = 1");
        told(&desk.run(&snippet(WRITE), "1", &sql), 0);
        let found = desk.stage.sfctl(&[
            "query",
            "--format",
            "json",
            "select s from demo.public.t where n = 1",
        ]);
        let found: Value = serde_json::from_str(&found.ok()).unwrap();
        assert_eq!(found[0]["S"], trap);
    }
}

#[test]
fn a_made_up_token_or_id_changes_nothing() {
    let desk = desk();
    let held = told(
        &desk.run(&snippet(WRITE), "1", "delete from demo.public.t where n > 0"),
        5,
    );
    for trap in TRAPS {
        for command in [CONFIRM, ABANDON, UNDO] {
            let ran = desk.run(&snippet(command), trap, "");
            assert!(ran.code != 0 && ran.stdout.is_empty(), "{ran}");
        }
    }
    told(
        &desk.run(&snippet(ABANDON), held["token"].as_str().unwrap(), ""),
        0,
    );
    assert_eq!(rows(&desk), "1 2 3");
}
