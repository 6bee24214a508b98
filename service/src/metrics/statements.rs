//! What is counted of statements.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::domain::audit::AuditRecord;
use crate::domain::names::ConnectionName;

/// A label and its value.
pub(super) type Label = (&'static str, String);

/// Upper ends of the buckets, in seconds: from a statement that Snowflake answers from its cache to one that runs all
/// night.
const BUCKETS: [f64; 18] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0,
    43200.0,
];

/// What connections beyond the limit count as.
const OTHER: &str = "other";

/// What is counted of statements.
pub(super) struct Statements {
    queries: Family<[Label; 2], Counter>,
    failures: Family<[Label; 2], Counter>,
    durations: Family<[Label; 1], Histogram>,
    rows: Counter,
    bytes: Counter,
    /// The connections that are told apart.
    connections: RwLock<HashMap<ConnectionName, Arc<str>>>,
    connections_max: usize,
}

impl Statements {
    pub(super) fn register(registry: &mut Registry, connections_max: usize) -> Self {
        let statements = Self {
            queries: Family::default(),
            failures: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            rows: Counter::default(),
            bytes: Counter::default(),
            connections: RwLock::default(),
            connections_max,
        };
        registry.register(
            "snowflake_queries",
            "Statements that ended, by connection and how",
            statements.queries.clone(),
        );
        registry.register(
            "snowflake_query_failures",
            "Statements that did not succeed, by connection and what can be done about it",
            statements.failures.clone(),
        );
        registry.register(
            "snowflake_query_duration_seconds",
            "Time from a statement's acceptance to its end, delivery of its rows included",
            statements.durations.clone(),
        );
        registry.register(
            "snowflake_rows_sent",
            "Rows of results that were handed to their readers",
            statements.rows.clone(),
        );
        registry.register(
            "snowflake_bytes_sent",
            "Bytes of results, as Arrow, that were handed to their readers",
            statements.bytes.clone(),
        );
        statements
    }

    /// Counts a statement that ended. Two look-ups and some additions; it takes a lock alone only for what it sees for the
    /// first time.
    pub(super) fn ended(&self, record: &AuditRecord) {
        let connection = self.connection(&record.connection);
        let label = || ("connection", connection.to_string());
        self.queries
            .get_or_create(&[label(), ("status", record.status().to_owned())])
            .inc();
        if let Some(failure) = &record.failure {
            self.failures
                .get_or_create(&[label(), ("reason", failure.reason.as_str().to_owned())])
                .inc();
        }
        self.durations
            .get_or_create(&[label()])
            .observe(record.elapsed.as_secs_f64());
    }

    /// Counts rows on their way.
    pub(super) fn delivered(&self, rows: u64, bytes: u64) {
        self.rows.inc_by(rows);
        self.bytes.inc_by(bytes);
    }

    /// What a connection is called in labels: requests may name any, and each would be a series for ever.
    pub(super) fn connection(&self, connection: &ConnectionName) -> Arc<str> {
        let known = self.connections.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(label) = known.get(connection) {
            return Arc::clone(label);
        }
        drop(known);
        let mut known = self.connections.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= self.connections_max && !known.contains_key(connection) {
            return OTHER.into();
        }
        let label = known
            .entry(connection.clone())
            .or_insert_with(|| connection.as_str().into());
        Arc::clone(label)
    }
}
