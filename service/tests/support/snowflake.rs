//! A Snowflake in memory. It understands a handful of words as "SQL" (see [`FakeUpstream::execute`]) and writes down
//! what it was asked, so that tests can see what reached Snowflake and what did not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use snowflake_session::domain::carry::Ticket;
use snowflake_session::domain::context::Context;
use snowflake_session::domain::error::{Error, Facts, Reason};
use snowflake_session::domain::history::Observed;
use snowflake_session::domain::names::{ConnectionName, RequestId};
use snowflake_session::domain::query::{
    Batch, CancelOutcome, DmlStats, Executed, RowWindow, StatementKind, Submission,
};
use snowflake_session::domain::upstream::{
    Batches, Connector, Execution, Fingerprint, Identity, Login, LoginBasis, Looked, TicketKeeper, Upstream,
};
use snowflake_session::domain::write::Sample;
use snowflake_session::domain::write::shape::Texts;
use tokio::sync::watch;

use super::seen::Seen;
use super::used::Used as _;

/// Logs in to the Snowflake in memory. Connection `refused` refuses, `unknown` does not exist.
#[derive(Default)]
pub(crate) struct FakeConnector {
    pub(crate) seen: Arc<Seen>,
}

#[async_trait]
impl Connector for FakeConnector {
    async fn default_connection(&self) -> Result<ConnectionName, Error> {
        Ok(ConnectionName::local())
    }

    async fn basis(&self, connection: &ConnectionName) -> Result<LoginBasis, Error> {
        if connection.as_str() == "unknown" {
            return Err(unknown());
        }
        Ok(LoginBasis {
            fingerprint: Fingerprint::default(),
            unattended: true,
        })
    }

    async fn login(&self, connection: &ConnectionName) -> Result<Login, Error> {
        match connection.as_str() {
            "refused" => {
                return Err(Error::new(
                    Reason::LoginRefused,
                    "Incorrect username or password was specified",
                ));
            }
            "unknown" => return Err(unknown()),
            "slow" => std::future::pending().await,
            _ => {}
        }
        let number = self.seen.logins.fetch_add(1, Ordering::SeqCst) + 1;
        let context = Context {
            database: Some("DB".into()),
            schema: Some("PUBLIC".into()),
            ..Context::default()
        };
        let identity = Identity {
            user: "ME".into(),
            account: "ACME".into(),
            server_version: "9.9".into(),
            host: "fake.test".into(),
            upstream_session_id: i64::try_from(number).unwrap(),
        };
        let upstream = Arc::new(FakeUpstream {
            seen: Arc::clone(&self.seen),
            number,
            local: connection.is_local(),
            context: Mutex::new(context.clone()),
            transaction: AtomicBool::new(false),
            alive: AtomicBool::new(true),
            cancelled: watch::Sender::new(None),
        });
        let ticket = format!("ticket-{number}");
        self.seen
            .tickets
            .lock()
            .unwrap()
            .insert(ticket, Arc::clone(&upstream));
        Ok(Login {
            upstream,
            identity,
            context,
            autocommit: true,
            tagged: connection.as_str() == "tagged",
            fingerprint: Fingerprint::default(),
        })
    }

    async fn adopt(
        &self,
        _: &ConnectionName,
        _: &Identity,
        ticket: &Ticket,
    ) -> Result<Arc<dyn Upstream>, Error> {
        match self.seen.tickets.lock().unwrap().get(ticket.expose()) {
            Some(upstream) => Ok(Arc::clone(upstream) as Arc<dyn Upstream>),
            None => Err(Error::new(Reason::Configuration, "the ticket cannot be read")),
        }
    }

    fn emulator_address(&self) -> Option<String> {
        None
    }

    async fn shutdown(&self) {}
}

fn unknown() -> Error {
    Error::new(Reason::Configuration, "there is no connection unknown")
}

pub(super) struct FakeUpstream {
    seen: Arc<Seen>,
    /// Which login it is.
    number: usize,
    local: bool,
    context: Mutex<Context>,
    pub(super) transaction: AtomicBool,
    alive: AtomicBool,
    cancelled: watch::Sender<Option<RequestId>>,
}

#[async_trait]
impl Upstream for FakeUpstream {
    /// `rows N` answers N rows in batches of one byte each, `endless` never ends, `hang` waits for its
    /// cancellation, `deaf` does not even hear that, `late` ends well when it hears it, of `torn` nobody hears the end
    /// then, `call aborted|broken` fails and the upstream session ends with it, `fail` is rejected, `abort` is too and ends the transaction,
    /// `die` loses the upstream session after it ran, `vanish` loses the answer only; `begin … slow`, `begin`, `commit`, `rollback`,
    /// `create …`, `insert …`, `use … X` and `call begin|commit` do what they say; anything else answers one row.
    async fn execute(&self, submission: Submission) -> Result<Execution, Error> {
        self.asked()?;
        self.seen.sql.lock().unwrap().push(submission.sql.clone());
        self.seen.tags.lock().unwrap().push(submission.tag.clone());
        let sql = submission.sql.trim_end_matches(';').to_lowercase();
        let words: Vec<&str> = sql.split_whitespace().collect();
        let mut executed = Executed {
            query_id: format!("q-{}", self.seen.sql.lock().unwrap().len()),
            kind: StatementKind::Query,
            arrow_schema: Bytes::from_static(b"schema"),
            row_count_total: 1,
            ..Executed::default()
        };
        let is_among = |beginnings: &Mutex<Vec<String>>| {
            let beginnings = beginnings.lock().unwrap();
            beginnings.iter().any(|beginning| sql.starts_with(beginning))
        };
        if is_among(&self.seen.unheard) {
            return Err(Error::new(Reason::Unreachable, "fake.test cannot be reached").with_doubt());
        }
        if is_among(&self.seen.refused) {
            let facts = Facts {
                snowflake_code: Some("002043".into()),
                ..Facts::default()
            };
            return Err(Error::new(Reason::SqlRejected, "does not exist").with_facts(facts));
        }
        if is_among(&self.seen.deaf_to) {
            std::future::pending::<()>().await;
        }
        if is_among(&self.seen.fatal) {
            self.alive.store(false, Ordering::SeqCst);
            return Err(Error::new(Reason::Unreachable, "fake.test went away").with_doubt());
        }
        let transaction = |open| self.transaction.store(open, Ordering::SeqCst);
        match words[..] {
            ["select", "1", "from", "(select", ..] => {
                executed.row_count_total = u64::from(self.transaction.load(Ordering::SeqCst));
            }
            ["call", why @ ("aborted" | "broken")] => {
                self.alive.store(false, Ordering::SeqCst);
                let reason = match why {
                    "aborted" => Reason::Cancelled,
                    _ => Reason::SqlRejected,
                };
                return Err(Error::new(reason, "SQL execution was aborted"));
            }
            ["call", what] => {
                executed.kind = StatementKind::Call;
                transaction(what == "begin");
            }
            ["abort"] => {
                transaction(false);
                return Err(Error::new(Reason::SqlRejected, "aborted"));
            }
            ["vanish"] => {
                return Err(Error::new(Reason::Unreachable, "fake.test cannot be reached").with_doubt());
            }
            ["hang"] | ["use", _, "hang"] | ["insert", .., "hang"] => {
                let mut cancelled = self.cancelled.subscribe();
                let _ = cancelled.wait_for(|id| *id == Some(submission.request_id)).await;
                return Err(Error::new(Reason::Cancelled, "SQL execution canceled"));
            }
            ["select", "slow"] => {
                let mut cancelled = self.cancelled.subscribe();
                let _ = cancelled.wait_for(|id| *id == Some(submission.request_id)).await;
                return Err(Error::new(Reason::Cancelled, "SQL execution canceled"));
            }
            ["deaf"] => std::future::pending().await,
            ["late" | "torn"] => {
                let mut cancelled = self.cancelled.subscribe();
                let _ = cancelled.wait_for(|id| *id == Some(submission.request_id)).await;
                if words[0] == "torn" {
                    return Err(Error::new(Reason::Unreachable, "fake.test cannot be reached").with_doubt());
                }
            }
            ["fail"] => {
                let facts = Facts {
                    snowflake_code: Some("002003".into()),
                    sql_state: Some("42S02".into()),
                    query_id: Some(executed.query_id),
                    line: Some(1),
                    position: Some(14),
                    ..Facts::default()
                };
                return Err(Error::new(Reason::SqlRejected, "Object 'T' does not exist").with_facts(facts));
            }
            ["die"] => {
                self.alive.store(false, Ordering::SeqCst);
                return Err(Error::new(Reason::Unreachable, "fake.test went away").with_doubt());
            }
            ["rows", rows] => executed.row_count_total = rows.parse().unwrap(),
            ["endless"] => executed.row_count_total = u64::MAX,
            ["begin", .., "slow"] => {
                tokio::time::sleep(Duration::from_secs(10)).await;
                executed.kind = StatementKind::Transaction;
                transaction(true);
            }
            ["begin" | "commit" | "rollback"] => {
                executed.kind = StatementKind::Transaction;
                transaction(words[0] == "begin");
            }
            ["select", "misread"] => executed.kind = StatementKind::Dml,
            ["insert" | "update" | "delete" | "merge", ..] => {
                let mut changes = self.seen.changes.lock().unwrap();
                let rows = if changes.is_empty() { 2 } else { changes.remove(0) };
                executed.kind = StatementKind::Dml;
                executed.dml = Some(match words[0] {
                    "insert" => DmlStats {
                        rows_inserted: rows,
                        ..DmlStats::default()
                    },
                    "delete" => DmlStats {
                        rows_deleted: rows,
                        ..DmlStats::default()
                    },
                    _ => DmlStats {
                        rows_updated: rows,
                        ..DmlStats::default()
                    },
                });
            }
            ["create" | "drop" | "truncate" | "undrop", ..] => {
                executed.kind = StatementKind::Ddl;
                transaction(false);
            }
            ["use", "schema", "missing"] => return Err(Error::new(Reason::SqlRejected, "no such schema")),
            ["use", kind, name] => {
                executed.kind = StatementKind::Session;
                self.context.lock().unwrap().used(kind, &name.to_uppercase());
            }
            _ => {}
        }
        executed.context = self.context.lock().unwrap().clone();
        self.seen.queries.ran(&submission.sql, &executed);
        let left = executed
            .row_count_total
            .min(submission.row_limit.unwrap_or(u64::MAX));
        let batches = FakeBatches {
            seen: Arc::clone(&self.seen),
            left,
        };
        Ok(Execution {
            executed,
            batches: Box::new(batches),
        })
    }

    /// Says of a statement what the test has said of it; the others it does not describe.
    async fn describe(&self, submission: Submission) -> Result<StatementKind, Error> {
        self.asked()?;
        let told = {
            let mut described = self.seen.described.lock().unwrap();
            described.push(submission.sql.clone());
            let kinds = self.seen.kinds.lock().unwrap();
            let sql = submission.sql.to_lowercase();
            let found = kinds
                .iter()
                .find(|(beginning, _)| sql.starts_with(beginning.as_str()));
            found.map(|(_, kind)| *kind)
        };
        match told {
            Some(Some(kind)) => Ok(kind),
            Some(None) => {
                let mut cancelled = self.cancelled.subscribe();
                let _ = cancelled.wait_for(|id| *id == Some(submission.request_id)).await;
                Err(Error::new(Reason::Cancelled, "SQL execution canceled"))
            }
            None if submission.sql.starts_with("selec ") => {
                let facts = Facts {
                    snowflake_code: Some("001003".into()),
                    ..Facts::default()
                };
                Err(Error::new(Reason::SqlRejected, "syntax error unexpected 'selec'").with_facts(facts))
            }
            None => Err(Error::new(Reason::SqlRejected, "it cannot be described")),
        }
    }

    /// Answers what [`Seen::tables`] says, else one row without columns.
    async fn look(&self, submission: Submission, _: usize) -> Result<Looked, Error> {
        let sql = submission.sql.clone();
        let rows_max = submission.row_limit.unwrap_or(u64::MAX);
        let execution = self.execute(submission).await?;
        let tables = self.seen.tables.lock().unwrap();
        let told = tables
            .iter()
            .find(|(beginning, _)| sql.starts_with(beginning.as_str()));
        let texts = told.map(|(_, texts)| texts.clone()).unwrap_or_default();
        let rows = texts.rows.len() as u64;
        Ok(Looked {
            sample: Sample {
                arrow_schema: execution.executed.arrow_schema,
                batches: vec![Batch {
                    bytes: Bytes::from(sql),
                    row_count: rows.min(rows_max),
                }],
                row_count: rows.min(rows_max),
                truncated: rows > rows_max,
            },
            texts,
        })
    }

    async fn cancel(&self, request_id: RequestId) -> Result<CancelOutcome, Error> {
        self.seen.cancels.fetch_add(1, Ordering::SeqCst);
        self.cancelled.send_replace(Some(request_id));
        Ok(CancelOutcome::Confirmed)
    }

    /// `reject` is rejected, `mute` is never answered, `die` loses the session after it ran; see [`FakeQueries::submit`] for the rest.
    async fn submit(&self, submission: Submission, _: Duration) -> Result<String, Error> {
        self.asked()?;
        self.seen.sql.lock().unwrap().push(submission.sql.clone());
        self.seen.tags.lock().unwrap().push(submission.tag.clone());
        match submission.sql.as_str() {
            "reject" => Err(Error::new(Reason::SqlRejected, "syntax error")),
            "mute" => std::future::pending().await,
            "die" => {
                self.alive.store(false, Ordering::SeqCst);
                Err(Error::new(Reason::SessionLost, "the Snowflake session had expired").with_doubt())
            }
            sql => Ok(self.seen.queries.submit(sql, self.number)),
        }
    }

    async fn observe(&self, query_id: &str) -> Result<Option<Observed>, Error> {
        self.asked()?;
        Ok(self.seen.queries.observe(query_id))
    }

    async fn read(&self, query_id: &str, window: RowWindow) -> Result<Execution, Error> {
        self.asked()?;
        let executed = self.seen.queries.read(query_id).await?;
        // A session may end while it waits.
        self.asked()?;
        let left = executed.row_count_total.saturating_sub(window.offset);
        let batches = FakeBatches {
            seen: Arc::clone(&self.seen),
            left: left.min(window.limit.unwrap_or(u64::MAX)),
        };
        Ok(Execution {
            executed,
            batches: Box::new(batches),
        })
    }

    async fn cancel_query(&self, query_id: &str) -> CancelOutcome {
        self.seen.cancels.fetch_add(1, Ordering::SeqCst);
        self.seen.queries.cancel(query_id)
    }

    /// A session over the connection `local` ends with its service, as with a real emulator.
    fn keep_ticket(&self, keeper: TicketKeeper) {
        if !self.local {
            keeper(Ticket::new(format!("ticket-{}", self.number)));
        }
    }

    async fn stop_abandoned(&self, request_id: RequestId) -> CancelOutcome {
        self.seen.cancels.fetch_add(1, Ordering::SeqCst);
        self.cancelled.send_replace(Some(request_id));
        CancelOutcome::Confirmed
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst) && self.number > self.seen.dead.load(Ordering::SeqCst)
    }

    async fn check(&self) -> Result<(), Error> {
        if self.is_alive() {
            return Ok(());
        }
        Err(Error::new(
            Reason::SessionLost,
            "fake.test does not know the session",
        ))
    }

    async fn close(&self) -> Result<(), Error> {
        self.seen.closes.fetch_add(1, Ordering::SeqCst);
        self.seen.queries.logged_out(self.number);
        Ok(())
    }
}

impl FakeUpstream {
    /// Fails when this upstream session has expired.
    fn asked(&self) -> Result<(), Error> {
        if self.number > self.seen.expired.load(Ordering::SeqCst) {
            return Ok(());
        }
        self.alive.store(false, Ordering::SeqCst);
        Err(Error::new(
            Reason::SessionLost,
            "the Snowflake session had expired",
        ))
    }
}

struct FakeBatches {
    seen: Arc<Seen>,
    left: u64,
}

#[async_trait]
impl Batches for FakeBatches {
    async fn next(&mut self) -> Result<Option<Batch>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.seen.batches.fetch_add(1, Ordering::SeqCst);
        // Large enough that a few of them fill every buffer between here and a reader.
        Ok(Some(Batch {
            bytes: Bytes::from(vec![7; 64 * 1024]),
            row_count: 1,
        }))
    }
}
