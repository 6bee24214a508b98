//! `cargo xtask quickstart`: from a fresh clone to an answer, and how to go on.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::engine::{self, EngineArgs};
use crate::home::Home;
use crate::shell;

/// The programs that users run.
pub(crate) const PROGRAMS: [&str; 3] = ["snowflake-session", "sfctl", "snowflake-emulator"];
/// What is asked.
const QUERY: &str = "tests/tpch/q01.sql";
const SCHEMA: &str = "snowflake_sample_data.tpch_sf1";

/// Build in release, start everything under a throw-away home and answer TPC-H query 1
#[derive(Debug, clap::Args)]
pub(crate) struct QuickstartArgs {}

/// Builds, answers, stops, and says how to go on.
pub(crate) fn run(_: &QuickstartArgs, log: &mut dyn Write) -> Result<()> {
    let start = Instant::now();
    build_release(log)?;
    let built = start.elapsed();

    let home = Home::new(shell::programs("release"))?;
    writeln!(
        log,
        "\nEverything from here on runs under {}, which is removed at the end.",
        home.path().display()
    )?;
    let first = say(log, &mut home.sfctl(&["query", "select current_version()"]))?;
    let schema = say(log, &mut home.sfctl(&["use", "schema", SCHEMA]))?;
    let path = shell::repository().join(QUERY);
    let path = path.to_string_lossy();
    let answer = say(log, &mut home.sfctl(&["query", "--file", &path]))?;
    let again = say(log, &mut home.sfctl(&["query", "--file", &path]))?;
    let context = say(
        log,
        &mut home.sfctl(&[
            "query",
            "select current_database(), current_schema(), count(*) from orders",
        ]),
    )?;
    say(log, &mut home.sfctl(&["service", "stop"]))?;

    let folder = shell::programs("release");
    let programs = folder.display();
    writeln!(
        log,
        "\n\
         building            {built:8.1?}\n\
         first command       {first:8.1?}   started the service and its Snowflake on this machine\n\
         use schema          {schema:8.1?}\n\
         TPC-H query 1       {answer:8.1?}   generated the sample data, read six million rows\n\
         the same again      {again:8.1?}   without the generation\n\
         a last question     {context:8.1?}   its own process, the same session\n\
         \n\
         To go on:\n  \
           export PATH=\"{programs}:$PATH\"\n  \
           sfctl query \"select current_version()\"     the local Snowflake, under your own home now\n  \
           sfctl -c NAME connect                      an account in ~/.snowflake/connections.toml\n  \
           sfctl service stop                         stops everything\n\
         To install under ~/.local: cargo xtask install"
    )?;
    Ok(())
}

/// Builds the three programs in release, with the engine's library in place.
pub(crate) fn build_release(log: &mut dyn Write) -> Result<()> {
    build_release_with(&[], log)
}

/// The same for a machine that is not this one: the emulator does not look for the library where it lies here.
pub(crate) fn build_relocatable(log: &mut dyn Write) -> Result<()> {
    build_release_with(&[("SNOWFLAKE_SESSION_RELOCATABLE", "1")], log)
}

fn build_release_with(environment: &[(&str, &str)], log: &mut dyn Write) -> Result<()> {
    engine::run(&EngineArgs::default(), log)?;
    let mut build = shell::cargo(&["build", "--release"]);
    build.envs(environment.iter().copied());
    for program in PROGRAMS {
        build.args(["--package", program]);
    }
    writeln!(log, "$ {}", shell::typed(&build))?;
    shell::run(&mut build)
}

/// Shows a command, runs it on the screen and says how long it took.
fn say(log: &mut dyn Write, command: &mut Command) -> Result<Duration> {
    writeln!(log, "\n$ {}", shell::typed(command))?;
    let start = Instant::now();
    shell::run(command)?;
    Ok(start.elapsed())
}
