//! `GET /health`: for those who start the emulator and want to know whether it answers, and what it holds.

use http::StatusCode;
use serde_json::json;

use super::connector::Connector;
use super::message::{Reply, reply_json};

/// Answers at once, without a login: nothing in it is anybody's secret.
pub(super) fn health(connector: &Connector) -> Reply {
    let body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "sessions": connector.session_count(),
        "statements": connector.statements.len(),
    });
    reply_json(StatusCode::OK, body.to_string().into_bytes())
}
