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
#[path = "fuzz/files.rs"]
mod files;
#[path = "../../fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/values.rs"]
mod values;

use clap::Parser as _;
use client::{Answer, Call, Fixture, STATEMENTS};
use http::Method;
use mutate::{corpus, fuzz};
use serde_json::{Value, json};
use snowflake_emulator::config::{Cli, Command, ServeConfig};
use snowflake_emulator::faults::Rule;
use snowflake_emulator::front;
use tokio::runtime::Runtime;

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
        let site = Self {
            runtime,
            fixture,
            token: token.as_str().unwrap().to_owned(),
        };
        // What the seeds speak of.
        for sql in [
            "create database d",
            "create schema d.s",
            "create table t (a int, b varchar)",
        ] {
            let answer = site.query(json!({ "sqlText": sql }).to_string().into_bytes());
            assert_eq!(answer.json()["success"], true, "{sql}: {:?}", answer.body);
        }
        site
    }

    fn by_token(&self, call: Call) -> Call {
        call.with("authorization", &format!("Snowflake Token=\"{}\"", self.token))
    }

    /// Sends a call that the server must not be at fault for.
    fn send(&self, call: Call) -> Answer {
        self.runtime.block_on(self.fixture.answered(call))
    }

    fn login(&self, body: Vec<u8>) -> Answer {
        self.send(Call::new(Method::POST, "/session/v1/login-request", body))
    }

    fn query(&self, body: Vec<u8>) -> Answer {
        self.send(self.by_token(Call::new(Method::POST, "/queries/v1/query-request", body)))
    }

    fn submit(&self, body: Vec<u8>) -> Answer {
        self.send(Call::new(Method::POST, STATEMENTS, body))
    }

    /// Checks that a usual request is answered as ever, in the session that there was from the beginning.
    #[track_caller]
    fn still_works(&self) {
        let answer = self.query(json!({ "sqlText": "select 1" }).to_string().into_bytes());
        let answer = answer.json();
        assert_eq!(answer["data"]["rowset"], json!([["1"]]), "{answer}");
    }
}

/// The codes with which a target's seeds are answered, in the order of their names; null is success. What is mutated
/// gets far into a parser only when the seeds do.
fn codes(target: &str, send: impl Fn(Vec<u8>) -> Answer) -> Vec<Value> {
    let seeds = corpus(target);
    let codes = seeds.into_iter().map(|seed| send(seed).json()["code"].clone());
    codes.collect()
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
    let known = codes("login", |seed| site.login(seed));
    assert_eq!(known, [Value::Null, Value::Null]);
    fuzz("login", &words, |bytes| {
        site.login(bytes.to_vec());
    });
    site.still_works();
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
    let known = codes("query_request", |seed| site.query(seed));
    // The last one names a stage that nobody has made.
    let (last, others) = known.split_last().unwrap();
    assert_eq!(
        (others, last),
        ([const { Value::Null }; 4].as_slice(), &json!("002003"))
    );
    fuzz("query_request", &words, |bytes| {
        site.query(bytes.to_vec());
    });
    site.still_works();
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
    let known = codes("sql_api", |seed| site.submit(seed));
    assert_eq!(known, ["090001", "090001"]);
    fuzz("sql_api", &words, |bytes| {
        site.submit(bytes.to_vec());
    });
    site.still_works();
}

#[test]
fn tokens() {
    let site = Site::new();
    fuzz("token", &[".", "eyJhbGciOiJSUzI1NiJ9", "=", "e30"], |bytes| {
        let token = text(bytes);
        let body = json!({ "data": { "AUTHENTICATOR": "SNOWFLAKE_JWT", "TOKEN": token } });
        site.login(body.to_string().into_bytes());
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
    site.still_works();
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
    site.still_works();
}

#[test]
fn statements() {
    let site = Site::new();
    for seed in corpus("sql").iter().map(|seed| text(seed)) {
        for piece in front::split(&seed).expect("a seed is split") {
            assert!(front::parse(&piece).is_ok(), "{}", piece.text);
        }
    }
    fuzz("sql", &SQL, |bytes| {
        let sql = text(bytes);
        // Splitting loses nothing, and whatever it gives can be parsed or refused.
        for piece in front::split(&sql).into_iter().flatten() {
            let _ = front::parse(&piece);
        }
        let body = json!({ "sqlText": sql, "parameters": { "MULTI_STATEMENT_COUNT": 0, "STATEMENT_TIMEOUT_IN_SECONDS": 10 } });
        site.query(body.to_string().into_bytes());
    });
    site.still_works();
}

#[test]
fn fault_rules() {
    for seed in corpus("fault_rule") {
        Rule::parse(&text(&seed)).unwrap();
    }
    fuzz(
        "fault_rule",
        &[
            "status=503",
            "on=query",
            "times=2",
            "delay=1s",
            "probability=0.5",
            "sql~=x",
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
    // What a seed names.
    std::fs::write(
        folder.path().join("idp.pem"),
        "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf\n\
         9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==\n-----END PUBLIC KEY-----\n",
    )
    .unwrap();
    let arguments = ["snowflake-emulator", "serve", "--config", file.to_str().unwrap()];
    let resolve = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let Command::Serve(arguments) = Cli::parse_from(arguments).command else {
            panic!("it serves")
        };
        ServeConfig::resolve(*arguments)
    };
    for seed in corpus("emulator_config") {
        resolve(&seed).unwrap();
    }
    fuzz(
        "emulator_config",
        &[
            "[limits]",
            "[[users]]",
            "[[oauth]]",
            "[sql_api]",
            "listen =",
            "name =",
            "password =",
            "tokens = [",
            "tls_cert =",
        ],
        |bytes| {
            if let Err(error) = resolve(bytes) {
                // It may be a password, so nothing of the text is told.
                assert!(!error.to_string().contains("a-long-secret"), "{error}");
            }
        },
    );
}
