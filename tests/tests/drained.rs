//! A service that is restarted or killed in the middle of a result: its reader goes on where it was.

use std::io::Read as _;
use std::process::{Child, ChildStdout, Stdio};
use std::time::Duration;

use snowflake_session_tests::emulator;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

const PATIENCE: Duration = Duration::from_mins(1);

/// Far more than all windows and queues between Snowflake and a reader hold together.
const ROWS: u64 = 1_500_000;

/// An emulator that outlives the service, and a reader that has begun to read a long result and waits.
struct Scene {
    stage: Stage,
    _upstream: emulator::Server,
    reader: Child,
    out: ChildStdout,
    begun: [u8; 4],
}

impl Scene {
    fn new() -> Self {
        let mut stage = Stage::new();
        stage.set("SNOWFLAKE_DEFAULT_CONNECTION_NAME", "dev");
        // A reader that does not read is not waited for.
        stage.set("SNOWFLAKE_SESSIOND_SERVICE__GRACE_PERIOD", "0s");
        let upstream = emulator::start(&stage, &[]);
        stage.connections(&upstream.connection("dev", ""));
        let sql = format!(
            "select seq4() as n, 'a text that takes some room' as t from table(generator(rowcount => {ROWS}))"
        );
        let mut command = stage.program("sfctl", &["query", &sql, "--format", "csv"]);
        let mut reader = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sfctl starts");
        let mut out = reader.stdout.take().expect("it was asked for");
        let mut begun = [0; 4];
        out.read_exact(&mut begun).expect("the result begins");
        Self {
            stage,
            _upstream: upstream,
            reader,
            out,
            begun,
        }
    }

    /// Reads to the end, which must be that of the whole result, each row once and in order.
    fn finish(mut self) -> (Stage, String) {
        let mut text = String::from_utf8_lossy(&self.begun).into_owned();
        self.out.read_to_string(&mut text).expect("text");
        let mut stderr = String::new();
        let told = self.reader.stderr.take();
        told.expect("it was asked for")
            .read_to_string(&mut stderr)
            .expect("text");
        let ended = self.reader.wait().expect("sfctl ends");
        assert!(ended.success(), "{ended}: {stderr}");
        let mut lines = text.lines().skip(1);
        for number in 0..ROWS {
            let line = lines.next().unwrap_or_default();
            assert_eq!(line, format!("{number},a text that takes some room"));
        }
        assert_eq!(lines.next(), None);
        (self.stage, stderr)
    }
}

#[test]
fn a_result_goes_on_over_a_restart() {
    let scene = Scene::new();
    scene.stage.foresee("did not end within the grace period");
    scene.stage.foresee("Draining");
    let before = scene.stage.processes("snowflake-session");
    scene.stage.sfctl(&["service", "restart"]).ok();
    let (stage, stderr) = scene.finish();
    assert!(stderr.contains("reading on when it is back"), "{stderr}");
    assert_ne!(stage.processes("snowflake-session"), before);
}

#[test]
fn a_result_goes_on_when_the_service_is_killed() {
    let scene = Scene::new();
    scene.stage.kill("snowflake-session");
    let (stage, stderr) = scene.finish();
    assert!(stderr.contains("reading on when it is back"), "{stderr}");
    until_true("the next run", PATIENCE, || {
        stage.processes("snowflake-session").len() == 1
    });
}
