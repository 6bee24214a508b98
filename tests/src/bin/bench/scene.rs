//! What the parts measure: a service, an emulator and a fakesnow side by side, and the peers' environments.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use snowflake_session_tests::emulator::{self, Server};
use snowflake_session_tests::process::Running;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::{config, fakesnow, python};
use std::time::Duration;

use snowflake_session_tests::wire::Wire;

use crate::figures::{Pace, Samples};

/// Rows of the large result.
pub(crate) const ROWS: u32 = 1_000_000;
/// The large result, on either server.
pub(crate) const SELECT: &str = "select * from bench.s.t";

const CONNECTOR_4: [&str; 1] = ["snowflake-connector-python[pandas]==4.8.1"];
const CONNECTOR_5: [&str; 1] = ["snowflake-connector-python[pandas]==5.2.0"];
const CONNECTOR_4_BARE: [&str; 1] = ["snowflake-connector-python==4.8.1"];
const CONNECTOR_5_BARE: [&str; 1] = ["snowflake-connector-python==5.2.0"];
const ADBC: [&str; 3] = ["adbc-driver-snowflake==1.11.0", "adbc-driver-manager", "pyarrow"];
/// The daemon, and the client that comes with it.
const DAEMON: [&str; 4] = ["fastapi", "uvicorn", "httpx", "snowflake-connector-python==4.8.1"];
/// DuckDB of the release that fakesnow 0.12.1 brings.
const DUCKDB: [&str; 1] = ["duckdb==2.0.0"];
const SNOW: [&str; 1] = ["snowflake-cli==3.30.0"];

/// Interpreters of the peers.
pub(crate) struct Peers {
    pub(crate) connector_4: PathBuf,
    pub(crate) connector_5: PathBuf,
    pub(crate) connector_4_bare: PathBuf,
    pub(crate) connector_5_bare: PathBuf,
    pub(crate) adbc: PathBuf,
    pub(crate) daemon: PathBuf,
    pub(crate) duckdb: PathBuf,
    pub(crate) snow: PathBuf,
}

/// Everything that runs during the measurements.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) emulator: Server,
    pub(crate) fakesnow: Server,
    pub(crate) peers: Peers,
    /// The machine's pace at the part that is measured.
    pub(crate) pace: Pace,
}

/// What one statement of connector 5.2.0 takes as a process of its own on the quiet machine, in milliseconds.
pub(crate) const QUIET_MS: f64 = 148.0;
/// Runs of it to tell the pace.
const PACE_RUNS: u32 = 7;

impl Scene {
    /// Measures the machine's pace.
    pub(crate) fn take_pace(&mut self) -> Result<()> {
        let port = self.emulator.port.to_string();
        let peer = json!({"argv": [self.peers.connector_5_bare, script("one.py"), "connector", port]});
        let results = self.processes(PACE_RUNS, &json!({ "peer": peer }))?;
        let wall = results["peer"]["wall"].as_array().into_iter().flatten();
        let now = Samples::of(wall.filter_map(Value::as_f64)).median();
        self.pace = Pace::of(now, QUIET_MS);
        Ok(())
    }

    /// Starts the servers and fills the same table on both.
    pub(crate) async fn new() -> Result<Self> {
        let peers = Peers {
            connector_4: python::environment(&CONNECTOR_4),
            connector_5: python::environment(&CONNECTOR_5),
            connector_4_bare: python::environment(&CONNECTOR_4_BARE),
            connector_5_bare: python::environment(&CONNECTOR_5_BARE),
            adbc: python::environment(&ADBC),
            daemon: python::environment(&DAEMON),
            duckdb: python::environment(&DUCKDB),
            snow: python::environment(&SNOW).with_file_name("snow"),
        };
        let mut stage = Stage::new();
        stage.set("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true");
        stage.set("PYTHONWARNINGS", "ignore");
        let emulator = emulator::start(&stage, &[]);
        let fakesnow = fakesnow::start(&stage);
        let connections = emulator.connection("bench", "") + &fakesnow.connection("fake", "");
        stage.connections(&connections);
        fill(
            emulator.port,
            "seq8()",
            &format!("table(generator(rowcount => {ROWS}))"),
        )
        .await?;
        fill(fakesnow.port, "range", &format!("range({ROWS})")).await?;
        for connection in ["bench", "fake"] {
            stage
                .sfctl(&[
                    "--connection",
                    connection,
                    "--session",
                    connection,
                    "query",
                    "select 1",
                ])
                .ok();
        }
        Ok(Self {
            stage,
            emulator,
            fakesnow,
            peers,
            pace: Pace::default(),
        })
    }

    /// The service's socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.stage.path("run/snowflake-session/grpc.sock")
    }

    /// Starts the daemon of `daemon.py` in front of this port.
    pub(crate) fn daemon(&self, name: &str, port: u16) -> Server {
        let mut command = self.stage.command(&self.peers.daemon);
        command.arg(script("daemon.py")).arg(port.to_string());
        Server::start(&self.stage, name, command)
    }

    /// `snow`'s configuration, leading to this port.
    pub(crate) fn snow_config(&self, port: u16) -> String {
        let text = format!(
            "default_connection_name = \"bench\"\n[connections.bench]\naccount = \"local\"\nuser = \"tester\"\n\
             password = \"secret\"\nhost = \"127.0.0.1\"\nport = {port}\nprotocol = \"http\"\n[cli.logs]\nsave_logs = false\n"
        );
        let path = self.stage.write(&format!("snow-{port}/config.toml"), text);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("our own file");
        path.to_string_lossy().into_owned()
    }

    /// Runs a script with an interpreter and returns the numbers it prints.
    pub(crate) fn numbers(&self, interpreter: &PathBuf, name: &str, arguments: &[&str]) -> Vec<f64> {
        let mut command = self.stage.command(interpreter);
        command.arg(script(name)).args(arguments);
        let out = Running::start(command, None).wait(Duration::from_mins(10)).ok();
        out.split_whitespace()
            .map(|word| word.parse().expect("the script prints numbers"))
            .collect()
    }

    /// Runs whole processes in interleaved rounds; see `processes.py`.
    pub(crate) fn processes(&self, rounds: u32, commands: &Value) -> Result<Value> {
        let mut command = self.stage.command("python3");
        command.arg(script("processes.py"));
        let plan = json!({"rounds": rounds, "commands": commands}).to_string();
        let out = Running::start(command, Some(plan.into_bytes()))
            .wait(Duration::from_mins(30))
            .ok();
        serde_json::from_str(&out).context("processes.py prints JSON")
    }
}

/// A script of `tests/bench`.
pub(crate) fn script(name: &str) -> String {
    config::repository()
        .join("tests/bench")
        .join(name)
        .to_string_lossy()
        .into_owned()
}

/// Makes the table of a million rows and six columns, 94 MB as CSV.
async fn fill(port: u16, number: &str, source: &str) -> Result<()> {
    let mut wire = Wire::login(port, "PythonConnector").await?;
    let table = format!(
        "create or replace table bench.s.t as select i::int as id, (i * 1.01)::number(12,2) as amount, \
         left(md5(i::varchar), 20)::varchar as name, sqrt(i::double) as score, \
         dateadd('second', i, '2024-01-01'::timestamp_ntz) as ts, \
         dateadd('day', i % 3650, '2020-01-01'::date)::date as d from (select {number} as i from {source})"
    );
    for sql in [
        "create database if not exists bench",
        "create schema if not exists bench.s",
        &table,
    ] {
        wire.query(sql).await?;
    }
    Ok(())
}
