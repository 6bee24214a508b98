//! The verbs of `sfctl service` where no service manager runs the service.

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
