//! Loading: a million rows from a file, and rows sent with a statement.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::figures::{Page, Samples};
use crate::scene::{ROWS, SELECT, Scene};

/// Rows bound to one statement: to the emulator, and to fakesnow, which takes hundreds a second.
const BOUND: [u32; 2] = [50_000, 1_000];
/// Rows written into statements of a thousand, likewise.
const VALUES: [u32; 2] = [20_000, 4_000];

/// One kind of loading, on one server.
struct Case {
    name: &'static str,
    mode: &'static str,
    at_fakesnow: bool,
    rows: u32,
    compressed: bool,
}

const fn case(name: &'static str, mode: &'static str, at_fakesnow: bool, rows: u32) -> Case {
    Case {
        name,
        mode,
        at_fakesnow,
        rows,
        compressed: false,
    }
}

const CASES: [Case; 8] = [
    case("PUT + COPY → emulator", "copy", false, ROWS),
    case("PUT + COPY → fakesnow", "copy", true, ROWS),
    Case {
        compressed: true,
        ..case("PUT compressed + COPY → emulator", "copy", false, ROWS)
    },
    case("executemany → emulator", "bound", false, BOUND[0]),
    case("executemany → fakesnow", "bound", true, BOUND[1]),
    case("INSERT … VALUES → emulator", "values", false, VALUES[0]),
    case("INSERT … VALUES → fakesnow", "values", true, VALUES[1]),
    case("DuckDB's read_csv in process", "floor", false, ROWS),
];

/// Targets 14 and 15, with connector 4.8.1.
pub(crate) fn loaded(scene: &Scene, rounds: u32) -> Result<Page> {
    let file = scene.stage.path("rows.csv");
    write_rows(scene, &file)?;
    let (mut rates, mut alone): ([Samples; 8], [Samples; 8]) = Default::default();
    for _ in 0..rounds {
        for (index, case) in CASES.iter().enumerate() {
            let found = run(scene, case, &file);
            rates[index].push(found[0]);
            found.get(1).into_iter().for_each(|&rate| alone[index].push(rate));
        }
    }
    let mut page = Page::new(
        scene.pace,
        "14 and 15. Loading",
        "Rows a second from connector 4.8.1, a million from a CSV file of 94 MB, or as many as fit the server with the \
         statement (`executemany` binds arrays; VALUES has a thousand rows a statement). COPY alone is what of it is the \
         server's reading.",
        &["way", "thousand rows/s", "COPY alone"],
    );
    for (case, (rates, alone)) in CASES.iter().zip(rates.iter().zip(&alone)) {
        let copy = if case.mode == "copy" {
            thousands(alone)
        } else {
            String::new()
        };
        page.row([case.name.to_owned(), thousands(rates), copy]);
    }
    let median = |index: usize| rates[index].median();
    page.at_least(
        "target 14: PUT + COPY, times fakesnow",
        median(0) / median(1),
        1.0,
        "×",
    );
    page.at_least(
        "target 14: COPY alone, times DuckDB's reader",
        alone[0].median() / median(7),
        0.7,
        "×",
    );
    page.at_least("target 15: executemany", median(3), 50_000.0, "rows/s");
    page.at_least(
        "target 15: executemany, times fakesnow",
        median(3) / median(4),
        100.0,
        "×",
    );
    page.at_least("target 15: INSERT … VALUES", median(5), 8_000.0, "rows/s");
    page.at_least(
        "target 15: INSERT … VALUES, times fakesnow",
        median(5) / median(6),
        5.0,
        "×",
    );
    Ok(page)
}

fn run(scene: &Scene, case: &Case, file: &Path) -> Vec<f64> {
    let (interpreter, port) = match (case.mode, case.at_fakesnow) {
        ("floor", _) => (&scene.peers.duckdb, 0),
        (_, true) => (&scene.peers.connector_4, scene.fakesnow.port),
        (_, false) => (&scene.peers.connector_4, scene.emulator.port),
    };
    let (port, rows, file) = (port.to_string(), case.rows.to_string(), file.to_string_lossy());
    let mut arguments = vec![case.mode, &port, &file, &rows];
    if case.compressed {
        arguments.push("compressed");
    }
    scene.numbers(interpreter, "load.py", &arguments)
}

/// Rates, shown in thousands.
fn thousands(rates: &Samples) -> String {
    rates.map(|rate| rate / 1e3).show(1)
}

/// The million rows as CSV without a header, written by `sfctl`.
fn write_rows(scene: &Scene, file: &Path) -> Result<()> {
    let path = file.to_string_lossy();
    scene
        .stage
        .sfctl(&[
            "--connection",
            "bench",
            "--session",
            "bench",
            "query",
            SELECT,
            "--format",
            "csv",
            "--no-header",
            "--output",
            &path,
        ])
        .ok();
    let bytes = fs::metadata(file)
        .with_context(|| format!("look at {path}"))?
        .len();
    anyhow::ensure!(bytes > u64::from(ROWS), "{path} has {bytes} bytes only");
    Ok(())
}
