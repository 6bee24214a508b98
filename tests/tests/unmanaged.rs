//! The verbs of `sfctl service` where no service manager runs the service.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_verbs_work_without_a_manager_and_say_so() {
    let stage = Stage::new();
    let started = stage.sfctl(&["service", "start"]);
    assert!(
        started.code == 0 && started.stderr.contains("no service manager"),
        "{started}"
    );
    let again = stage.sfctl(&["service", "start"]);
    assert!(
        again.code == 0 && again.stderr.contains("runs already"),
        "{again}"
    );

    stage.write(
        "config/snowflake-session/config.toml",
        "[log]\nlevel = \"debug\"\n",
    );
    let reloaded = stage.sfctl(&["service", "reload"]);
    assert!(
        reloaded.code == 0 && reloaded.stderr.contains("no service manager"),
        "{reloaded}"
    );
    until_true("the reload to be logged", PATIENCE, || {
        stage
            .sfctl(&["service", "logs"])
            .ok()
            .contains("configuration read again")
    });

    assert_eq!(stage.rows("select 1"), "1");
    let logs = stage.sfctl(&["service", "logs", "--session", "default"]).ok();
    assert!(logs.contains("logged in") && !logs.contains("serving"), "{logs}");
    assert_eq!(
        stage.sfctl(&["service", "logs", "-n", "1"]).ok().lines().count(),
        1
    );

    let before = stage.processes("snowflake-session");
    let restarted = stage.sfctl(&["service", "restart"]);
    assert_eq!(restarted.code, 0, "{restarted}");
    let after = stage.processes("snowflake-session");
    assert!(
        before.len() == 1 && after.len() == 1 && before != after,
        "{before:?} {after:?}"
    );

    let status = stage
        .sfctl(&["service", "status", "--format", "json"])
        .ok()
        .replace(' ', "");
    assert!(
        status.contains("\"manager\":\"none\"") && status.contains("\"binary_changed\":false"),
        "{status}"
    );
    stage.sfctl(&["service", "stop"]).ok();
    let idle = stage.sfctl(&["service", "stop"]);
    assert!(idle.code == 0 && idle.stderr.contains("does not run"), "{idle}");
}

/// What is logged while it is followed is shown, also when somebody moves the file away and lets the service begin another.
#[test]
fn the_log_is_followed_into_the_next_file() {
    let stage = Stage::new();
    stage.sfctl(&["service", "start"]).ok();
    let seen = stage.path("seen");
    let mut command = stage.program("sfctl", &["service", "logs", "-f", "-n", "1"]);
    command
        .stdin(Stdio::null())
        .stdout(File::create(&seen).expect("the stage is writable"));
    let mut follow = command.spawn().expect("sfctl starts");
    let count = |text: &str| {
        let seen = std::fs::read_to_string(&seen).unwrap_or_default();
        seen.matches(text).count()
    };
    until_true("the last line is there", PATIENCE, || count("\n") == 1);
    // As an outside logrotate does it, twice.
    let log = stage.path("state/snowflake-session/service.log");
    for (turn, moved) in ["service.log.1", "service.log.2"].into_iter().enumerate() {
        std::fs::rename(&log, log.with_file_name(moved)).expect("there is a log");
        stage.sfctl(&["service", "reload"]).ok();
        until_true("the reload to be shown", PATIENCE, || {
            count("configuration read again") == turn + 1
        });
        let text = std::fs::read_to_string(&log).expect("a new log");
        assert_eq!(text.matches("configuration read again").count(), 1, "{text}");
    }
    follow.kill().expect("it goes on");
    follow.wait().expect("it was ours");
}

#[test]
fn an_installation_needs_a_manager() {
    let stage = Stage::new();
    for verb in ["install", "uninstall"] {
        stage
            .sfctl(&["service", verb])
            .fails(3, &["no service manager for this user"]);
    }
    stage
        .sfctl(&["--socket", "/tmp/elsewhere.sock", "service", "install"])
        .fails(2, &["the usual socket only"]);
}
