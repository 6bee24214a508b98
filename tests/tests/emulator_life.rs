//! `sfctl emulator`: the life of the service's own local Snowflake, and of one beside it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

/// Longest wait for what must come.
const DEADLINE: Duration = Duration::from_mins(1);

fn status(stage: &Stage, more: &[&str]) -> Value {
    let words: Vec<&str> = ["emulator", "status", "--format", "json"]
        .iter()
        .chain(more)
        .copied()
        .collect();
    serde_json::from_str(&stage.sfctl(&words).ok()).expect("JSON was asked for")
}

/// The service notices that its emulator ends, and that sessions end with it.
fn foresee_the_end(stage: &Stage) {
    for said in [
        "the emulator ended by itself",
        "the local emulator ended unexpectedly",
        "upstream session ended while it was not used",
        r#""reason":"SessionLost""#,
    ] {
        stage.foresee(said);
    }
}

#[test]
fn the_services_own_is_copied_and_put_back() {
    let stage = Stage::new();
    assert_eq!(status(&stage, &[])["state"], "stopped");
    stage.sfctl(&["emulator", "start"]).ok();
    let told = status(&stage, &[]);
    assert_eq!(told["state"], "running");
    assert_eq!(told["supervised"], true);
    stage.sfctl(&["query", "create database d"]).ok();
    stage
        .sfctl(&["query", "create table d.public.t as select 7 as n"])
        .ok();
    stage.sfctl(&["emulator", "snapshot", "create", "base"]).ok();
    assert!(
        stage
            .sfctl(&["emulator", "snapshot", "list"])
            .ok()
            .contains("base")
    );
    stage.sfctl(&["query", "drop database d"]).ok();
    stage
        .sfctl(&["emulator", "restore", "base"])
        .fails(3, &["--restart"]);

    foresee_the_end(&stage);
    stage.sfctl(&["emulator", "restore", "base", "--restart"]).ok();
    // The old session's end is said once, then a new one finds what was put back.
    until_true("the service to go on with what was put back", DEADLINE, || {
        stage
            .sfctl(&[
                "query",
                "--session",
                "new",
                "select n from d.public.t",
                "--format",
                "csv",
            ])
            .code
            == 0
    });
    stage.sfctl(&["emulator", "stop"]).ok();
    assert_eq!(status(&stage, &[])["state"], "stopped");
    assert!(stage.sfctl(&["emulator", "logs"]).ok().contains("listening on"));
    stage.sfctl(&["emulator", "snapshot", "delete", "base"]).ok();
    stage.sfctl(&["emulator", "reset"]).ok();
}

#[test]
fn one_beside_the_services_has_its_own_folder() {
    let stage = Stage::new();
    let data = stage.path("beside");
    let data = data.to_str().expect("the path is text");
    let beside = ["--data", data];
    stage
        .sfctl(&[
            "emulator",
            "start",
            "--data",
            data,
            "--",
            "--listen",
            "127.0.0.1:0",
            "--fault-control",
        ])
        .ok();
    let told = status(&stage, &beside);
    assert_eq!(told["state"], "running");
    assert_eq!(told["supervised"], false);
    stage
        .sfctl(&["emulator", "fault", "add", "status=503,times=1", "--data", data])
        .ok();
    assert!(
        stage
            .sfctl(&["emulator", "fault", "list", "--data", data])
            .ok()
            .contains("status=503,times=1")
    );
    stage.sfctl(&["emulator", "fault", "clear", "--data", data]).ok();
    stage
        .sfctl(&["emulator", "reset", "--restart", "--data", data])
        .ok();
    assert_eq!(
        status(&stage, &beside)["address"],
        told["address"],
        "it is where it was"
    );
    stage.sfctl(&["emulator", "stop", "--data", data]).ok();
    assert_eq!(status(&stage, &beside)["state"], "stopped");
    stage
        .sfctl(&["emulator", "fault", "list", "--data", data])
        .fails(3, &["no emulator serves"]);
}

#[test]
fn the_services_own_makes_faults_only_where_that_is_said() {
    let stage = Stage::new();
    stage.sfctl(&["query", "select 1"]).ok();
    let add = ["emulator", "fault", "add", "warehouse-suspended,on=query,times=1"];
    stage.sfctl(&add).fails(3, &["emulator.fault_control"]);

    let stage = Stage::new();
    stage.write(
        "config/snowflake-session/config.toml",
        "[emulator]\nfault_control = true\n",
    );
    stage.sfctl(&["query", "select 1"]).ok();
    stage.sfctl(&add).ok();
    let suspended = stage.sfctl(&["query", "select 1"]);
    assert!(suspended.stderr.contains("000606"), "{}", suspended.stderr);
    assert_eq!(stage.rows("select 1"), "1", "it happens once");
}

#[test]
fn the_log_is_followed() {
    let stage = Stage::new();
    let data = stage.path("beside");
    let data = data.to_str().expect("the path is text");
    let start = [
        "emulator",
        "start",
        "--data",
        data,
        "--",
        "--listen",
        "127.0.0.1:0",
    ];
    stage.sfctl(&start).ok();
    let seen = stage.path("seen");
    let out = std::fs::File::create(&seen).expect("the stage is writable");
    let arguments = ["emulator", "logs", "--follow", "--lines", "1", "--data", data];
    let mut follow = stage
        .program("sfctl", &arguments)
        .stdin(Stdio::null())
        .stdout(out)
        .spawn()
        .expect("sfctl starts");
    let has = |text: &str| std::fs::read_to_string(&seen).is_ok_and(|seen| seen.contains(text));
    until_true("the last line is there", DEADLINE, || has("\n"));
    stage.sfctl(&["emulator", "stop", "--data", data]).ok();
    until_true("what came later is there", DEADLINE, || has("stopping"));
    follow.kill().expect("it goes on");
    follow.wait().expect("it was ours");
}
