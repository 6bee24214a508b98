//! The queries of the Snowflake in memory by their ids, as all its sessions see them.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use snowflake_session::domain::error::{Error, Facts, Reason};
use snowflake_session::domain::history::{Failure, Observed, QueryState};
use snowflake_session::domain::query::{CancelOutcome, Executed, StatementKind};
use tokio::sync::watch;

/// Queries that go on by themselves, and results that can be read again.
pub(crate) struct FakeQueries {
    known: Mutex<BTreeMap<String, FakeQuery>>,
    changed: watch::Sender<()>,
    pub(crate) submissions: AtomicUsize,
    pub(crate) looks: AtomicUsize,
    pub(crate) reads: AtomicUsize,
}

#[derive(Clone)]
struct FakeQuery {
    sql: String,
    state: QueryState,
    executed: Executed,
    /// The upstream session that submitted it; its logout stops it.
    owner: Option<usize>,
    is_kept: bool,
}

impl Default for FakeQueries {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            changed: watch::Sender::new(()),
            submissions: AtomicUsize::new(0),
            looks: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
        }
    }
}

impl FakeQueries {
    /// Takes a statement on. It runs until a test says otherwise; `quick …` has ended at once. `rows N` will have N
    /// rows, `fail` will fail.
    pub(crate) fn submit(&self, sql: &str, owner: usize) -> String {
        let number = self.submissions.fetch_add(1, Ordering::SeqCst) + 1;
        let id = format!("job-{number}");
        let words: Vec<&str> = sql.split_whitespace().collect();
        let rows = match words[..] {
            ["rows", rows] | ["quick", "rows", rows] => rows.parse().unwrap(),
            ["endless"] | ["quick", "endless"] => u64::MAX,
            _ => 1,
        };
        let query = FakeQuery {
            sql: sql.to_owned(),
            state: QueryState::Running,
            executed: Executed {
                query_id: id.clone(),
                kind: StatementKind::Query,
                row_count_total: rows,
                arrow_schema: Bytes::from_static(b"schema"),
                ..Executed::default()
            },
            owner: Some(owner),
            is_kept: true,
        };
        self.known.lock().unwrap().insert(id.clone(), query);
        if words.first() == Some(&"quick") {
            self.finish(&id);
        }
        id
    }

    /// Remembers the result of a statement that was executed.
    pub(crate) fn ran(&self, sql: &str, executed: &Executed) {
        let query = FakeQuery {
            sql: sql.to_owned(),
            state: QueryState::Succeeded,
            executed: executed.clone(),
            owner: None,
            is_kept: true,
        };
        self.known
            .lock()
            .unwrap()
            .insert(executed.query_id.clone(), query);
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut FakeQuery)) {
        change(self.known.lock().unwrap().get_mut(id).unwrap());
        self.changed.send_replace(());
    }

    pub(crate) fn set_state(&self, id: &str, state: QueryState) {
        self.change(id, |query| query.state = state);
    }

    /// Lets a query end.
    pub(crate) fn finish(&self, id: &str) {
        self.change(id, |query| {
            let fails = query.sql.contains("fail");
            query.state = if fails {
                QueryState::Failed
            } else {
                QueryState::Succeeded
            };
        });
    }

    /// Snowflake does not keep the result any more.
    pub(crate) fn expire(&self, id: &str) {
        self.change(id, |query| query.is_kept = false);
    }

    pub(crate) fn state(&self, id: &str) -> QueryState {
        self.known.lock().unwrap()[id].state
    }

    /// The logout of an upstream session stops what runs in it.
    pub(crate) fn logged_out(&self, owner: usize) {
        for query in self.known.lock().unwrap().values_mut() {
            if query.owner == Some(owner) && !query.state.is_settled() {
                query.state = QueryState::Cancelled;
            }
        }
        self.changed.send_replace(());
    }

    pub(crate) fn observe(&self, id: &str) -> Option<Observed> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let query = self.known.lock().unwrap().get(id)?.clone();
        let ended = query.state == QueryState::Succeeded;
        Some(Observed {
            state: query.state,
            sql: Some(query.sql.clone()),
            start_time: None,
            end_time: None,
            kind: query.executed.kind,
            row_count_total: ended.then_some(query.executed.row_count_total),
            dml: None,
            failure: error(id, query.state).map(|error| Failure::of(&error)),
        })
    }

    /// Waits for a query's end.
    pub(crate) async fn read(&self, id: &str) -> Result<Executed, Error> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mut changed = self.changed.subscribe();
        loop {
            let query = self.known.lock().unwrap().get(id).cloned();
            match query {
                Some(query) if !query.state.is_settled() => {}
                Some(query) if query.is_kept => {
                    return match error(id, query.state) {
                        Some(error) => Err(error),
                        None => Ok(query.executed),
                    };
                }
                _ => {
                    let message = format!("Snowflake has no result of query {id}");
                    return Err(Error::new(Reason::NotFound, message).with_hint("run it again"));
                }
            }
            changed.changed().await.unwrap();
        }
    }

    pub(crate) fn cancel(&self, id: &str) -> CancelOutcome {
        let runs = self
            .known
            .lock()
            .unwrap()
            .get(id)
            .is_some_and(|query| !query.state.is_settled());
        if !runs {
            return CancelOutcome::NotRunning;
        }
        self.set_state(id, QueryState::Cancelled);
        CancelOutcome::Confirmed
    }
}

fn error(id: &str, state: QueryState) -> Option<Error> {
    let facts = |code: &str| Facts {
        snowflake_code: Some(code.to_owned()),
        query_id: Some(id.to_owned()),
        ..Facts::default()
    };
    match state {
        QueryState::Failed => {
            Some(Error::new(Reason::SqlRejected, "Object 'T' does not exist").with_facts(facts("002003")))
        }
        QueryState::Cancelled => {
            Some(Error::new(Reason::Cancelled, "SQL execution canceled").with_facts(facts("000604")))
        }
        _ => None,
    }
}
