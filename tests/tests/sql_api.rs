//! A client that believes the SQL API's OpenAPI description, and signs its tokens itself, is content with the emulator.

use std::fs;

use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::{emulator, python};

#[test]
fn an_openapi_client_is_content() {
    let stage = Stage::new();
    let folder = stage.path("keys");
    fs::create_dir_all(&folder).expect("the home is writable");
    let folder = folder.to_str().expect("the stage's path is text").to_owned();
    python::script(&stage, "sql_api", "sql_api.py", &["keys", &folder]).ok();
    let config = stage.path("emulator.toml");
    fs::write(
        &config,
        "account = \"org-one\"\n[[users]]\nname = \"witness\"\npublic_key_files = [\"keys/rsa_key.pub\"]\n",
    )
    .expect("the home is writable");
    let config = config.to_str().expect("the stage's path is text");
    let server = emulator::start(&stage, &["--config", config]);
    let port = server.port.to_string();
    let out = python::script(
        &stage,
        "sql_api",
        "sql_api.py",
        &["journey", &port, &folder, "witness"],
    )
    .ok();
    assert!(out.contains("is content"), "{out}");
    let log = fs::read_to_string(stage.path("snowflake-emulator.log")).expect("the emulator logs");
    let submitted = log.lines().filter(|line| line.contains("sql_api_submit"));
    for line in submitted.clone() {
        assert!(line.contains("status=") && line.contains("elapsed_ms="), "{line}");
    }
    assert!(
        submitted
            .clone()
            .any(|line| line.contains("handle=") && line.contains("request_id=")),
        "{log}"
    );
    // Neither tokens nor statements nor values.
    for secret in ["eyJ", "Bearer", "insert into", "Zo\u{eb}"] {
        assert!(!log.contains(secret), "{secret} in\n{log}");
    }
}
