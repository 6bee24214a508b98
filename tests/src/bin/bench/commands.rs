//! Whole commands: a new process and, but for `sfctl`, a new login for one statement.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Map, Value, json};
use snowflake_session_tests::config;
use snowflake_session_tests::stage::{Stage, memory};
use snowflake_session_tests::wait::until;

use crate::figures::{Page, Samples};
use crate::scene::{SELECT, Scene, script};

/// Runs of a quick command in a round.
const QUICK_RUNS: u32 = 20;

fn figures(results: &Value, name: &str, what: &str) -> Samples {
    Samples::of(
        results[name][what]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_f64),
    )
}

fn table(page: &mut Page, results: &Value, names: &[&str]) {
    for name in names {
        let memory = figures(results, name, "memory");
        page.row([
            (*name).to_owned(),
            figures(results, name, "wall").show(1),
            figures(results, name, "cpu").show(1),
            format!("{:.0}", memory.median()),
        ]);
    }
}

/// Targets 1: one statement, one process.
pub(crate) fn one_statement(scene: &Scene, rounds: u32) -> Result<Page> {
    let port = scene.emulator.port.to_string();
    let one = script("one.py");
    let python = |interpreter: &std::path::Path, peer: &str| json!({"argv": [interpreter, one, peer, port]});
    let snow = json!({"argv": [scene.peers.snow, "--config-file", scene.snow_config(scene.emulator.port), "sql", "-q", "select 1"]});
    let sfctl = json!({"argv": [config::program("sfctl"), "--session", "bench", "query", "select 1"], "times": QUICK_RUNS});
    let daemon = scene.daemon("daemon", scene.emulator.port);
    let daemon_port = daemon.port.to_string();
    let daemon_client = json!({"argv": [scene.peers.daemon, script("daemon_client.py"), daemon_port]});
    let curl = |port: u16| {
        json!({"argv": ["curl", "--silent", "--fail", "--header", "content-type: application/json",
            "--data", r#"{"sql": "select 1"}"#, format!("http://127.0.0.1:{port}/query")], "times": QUICK_RUNS})
    };
    let fakesnow_daemon = scene.daemon("daemon-fakesnow", scene.fakesnow.port);
    let floor = json!({"argv": [config::program("floor"), "--socket", scene.socket()], "times": QUICK_RUNS});
    let commands = Map::from_iter([
        (
            "/bin/true".to_owned(),
            json!({"argv": ["/bin/true"], "times": QUICK_RUNS}),
        ),
        ("clap and tonic alone".to_owned(), floor),
        ("sfctl query".to_owned(), sfctl),
        ("daemon, curl".to_owned(), curl(daemon.port)),
        (
            "daemon over fakesnow, curl".to_owned(),
            curl(fakesnow_daemon.port),
        ),
        ("daemon, its client".to_owned(), daemon_client),
        (
            "connector 5.2.0".to_owned(),
            python(&scene.peers.connector_5_bare, "connector"),
        ),
        (
            "connector 4.8.1".to_owned(),
            python(&scene.peers.connector_4_bare, "connector"),
        ),
        ("ADBC 1.11.0".to_owned(), python(&scene.peers.adbc, "adbc")),
        ("snow sql".to_owned(), snow),
    ]);
    let results = scene.processes(rounds, &Value::Object(commands))?;
    let mut page = Page::new(
        scene.pace,
        "1. One command: `select 1`",
        "A new process for each statement. All ask the same emulator; `sfctl` through the running service and a kept \
         session, the peers with a login of their own, as they do. \"clap and tonic alone\" makes one unary call to the \
         service and no statement; \"daemon\" is what one would write first, FastAPI over connectors 4.8.1 that stay \
         logged in, on the same emulator, and once on fakesnow, on which the limit for curl was set.",
        &["command", "wall ms", "CPU ms", "peak memory MB"],
    );
    let names = [
        "/bin/true",
        "clap and tonic alone",
        "sfctl query",
        "daemon, curl",
        "daemon over fakesnow, curl",
        "daemon, its client",
        "connector 5.2.0",
        "connector 4.8.1",
        "ADBC 1.11.0",
        "snow sql",
    ];
    table(&mut page, &results, &names);
    let wall = |name| figures(&results, name, "wall").median();
    let own = wall("sfctl query");
    page.at_most("wall time of sfctl", own, 5.0, "ms");
    page.at_most(
        "CPU time of sfctl",
        figures(&results, "sfctl query", "cpu").median(),
        4.0,
        "ms",
    );
    page.at_most(
        "memory of sfctl",
        figures(&results, "sfctl query", "memory").median(),
        12.0,
        "MB",
    );
    page.at_least("faster than snow sql", wall("snow sql") / own, 300.0, "×");
    page.at_least(
        "faster than connector 5.2.0",
        wall("connector 5.2.0") / own,
        25.0,
        "×",
    );
    page.at_least("faster than ADBC", wall("ADBC 1.11.0") / own, 25.0, "×");
    page.at_least(
        "faster than the daemon's client",
        wall("daemon, its client") / own,
        25.0,
        "×",
    );
    page.at_least(
        "faster than curl to the daemon over fakesnow",
        wall("daemon over fakesnow, curl") / own,
        3.0,
        "×",
    );
    page.at_most(
        "times clap and tonic alone",
        own / wall("clap and tonic alone"),
        3.0,
        "×",
    );
    Ok(page)
}

/// Targets 2 and 13: the first command, the start of the service, memory at rest.
pub(crate) fn start(scene: &Scene, rounds: u32) -> Page {
    let (mut first, mut listening, mut alone, mut emulator) = Default::default();
    for _ in 0..rounds {
        first_command(&mut first, &mut emulator);
        service_alone(&mut listening, &mut alone);
    }
    let mut page = Page::new(
        scene.pace,
        "2 and 13. From nothing",
        "Each round in a new home. The first command starts the service, which starts the emulator with an empty data \
         folder and logs in. Memory is resident memory at rest after one statement; the engine's library counts in it.",
        &["what", "figure"],
    );
    let rows: [(&str, &Samples, usize); 4] = [
        ("first `sfctl query \"select 1\"`, ms", &first, 0),
        (
            "`sfctl service run` until a status is answered, ms",
            &listening,
            0,
        ),
        ("service alone, MB", &alone, 1),
        ("service and emulator, MB", &emulator, 1),
    ];
    for (what, samples, decimals) in rows {
        page.row([what.to_owned(), samples.show(decimals)]);
    }
    page.at_most("first command", first.median(), 200.0, "ms");
    page.at_most("start to listening", listening.median(), 100.0, "ms");
    page.at_most("service alone", alone.median(), 20.0, "MB");
    page.at_most("service with the emulator", emulator.median(), 80.0, "MB");
    page
}

const MEGABYTE: f64 = 1024.0 * 1024.0;

fn resident(stage: &Stage, name: &str) -> f64 {
    stage
        .processes(name)
        .into_iter()
        .map(|pid| memory(pid, "VmRSS:") as f64 / MEGABYTE)
        .sum()
}

fn first_command(first: &mut Samples, with_emulator: &mut Samples) {
    let stage = Stage::new();
    let ran = stage.sfctl(&["query", "select 1", "--format", "csv"]);
    first.push(ran.elapsed.as_secs_f64() * 1e3);
    ran.ok();
    with_emulator.push(resident(&stage, "snowflake-session") + resident(&stage, "snowflake-emulator"));
}

fn service_alone(listening: &mut Samples, alone: &mut Samples) {
    let stage = Stage::new();
    let start = Instant::now();
    let _service = stage.sfctl_running(&["service", "run"]);
    let socket = stage.path("run/snowflake-session/grpc.sock");
    until("the service to listen", Duration::from_secs(10), || {
        std::os::unix::net::UnixStream::connect(&socket)
            .is_ok()
            .then_some(())
    });
    listening.push(start.elapsed().as_secs_f64() * 1e3);
    stage.sfctl(&["service", "status"]).ok();
    alone.push(resident(&stage, "snowflake-session"));
}

/// Target 11: a million rows as CSV, whole processes.
pub(crate) fn csv(scene: &Scene, rounds: u32) -> Result<Page> {
    let sfctl =
        json!({"argv": [config::program("sfctl"), "--session", "bench", "query", SELECT, "--format", "csv"]});
    let results = scene.processes(rounds, &json!({ "sfctl": sfctl }))?;
    // Thirteen seconds a run: two rounds are enough to see a factor of twenty.
    let snow = json!({"argv": [scene.peers.snow, "--config-file", scene.snow_config(scene.emulator.port),
        "sql", "--format", "csv", "-q", SELECT]});
    let peers = scene.processes(rounds.min(2), &json!({ "snow": snow }))?;
    let mut page = Page::new(
        scene.pace,
        "11. A million rows as CSV",
        "Six columns, 94 MB of text, to /dev/null; whole processes, from the emulator.",
        &["command", "wall ms", "CPU ms", "peak memory MB"],
    );
    table(&mut page, &results, &["sfctl"]);
    table(&mut page, &peers, &["snow"]);
    let own = figures(&results, "sfctl", "wall").median();
    page.at_most("wall time of sfctl", own / 1e3, 0.6, "s");
    page.at_least(
        "faster than snow sql --format csv",
        figures(&peers, "snow", "wall").median() / own,
        20.0,
        "×",
    );
    page.at_most(
        "memory of sfctl (target 12)",
        figures(&results, "sfctl", "memory").median(),
        40.0,
        "MB",
    );
    Ok(page)
}
