//! Policies and an audit log for services under test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use snowflake_session::domain::audit::{
    AuditFilter, AuditLog, AuditPage, AuditRecord, AuditSearch, SqlTrace,
};
use snowflake_session::domain::error::Error;
use snowflake_session::domain::meter::NoMeter;
use snowflake_session::domain::policy::{AskServer, Level, Policies, Policy, Rule};
use snowflake_session::domain::trace::NoTracer;
use snowflake_session::sessions::Oversight;

/// An audit log in memory.
#[derive(Clone, Default)]
pub(crate) struct Audited {
    pub(crate) sent: Arc<Mutex<Vec<AuditRecord>>>,
    pub(crate) ended: Arc<Mutex<Vec<AuditRecord>>>,
}

impl Audited {
    pub(crate) fn ended(&self) -> Vec<AuditRecord> {
        self.ended.lock().unwrap().clone()
    }

    /// The one record that was logged since the last look.
    pub(crate) fn take_one(&self) -> AuditRecord {
        let mut ended = self.ended.lock().unwrap();
        assert_eq!(ended.len(), 1, "{ended:#?}");
        ended.remove(0)
    }
}

impl AuditLog for Audited {
    fn trace(&self, sql: &str) -> SqlTrace {
        SqlTrace {
            hash: format!("{:x}", sql.len()),
            text: String::new(),
        }
    }

    fn keeps_texts(&self) -> bool {
        false
    }

    fn sent(&self, record: &AuditRecord) {
        self.sent.lock().unwrap().push(record.clone());
    }

    fn ended(&self, record: AuditRecord) {
        self.ended.lock().unwrap().push(record);
    }
}

#[async_trait]
impl AuditSearch for Audited {
    async fn search(&self, filter: AuditFilter, _: Option<String>, max: usize) -> Result<AuditPage, Error> {
        let ended = self.ended();
        let found = ended.into_iter().rev().filter(|record| filter.finds(record));
        Ok(AuditPage {
            records: found.take(max).collect(),
            next: None,
        })
    }
}

/// A policy with these rules, which asks Snowflake about writes.
pub(crate) fn policy(level: Level, allow: &[&str], deny: &[&str]) -> Policy {
    let rules = |texts: &[&str]| texts.iter().map(|text| text.parse::<Rule>().unwrap()).collect();
    Policy {
        level,
        allow: rules(allow),
        deny: rules(deny),
        rows_max: 100,
        ask_server: AskServer::Writes,
    }
}

/// Watches with this policy over every connection, and with another one over `strict`.
pub(crate) fn oversight(general: Policy, strict: Policy, audited: &Audited) -> Oversight {
    Oversight {
        policies: Policies {
            general: Arc::new(general),
            connections: HashMap::from([("strict".parse().unwrap(), Arc::new(strict))]),
        },
        audit: Arc::new(audited.clone()),
        meter: Arc::new(NoMeter),
        tracer: Arc::new(NoTracer),
        query_tag: true,
    }
}
