//! Asks the 22 TPC-H queries through `sfctl` and compares with the published answers. `cargo xtask tpch` runs it.
//!
//!   tpch 1|0.01

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use snowflake_session_tests::csv::Table;
use snowflake_session_tests::process::Running;
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::tpch;

/// Longest answer, with the generation of the sample data in the first one.
const ANSWER_DEADLINE: Duration = Duration::from_mins(10);

fn main() -> ExitCode {
    let scale = std::env::args().nth(1).unwrap_or_else(|| "1".to_owned());
    let (schema, answers) = match scale.as_str() {
        "1" => ("tpch_sf1", "sf1"),
        "0.01" => ("tpch_sf001", "sf001"),
        _ => {
            return report(
                &format!("no published answers at scale {scale}; 1 and 0.01 have them\n"),
                ExitCode::from(2),
            );
        }
    };
    let stage = Stage::new();
    stage
        .sfctl(&["use", "schema", &format!("snowflake_sample_data.{schema}")])
        .ok();
    let differences = tpch::differences(answers, |query, _| {
        let path = tpch::file(query);
        let arguments = ["query", "--file", &path.to_string_lossy(), "--format", "csv"];
        let start = Instant::now();
        let ran = Running::start(stage.program("sfctl", &arguments), None).wait(ANSWER_DEADLINE);
        report(
            &format!("q{query:02} {:8.3} s\n", start.elapsed().as_secs_f64()),
            ExitCode::SUCCESS,
        );
        if ran.code == 0 {
            Ok(Table::parse(&ran.out()))
        } else {
            Err(ran.to_string())
        }
    });
    if differences.is_empty() {
        return report(
            &format!("all {} answers are the published ones\n", tpch::QUERIES),
            ExitCode::SUCCESS,
        );
    }
    report(
        &format!(
            "{} answers differ:\n{}\n",
            differences.len(),
            differences.join("\n")
        ),
        ExitCode::FAILURE,
    )
}

/// Says something and passes the code through.
fn report(text: &str, code: ExitCode) -> ExitCode {
    // Nothing is left to tell it to when standard output is gone.
    let _ = io::stdout().write_all(text.as_bytes());
    code
}
