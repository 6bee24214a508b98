//! A target for each parser of what comes from outside; `fuzz/mutate.rs` feeds them.
//!
//! Bodies, headers and SQL go through a whole server, so that what a parser lets pass meets what reads it next.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic is how a test fails"
)]

#[path = "sql_api/client.rs"]
#[expect(dead_code, reason = "the client of other tests can do more")]
mod client;
#[path = "../../fuzz/mutate.rs"]
mod mutate;

use std::io::Cursor;
use std::time::Duration;

use clap::Parser as _;
use client::{Call, Fixture, STATEMENTS};
use http::Method;
use mutate::fuzz;
use serde_json::json;
use snowflake_emulator::config::{Cli, Command, ServeConfig};
use snowflake_emulator::faults::Rule;
use snowflake_emulator::front::{self, Location};
use snowflake_emulator::stages::csv::{CsvOptions, CsvReader};
use snowflake_emulator::stages::json::JsonReader;
use snowflake_emulator::stages::{FileFormat, FileKind, Key, decode};
use tokio::runtime::Runtime;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_mins(1);

const SQL: [&str; 34] = [
    "select",
    "from",
    "where",
    "(",
    ")",
    ",",
    ";",
    "'",
    "\"",
    "$$",
    "--",
    "/*",
    "*/",
    "create",
    "table",
    "insert into",
    "values",
    "copy into",
    "@~/x",
    "@s",
    "file_format = (type = csv",
    "put file:///x",
    "get",
    "begin",
    "commit",
    "set x =",
    "?",
    ":1",
    "$1",
    "::number(38,2)",
    "with",
    "union all",
    "lateral flatten(input =>",
    "qualify",
];

/// A server, and how a body is sent to it.
struct Site {
    runtime: Runtime,
    fixture: Fixture,
    token: String,
}

impl Site {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let fixture = runtime.block_on(Fixture::start());
        let login = json!({ "data": { "LOGIN_NAME": "ann", "PASSWORD": "x" } }).to_string();
        let login = Call::new(Method::POST, "/session/v1/login-request", login);
        let token = runtime.block_on(fixture.send(login)).json()["data"]["token"].clone();
        Self {
            runtime,
            fixture,
            token: token.as_str().unwrap().to_owned(),
        }
    }

    fn by_token(&self, call: Call) -> Call {
        call.with("authorization", &format!("Snowflake Token=\"{}\"", self.token))
    }

    /// Sends a call that the server must not be at fault for.
    #[track_caller]
    fn send(&self, call: Call) {
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, self.fixture.send(call)).await });
        let answer = answer.expect("an answer comes");
        let defect = answer.body.windows(8).any(|code| code == b"\"000603\"");
        assert!(
            answer.status.as_u16() < 500 && !defect,
            "{} {:?}",
            answer.status,
            answer.body
        );
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A text as the part of a URL between two of its signs.
fn encoded(bytes: &[u8]) -> String {
    let some = &bytes[..bytes.len().min(2000)];
    url::form_urlencoded::byte_serialize(some).collect()
}

#[test]
fn login_bodies() {
    let site = Site::new();
    let words = [
        "\"data\":",
        "\"LOGIN_NAME\":",
        "\"AUTHENTICATOR\": \"SNOWFLAKE_JWT\",",
        "\"TOKEN\":",
        "\"SESSION_PARAMETERS\": {",
        "null",
        "[",
        "{",
        "}",
        ",",
    ];
    fuzz("login", &words, |bytes| {
        site.send(Call::new(
            Method::POST,
            "/session/v1/login-request",
            bytes.to_vec(),
        ));
    });
}

#[test]
fn query_bodies_and_bindings() {
    let site = Site::new();
    let words = [
        "\"sqlText\":",
        "\"bindings\": {",
        "\"type\": \"FIXED\",",
        "\"TEXT\"",
        "\"REAL\"",
        "\"BOOLEAN\"",
        "\"DATE\"",
        "\"TIME\"",
        "\"TIMESTAMP_NTZ\"",
        "\"TIMESTAMP_LTZ\"",
        "\"TIMESTAMP_TZ\"",
        "\"BINARY\"",
        "\"VARIANT\"",
        "\"DECFLOAT\"",
        "\"value\":",
        "[\"1\", null]",
        "\"parameters\": {",
        "\"MULTI_STATEMENT_COUNT\":",
        "\"bindStage\": \"@SYSTEM$BIND/x\",",
        "\"describeOnly\": true,",
        "\"asyncExec\": true,",
        "null",
        "{",
        "}",
        ",",
    ];
    fuzz("query_request", &words, |bytes| {
        site.send(site.by_token(Call::new(
            Method::POST,
            "/queries/v1/query-request",
            bytes.to_vec(),
        )));
    });
}

#[test]
fn sql_api_bodies() {
    let site = Site::new();
    let words = [
        "\"statement\":",
        "\"timeout\":",
        "\"bindings\": {",
        "\"type\": \"TIMESTAMP_TZ\",",
        "\"value\":",
        "\"parameters\": {",
        "\"multi_statement_count\":",
        "\"date_output_format\":",
        "null",
        "{",
        "}",
        ",",
    ];
    fuzz("sql_api", &words, |bytes| {
        site.send(Call::new(Method::POST, STATEMENTS, bytes.to_vec()));
    });
}

#[test]
fn tokens() {
    let site = Site::new();
    fuzz("token", &[".", "eyJhbGciOiJSUzI1NiJ9", "=", "e30"], |bytes| {
        let token = text(bytes);
        let body = json!({ "data": { "AUTHENTICATOR": "SNOWFLAKE_JWT", "TOKEN": token } });
        site.send(Call::new(
            Method::POST,
            "/session/v1/login-request",
            body.to_string(),
        ));
        let plain: String = token.chars().filter(char::is_ascii_graphic).take(4000).collect();
        for kind in ["KEYPAIR_JWT", "OAUTH", "PROGRAMMATIC_ACCESS_TOKEN"] {
            let call = Call::new(Method::POST, STATEMENTS, "{}")
                .with("authorization", &format!("Bearer {plain}"))
                .with("x-snowflake-authorization-token-type", kind);
            site.send(call);
        }
        site.send(
            Call::new(Method::POST, "/session/heartbeat", "")
                .with("authorization", &format!("Snowflake Token=\"{plain}\"")),
        );
    });
}

#[test]
fn paths_and_query_strings() {
    let site = Site::new();
    fuzz(
        "url",
        &[
            "/",
            "%2f",
            "..",
            "&",
            "=",
            "requestId",
            "partition",
            "queries",
            "results",
        ],
        |bytes| {
            let part = encoded(bytes);
            for path in [
                format!("/results/{part}/0"),
                format!("/queries/{part}/result"),
                format!("/monitoring/queries/{part}"),
                format!("/stages/{part}?{part}"),
                format!("{STATEMENTS}/{part}?partition={part}&requestId={part}"),
            ] {
                site.send(site.by_token(Call::new(Method::GET, &path, "")));
            }
        },
    );
}

#[test]
fn statements() {
    let site = Site::new();
    fuzz("sql", &SQL, |bytes| {
        let sql = text(bytes);
        // Splitting loses nothing, and whatever it gives can be parsed or refused.
        for piece in front::split(&sql).into_iter().flatten() {
            let _ = front::parse(&piece);
        }
        let body = json!({ "sqlText": sql, "parameters": { "MULTI_STATEMENT_COUNT": 0, "STATEMENT_TIMEOUT_IN_SECONDS": 10 } });
        site.send(site.by_token(Call::new(
            Method::POST,
            "/queries/v1/query-request",
            body.to_string(),
        )));
    });
}

#[test]
fn file_formats() {
    fuzz(
        "file_format",
        &["\"TYPE\"", "FIELD_DELIMITER", "NONE", "\\x", "\\u", "AUTO"],
        |bytes| {
            let all = text(bytes);
            let _ = FileFormat::from_json(&all);
            for kind in [FileKind::Csv, FileKind::Json, FileKind::Parquet] {
                let mut format = FileFormat::new(kind);
                for (name, value) in all.lines().filter_map(|line| line.split_once('=')) {
                    let _ = format.set(name, value.split(',').map(str::to_owned).collect());
                }
                let _ = (format.described(), CsvOptions::of(&format));
                assert!(
                    FileFormat::from_json(&format.to_json()).is_ok(),
                    "it does not read what it wrote"
                );
            }
        },
    );
}

#[test]
fn csv_and_json_files() {
    fuzz(
        "stage_file",
        &["\"", "\"\"", ",", "\r\n", "\\", "\\N", "|"],
        |bytes| {
            let cut = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(0);
            let (options, file) = bytes.split_at(cut);
            let mut format = FileFormat::new(FileKind::Csv);
            for (name, value) in text(options)
                .split(';')
                .filter_map(|option| option.split_once('='))
            {
                let _ = format.set(name, vec![value.to_owned()]);
            }
            if let Ok(mut reader) =
                CsvReader::new(Box::new(Cursor::new(file.to_vec())), CsvOptions::of(&format))
            {
                // Each record takes at least a byte, but for the last one.
                for _ in 0..=file.len() + 1 {
                    match reader.next() {
                        Ok(Some(Ok(_))) => {
                            for field in 0..reader.len() {
                                let _ = reader.field(field).map(str::len);
                            }
                        }
                        Ok(Some(Err(_))) => {}
                        Ok(None) | Err(_) => break,
                    }
                }
                assert!(!matches!(reader.next(), Ok(Some(_))), "it does not end");
            }
            for strips in [false, true] {
                if let Ok(mut reader) = JsonReader::new(Box::new(Cursor::new(file.to_vec())), strips) {
                    let documents = (0..=file.len())
                        .take_while(|_| matches!(reader.next(), Ok(Some(_))))
                        .count();
                    assert!(documents <= file.len(), "it does not end");
                }
            }
        },
    );
}

#[test]
fn stage_paths() {
    fuzz(
        "stage_path",
        &["@", "@~", "@%t", "/", "..", "%2e", "\"", "."],
        |bytes| {
            let path = text(bytes);
            let _ = Location::parse(&path);
            let _ = decode(&path);
            if let Ok(key) = Key::new(&path) {
                assert!(
                    key.as_str()
                        .split('/')
                        .all(|part| !matches!(part, "" | "." | "..")),
                    "{path:?} leads out"
                );
            }
        },
    );
}

#[test]
fn fault_rules() {
    fuzz(
        "fault_rule",
        &[
            "status=503",
            "on=query",
            "times=2",
            "delay=1s",
            "probability=0.5",
            "sql=/x/",
            ",",
            "=",
        ],
        |bytes| {
            let _ = Rule::parse(&text(bytes));
        },
    );
}

#[test]
fn configuration_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("emulator.toml");
    let arguments = ["snowflake-emulator", "serve", "--config", file.to_str().unwrap()];
    fuzz(
        "emulator_config",
        &[
            "[limits]",
            "[[users]]",
            "[sql_api]",
            "listen =",
            "name =",
            "password =",
            "tokens = [",
            "tls_cert =",
        ],
        |bytes| {
            std::fs::write(&file, bytes).unwrap();
            let Command::Serve(arguments) = Cli::parse_from(arguments).command else {
                panic!("it serves")
            };
            if let Err(error) = ServeConfig::resolve(*arguments) {
                // It may be a password, so nothing of the text is told.
                assert!(!error.to_string().contains("a-long-secret"), "{error}");
            }
        },
    );
}
