//! What is exported, and that documentation and dashboard know it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::domain::audit::{AuditFailure, Caller, SqlTrace, Verdict};
use crate::domain::error::Reason;
use crate::domain::history::QueryState;
use crate::domain::meter::{Figures, Traffic};
use crate::domain::names::{RequestId, SessionName};
use crate::domain::pool::{BreakerStatus, PoolStatus};
use crate::domain::trace::TraceFigures;
use crate::platform::process;

fn record(connection: &str, state: QueryState, reason: Option<Reason>, elapsed: Duration) -> AuditRecord {
    AuditRecord {
        time: SystemTime::UNIX_EPOCH,
        caller: Caller::default(),
        session: SessionName::default_name(),
        connection: connection.parse().unwrap(),
        request_id: RequestId::new(uuid::Uuid::from_u128(1)),
        query_id: "01b2-secret".to_owned(),
        class: "read query".to_owned(),
        targets: vec!["DB.S.SECRET".to_owned()],
        verdict: if reason == Some(Reason::Refused) {
            Verdict::Refused
        } else {
            Verdict::Allowed
        },
        rule: String::new(),
        state,
        outcome: String::new(),
        row_count: 1,
        byte_count: 1,
        elapsed,
        failure: reason.map(|reason| AuditFailure {
            reason,
            code: String::new(),
            sql_state: String::new(),
            message: "secret".to_owned(),
        }),
        sql: SqlTrace {
            hash: "secret".to_owned(),
            text: "select 'secret'".to_owned(),
        },
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        version: "1.2.3",
        build: "b\"1",
        start_time: SystemTime::UNIX_EPOCH + Duration::from_millis(1500),
        draining: false,
        figures: Figures {
            busy: 2,
            resting: 3,
            transactions_open: 1,
            queries_waiting: 4,
            ..Figures::default()
        },
        pools: vec![PoolStatus {
            connection: "prod".parse().unwrap(),
            spares: 2,
            logging_in: true,
            breaker: BreakerStatus::Open {
                until: Instant::now(),
                cause: "secret".to_owned(),
            },
        }],
        traffic: Traffic {
            requests: 10,
            retries_busy: 2,
            renewals: 1,
            ..Traffic::default()
        },
        log_records_dropped: 5,
        traces: TraceFigures {
            exported: 9,
            dropped_full: 2,
            dropped_failed: 4,
        },
        process: process::figures(),
    }
}

/// Everything that can be exported, with something in it.
fn everything() -> String {
    let metrics = Metrics::new(2);
    let second = Duration::from_secs(1);
    let rejected = Some(Reason::SqlRejected);
    metrics.ended(&record("prod", QueryState::Succeeded, None, second));
    metrics.ended(&record("prod", QueryState::Failed, rejected, second * 20_000));
    metrics.ended(&record("prod", QueryState::Failed, Some(Reason::Timeout), second));
    metrics.ended(&record("prod", QueryState::Failed, Some(Reason::Refused), second));
    metrics.ended(&record(
        "prod",
        QueryState::Unknown,
        Some(Reason::Unreachable),
        second,
    ));
    for connection in ["dev", "made-up-1", "made-up-2", "prod"] {
        metrics.ended(&record(
            connection,
            QueryState::Cancelled,
            Some(Reason::Cancelled),
            second,
        ));
    }
    metrics.delivered(7, 100);
    metrics.delivered(1, 11);
    metrics.text(&snapshot())
}

/// Names of the families in a text.
fn families(text: &str) -> BTreeSet<&str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn statements_are_counted_by_connection_and_end() {
    let text = everything();
    for line in [
        r#"snowflake_queries_total{connection="prod",status="succeeded"} 1"#,
        r#"snowflake_queries_total{connection="prod",status="failed"} 1"#,
        r#"snowflake_queries_total{connection="prod",status="timed_out"} 1"#,
        r#"snowflake_queries_total{connection="prod",status="refused"} 1"#,
        r#"snowflake_queries_total{connection="prod",status="unknown"} 1"#,
        r#"snowflake_queries_total{connection="prod",status="cancelled"} 1"#,
        r#"snowflake_queries_total{connection="dev",status="cancelled"} 1"#,
        r#"snowflake_query_failures_total{connection="prod",reason="sql_rejected"} 1"#,
        r#"snowflake_query_failures_total{connection="prod",reason="unreachable"} 1"#,
        r#"snowflake_query_duration_seconds_bucket{connection="prod",le="1"} 5"#,
        r#"snowflake_query_duration_seconds_bucket{connection="prod",le="43200"} 6"#,
        r#"snowflake_query_duration_seconds_count{connection="prod"} 6"#,
        "snowflake_rows_sent_total 8",
        "snowflake_bytes_sent_total 111",
        r#"snowflake_sessions{state="busy"} 2"#,
        r#"snowflake_sessions{state="resting"} 3"#,
        "snowflake_transactions_open 1",
        "snowflake_queries_waiting 4",
        r#"snowflake_pool_sessions{connection="prod",state="spare"} 2"#,
        r#"snowflake_pool_sessions{connection="prod",state="logging_in"} 1"#,
        r#"snowflake_logins_blocked{connection="prod"} 1"#,
        "snowflake_gateway_requests_total 10",
        r#"snowflake_gateway_retries_total{reason="busy"} 2"#,
        r#"snowflake_gateway_renewals_total{result="ok"} 1"#,
        "snowflake_log_records_dropped_total 5",
        "snowflake_trace_spans_exported_total 9",
        r#"snowflake_trace_spans_dropped_total{reason="queue_full"} 2"#,
        r#"snowflake_trace_spans_dropped_total{reason="not_taken"} 4"#,
        r#"snowflake_session_build_info{version="1.2.3",build="b\"1"} 1"#,
        "process_start_time_seconds 1.5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
}

#[test]
fn connections_beyond_the_limit_share_a_label() {
    let text = everything();
    assert!(
        text.contains(r#"snowflake_queries_total{connection="other",status="cancelled"} 2"#),
        "{text}"
    );
    assert!(!text.contains("made-up"), "{text}");
}

#[test]
fn nothing_that_a_user_wrote_is_exported() {
    let text = everything();
    assert!(!text.to_lowercase().contains("secret"), "{text}");
}

#[test]
fn each_family_is_told_once_with_its_help() {
    let text = everything();
    let told = |what: &str| {
        let prefix = format!("# {what} ");
        text.lines().filter(|line| line.starts_with(&prefix)).count()
    };
    assert_eq!(told("TYPE"), families(&text).len());
    assert_eq!(told("HELP"), told("TYPE"));
}

#[test]
fn the_documentation_lists_what_is_exported() {
    let text = everything();
    let (_, page) = include_str!("../../../docs/metrics.md")
        .split_once("## Names")
        .unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows.filter_map(|row| row.split(['`', '{']).next()).collect();
    assert_eq!(documented, families(&text));
}

#[test]
fn the_dashboard_asks_for_what_is_exported() {
    let text = everything();
    let families = families(&text);
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../packaging/grafana/snowflake-session.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut asked = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        if panel["type"] == "row" {
            continue;
        }
        let before = asked.len();
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            let words =
                expression.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
            for word in words.filter(|word| word.starts_with("snowflake_") || word.starts_with("process_")) {
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| word.strip_suffix(suffix))
                    .filter(|family| families.contains(family))
                    .unwrap_or(word);
                assert!(families.contains(family), "panel {title:?} asks for {word}");
                asked.insert((title, family));
            }
        }
        assert!(asked.len() > before, "panel {title:?} asks for nothing of ours");
    }
    let ids: BTreeSet<i64> = panels.iter().filter_map(|panel| panel["id"].as_i64()).collect();
    assert_eq!(ids.len(), panels.len(), "panels have ids of their own");
}
