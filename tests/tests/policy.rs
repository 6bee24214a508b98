//! What may run with the shipped programs: refused with the rule and what to do, asked about, logged, tagged.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use snowflake_session_tests::stage::Stage;

/// A home whose connections are as they are for who has configured nothing but this.
fn stage(config: &str) -> Stage {
    let mut stage = Stage::new();
    stage.write("config/snowflake-session/config.toml", config);
    stage.set("SFCTL_POLICY", "read-only");
    stage.set("SNOWFLAKE_SESSIOND_POLICY__LEVEL", "guarded");
    stage
}

#[test]
fn a_query_only_reads_unless_it_says_otherwise() {
    let mut stage = stage("");
    assert_eq!(stage.rows("select 1"), "1");
    let refused = stage.sfctl(&["query", "create table t (a int)"]);
    let refused = refused.fails(5, &["policy read-only", "ddl create table", "sfctl write"]);
    assert!(refused.stdout.is_empty());
    stage
        .sfctl(&["query", "selec 1"])
        .fails(1, &["001003", "syntax error"]);
    stage.set("SFCTL_POLICY", "open");
    stage.sfctl(&["query", "create database d"]).ok();
    // Snowflake is asked what it is and then runs it.
    stage.set("SFCTL_POLICY", "guarded");
    stage.sfctl(&["query", "create table t (a int)"]).ok();
    stage
        .sfctl(&["query", "insert into t values (1)"])
        .fails(5, &["sfctl write"]);
    stage
        .sfctl(&["query", "drop table t"])
        .fails(5, &["needs a confirmation"]);
    stage.set("SFCTL_POLICY", "open");
    stage.sfctl(&["query", "insert into t values (1), (2)"]).ok();
    assert_eq!(stage.rows("select count(*) from t"), "2");
    stage.sfctl(&["query", "drop table t"]).ok();
}

#[test]
fn rules_of_the_configuration_hold_at_every_level() {
    let mut stage = stage(
        "[policy.connections.local]\nlevel = \"open\"\ndeny = [\"drop on keep.*.*\"]\nallow = [\"function system$wait\"]\n",
    );
    stage.set("SFCTL_POLICY", "open");
    stage.sfctl(&["query", "create database keep"]).ok();
    stage.sfctl(&["query", "create table t (a int)"]).ok();
    for sql in ["drop table t", "drop database keep", "drop table public.t"] {
        stage.sfctl(&["query", sql]).fails(5, &["deny drop on keep.*.*"]);
    }
    stage.sfctl(&["query", "create database other"]).ok();
    stage.sfctl(&["query", "create table t (a int)"]).ok();
    stage.sfctl(&["query", "drop table t"]).ok();
}

#[test]
fn statements_are_logged_without_their_texts_and_tagged() {
    let stage = stage("");
    let tag = stage.rows("show parameters like 'query_tag'");
    assert!(tag.contains("client") && tag.contains("default"), "{tag}");
    stage.sfctl(&["query", "select 'hidden-value'"]).ok();
    stage
        .sfctl(&["query", "delete from hr.t where a = 'hidden-value'"])
        .fails(5, &[]);
    stage.sfctl(&["service", "stop"]).ok();
    let folder = stage.path("state/snowflake-session/audit");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let mut text = String::new();
    for entry in fs::read_dir(&folder).expect("the folder can be read") {
        let path = entry.expect("it can be listed").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            text += &fs::read_to_string(&path).expect("it is text");
        }
    }
    assert!(!text.contains("hidden-value"), "{text}");
    assert!(!stage.logs().contains("hidden-value"));
    let refused = text
        .lines()
        .find(|line| line.contains("\"decision\":\"refused\""));
    let refused = refused.expect("the refused one is logged");
    assert!(
        refused.contains("\"HR.T\"") && refused.contains("\"rule\":\"read-only\""),
        "{refused}"
    );
}
