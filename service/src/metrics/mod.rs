//! What the service tells Prometheus, and where.
//!
//! [`Metrics`] is told of each statement as it ends and of each batch as it leaves; what has a state of its own,
//! sessions, pools, the gateway, the process, is read when somebody looks ([`snapshot`]). Both are written as one text
//! in Prometheus' format 0.0.4, which the gRPC socket hands out and, where it is configured, an [`endpoint`] for
//! HTTP. All names and labels are in `docs/metrics.md`; a test compares.
//!
//! Labels have few values: connections beyond a limit count as `other`, all others come from types of ours. Neither SQL
//! nor names of users, sessions or objects are among them.

pub mod endpoint;
mod snapshot;
mod statements;

use std::sync::Arc;

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

pub use snapshot::Snapshot;

use crate::domain::audit::AuditRecord;
use crate::domain::meter::Meter;
use statements::Statements;

/// What was counted so far.
pub struct Metrics {
    registry: Registry,
    statements: Statements,
}

impl Metrics {
    /// Counts nothing yet. At most `connections_max` connections are told apart.
    pub fn new(connections_max: usize) -> Arc<Self> {
        let mut registry = Registry::default();
        let statements = Statements::register(&mut registry, connections_max);
        Arc::new(Self { registry, statements })
    }

    /// Everything as text: what was counted, and how things are by this snapshot.
    pub fn text(&self, snapshot: &Snapshot) -> String {
        let mut text = String::new();
        let now = snapshot.registry(&self.statements);
        for registry in [&self.registry, &now] {
            prometheus_text::encode(&mut text, registry).expect("writing to a text cannot fail");
        }
        text
    }
}

impl Meter for Metrics {
    fn ended(&self, record: &AuditRecord) {
        self.statements.ended(record);
    }

    fn delivered(&self, rows: u64, bytes: u64) {
        self.statements.delivered(rows, bytes);
    }
}

#[cfg(test)]
mod tests;
