//! What others notice: users at a pace of their own, a user beside a busy one, calls beside a large result.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use snowflake_session_tests::wire::Wire;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::calls::{Calls, Health};
use crate::figures::{Page, Samples};
use crate::scene::{ROWS, SELECT, Scene};

/// Users, each with a statement every [`PACE`].
const USERS: usize = 50;
const PACE: Duration = Duration::from_millis(100);
/// Statements of each of them.
const EACH: usize = 30;
/// Logins of the busy user, each with one count after the other.
const BUSY_LOGINS: usize = 10;
/// Statements of the user beside it.
const LIGHT: usize = 100;
/// Large results, one after the other, during which calls are made.
const LARGE: usize = 5;

/// Milliseconds of a future.
async fn timed<T>(work: impl Future<Output = Result<T>>) -> Result<(f64, T)> {
    let start = Instant::now();
    let done = work.await?;
    Ok((start.elapsed().as_secs_f64() * 1e3, done))
}

/// All users at once, each with pauses; returns each statement's milliseconds.
async fn paced(port: u16) -> Result<Samples> {
    let mut tasks = JoinSet::new();
    for user in 0..USERS {
        let mut wire = Wire::login_as(port, &format!("user{user}"), "").await?;
        tasks.spawn(async move {
            let mut ticks = interval(PACE);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            // They do not all begin in the same moment.
            tokio::time::sleep(PACE * user as u32 / USERS as u32).await;
            let mut times = Vec::new();
            for index in 0..EACH {
                ticks.tick().await;
                times.push(
                    timed(wire.query(&format!("select {}", user * EACH + index)))
                        .await?
                        .0,
                );
            }
            Ok(times)
        });
    }
    let mut samples = Samples::default();
    while let Some(times) = tasks.join_next().await {
        let times: Result<Vec<f64>> = times?;
        times?.into_iter().for_each(|time| samples.push(time));
    }
    Ok(samples)
}

/// A user's numbers, alone or beside one who counts a million rows over many logins.
async fn light(port: u16, is_beside: bool) -> Result<Samples> {
    let over = Arc::new(AtomicBool::new(false));
    let mut busy = JoinSet::new();
    for login in 0..if is_beside { BUSY_LOGINS } else { 0 } {
        let mut wire = Wire::login_as(port, "busy", "").await?;
        let over = Arc::clone(&over);
        busy.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let sql = format!("select count(*) from bench.s.t where id % 50 = {login}");
                wire.query(&sql).await?;
            }
            anyhow::Ok(())
        });
    }
    let mut wire = Wire::login_as(port, "light", "").await?;
    let mut samples = Samples::default();
    for index in 0..LIGHT {
        samples.push(timed(wire.query(&format!("select {index}"))).await?.0);
    }
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = busy.join_next().await {
        ended??;
    }
    Ok(samples)
}

/// Health calls and statements of another session while a large result passes through the service.
async fn during_large(scene: &Scene) -> Result<(Samples, Samples)> {
    let over = Arc::new(AtomicBool::new(false));
    let mut large = Calls::connect(&scene.socket(), "bench").await?;
    let streaming = tokio::spawn({
        let over = Arc::clone(&over);
        async move {
            for _ in 0..LARGE {
                let rows = large.query(SELECT).await?.rows;
                ensure!(rows == i64::from(ROWS), "{rows} rows");
            }
            over.store(true, Ordering::Relaxed);
            anyhow::Ok(())
        }
    });
    let mut health = Health::connect(&scene.socket()).await?;
    let mut other = Calls::connect(&scene.socket(), "bench")
        .await?
        .in_session("other");
    let (mut calls, mut statements) = <(Samples, Samples)>::default();
    while !over.load(Ordering::Relaxed) && !streaming.is_finished() {
        calls.push(timed(health.check()).await?.0);
        statements.push(timed(other.query("select 1")).await?.0);
    }
    streaming.await??;
    Ok((calls, statements))
}

/// Target 16, and what many users cost.
pub(crate) async fn beside(scene: &Scene, rounds: u32) -> Result<Page> {
    let (emulator, fakesnow) = (scene.emulator.port, scene.fakesnow.port);
    let names = [
        "emulator, 50 users with a number every 100 ms",
        "fakesnow, the same",
        "emulator, a user alone, a number",
        "emulator, the same beside 10 logins of a user who counts a million rows",
        "service, health during selects of a million rows",
        "service, `select 1` of another session during them",
    ];
    let mut medians: [Samples; 6] = Default::default();
    let mut tails: [Samples; 6] = Default::default();
    for _ in 0..rounds {
        let (calls, statements) = during_large(scene).await?;
        let found = [
            paced(emulator).await?,
            paced(fakesnow).await?,
            light(emulator, false).await?,
            light(emulator, true).await?,
            calls,
            statements,
        ];
        for (index, samples) in found.iter().enumerate() {
            medians[index].push(samples.median());
            tails[index].push(samples.at(0.99));
        }
    }
    let mut page = Page::new(
        scene.pace,
        "16. Beside others",
        "What a statement or a call takes while others work: users who pause between statements, a user whose long \
         statements would keep a server busy, a large result. The whole answer is measured, the engine's work and the wait \
         for a turn included.",
        &["server, what", "median ms", "p99 ms"],
    );
    for (index, name) in names.iter().enumerate() {
        page.row([(*name).to_owned(), medians[index].show(2), tails[index].show(1)]);
    }
    page.at_most("fifty users, whole answer", medians[0].median(), 10.0, "ms");
    page.at_most("target 16: health, p99", tails[4].median(), 20.0, "ms");
    Ok(page)
}
