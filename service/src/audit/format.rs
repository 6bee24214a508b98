//! What stands in a line of the log.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::domain::audit::{AuditFailure, AuditRecord, Caller, SqlTrace, Verdict};
use crate::domain::error::Reason;
use crate::domain::history::QueryState;

/// The version that is written, and the newest that is read.
const VERSION: u32 = 1;

/// Which of a statement's lines it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// It is about to be sent.
    Sent,
    /// Its end is known, or will not be.
    Ended,
    /// Records are missing here.
    Lost,
}

/// Enough of a line to know whether the rest is worth reading.
#[derive(Deserialize)]
pub(super) struct Head {
    version: u32,
    pub(super) phase: Phase,
    #[serde(default)]
    pub(super) request_id: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    version: u32,
    phase: Phase,
    time: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    identity: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    address: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    client: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    agent: String,
    session: String,
    connection: String,
    request_id: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    query_id: String,
    class: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    targets: Vec<String>,
    decision: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rule: String,
    state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    outcome: String,
    #[serde(default)]
    row_count: u64,
    #[serde(default)]
    byte_count: u64,
    #[serde(default)]
    elapsed_us: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Failure>,
    sql_hash: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sql: String,
}

#[derive(Serialize, Deserialize)]
struct Failure {
    reason: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    snowflake_code: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    sql_state: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
}

#[derive(Serialize)]
struct Gap {
    version: u32,
    phase: Phase,
    time: String,
    lost_count: u64,
}

/// A record as a line, without its end.
pub(super) fn write(phase: Phase, record: &AuditRecord) -> String {
    let caller = &record.caller;
    let line = Line {
        version: VERSION,
        phase,
        time: timestamp(record.time),
        uid: caller.uid,
        pid: caller.pid,
        identity: caller.identity.clone(),
        address: caller.address.clone(),
        client: caller.client.clone(),
        agent: caller.agent.clone(),
        session: record.session.to_string(),
        connection: record.connection.to_string(),
        request_id: record.request_id.to_string(),
        query_id: record.query_id.clone(),
        class: record.class.clone(),
        targets: record.targets.clone(),
        decision: record.verdict.to_string(),
        rule: record.rule.clone(),
        state: state_name(record.state).to_owned(),
        outcome: record.outcome.clone(),
        row_count: record.row_count,
        byte_count: record.byte_count,
        elapsed_us: u64::try_from(record.elapsed.as_micros()).unwrap_or(u64::MAX),
        error: record.failure.as_ref().map(|failure| Failure {
            reason: reason_name(failure.reason).to_owned(),
            snowflake_code: failure.code.clone(),
            sql_state: failure.sql_state.clone(),
            message: failure.message.clone(),
        }),
        sql_hash: record.sql.hash.clone(),
        sql: record.sql.text.clone(),
    };
    serde_json::to_string(&line).expect("text and numbers are always JSON")
}

/// A line that says that records are missing.
pub(super) fn gap(now: SystemTime, lost_count: u64) -> String {
    let gap = Gap {
        version: VERSION,
        phase: Phase::Lost,
        time: timestamp(now),
        lost_count,
    };
    serde_json::to_string(&gap).expect("text and numbers are always JSON")
}

/// What a line begins with; `None` for one that is not whole, or of a later version.
pub(super) fn head(line: &[u8]) -> Option<Head> {
    let head: Head = serde_json::from_slice(line).ok()?;
    (head.version <= VERSION).then_some(head)
}

/// The record of a line; `None` for one that is not whole.
pub(super) fn read(line: &[u8]) -> Option<AuditRecord> {
    let line: Line = serde_json::from_slice(line).ok()?;
    Some(AuditRecord {
        time: SystemTime::from(line.time.parse::<jiff::Timestamp>().ok()?),
        caller: Caller {
            uid: line.uid,
            pid: line.pid,
            identity: line.identity,
            address: line.address,
            client: line.client,
            agent: line.agent,
        },
        session: line.session.parse().ok()?,
        connection: line.connection.parse().ok()?,
        request_id: line.request_id.parse().ok()?,
        query_id: line.query_id,
        class: line.class,
        targets: line.targets,
        verdict: Verdict::parse(&line.decision)?,
        rule: line.rule,
        state: STATES.iter().find(|(_, name)| *name == line.state)?.0,
        outcome: line.outcome,
        row_count: line.row_count,
        byte_count: line.byte_count,
        elapsed: Duration::from_micros(line.elapsed_us),
        failure: match line.error {
            None => None,
            Some(failure) => Some(AuditFailure {
                reason: REASONS.iter().find(|(_, name)| *name == failure.reason)?.0,
                code: failure.snowflake_code,
                sql_state: failure.sql_state,
                message: failure.message,
            }),
        },
        sql: SqlTrace {
            hash: line.sql_hash,
            text: line.sql,
        },
    })
}

/// A time that no clock can show is the beginning of time.
fn timestamp(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.to_string()
}

const STATES: [(QueryState, &str); 7] = [
    (QueryState::Waiting, "waiting"),
    (QueryState::Queued, "queued"),
    (QueryState::Running, "running"),
    (QueryState::Succeeded, "succeeded"),
    (QueryState::Failed, "failed"),
    (QueryState::Cancelled, "cancelled"),
    (QueryState::Unknown, "unknown"),
];

pub(super) fn state_name(state: QueryState) -> &'static str {
    STATES
        .iter()
        .find(|(known, _)| *known == state)
        .map_or("unknown", |(_, name)| name)
}

/// The names of the contract's reasons.
const REASONS: [(Reason, &str); 14] = [
    (Reason::SqlRejected, "SQL_REJECTED"),
    (Reason::InvalidRequest, "INVALID_REQUEST"),
    (Reason::Configuration, "CONFIGURATION"),
    (Reason::Unreachable, "UNREACHABLE"),
    (Reason::LoginRefused, "LOGIN_REFUSED"),
    (Reason::Timeout, "TIMEOUT"),
    (Reason::Refused, "REFUSED"),
    (Reason::Cancelled, "CANCELLED"),
    (Reason::SessionLost, "SESSION_LOST"),
    (Reason::LimitReached, "LIMIT_REACHED"),
    (Reason::Draining, "DRAINING"),
    (Reason::VersionSkew, "VERSION_SKEW"),
    (Reason::NotFound, "NOT_FOUND"),
    (Reason::Internal, "INTERNAL"),
];

fn reason_name(reason: Reason) -> &'static str {
    REASONS
        .iter()
        .find(|(known, _)| *known == reason)
        .map_or("INTERNAL", |(_, name)| name)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// A record with one of everything.
    pub(in crate::audit) fn record(number: u128) -> AuditRecord {
        AuditRecord {
            time: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            caller: Caller::new(Some(1000), Some(7), "sfctl/0.1.0", "agent-1"),
            session: "default".parse().unwrap(),
            connection: "prod".parse().unwrap(),
            request_id: crate::domain::names::RequestId::new(uuid::Uuid::from_u128(number)),
            query_id: format!("q-{number}"),
            class: "write delete".into(),
            targets: vec!["DB.S.T".into()],
            verdict: Verdict::Allowed,
            rule: String::new(),
            state: QueryState::Succeeded,
            outcome: "committed".to_owned(),
            row_count: 3,
            byte_count: 1024,
            elapsed: Duration::from_micros(1500),
            failure: Some(AuditFailure {
                reason: Reason::SqlRejected,
                code: "002003".into(),
                sql_state: "42S02".into(),
                message: "no \"such\" table\n".into(),
            }),
            sql: SqlTrace {
                hash: "ab".into(),
                text: "delete\nfrom t".into(),
            },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = record(1);
        let line = write(Phase::Ended, &written);
        assert!(!line.contains('\n'));
        assert_eq!(read(line.as_bytes()), Some(written));
        let told = head(line.as_bytes()).unwrap();
        assert_eq!(told.phase, Phase::Ended);
    }

    #[test]
    fn a_caller_of_another_machine_is_told_by_name_and_address() {
        let mut written = record(1);
        written.caller =
            Caller::new(None, None, "sfctl/0.1.0", "").from_afar("cn:etl".into(), "10.0.0.7:4711".into());
        let line = write(Phase::Ended, &written);
        assert!(
            line.contains(r#""identity":"cn:etl","address":"10.0.0.7:4711""#),
            "{line}"
        );
        assert_eq!(read(line.as_bytes()), Some(written));
    }

    #[test]
    fn every_state_and_reason_has_a_name_of_its_own() {
        for (state, name) in STATES {
            assert_eq!(state_name(state), name);
        }
        for (reason, name) in REASONS {
            assert_eq!(reason_name(reason), name);
        }
    }

    #[test]
    fn what_is_not_whole_or_too_new_is_passed_over() {
        let line = write(Phase::Ended, &record(1));
        assert!(read(&line.as_bytes()[..line.len() - 1]).is_none());
        let newer = line.replacen("\"version\":1", "\"version\":2", 1);
        assert!(head(newer.as_bytes()).is_none());
        let lost = gap(UNIX_EPOCH, 7);
        assert_eq!(head(lost.as_bytes()).unwrap().phase, Phase::Lost);
        assert!(lost.contains("\"lost_count\":7"), "{lost}");
    }
}
