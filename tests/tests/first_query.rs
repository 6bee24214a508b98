//! The first command on a machine, and the plain life of commands after it.

use std::time::Duration;

use serde_json::Value;
use snowflake_session_tests::config;
use snowflake_session_tests::process::{PATIENCE, run};
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

#[test]
fn the_first_command_starts_everything() {
    let stage = Stage::new();
    let out = stage
        .sfctl(&["query", "select 1 as one, 'a' as letter", "--format", "csv"])
        .ok();
    assert_eq!(out, "ONE,LETTER\n1,a\n");
    assert_eq!(stage.processes("snowflake-session").len(), 1);
    assert_eq!(stage.processes("snowflake-emulator").len(), 1);
}

#[test]
fn stopping_the_service_stops_the_emulator() {
    let stage = Stage::new();
    stage.sfctl(&["query", "select 1"]).ok();
    stage.sfctl(&["service", "stop"]).ok();
    let gone = || {
        stage.processes("snowflake-session").is_empty() && stage.processes("snowflake-emulator").is_empty()
    };
    until_true("service and emulator to be gone", Duration::from_secs(10), gone);
    // What was stopped can be started again.
    assert_eq!(stage.rows("select 2"), "2");
}

#[test]
fn two_first_commands_start_one_service() {
    let stage = Stage::new();
    let first = stage.sfctl_running(&["query", "select 1 as n", "--format", "csv"]);
    let second = stage.sfctl_running(&["query", "select 2 as n", "--format", "csv", "--session", "other"]);
    assert_eq!(first.wait(PATIENCE).ok(), "N\n1\n");
    assert_eq!(second.wait(PATIENCE).ok(), "N\n2\n");
    assert_eq!(stage.processes("snowflake-session").len(), 1);
    assert_eq!(stage.processes("snowflake-emulator").len(), 1);
}

#[test]
fn many_commands_at_once_get_their_own_answers() {
    let stage = Stage::new();
    stage.sfctl(&["query", "select 1"]).ok();
    // Half of them share a session, where they wait for each other; the others have one each.
    let running: Vec<_> = (0..16)
        .map(|index| {
            let session = if index % 2 == 0 {
                "shared".to_owned()
            } else {
                format!("own{index}")
            };
            let sql = format!("select {index} as n");
            stage.sfctl_running(&["query", &sql, "--session", &session, "--format", "csv"])
        })
        .collect();
    for (index, command) in running.into_iter().enumerate() {
        assert_eq!(command.wait(PATIENCE).ok(), format!("N\n{index}\n"));
    }
}

#[test]
fn stats_are_one_line_of_json_on_stderr() {
    let stage = Stage::new();
    let ran = stage.sfctl(&[
        "query",
        "select 1 as a union all select 2 order by a",
        "--limit",
        "1",
        "--stats",
        "--format",
        "csv",
    ]);
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(ran.out(), "A\n1\n");
    let line = ran
        .stderr
        .lines()
        .find(|line| line.starts_with('{'))
        .unwrap_or_else(|| panic!("no stats: {ran}"));
    let stats: Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(stats["rows"], 1, "{stats}");
    assert_eq!(stats["truncated"], true, "{stats}");
    assert_eq!(stats["session"], "default", "{stats}");
    assert!(
        stats["query_id"].as_str().is_some_and(|id| !id.is_empty()),
        "{stats}"
    );
    assert!(
        stats["elapsed_ms"].is_number() && stats["context"].is_object(),
        "{stats}"
    );
}

#[test]
fn sql_comes_from_arguments_files_and_stdin() {
    let stage = Stage::new();
    let file = stage.write("q.sql", "select 'file' as source");
    let file = file.to_str().expect("the home's path is text");
    assert_eq!(
        stage.sfctl(&["query", "--file", file, "--format", "csv"]).ok(),
        "SOURCE\nfile\n"
    );
    let out = stage
        .sfctl_with_input(&["query", "-", "--format", "csv"], "select 'stdin' as source")
        .ok();
    assert_eq!(out, "SOURCE\nstdin\n");
}

#[test]
fn a_closed_pipe_ends_the_command_and_its_query() {
    let stage = Stage::new();
    stage.sfctl(&["query", "select 1"]).ok();
    let sfctl = snowflake_session_tests::config::program("sfctl");
    let mut shell = stage.command("sh");
    let pipe = format!(
        "'{}' query 'select seq8() as n from table(generator(rowcount => 50000000))' --format csv | head -n 2",
        sfctl.display()
    );
    shell.args(["-c", &pipe]);
    let ran = run(shell, None);
    assert_eq!(ran.out().lines().count(), 2, "{ran}");
    assert!(!ran.stderr.contains("panic"), "{ran}");
    // The session is free again: the rest of the result was not waited for.
    assert_eq!(stage.rows("select 1"), "1");
}

/// What an ELF file is: 2 where it lies at a fixed address, 3 where the loader may choose one.
#[cfg(target_os = "linux")]
fn elf_type(program: &str) -> u8 {
    let file = std::fs::read(config::program(program)).expect(program);
    assert_eq!(&file[..4], b"\x7fELF", "{program}");
    file[16]
}

#[test]
#[cfg(target_os = "linux")]
fn only_the_client_lies_at_a_fixed_address() {
    // ADR 0018: what starts often starts fast; what listens is where the kernel wants it.
    assert_eq!(elf_type("sfctl"), 2);
    assert_eq!(elf_type("snowflake-session"), 3);
    assert_eq!(elf_type("snowflake-emulator"), 3);
}
