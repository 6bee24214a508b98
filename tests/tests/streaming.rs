//! Ten million rows through a service that keeps none of them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use snowflake_session_tests::process::PATIENCE;
use snowflake_session_tests::stage::{Stage, memory};
use snowflake_session_tests::wait::until;

const ROWS: u64 = 10_000_000;
/// Most memory that the service may need meanwhile.
const SERVICE_BYTES_MAX: u64 = 150 * 1024 * 1024;

#[test]
fn ten_million_rows_pass_in_bounded_memory() {
    let stage = Stage::new();
    stage.sfctl(&["query", "select 1"]).ok();
    let path = stage.path("rows.csv");
    let sql = format!("select seq8() as n from table(generator(rowcount => {ROWS}))");
    let mut command = stage.program("sfctl", &["query", &sql, "--format", "csv"]);
    command
        .stdin(Stdio::null())
        .stdout(File::create(&path).expect("the home is writable"));
    let mut child = command.spawn().expect("sfctl starts");
    let status = until("ten million rows", 3 * PATIENCE, || {
        child.try_wait().expect("our own child")
    });
    assert!(status.success(), "{status}");

    let reader = BufReader::new(File::open(&path).expect("the file was written"));
    let mut lines = reader.lines().map(|line| line.expect("text"));
    assert_eq!(lines.next().as_deref(), Some("N"));
    let (mut count, mut sum) = (0_u64, 0_u64);
    for line in lines {
        count += 1;
        sum += line.parse::<u64>().expect("a number");
    }
    assert_eq!((count, sum), (ROWS, ROWS * (ROWS - 1) / 2));

    let service = stage.processes("snowflake-session")[0];
    let peak = memory(service, "VmHWM:");
    assert!(
        peak > 0 && peak < SERVICE_BYTES_MAX,
        "the service needed {} MB",
        peak >> 20
    );
}
