//! `cargo xtask test`: everything that CI runs, step by step, with a summary.

use std::fmt;
use std::fs;
use std::io::Write;
use std::num::ParseIntError;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

use crate::darwin;
use crate::engine::{self, EngineArgs};
use crate::executables;
use crate::shell::{self, cargo};

/// Tests that need somebody else's programs.
const WITNESSES: [&str; 5] = ["clients", "connectors", "fakesnow", "package", "validator"];

/// The repository's own rules.
const TIDY: &str = "tidy";

/// Tests that boot a systemd.
const SYSTEMD: &str = "systemd";

/// Machines at a time: most of their time they wait.
const MACHINES: &str = "4";

/// Run everything that CI runs
#[derive(Debug, clap::Args)]
pub(crate) struct TestArgs {
    /// Run only this step; repeat it for more
    #[arg(long, value_name = "STEP", value_enum)]
    only: Vec<Step>,
    /// Leave this step out; repeat it for more
    #[arg(long, value_name = "STEP", value_enum)]
    skip: Vec<Step>,
    /// How long the parsers are fuzzed, all together
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    fuzz_seconds: u64,
    /// Where the inputs come from: a number, or "new" for one that nobody had, which is printed
    #[arg(long, value_name = "N", default_value_t = FuzzSeed::Number(7))]
    fuzz_seed: FuzzSeed,
}

/// The same tree gets the same answer unless one asks for inputs that nobody had.
#[derive(Clone, Copy, Debug)]
enum FuzzSeed {
    Number(u64),
    New,
}

impl FromStr for FuzzSeed {
    type Err = ParseIntError;

    fn from_str(text: &str) -> std::result::Result<Self, ParseIntError> {
        match text {
            "new" => Ok(Self::New),
            number => number.parse().map(Self::Number),
        }
    }
}

impl fmt::Display for FuzzSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(seed) => write!(f, "{seed}"),
            Self::New => f.write_str("new"),
        }
    }
}

/// A step; they run in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    /// The engine's library is in place
    Engine,
    /// Formatting
    Fmt,
    /// Lints, as errors
    Clippy,
    /// The repository's own rules
    Tidy,
    /// Programs and tests
    Build,
    /// Tests of the single crates
    Unit,
    /// Tests with the whole programs
    Journeys,
    /// The parsers of what comes from outside, fed with what they do not expect
    Fuzz,
    /// The official clients, fakesnow, Claude Code and dpkg
    Witnesses,
    /// The units and the service's life on a real systemd, this host's and Debian 13's; needs root
    Systemd,
    /// The programs type-check for macOS, where rustup has the targets
    Darwin,
    /// Documentation builds without warnings
    Doc,
    /// Licences, advisories and bans, where cargo-deny is installed
    Deny,
}

/// What came of a step.
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    /// A tool that is asked for nicely, not needed.
    LeftOut(String),
}

/// Runs the chosen steps, all of them also after a failure, and fails when one failed.
pub(crate) fn run(args: &TestArgs, log: &mut dyn Write) -> Result<()> {
    let chosen = <Step as clap::ValueEnum>::value_variants()
        .iter()
        .copied()
        .filter(|step| (args.only.is_empty() || args.only.contains(step)) && !args.skip.contains(step));
    let mut results = Vec::new();
    for step in chosen {
        writeln!(log, "\n==> {}", step.name())?;
        let start = Instant::now();
        let outcome = step
            .run(args, log)
            .unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        if let Outcome::Failed(reason) = &outcome {
            writeln!(log, "error: {reason}")?;
        }
        results.push((step, start.elapsed(), outcome));
    }
    summarise(&results, log)
}

fn summarise(results: &[(Step, Duration, Outcome)], log: &mut dyn Write) -> Result<()> {
    writeln!(log)?;
    for (step, elapsed, outcome) in results {
        let text = match outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(reason) => format!("FAILED: {reason}"),
            Outcome::LeftOut(reason) => format!("left out: {reason}"),
        };
        writeln!(
            log,
            "{:<10} {:>7.1} s  {text}",
            step.name(),
            elapsed.as_secs_f64()
        )?;
    }
    let failed = results
        .iter()
        .filter(|(_, _, outcome)| matches!(outcome, Outcome::Failed(_)))
        .count();
    if failed > 0 {
        bail!("{failed} of {} steps failed", results.len());
    }
    Ok(())
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Tidy => "tidy",
            Self::Build => "build",
            Self::Unit => "unit",
            Self::Journeys => "journeys",
            Self::Fuzz => "fuzz",
            Self::Witnesses => "witnesses",
            Self::Systemd => "systemd",
            Self::Darwin => "darwin",
            Self::Doc => "doc",
            Self::Deny => "deny",
        }
    }

    /// Runs it. All steps choose the whole workspace where they can, so that cargo builds each dependency once.
    fn run(self, args: &TestArgs, log: &mut dyn Write) -> Result<Outcome> {
        match self {
            Self::Engine => engine::run(&EngineArgs::default(), log)?,
            Self::Fmt => shell::run(&mut cargo(&["fmt", "--all", "--check"]))?,
            Self::Clippy => {
                shell::run(&mut cargo(&[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--",
                    "--deny",
                    "warnings",
                ]))?;
            }
            Self::Tidy => {
                let programs = executables::build(&["--test", TIDY])?;
                let chosen = programs.iter().filter(|program| program.package == HARNESS);
                executables::run(chosen, &[], &[], log)?;
            }
            Self::Build => drop(executables::build(&[])?),
            Self::Unit => {
                let programs = executables::build(&[])?;
                let chosen = programs
                    .iter()
                    .filter(|program| program.is_unit || program.package != HARNESS);
                let units = executables::run(chosen, &[], &[], log);
                units.and(shell::run(&mut cargo(&["test", "--workspace", "--doc"])))?;
            }
            Self::Journeys => harness(&[], log, |name| {
                ![TIDY, SYSTEMD].contains(&name) && !WITNESSES.contains(&name)
            })?,
            Self::Fuzz => fuzz(args, log)?,
            Self::Witnesses => harness(&[], log, |name| WITNESSES.contains(&name))?,
            Self::Systemd => return systemd(log),
            Self::Darwin => return darwin::check(),
            Self::Doc => {
                let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
                shell::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))?;
            }
            Self::Deny => return deny(),
        }
        Ok(Outcome::Passed)
    }
}

/// The crate of the end-to-end tests.
const HARNESS: &str = "snowflake-session-tests";

/// Runs those end-to-end tests whose file has a chosen name.
fn harness(arguments: &[&str], log: &mut dyn Write, is_chosen: impl Fn(&str) -> bool) -> Result<()> {
    let programs = executables::build(&[])?;
    let of_harness = programs.iter().filter(|program| program.package == HARNESS);
    let chosen = of_harness.filter(|program| !program.is_unit && is_chosen(&program.name));
    executables::run(chosen, arguments, &[], log)
}

/// Tests with targets: the programs, and in them a word in the tests' names.
const FUZZED: [(&str, &str, &str); 4] = [
    ("snowflake-emulator", "fuzz", ""),
    ("snowflake-session", "fuzz", ""),
    ("snowflake-session-gateway", "snowflake_session_gateway", "fuzz::"),
    ("snowflake-session-driver", "snowflake_session_driver", "fuzz::"),
];

/// Feeds all targets, one after the other so that the time is theirs, each for its part of it.
fn fuzz(args: &TestArgs, log: &mut dyn Write) -> Result<()> {
    let targets = fs::read_dir(shell::repository().join("fuzz/corpus"))?
        .count()
        .max(1);
    let each = Duration::from_secs(args.fuzz_seconds).as_millis() / targets as u128;
    let seed = match args.fuzz_seed {
        FuzzSeed::Number(seed) => seed,
        FuzzSeed::New => {
            u64::from(std::process::id()) << 32
                | u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos())
        }
    };
    writeln!(
        log,
        "{targets} targets, {each} ms each; again with --fuzz-seed {seed}"
    )?;
    let variables = [
        ("SNOWFLAKE_SESSION_FUZZ_MILLISECONDS", each.to_string()),
        ("SNOWFLAKE_SESSION_FUZZ_SEED", seed.to_string()),
    ];
    let programs = executables::build(&[])?;
    for (package, name, word) in FUZZED {
        let chosen = programs
            .iter()
            .filter(|program| program.package == package && program.name == name);
        executables::run(chosen, &[word, "--test-threads", "1"], &variables, log)?;
    }
    Ok(())
}

/// Everything about systemd. Where nobody can boot one, that is said; where root cannot, it is a failure.
fn systemd(log: &mut dyn Write) -> Result<Outcome> {
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::LeftOut("systemd, which is Linux's".to_owned()));
    }
    let user = Command::new("id").arg("-u").output()?;
    if user.stdout.trim_ascii() != b"0" {
        return Ok(Outcome::LeftOut(
            "the units, activation, restarts and carried sessions on a real systemd, which only root can boot".to_owned(),
        ));
    }
    harness(&["--test-threads", MACHINES], log, |name| name == SYSTEMD)?;
    Ok(Outcome::Passed)
}

/// Licences, bans and sources; advisories where their database can be fetched.
fn deny() -> Result<Outcome> {
    if !succeeds(&["deny", "--version"]) {
        return Ok(Outcome::LeftOut("cargo-deny is not installed".to_owned()));
    }
    shell::run(&mut cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
    if !succeeds(&["deny", "fetch", "db"]) {
        return Ok(Outcome::LeftOut(
            "advisories, whose database cannot be fetched; the rest passed".to_owned(),
        ));
    }
    shell::run(&mut cargo(&["deny", "check", "advisories"]))?;
    Ok(Outcome::Passed)
}

/// Whether cargo can do this, quietly.
fn succeeds(arguments: &[&str]) -> bool {
    let mut command = cargo(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
