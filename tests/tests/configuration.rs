//! `sfctl config`, what the service does with it while it runs, and its log in files.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use snowflake_session_tests::process::Running;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

const PATIENCE: Duration = Duration::from_secs(30);

const FILE: &str = "config/snowflake-session/config.toml";

#[test]
fn each_setting_is_shown_with_its_source() {
    let mut stage = Stage::new();
    let file = stage.write(FILE, "[service]\nidle_exit = \"2min\"\n");
    stage.set("SNOWFLAKE_SESSIOND_POOL__MAX", "7");
    stage.connections("[prod]\naccount = \"a\"\nuser = \"u\"\npassword = \"hunter2\"\n");
    let shown = stage
        .sfctl(&["config", "show", "--sources", "--format", "json"])
        .ok();
    assert!(!shown.contains("hunter2"), "{shown}");
    let rows: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let find = |key: &str| {
        let row = rows.iter().find(|row| row["key"] == key);
        row.map_or_else(
            || panic!("no {key}: {shown}"),
            |row| (row["value"].clone(), row["source"].clone()),
        )
    };
    assert_eq!(
        find("service.idle_exit"),
        ("2min".into(), format!("{}:2", file.display()).into())
    );
    assert_eq!(
        find("pool.max"),
        (7.into(), "variable SNOWFLAKE_SESSIOND_POOL__MAX".into())
    );
    assert_eq!(find("pool.min"), (1.into(), "the built-in defaults".into()));
    assert_eq!(
        find("sfctl.policy"),
        ("open".into(), "variable SFCTL_POLICY".into())
    );
    let changed = stage
        .sfctl(&["config", "show", "--changed", "--format", "csv"])
        .ok();
    assert!(
        changed.contains("service.idle_exit,2min") && !changed.contains("pool.min"),
        "{changed}"
    );
    let paths = stage.sfctl(&["config", "path", "--format", "csv"]).ok();
    assert!(
        paths.contains(&format!("user,{},read", file.display())) && paths.contains("connections.toml,read"),
        "{paths}"
    );
    assert!(
        stage.processes("snowflake-session").is_empty(),
        "nothing was started for it"
    );
}

#[test]
fn every_fault_is_told_at_once() {
    let stage = Stage::new();
    let file = stage.write(FILE, "[query]\ntimeuot = \"1s\"\n[service]\nidle_exit = \"1s\"\n");
    let place = file.display().to_string();
    stage.sfctl(&["config", "check"]).fails(
        2,
        &[
            &format!("{place}:2: unknown key `query.timeuot`, did you mean `query.timeout`?"),
            &format!("{place}:4: `service.idle_exit`: 1s is less than 30s"),
        ],
    );
    stage.sfctl(&["config", "show"]).fails(2, &["idle_exit"]);
    assert!(stage.sfctl(&["config", "path"]).ok().contains(&place));

    let other = stage.write("other.toml", "[query]\ntimeout = \"1min\"\n");
    let said = stage.sfctl(&["config", "check", &other.display().to_string()]);
    assert!(said.code == 0 && said.stderr.contains("other.toml"), "{said}");
}

/// What a reload says, as JSON.
fn reload(stage: &Stage) -> Value {
    let said = stage.sfctl(&["service", "reload", "--format", "json"]).ok();
    serde_json::from_str(&said).expect("it is JSON")
}

#[test]
fn a_reload_applies_what_it_can_and_names_the_rest() {
    let stage = Stage::new();
    stage.sfctl(&["service", "start"]).ok();
    assert_eq!(reload(&stage), json!({"applied": [], "needs_restart": []}));

    let file = stage.write(
        FILE,
        "[log]\nlevel = \"debug\"\n[query]\nbindings_max = 1\n[rpc]\ncalls_max = 7\n",
    );
    let first = json!({"applied": ["log.level", "query.bindings_max"], "needs_restart": ["rpc.calls_max"]});
    assert_eq!(reload(&stage), first);
    // What needs a restart is named until there is one.
    assert_eq!(
        reload(&stage),
        json!({"applied": [], "needs_restart": ["rpc.calls_max"]})
    );
    stage
        .sfctl(&["query", "select ?, ?", "--bind", "1", "--bind", "2"])
        .fails(2, &["binding"]);

    // With a fault in it nothing changes, and every fault is told.
    stage.foresee("configuration not read again");
    fs::write(
        &file,
        "[query]\nbindings_max = 100\ntimeuot = 1\n[service]\nidle_exit = \"1s\"\n",
    )
    .unwrap();
    stage.sfctl(&["service", "reload"]).fails(
        2,
        &[
            "nothing has changed",
            ":3: unknown key `query.timeuot`",
            ":5: `service.idle_exit`",
        ],
    );
    stage
        .sfctl(&["query", "select ?, ?", "--bind", "1", "--bind", "2"])
        .fails(2, &["binding"]);

    fs::remove_file(&file).unwrap();
    assert_eq!(
        reload(&stage),
        json!({"applied": ["log.level", "query.bindings_max"], "needs_restart": []})
    );
    let said = stage.sfctl(&["query", "select ?, ?", "--bind", "1", "--bind", "2"]);
    assert_eq!(said.code, 0, "{said}");
}

#[test]
fn policies_are_applied_to_sessions_that_run() {
    let stage = Stage::new();
    let local = |level: &str, deny: &str| {
        stage.write(
            FILE,
            format!("[policy.connections.local]\nlevel = \"{level}\"\ndeny = [{deny}]\n"),
        );
    };
    let policy = |session: &str| {
        let shown = stage
            .sfctl(&["session", "show", session, "--format", "json"])
            .ok();
        serde_json::from_str::<Value>(&shown).unwrap()["policy"].clone()
    };
    stage.rows("create database d");
    stage.rows("create temporary table t (a int)");
    stage
        .sfctl(&["session", "new", "careful", "--policy", "guarded"])
        .ok();
    assert_eq!(
        (policy("default"), policy("careful")),
        ("open".into(), "guarded".into())
    );

    local("read-only", "");
    assert_eq!(
        reload(&stage)["applied"],
        json!(["policy.connections.local.deny", "policy.connections.local.level"])
    );
    stage
        .sfctl(&["query", "insert into t values (1)"])
        .fails(5, &["read-only"]);
    let read = [
        "query",
        "--policy",
        "read-only",
        "select count(*) c from t",
        "--format",
        "csv",
    ];
    assert_eq!(stage.sfctl(&read).ok(), "C\n0\n", "the session went on");
    until_true("both sessions to show it", PATIENCE, || {
        (policy("default"), policy("careful")) == ("read-only".into(), "read-only".into())
    });

    local("open", "\"delete\"");
    reload(&stage);
    stage.rows("insert into t values (1)");
    stage
        .sfctl(&["query", "delete from t"])
        .fails(5, &["deny delete"]);
    // What a session was made with is the most that it is raised to.
    until_true("both sessions to show it", PATIENCE, || {
        (policy("default"), policy("careful")) == ("open".into(), "guarded".into())
    });
    stage
        .sfctl(&[
            "query",
            "--session",
            "careful",
            "--policy",
            "open",
            "create table u (a int)",
        ])
        .fails(5, &["guarded"]);
}

#[test]
fn the_log_is_kept_in_files_that_can_be_moved_away_and_followed() {
    let stage = Stage::new();
    stage.sfctl(&["service", "start"]).ok();
    let folder = stage.path("state/snowflake-session");
    let log = folder.join("service.log");
    let is_private = || fs::metadata(&log).is_ok_and(|found| found.permissions().mode() & 0o777 == 0o600);
    until_true("the log to be there", PATIENCE, is_private);

    let mut follow = stage.command("/bin/sh");
    let sfctl = snowflake_session_tests::config::program("sfctl");
    follow
        .args(["-c", "exec \"$0\" service logs -f >followed 2>&1"])
        .arg(sfctl);
    let followed = || fs::read_to_string(stage.path("followed")).unwrap_or_default();
    let following = Running::start(follow, None);
    until_true("the log to be followed", PATIENCE, || {
        followed().contains("serving")
    });

    stage.rows("select 1");
    fs::rename(&log, folder.join("service.log.20260101T000000.000Z")).unwrap();
    reload(&stage);
    until_true("a new file", PATIENCE, is_private);
    stage.sfctl(&["session", "new", "etl"]).ok();
    until_true("both files to be followed", PATIENCE, || {
        let text = followed();
        text.contains("configuration read again") && text.contains("session=etl logged in")
    });
    assert_eq!(followed().matches("serving").count(), 1, "{}", followed());
    following.signal(Signal::KILL);
    following.wait(PATIENCE);

    let logs = stage.sfctl(&["service", "logs"]).ok();
    assert!(logs.contains("serving") && logs.contains("session=etl"), "{logs}");
    let of_session = stage.sfctl(&["service", "logs", "--session", "etl"]).ok();
    assert!(
        of_session.contains("logged in") && !of_session.contains("serving"),
        "{of_session}"
    );
    // Where it is does not depend on the service.
    stage.sfctl(&["service", "stop"]).ok();
    assert!(
        stage
            .sfctl(&["service", "logs", "-n", "1"])
            .ok()
            .contains("stopped")
    );
}

#[test]
fn the_log_is_where_the_service_says() {
    let stage = Stage::new();
    let state = stage.path("elsewhere");
    stage.write(
        FILE,
        format!("[state]\ndirectory = {:?}\n", state.display().to_string()),
    );
    stage.sfctl(&["service", "start"]).ok();
    assert!(stage.sfctl(&["service", "logs"]).ok().contains("serving"));
    stage.sfctl(&["service", "stop"]).ok();
    assert!(stage.sfctl(&["service", "logs"]).ok().contains("serving"));

    let running = stage.sfctl_running(&["service", "run"]);
    until_true("the service to run", PATIENCE, || {
        stage.sfctl(&["--no-autostart", "service", "status"]).code == 0
    });
    stage
        .sfctl(&["service", "logs"])
        .fails(2, &["keeps no log", "standard error"]);
    running.signal(Signal::TERM);
    assert!(running.wait(PATIENCE).stderr.contains("\"message\":\"stopped\""));
}
