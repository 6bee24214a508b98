//! The endurance run: many sessions write and read for a while, and every moment something goes wrong.
//!
//! A service and an emulator of their own serve [`Plan::sessions`] sessions, each with a [`worker`]; twice a second a
//! fault is put into the emulator. In the end the table is held against what the workers were told ([`ledger`]): no
//! write is lost, none is doubled, no transaction is there in part. No login is left at the emulator, and the service
//! has not grown. Start with [`run`]; `cargo xtask soak` runs it as long as one likes, a test for a minute.

mod client;
mod ledger;
mod worker;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use flate2::read::GzDecoder;
use hyper::Method;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::emulator::{self, Server};
use crate::stage::{Stage, memory};
use crate::wire::Wire;
use client::Client;
use ledger::{Fate, Ledger};
use worker::{Done, Worker};

/// The connection that leads to the emulator.
const CONNECTION: &str = "soak";
/// Where the rows go.
const TABLE: &str = "soak.public.written";

/// How long to let it suffer.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Time of work.
    pub duration: Duration,
    /// Sessions side by side.
    pub sessions: usize,
    /// Fewest statements of all sessions together.
    pub statements_min: u64,
    /// Decides which work and which faults come.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Report {
    plan: Plan,
    statements: u64,
    resets: u64,
    writes: [usize; 3],
    faults: u64,
    memory: (u64, u64),
    complaints: BTreeMap<String, usize>,
}

/// Runs the plan; logs of the programs stay in the stage when it fails.
///
/// # Errors
///
/// A write that is lost or doubled, a login that is left, a service that grows or breaks.
pub fn run(plan: Plan) -> Result<Report> {
    let stage = Stage::new();
    // Faults are what this is about.
    stage.foresee("");
    let server = emulator::start(
        &stage,
        &["--fault-control", "--fault-seed", &plan.seed.to_string()],
    );
    stage.connections(&server.connection(CONNECTION, "database = \"soak\"\nschema = \"public\""));
    let runtime = tokio::runtime::Runtime::new()?;
    let outcome = runtime.block_on(suffer(&stage, &server, plan));
    outcome.with_context(|| format!("seed {}\n{}", plan.seed, tail(&stage.logs())))
}

async fn suffer(stage: &Stage, server: &Server, plan: Plan) -> Result<Report> {
    let mut watcher = Wire::login(server.port, "").await?;
    for sql in [
        "create database soak".to_owned(),
        format!("create table {TABLE} (row_number int, session_number int)"),
    ] {
        watcher.query(&sql).await?;
    }
    let limits = ["SNOWFLAKE_SESSIOND_SESSION__SESSIONS_MAX=200"];
    let mut command = stage.program(
        "sfctl",
        &[
            "--connection",
            CONNECTION,
            "--session",
            "first",
            "query",
            "select 1",
        ],
    );
    for limit in limits {
        let (name, value) = limit.split_once('=').context("a setting")?;
        command.env(name, value);
    }
    crate::process::Running::start(command, None)
        .wait(START_DEADLINE)
        .ok();
    let socket = stage.path("run/snowflake-session/grpc.sock");
    let at_rest = logins(&mut watcher).await?;

    let start = Instant::now();
    let until = start + plan.duration;
    let each = plan.statements_min.div_ceil(plan.sessions as u64);
    let mut workers = JoinSet::new();
    for number in 1..=plan.sessions {
        let client = Client::connect(&socket, format!("s{number}")).await?;
        workers.spawn(Worker::new(client, number, plan.seed).work(until, each));
    }
    let mut control = Wire::connect(server.port).await?;
    let mut rng = Rng::with_seed(plan.seed);
    let (mut faults, mut sizes, mut done) = (0, Vec::new(), Vec::new());
    while done.len() < plan.sessions {
        tokio::select! {
            Some(worker) = workers.join_next() => done.push(worker??),
            () = sleep(FAULT_INTERVAL) => {
                sizes.push(resident(stage));
                ensure!(start.elapsed() < plan.duration * 3 + START_DEADLINE, "the sessions came to a halt");
                if Instant::now() < until {
                    let rule = if is_outage(start.elapsed(), plan.duration) {
                        OUTAGE
                    } else {
                        fault(&mut rng)
                    };
                    control.text(Method::PUT, "/faults", rule.to_owned()).await?;
                    faults += 1;
                } else {
                    control.text(Method::DELETE, "/faults", String::new()).await?;
                }
            }
        }
    }
    control.text(Method::DELETE, "/faults", String::new()).await?;
    close_all(&socket, plan.sessions).await?;
    // The first connection has been quiet for so long that the emulator has closed it; its login stays.
    let mut watcher = Wire::login(server.port, "").await?;
    let at_rest = at_rest + 1;
    hold_against(&mut watcher, &done).await?;
    no_login_is_left(&mut watcher, at_rest).await?;
    let memory = growth(&sizes)?;
    let report = report(plan, &done, faults, memory);
    let [written, absent, unknown] = report.writes;
    ensure!(written > absent + unknown, "most writes failed:\n{report}");
    Ok(report)
}

/// Longest start of the service.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// Time between two faults.
const FAULT_INTERVAL: Duration = Duration::from_millis(500);
/// Longest wait for the emulator to see that nobody is there any more.
const END_DEADLINE: Duration = Duration::from_secs(30);
/// Most that the service may grow from the second quarter of the run to the last.
const GROWTH_MAX: u64 = 20 * 1024 * 1024;

/// Something to go wrong.
fn fault(rng: &mut Rng) -> &'static str {
    const FAULTS: [&str; 14] = [
        "reset,on=query,times=3",
        "reset,on=query,phase=after,times=3",
        "cut=20,on=query,times=3",
        "status=503,on=query,times=4",
        "status=503,on=query,phase=after,times=2",
        "status=429,retry-after=1,on=query,times=4",
        "code=390112,on=query,times=3",
        "code=390111,end-session=true,on=query,times=2",
        "code=390114,end-session=true,on=query,times=1",
        "delay=700ms,on=query,times=5",
        "delay-answer=700ms,on=query,times=5",
        "reset,on=connect,times=5",
        "reset,on=status,times=2",
        "status=502,on=login,times=1",
    ];
    FAULTS[rng.usize(0..FAULTS.len())]
}

/// For a while in every run statements are carried out and no answer to them arrives, longer than anybody tries again.
fn is_outage(elapsed: Duration, duration: Duration) -> bool {
    const LENGTH: Duration = Duration::from_secs(20);

    let begin = duration / 3;
    (begin..begin + LENGTH).contains(&elapsed)
}

/// What happens in an outage.
const OUTAGE: &str = "reset,on=query,phase=after";

fn resident(stage: &Stage) -> u64 {
    let pids = stage.processes("snowflake-session");
    pids.into_iter().map(|pid| memory(pid, "VmRSS:")).sum()
}

/// Compares memory at the end with memory after the warm-up.
fn growth(sizes: &[u64]) -> Result<(u64, u64)> {
    let quarter = sizes.len() / 4;
    let middle = |part: &[u64]| {
        let mut sorted = part.to_vec();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    };
    let (early, late) = (
        middle(&sizes[quarter..quarter * 2]),
        middle(&sizes[quarter * 3..]),
    );
    ensure!(
        late < early + GROWTH_MAX,
        "the service grew from {early} to {late} bytes"
    );
    Ok((early, late))
}

async fn close_all(socket: &Path, sessions: usize) -> Result<()> {
    for number in 1..=sessions {
        Worker::close(Client::connect(socket, format!("s{number}")).await?).await?;
    }
    Ok(())
}

/// Holds the table against what every session was told.
async fn hold_against(watcher: &mut Wire, done: &[Done]) -> Result<()> {
    let data = watcher
        .query(&format!("select row_number, count(*) from {TABLE} group by 1"))
        .await?;
    let mut found = BTreeMap::new();
    let mut pages = vec![data["rowset"].clone()];
    for chunk in data["chunks"].as_array().into_iter().flatten() {
        let url = chunk["url"].as_str().context("a chunk's address")?;
        let path = url.splitn(4, '/').nth(3).context("a path")?;
        let packed = watcher.get(&format!("/{path}")).await?;
        // A part is gzip of rows with commas between them.
        let mut rows = String::from("[");
        GzDecoder::new(packed.as_ref()).read_to_string(&mut rows)?;
        rows.push(']');
        pages.push(serde_json::from_str(&rows)?);
    }
    for row in pages.iter().filter_map(Value::as_array).flatten() {
        let cell = |index: usize| -> Result<i64> { Ok(row[index].as_str().context("a cell")?.parse()?) };
        found.insert(cell(0)?, u64::try_from(cell(1)?)?);
    }
    for session in done {
        session.ledger.check(&mut found)?;
    }
    ensure!(found.is_empty(), "rows that nobody wrote: {found:?}");
    Ok(())
}

/// Logins that the emulator holds.
async fn logins(watcher: &mut Wire) -> Result<u64> {
    let health: Value = serde_json::from_slice(&watcher.get("/health").await?)?;
    health["sessions"].as_u64().context("the number of sessions")
}

/// Waits until the emulator holds no more logins than before the work, spare ones aside.
async fn no_login_is_left(watcher: &mut Wire, at_rest: u64) -> Result<()> {
    /// Spare logins that the service may keep.
    const SPARES_MAX: u64 = 4;

    let deadline = Instant::now() + END_DEADLINE;
    loop {
        let now = logins(watcher).await?;
        if now <= at_rest + SPARES_MAX {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{now} logins are left; {at_rest} were there before");
        }
        sleep(FAULT_INTERVAL).await;
    }
}

fn report(plan: Plan, done: &[Done], faults: u64, memory: (u64, u64)) -> Report {
    let sum = |of: fn(&Done) -> u64| done.iter().map(of).sum();
    let fates = |fate| {
        let ledgers = done.iter().map(|one| &one.ledger);
        ledgers.map(|ledger: &Ledger| ledger.count(fate)).sum()
    };
    let mut complaints = BTreeMap::new();
    for text in done.iter().flat_map(|one| &one.complaints) {
        let kind = text.split(':').next().unwrap_or_default();
        *complaints.entry(kind.to_owned()).or_default() += 1;
    }
    Report {
        plan,
        statements: sum(|one| one.statements),
        resets: sum(|one| one.resets),
        writes: [fates(Fate::Written), fates(Fate::Absent), fates(Fate::Unknown)],
        faults,
        memory,
        complaints,
    }
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MEGABYTE: u64 = 1024 * 1024;
        let [written, absent, unknown] = self.writes;
        writeln!(
            formatter,
            "{} sessions, {} statements in {:?} with {} faults (seed {}): no write lost or doubled",
            self.plan.sessions, self.statements, self.plan.duration, self.faults, self.plan.seed
        )?;
        writeln!(
            formatter,
            "groups of rows: {written} written, {absent} absent, {unknown} of unknown end; {} sessions begun anew",
            self.resets
        )?;
        for (kind, times) in &self.complaints {
            writeln!(formatter, "  {kind}: {times}")?;
        }
        write!(
            formatter,
            "memory of the service: {} MB early, {} MB late",
            self.memory.0 / MEGABYTE,
            self.memory.1 / MEGABYTE
        )
    }
}
