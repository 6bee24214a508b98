//! What goes wrong, and what is said: text, exit code, and that the next command works.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use snowflake_session_tests::emulator;
use snowflake_session_tests::stage::Stage;

/// A connection that leads to a port of this machine.
fn connection(port: u16) -> String {
    format!(
        "[away]\naccount = \"acme\"\nuser = \"u\"\npassword = \"p\"\nhost = \"127.0.0.1\"\nport = {port}\nprotocol = \"http\"\n"
    )
}

#[test]
fn bad_sql() {
    let stage = Stage::new();
    stage.sfctl(&["query", "selec 1"]).fails(
        1,
        &[
            "001003",
            "42000",
            "syntax error line 1 at position 0 unexpected 'selec'",
        ],
    );
    assert_eq!(stage.rows("select 1"), "1");
}

#[test]
fn an_unknown_table() {
    let stage = Stage::new();
    stage
        .sfctl(&["use", "schema", "snowflake_sample_data.tpch_sf001"])
        .ok();
    let said = "Object 'NO_SUCH_TABLE' does not exist or not authorized.";
    stage
        .sfctl(&["query", "select * from no_such_table"])
        .fails(1, &["002003", "42S02", said]);
    assert_eq!(stage.rows("select count(*) from region"), "5");
}

#[test]
fn a_wrong_password() {
    let stage = Stage::new();
    stage.foresee(r#""reason":"LoginRefused""#);
    let users = stage.write(
        "users.toml",
        "[[users]]\nname = \"tester\"\npassword = \"right\"\n",
    );
    let server = emulator::start(&stage, &["--config", &users.to_string_lossy()]);
    stage.connections(&server.connection("away", ""));
    let ran = stage.sfctl(&["--connection", "away", "query", "select 1"]);
    let ran = ran.fails(3, &["390100", "Incorrect username or password was specified."]);
    assert!(!ran.stderr.contains("secret"), "the password is not shown: {ran}");
}

#[test]
fn an_account_that_cannot_be_reached() {
    let stage = Stage::new();
    stage.foresee(r#""reason":"Unreachable""#);
    // A port that was free a moment ago, and that nobody takes in a stage of its own.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a free port")
        .port();
    stage.connections(&connection(port));
    let ran = stage.sfctl(&["--connection", "away", "query", "select 1"]);
    assert!(ran.elapsed < Duration::from_mins(1), "{ran}");
    ran.fails(3, &["127.0.0.1"]);
}

#[test]
fn a_connection_that_is_not_there() {
    let stage = Stage::new();
    stage.foresee(r#""reason":"Configuration""#);
    stage.connections(&connection(1));
    stage
        .sfctl(&["--connection", "awya", "query", "select 1"])
        .fails(2, &["awya", "away"]);
}

#[test]
fn connections_that_are_not_toml() {
    let stage = Stage::new();
    stage.foresee(r#""reason":"Configuration""#);
    let path = stage.connections("[away]\naccount = \"acme\nuser = 1\n");
    let path = path.to_str().expect("the home's path is text");
    stage
        .sfctl(&["--connection", "away", "query", "select 1"])
        .fails(2, &[path, "line 2"]);
}

#[test]
fn connections_that_cannot_be_read() {
    let stage = Stage::new();
    stage.foresee(r#""reason":"Configuration""#);
    // A folder in place of the file: even root cannot read it.
    let path = stage.path("config/snowflake/connections.toml");
    fs::create_dir_all(&path).expect("the home is writable");
    let ran = stage.sfctl(&["--connection", "away", "query", "select 1"]);
    ran.fails(2, &[path.to_str().expect("the home's path is text")]);
}

#[test]
fn connections_that_others_can_write() {
    let stage = Stage::new();
    stage.foresee(r#""reason":"Configuration""#);
    let path = stage.connections(&connection(1));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).expect("our own file");
    stage
        .sfctl(&["--connection", "away", "query", "select 1"])
        .fails(2, &["connections.toml", "chmod"]);
}

#[test]
fn two_megabytes_of_sql() {
    let stage = Stage::new();
    let sql = |length| format!("select length('{}') as n", "x".repeat(length));
    // Snowflake takes one; this side says so before anything is sent.
    let ran = stage.sfctl_with_input(&["query", "-"], sql(2_000_000));
    ran.fails(2, &["1048576"]);
    let ran = stage.sfctl_with_input(&["query", "-", "--format", "csv"], sql(1_000_000));
    assert_eq!(ran.ok(), "N\n1000000\n");
}

#[test]
fn an_empty_statement() {
    let stage = Stage::new();
    for sql in ["", "   \n", "/* only a comment */", ";"] {
        stage.sfctl(&["query", sql]).fails(2, &["empty statement"]);
    }
}

#[test]
fn three_statements_in_one_text() {
    let stage = Stage::new();
    stage
        .sfctl(&["query", "select 1; select 2; select 3"])
        .fails(2, &["3 statements in one text"]);
    // A semicolon at the end, or in a literal or comment, makes no second statement.
    assert_eq!(stage.rows("select 'a;b' /* ; */;"), "a;b");
}

#[test]
fn a_time_limit() {
    let stage = Stage::new();
    stage.foresee(r#""reason":"Timeout""#);
    stage.sfctl(&["query", "select 1"]).ok();
    let endless = "select count(*) from table(generator(rowcount => 10000000)) a, table(generator(rowcount => 10000000)) b \
                   where random() > 2";
    stage
        .sfctl(&["query", endless, "--timeout", "1s"])
        .fails(4, &["time"]);
    assert_eq!(stage.rows("select 1"), "1");
}

#[test]
fn usage() {
    let stage = Stage::new();
    stage.sfctl(&["qeury", "select 1"]).fails(2, &["qeury", "query"]);
    stage
        .sfctl(&["query", "select 1", "--format", "xml"])
        .fails(2, &["xml", "csv"]);
    stage
        .sfctl(&["query", "--file", "no-such-file.sql"])
        .fails(2, &["no-such-file.sql"]);
}
