//! Statements one after another on kept connections, and many connections at once.

use std::time::Instant;

use anyhow::{Result, ensure};
use snowflake_session_tests::config;
use tokio::task::JoinSet;

use crate::calls::Calls;
use crate::figures::{Page, Samples};
use crate::scene::{ROWS, Scene};
use snowflake_session_tests::wire::Wire;

/// Statements in a series, after a warm-up.
const STATEMENTS: usize = 500;
const WARM_UP: usize = 20;
/// Clients at once, and the statements of each.
const CLIENTS: usize = 50;
const EACH: usize = 20;

async fn wire_series(port: u16) -> Result<Samples> {
    let mut wire = Wire::login(port, "").await?;
    let mut samples = Samples::default();
    for index in 0..STATEMENTS + WARM_UP {
        let start = Instant::now();
        wire.query("select 1").await?;
        if index >= WARM_UP {
            samples.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(samples)
}

async fn call_series(scene: &Scene, connection: &str) -> Result<Samples> {
    let mut calls = Calls::connect(&scene.socket(), connection).await?;
    let mut samples = Samples::default();
    for index in 0..STATEMENTS + WARM_UP {
        let streamed = calls.query("select 1").await?;
        ensure!(streamed.rows == 1, "one row");
        if index >= WARM_UP {
            samples.push(streamed.all.as_secs_f64() * 1e3);
        }
    }
    Ok(samples)
}

/// Statements that fakesnow's access log has seen.
fn statements_at_fakesnow(scene: &Scene) -> usize {
    let log = std::fs::read_to_string(scene.stage.path("fakesnow.log")).unwrap_or_default();
    log.matches("POST /queries/v1/query-request").count()
}

/// Targets 3 and 4, and the aim for gRPC to the emulator.
pub(crate) async fn one_by_one(scene: &Scene, rounds: u32) -> Result<Page> {
    let mut medians: [Samples; 7] = Default::default();
    let mut requests = Samples::default();
    let statements = STATEMENTS.to_string();
    let (emulator, fakesnow) = (scene.emulator.port, scene.fakesnow.port);
    let daemon = scene.daemon("daemon-fake", fakesnow);
    for _ in 0..rounds {
        medians[0].push(wire_series(emulator).await?.median());
        medians[1].push(wire_series(fakesnow).await?.median());
        medians[2].push(call_series(scene, "bench").await?.median());
        let before = statements_at_fakesnow(scene);
        medians[3].push(call_series(scene, "fake").await?.median());
        requests.push((statements_at_fakesnow(scene) - before) as f64 / (STATEMENTS + WARM_UP) as f64);
        let peer = |interpreter, port: u16| {
            scene.numbers(
                interpreter,
                "kept.py",
                &["connector", &port.to_string(), &statements],
            )[0]
        };
        medians[4].push(peer(&scene.peers.connector_4_bare, fakesnow));
        medians[5].push(peer(&scene.peers.connector_5_bare, emulator));
        let port = daemon.port.to_string();
        medians[6].push(scene.numbers(&scene.peers.daemon, "daemon_client.py", &[&port, &statements])[0]);
    }
    let mut page = Page::new(
        scene.pace,
        "3, 4 and 5. One statement on a kept connection: `select 1`",
        "500 statements after 20, the median of each round. Connector 5.2.0 cannot log in to fakesnow 0.12.1, so it is \
         measured against the emulator.",
        &["client → server", "ms"],
    );
    let names = [
        "plain HTTP → emulator",
        "plain HTTP → fakesnow",
        "gRPC → service → emulator",
        "gRPC → service → fakesnow",
        "connector 4.8.1 → fakesnow",
        "connector 5.2.0 → emulator",
        "HTTP → daemon → connector 4.8.1 → fakesnow",
    ];
    for (name, samples) in names.iter().zip(&medians) {
        page.row([(*name).to_owned(), samples.show(3)]);
    }
    let median = |index: usize| medians[index].median();
    page.at_most(
        "target 3: service over fakesnow, times its HTTP floor",
        median(3) / median(1),
        1.2,
        "×",
    );
    page.at_most(
        "target 3: service over fakesnow, times connector 4.8.1",
        median(3) / median(4),
        1.0,
        "×",
    );
    page.at_least(
        "target 3: faster than the daemon",
        median(6) / median(3),
        2.5,
        "×",
    );
    page.at_most(
        "target 3: upstream requests per statement",
        requests.median(),
        1.0,
        "",
    );
    page.at_most("target 4: emulator over HTTP", median(0), 0.5, "ms");
    page.at_most("the layer of HTTP, engine included", median(0), 1.0, "ms");
    page.at_least("target 4: faster than fakesnow", median(1) / median(0), 4.0, "×");
    page.at_most("gRPC to the emulator", median(2), 1.2, "ms");
    Ok(page)
}

/// What each client of a crowd asks.
#[derive(Clone, Copy)]
enum Ask {
    /// A number of its own.
    Number,
    /// How many of the million rows have an id that ends in a number of its own.
    Count,
}

impl Ask {
    fn sql(self, number: usize) -> String {
        match self {
            Self::Number => format!("select {number}"),
            Self::Count => format!(
                "select count(*) from bench.s.t where id % {CLIENTS} = {}",
                number % CLIENTS
            ),
        }
    }

    fn answer(self, number: usize) -> String {
        match self {
            Self::Number => number.to_string(),
            Self::Count => (ROWS as usize / CLIENTS).to_string(),
        }
    }
}

/// All clients at once; returns statements per second and every statement's milliseconds.
async fn crowd(port: u16, ask: Ask, check: bool) -> Result<(f64, Samples)> {
    let mut logins = Vec::new();
    for _ in 0..CLIENTS {
        logins.push(Wire::login(port, "").await?);
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (client, mut wire) in logins.into_iter().enumerate() {
        tasks.spawn(async move {
            let mut times = Vec::new();
            for index in 0..EACH {
                let number = client * EACH + index;
                let start = Instant::now();
                let data = wire.query(&ask.sql(number)).await?;
                times.push(start.elapsed().as_secs_f64() * 1e3);
                let answered = data["rowset"][0][0].as_str() == Some(ask.answer(number).as_str());
                ensure!(
                    !check || answered,
                    "{} was answered {}",
                    ask.sql(number),
                    data["rowset"]
                );
            }
            Ok(times)
        });
    }
    let mut samples = Samples::default();
    while let Some(times) = tasks.join_next().await {
        times??.into_iter().for_each(|time| samples.push(time));
    }
    Ok(((CLIENTS * EACH) as f64 / start.elapsed().as_secs_f64(), samples))
}

/// Targets 6 and 7: fifty clients at once.
pub(crate) async fn at_once(scene: &Scene, rounds: u32) -> Result<Page> {
    let mut rates: [Samples; 4] = Default::default();
    let mut tails: [Samples; 4] = Default::default();
    // fakesnow answers in Arrow only; its answers are counted, the emulator's are checked.
    let (emulator, fakesnow) = (scene.emulator.port, scene.fakesnow.port);
    let cases = [
        ("emulator, a number", emulator, Ask::Number, true),
        ("fakesnow, a number", fakesnow, Ask::Number, false),
        ("emulator, count over a million rows", emulator, Ask::Count, true),
        ("fakesnow, count over a million rows", fakesnow, Ask::Count, false),
    ];
    for _ in 0..rounds {
        for (index, (_, port, ask, check)) in cases.into_iter().enumerate() {
            let (rate, times) = crowd(port, ask, check).await?;
            rates[index].push(rate);
            tails[index].push(times.at(0.99));
        }
    }
    let mut page = Page::new(
        scene.pace,
        "6 and 7. Fifty clients at once",
        "Each its own login, 20 statements `select n` with its own numbers, or as many counts of a part of its own of a \
         table of a million rows. Every answer of the emulator is checked; one \
         wrong answer or error ends the run.",
        &["server, statement", "statements/s", "p99 ms"],
    );
    for (index, (name, ..)) in cases.into_iter().enumerate() {
        page.row([name.to_owned(), rates[index].show(0), tails[index].show(1)]);
    }
    let median = |index: usize| rates[index].median();
    page.at_least("target 6: emulator", median(0), 3000.0, "statements/s");
    page.at_least("target 6: more than fakesnow", median(0) / median(1), 8.0, "×");
    page.at_most("target 6: p99", tails[0].median(), 60.0, "ms");
    page.at_least("target 7: emulator", median(2), 400.0, "statements/s");
    page.at_least("target 7: more than fakesnow", median(2) / median(3), 2.5, "×");
    Ok(page)
}

/// The programs under test, for the report's head.
pub(crate) fn version() -> String {
    let out = std::process::Command::new(config::program("sfctl"))
        .arg("--version")
        .output();
    out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
        .unwrap_or_default()
}
