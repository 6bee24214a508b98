//! What has a state of its own, as it is when somebody looks.

use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::statements::{Label, Statements};
use crate::domain::meter::{Figures, Traffic};
use crate::domain::pool::{BreakerStatus, PoolStatus};
use crate::domain::trace::TraceFigures;
use crate::platform::process::ProcessFigures;

/// How things are at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Version of the program.
    pub version: &'static str,
    /// Its build.
    pub build: &'static str,
    /// When the process started.
    pub start_time: SystemTime,
    /// Refuses new work.
    pub draining: bool,
    /// The sessions.
    pub figures: Figures,
    /// The spare logins.
    pub pools: Vec<PoolStatus>,
    /// What went to Snowflake and came from there.
    pub traffic: Traffic,
    /// Records of the log that found no room.
    pub log_records_dropped: u64,
    /// What became of the spans.
    pub traces: TraceFigures,
    /// What the process uses.
    pub process: ProcessFigures,
}

impl Snapshot {
    pub(super) fn registry(&self, statements: &Statements) -> Registry {
        let mut registry = Registry::default();
        self.service(&mut registry);
        self.sessions(&mut registry);
        self.pools(&mut registry, statements);
        self.gateway(&mut registry);
        self.process(&mut registry);
        registry
    }

    fn service(&self, registry: &mut Registry) {
        // The info's own suffix makes `snowflake_session_build_info` of it.
        registry.register(
            "snowflake_session_build",
            "The program that runs; always 1",
            Info::new([("version", self.version), ("build", self.build)]),
        );
        gauge(
            registry,
            "snowflake_session_draining",
            "1 while the service stops and refuses new work",
            self.draining.into(),
        );
        counter(
            registry,
            "snowflake_log_records_dropped",
            "Records of the log that found no room on their way out",
            self.log_records_dropped,
        );
        counter(
            registry,
            "snowflake_trace_spans_exported",
            "Spans that the collector took",
            self.traces.exported,
        );
        split(
            registry,
            "snowflake_trace_spans_dropped",
            "Spans that the collector did not get, by why",
            "reason",
            &[
                ("queue_full", self.traces.dropped_full),
                ("not_taken", self.traces.dropped_failed),
            ],
        );
    }

    fn sessions(&self, registry: &mut Registry) {
        let Figures {
            new,
            connecting,
            idle,
            busy,
            disconnected,
            closing,
            resting,
            transactions_open,
            writes_held,
            queries_running,
            queries_waiting,
            results_reading,
            jobs,
        } = self.figures;
        let states = [
            ("new", new),
            ("connecting", connecting),
            ("idle", idle),
            ("busy", busy),
            ("disconnected", disconnected),
            ("closing", closing),
            ("resting", resting),
        ];
        let by_state = Family::<[Label; 1], Gauge>::default();
        for (state, count) in states {
            by_state
                .get_or_create(&[("state", state.to_owned())])
                .set(count as i64);
        }
        registry.register("snowflake_sessions", "Sessions by state", by_state);
        for (name, help, value) in [
            (
                "snowflake_transactions_open",
                "Transactions that are open",
                transactions_open,
            ),
            (
                "snowflake_writes_held",
                "Writes that wait for a confirmation",
                writes_held,
            ),
            (
                "snowflake_queries_running",
                "Statements that run, submitted ones not among them",
                queries_running,
            ),
            (
                "snowflake_queries_waiting",
                "Statements that wait for their turn in their session",
                queries_waiting,
            ),
            (
                "snowflake_results_reading",
                "Results that are being read",
                results_reading,
            ),
            ("snowflake_jobs", "Submitted statements that have not ended", jobs),
        ] {
            gauge(registry, name, help, value);
        }
    }

    fn pools(&self, registry: &mut Registry, statements: &Statements) {
        let sessions = Family::<[Label; 2], Gauge>::default();
        let blocked = Family::<[Label; 1], Gauge>::default();
        for pool in &self.pools {
            let label = || ("connection", statements.connection(&pool.connection).to_string());
            for (state, count) in [
                ("spare", pool.spares as u64),
                ("logging_in", pool.logging_in.into()),
            ] {
                // Added: those beyond the limit share a label.
                sessions
                    .get_or_create(&[label(), ("state", state.to_owned())])
                    .inc_by(count as i64);
            }
            let is_open = matches!(pool.breaker, BreakerStatus::Open { .. });
            blocked.get_or_create(&[label()]).inc_by(is_open.into());
        }
        registry.register(
            "snowflake_pool_sessions",
            "Upstream sessions that no session owns: spare ones, and those that log in",
            sessions,
        );
        registry.register(
            "snowflake_logins_blocked",
            "1 while logins over a connection fail at once because they failed too often",
            blocked,
        );
    }

    fn gateway(&self, registry: &mut Registry) {
        let Traffic {
            requests,
            retries_connect,
            retries_transport,
            retries_silence,
            retries_busy,
            renewals,
            renewals_failed,
            heartbeats,
            heartbeats_failed,
            connections_opened,
            sleeps,
            bytes_received,
            bytes_sent,
        } = self.traffic;
        split(
            registry,
            "snowflake_gateway_retries",
            "Requests to Snowflake that were repeated, by why",
            "reason",
            &[
                ("connect", retries_connect),
                ("transport", retries_transport),
                ("silence", retries_silence),
                ("busy", retries_busy),
            ],
        );
        split(
            registry,
            "snowflake_gateway_renewals",
            "Renewals of session tokens, by result",
            "result",
            &[("ok", renewals), ("failed", renewals_failed)],
        );
        split(
            registry,
            "snowflake_gateway_heartbeats",
            "Heartbeats of sessions, by result",
            "result",
            &[("ok", heartbeats), ("failed", heartbeats_failed)],
        );
        for (name, help, value) in [
            (
                "snowflake_gateway_requests",
                "Requests to Snowflake, retries and downloads of result parts included",
                requests,
            ),
            (
                "snowflake_gateway_connections_opened",
                "Connections to Snowflake that were opened",
                connections_opened,
            ),
            (
                "snowflake_gateway_sleeps",
                "Times that the machine slept and all connections were given up",
                sleeps,
            ),
            (
                "snowflake_gateway_received_bytes",
                "Bytes received from Snowflake, as transferred",
                bytes_received,
            ),
            (
                "snowflake_gateway_sent_bytes",
                "Bytes sent to Snowflake, as transferred",
                bytes_sent,
            ),
        ] {
            counter(registry, name, help, value);
        }
    }

    /// Names and meaning are those that all of Prometheus' own clients use.
    fn process(&self, registry: &mut Registry) {
        let started = self.start_time.duration_since(SystemTime::UNIX_EPOCH);
        let start = Gauge::<f64, AtomicU64>::default();
        start.set(started.unwrap_or_default().as_secs_f64());
        registry.register(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970",
            start,
        );
        if let Some(cpu) = self.process.cpu {
            registry.register(
                "process_cpu_seconds",
                "Time of processors, in user and system mode",
                ConstCounter::new(cpu.as_secs_f64()),
            );
        }
        for (name, help, value) in [
            (
                "process_resident_memory_bytes",
                "Memory in use",
                self.process.resident_bytes,
            ),
            (
                "process_virtual_memory_bytes",
                "Address space",
                self.process.virtual_bytes,
            ),
            ("process_threads", "Threads", self.process.threads),
            (
                "process_open_fds",
                "Open file descriptors",
                self.process.descriptors,
            ),
            (
                "process_max_fds",
                "Most file descriptors that may be open",
                self.process.descriptors_max,
            ),
        ] {
            if let Some(value) = value {
                gauge(registry, name, help, value);
            }
        }
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    registry.register(name, help, gauge);
}

/// A counter that is told apart by one label.
fn split(registry: &mut Registry, name: &str, help: &str, label: &'static str, counts: &[(&str, u64)]) {
    let family = Family::<[Label; 1], Counter>::default();
    for (value, count) in counts {
        family
            .get_or_create(&[(label, (*value).to_owned())])
            .inc_by(*count);
    }
    registry.register(name, help, family);
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstCounter::new(value));
}
