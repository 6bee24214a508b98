//! What the driver's tests share: a quick configuration, a connection to the mock, and answers with rows.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(unreachable_pub, reason = "a module of test binaries")]

use std::io::Write as _;
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::Schema;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use snowflake_session_driver::{
    ConnectOptions, ConnectionSettings, Credential, Driver, DriverConfig, QueryResult, Secret,
    UpstreamSession,
};

use crate::mock::Mock;

/// Limits for tests: retries without noticeable pauses.
pub fn config() -> DriverConfig {
    let mut config = DriverConfig::default();
    config.gateway.retry.pause_first = Duration::from_millis(1);
    config.gateway.retry.pause_max = Duration::from_millis(4);
    config.cancel_timeout = Duration::from_secs(5);
    config
}

pub fn settings(mock: &Mock) -> ConnectionSettings {
    let credential = Credential::Password {
        password: Secret::new("hunter2"),
        passcode: None,
        passcode_in_password: false,
    };
    ConnectionSettings::new("test", "acct", "me", credential, mock.url())
}

pub async fn connect(mock: &Mock) -> UpstreamSession {
    connect_with(mock, config()).await
}

pub async fn connect_with(mock: &Mock, config: DriverConfig) -> UpstreamSession {
    let driver = Driver::start(config).await.unwrap();
    driver
        .connect(&settings(mock), &ConnectOptions::default())
        .await
        .unwrap()
}

/// The description of a column on the wire.
pub fn column(name: &str, kind: &str, precision: Option<i64>, scale: Option<i64>) -> Value {
    json!({
        "name": name, "type": kind, "nullable": true, "precision": precision, "scale": scale,
        "length": if kind == "text" { Some(16_777_216) } else { None },
    })
}

/// An Arrow IPC stream with these batches.
pub fn ipc_stream(schema: &Schema, batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), schema).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub async fn all_batches(result: &mut QueryResult) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    while let Some(batch) = result.next_batch().await.unwrap() {
        assert_eq!(batch.schema(), result.schema());
        assert!(batch.num_rows() > 0, "batches are never empty");
        batches.push(batch);
    }
    batches
}
