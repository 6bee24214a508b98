//! A million rows: to the official clients, over gRPC, in Snowflake's own shape, and in how much memory.

use std::time::Duration;

use anyhow::{Result, ensure};
use snowflake_session_tests::stage::memory;

use crate::calls::Calls;
use crate::figures::{Page, Samples};
use crate::replay;
use crate::scene::{ROWS, SELECT, Scene};

/// Repeats in which memory must stay flat.
const REPEATS: usize = 100;
const MEGABYTE: f64 = 1024.0 * 1024.0;

async fn stream(scene: &Scene, connection: &str) -> Result<(f64, f64)> {
    let mut calls = Calls::connect(&scene.socket(), connection).await?;
    let streamed = calls.query(SELECT).await?;
    ensure!(streamed.rows == i64::from(ROWS), "{} rows", streamed.rows);
    let seconds = |time: Duration| time.as_secs_f64();
    Ok((seconds(streamed.all), seconds(streamed.first_batch)))
}

/// Targets 8, 9 and 10.
pub(crate) async fn fetched(scene: &Scene, rounds: u32) -> Result<Page> {
    let shape = replay::start(scene.emulator.port).await?;
    let connection = shape.connection("shape");
    let mut all = std::fs::read_to_string(scene.stage.path("config/snowflake/connections.toml"))?;
    all.push_str(&connection);
    scene.stage.connections(&all);

    let (emulator, fakesnow, shape_port) = (
        scene.emulator.port.to_string(),
        scene.fakesnow.port.to_string(),
        shape.port.to_string(),
    );
    let peers = &scene.peers;
    let cases = [
        (
            "connector 5.2.0 → emulator",
            &peers.connector_5,
            "connector",
            &emulator,
        ),
        (
            "connector 4.8.1 → emulator",
            &peers.connector_4,
            "connector",
            &emulator,
        ),
        ("ADBC → emulator", &peers.adbc, "adbc", &emulator),
        (
            "connector 4.8.1 → fakesnow",
            &peers.connector_4,
            "connector",
            &fakesnow,
        ),
        ("ADBC → fakesnow", &peers.adbc, "adbc", &fakesnow),
        (
            "connector 5.2.0 → gzip chunks",
            &peers.connector_5,
            "connector",
            &shape_port,
        ),
        ("ADBC → gzip chunks", &peers.adbc, "adbc", &shape_port),
    ];
    let mut seconds: [Samples; 7] = Default::default();
    let (mut own, mut own_first, mut shaped) = <(Samples, Samples, Samples)>::default();
    for _ in 0..rounds {
        for (samples, (_, interpreter, peer, port)) in seconds.iter_mut().zip(&cases) {
            let found = scene.numbers(interpreter, "fetch.py", &[peer, port, SELECT]);
            ensure!(found[1] as u32 == ROWS, "{} rows for {peer}", found[1]);
            samples.push(found[0]);
        }
        let (all, first) = stream(scene, "bench").await?;
        own.push(all);
        own_first.push(first * 1e3);
        shaped.push(stream(scene, "shape").await?.0);
    }
    let mut page = Page::new(
        scene.pace,
        "8, 9 and 10. A million rows of six columns",
        "Seconds from the statement to the last row as Arrow, on an open connection. \"gzip chunks\" is a server that \
         replays the emulator's chunks compressed, the shape in which Snowflake sends them.",
        &["client → server", "s"],
    );
    for (samples, (name, ..)) in seconds.iter().zip(&cases) {
        page.row([(*name).to_owned(), samples.show(3)]);
    }
    page.row(["gRPC → service → emulator".to_owned(), own.show(3)]);
    page.row(["gRPC → service → gzip chunks".to_owned(), shaped.show(3)]);
    page.at_most(
        "target 8: emulator to connector 5.2.0",
        seconds[0].median(),
        0.3,
        "s",
    );
    page.at_most("target 8: emulator to ADBC", seconds[2].median(), 0.35, "s");
    page.at_least(
        "target 8: ADBC, faster than from fakesnow",
        seconds[4].median() / seconds[2].median(),
        3.0,
        "×",
    );
    page.at_most("target 9: gRPC from the emulator", own.median(), 0.25, "s");
    page.at_most("target 9: first batch", own_first.median(), 30.0, "ms");
    let rate = f64::from(ROWS) / shaped.median() / 1e6;
    page.at_least("target 10: gRPC from gzip chunks", rate, 4.0, "million rows/s");
    Ok(page)
}

/// Target 12: what the service needs while rows pass, and that it does not grow.
pub(crate) async fn kept_flat(scene: &Scene) -> Result<Page> {
    let pid = scene.stage.processes("snowflake-session")[0];
    let resident = || memory(pid, "VmRSS:") as f64 / MEGABYTE;
    let idle = resident();
    let mut after = Samples::default();
    let (mut early, mut late) = <(Samples, Samples)>::default();
    for repeat in 0..REPEATS {
        stream(scene, "bench").await?;
        let now = resident();
        after.push(now);
        // What the first quarter warms up is not growth.
        if repeat >= 3 * REPEATS / 4 {
            late.push(now);
        } else if (REPEATS / 4..REPEATS / 2).contains(&repeat) {
            early.push(now);
        }
    }
    let peak = memory(pid, "VmHWM:") as f64 / MEGABYTE;
    let mut page = Page::new(
        scene.pace,
        "12. Memory of the service while a million rows pass",
        "Resident memory, in one service that has answered everything above.",
        &["what", "MB"],
    );
    page.row(["before".to_owned(), format!("{idle:.0}")]);
    page.row([format!("after each of {REPEATS} repeats"), after.show(0)]);
    page.row(["peak".to_owned(), format!("{peak:.0}")]);
    page.at_most("peak above idle", peak - idle, 100.0, "MB");
    page.at_most(
        "growth, fourth quarter of the repeats over the second",
        late.median() - early.median(),
        20.0,
        "MB",
    );
    Ok(page)
}
