//! Measures the programs against their peers in one run and writes `docs/benchmarks.md`. `cargo xtask bench` runs it.
//!
//!   bench ROUNDS [PART…]      parts: one start kept crowd beside rows csv memory load
//!
//! Rounds are interleaved: each runs every peer once, so that a busy spell falls on all. Figures of two runs are not
//! comparable; ratios within one are. `scene` starts what is measured; the other files measure a part each.

mod beside;
mod calls;
mod commands;
mod figures;
mod kept;
mod load;
mod replay;
mod scene;
mod volume;

use std::fs;
use std::io::Write;

use anyhow::{Context, Result};
use snowflake_session_tests::config;

use figures::Page;
use scene::Scene;

const PARTS: [&str; 9] = [
    "one", "start", "kept", "crowd", "beside", "rows", "csv", "memory", "load",
];

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let rounds: u32 = arguments.next().context("bench ROUNDS [PART…]")?.parse()?;
    let chosen: Vec<String> = arguments.collect();
    for part in &chosen {
        anyhow::ensure!(
            PARTS.contains(&part.as_str()),
            "no part {part}; there are {PARTS:?}"
        );
    }
    let mut scene = Scene::new().await?;
    let mut pages = Vec::new();
    for part in PARTS
        .into_iter()
        .filter(|part| chosen.is_empty() || chosen.iter().any(|one| one == part))
    {
        scene.take_pace()?;
        let page = measure(part, &scene, rounds)
            .await
            .with_context(|| format!("part {part}"))?;
        // Progress; the report has it all.
        let _ = std::io::stderr().write_all(page.render().as_bytes());
        pages.push(page);
    }
    // A part alone is a try, not a report.
    if chosen.is_empty() {
        let path = config::repository().join("docs/benchmarks.md");
        fs::write(&path, report(&pages, rounds)).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

async fn measure(part: &str, scene: &Scene, rounds: u32) -> Result<Page> {
    match part {
        "one" => commands::one_statement(scene, rounds),
        "start" => Ok(commands::start(scene, rounds)),
        "kept" => kept::one_by_one(scene, rounds).await,
        "crowd" => kept::at_once(scene, rounds).await,
        "beside" => beside::beside(scene, rounds).await,
        "rows" => volume::fetched(scene, rounds).await,
        "csv" => commands::csv(scene, rounds),
        "load" => load::loaded(scene, rounds),
        _ => volume::kept_flat(scene).await,
    }
}

fn report(pages: &[Page], rounds: u32) -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?").to_owned();
    let pages: Vec<String> = pages.iter().map(Page::render).collect();
    format!(
        "# Benchmarks\n\n\
         Written by `cargo xtask bench`: {}, {rounds} interleaved rounds, {processors} processors, load {load} at the \
         end. A figure is the median of its rounds, in brackets the fastest and the slowest. Compare within this page \
         only.\n\n\
         Limits in seconds are for a quiet machine of two processors on which connector 5.2.0 logs in, selects 1 and ends in \
         {} ms. Before each part that is measured again; where it takes longer, figures in seconds are also told as they \
         would be at the quiet machine's pace.\n\n\
         Peers: snowflake-connector-python 4.8.1 and 5.2.0, ADBC 1.11.0, snowflake-cli 3.30.0, fakesnow 0.12.1.\n\n{}",
        kept::version(),
        scene::QUIET_MS,
        pages.join("\n")
    )
}
