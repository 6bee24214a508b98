//! Looks at rows and tables around a write.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::domain::error::{Error, Reason};
use crate::domain::names::RequestId;
use crate::domain::query::{QueryEvent, ResultSchema, Submission};
use crate::domain::upstream::{Execution, Looked, Upstream};
use crate::domain::write::Sample;
use crate::domain::write::sample::{Changing, Composed, Look, Plan};
use crate::domain::write::shape::{Column, Shape, Texts};
use crate::domain::write::undo::{self, Past};
use crate::sessions::chores::{Patience, look};
use crate::sessions::interrupt::{Cause, Interrupt};
use crate::sessions::stage::{Done, Stage};

/// What was seen of the rows that a write changes.
#[derive(Debug, Clone, Default)]
pub(in crate::sessions) struct Sampled {
    pub(in crate::sessions) before: Option<Sample>,
    pub(in crate::sessions) after: Option<Sample>,
    pub(in crate::sessions) omitted: String,
    /// How to find changed rows again.
    again: Option<Again>,
}

/// The rows that were seen before, to be found again.
#[derive(Debug, Clone)]
struct Again {
    changing: Changing,
    key: Vec<Column>,
    seen: Texts,
}

/// Limits of samples.
#[derive(Debug, Clone, Copy)]
pub(in crate::sessions) struct SampleLimits {
    pub(in crate::sessions) rows: u64,
    pub(in crate::sessions) bytes_max: usize,
    pub(in crate::sessions) time: Duration,
}

impl Sampled {
    /// No sample, for a reason.
    pub(in crate::sessions) fn omitted(why: impl Into<String>) -> Self {
        Self {
            omitted: why.into(),
            ..Self::default()
        }
    }

    /// The columns by which rows before and after belong together.
    pub(in crate::sessions) fn key_columns(&self) -> Vec<String> {
        let key = self.again.as_ref().filter(|_| self.after.is_some());
        key.map(|again| again.key.iter().map(|column| column.name.clone()).collect())
            .unwrap_or_default()
    }
}

struct Looker {
    upstream: Arc<dyn Upstream>,
    limits: SampleLimits,
    patience: Patience,
}

impl Looker {
    async fn rows(&self, composed: Composed) -> Result<Looked, Error> {
        let submission = Submission {
            request_id: RequestId::new(uuid::Uuid::new_v4()),
            sql: composed.sql,
            bindings: composed.bindings,
            row_limit: Some(self.limits.rows),
            tag: None,
        };
        look(&self.upstream, submission, self.limits.bytes_max, &self.patience).await
    }

    async fn shape(&self, describe: String) -> Result<Option<Shape>, Error> {
        // A table has at most some thousand columns.
        const COLUMNS_MAX: u64 = 10_000;
        const BYTES_MAX: usize = 4 << 20;
        let submission = Submission {
            request_id: RequestId::new(uuid::Uuid::new_v4()),
            sql: describe,
            bindings: Vec::new(),
            row_limit: Some(COLUMNS_MAX),
            tag: None,
        };
        let looked = look(&self.upstream, submission, BYTES_MAX, &self.patience).await?;
        Ok(Shape::read(&looked.texts))
    }

    async fn before(&self, plan: Plan) -> Result<Sampled, Error> {
        let mut sampled = Sampled::default();
        match plan {
            Plan::Omitted(why) => sampled.omitted = why,
            Plan::Going(going) => sampled.before = Some(self.rows(going).await?.sample),
            Plan::Coming(coming) => sampled.after = Some(self.rows(coming).await?.sample),
            Plan::Replaced { going, coming } => {
                sampled.before = Some(self.rows(going).await?.sample);
                sampled.after = Some(self.rows(coming).await?.sample);
            }
            Plan::Changing(changing) => {
                let shape = self.shape(changing.describe.clone()).await?;
                match changing.look(shape.as_ref()) {
                    Look::ByKey(before, key) => {
                        let looked = self.rows(before).await?;
                        sampled.before = Some(looked.sample);
                        sampled.again = Some(Again {
                            changing,
                            key,
                            seen: looked.texts,
                        });
                    }
                    Look::SideBySide(both) => sampled.before = Some(self.rows(both).await?.sample),
                    Look::OnlyBefore(before, why) => {
                        sampled.before = Some(self.rows(before).await?.sample);
                        why.clone_into(&mut sampled.omitted);
                    }
                }
            }
        }
        Ok(sampled)
    }

    async fn after(&self, mut sampled: Sampled) -> Result<Sampled, Error> {
        let again = sampled.again.clone();
        let query = again.and_then(|again| again.changing.after(&again.key, &again.seen));
        if let Some(sql) = query {
            let looked = self
                .rows(Composed {
                    sql,
                    bindings: Vec::new(),
                })
                .await?;
            sampled.after = Some(looked.sample);
        }
        Ok(sampled)
    }
}

/// Looks at rows before the statement.
pub(in crate::sessions) fn before(
    upstream: Arc<dyn Upstream>,
    plan: Plan,
    limits: SampleLimits,
    patience: Patience,
) -> Stage {
    let looker = Looker {
        upstream,
        limits,
        patience,
    };
    Box::pin(async move { Done::Sampled(looker.before(plan).await.map(Box::new)) })
}

/// Looks at the same rows after it.
pub(in crate::sessions) fn after(
    upstream: Arc<dyn Upstream>,
    sampled: Sampled,
    limits: SampleLimits,
    patience: Patience,
) -> Stage {
    let looker = Looker {
        upstream,
        limits,
        patience,
    };
    Box::pin(async move { Done::Sampled(looker.after(sampled).await.map(Box::new)) })
}

/// Finds out how a write is taken back: the statement that does it.
pub(in crate::sessions) fn undo(upstream: Arc<dyn Upstream>, past: Past, patience: Patience) -> Stage {
    let limits = SampleLimits {
        rows: 1,
        bytes_max: 64 * 1024,
        time: Duration::ZERO,
    };
    let looker = Looker {
        upstream,
        limits,
        patience,
    };
    Box::pin(async move {
        let planned = async {
            let shape = looker
                .shape(format!("DESCRIBE TABLE {}", past.table.as_sql()))
                .await?;
            let Some(shape) = shape else {
                return Err(Error::internal("the description of a table could not be read"));
            };
            let undo = past.undo(&shape);
            let counts = looker
                .rows(Composed {
                    sql: undo.check,
                    bindings: Vec::new(),
                })
                .await?;
            match undo::refusal(&past.table, &counts.texts) {
                Some(error) => Err(error),
                None => Ok(undo.sql),
            }
        };
        Done::Planned(planned.await)
    })
}

/// Brings the statement's own rows to the reader.
pub(in crate::sessions) fn deliver(execution: Execution, interrupt: Interrupt) -> Stage {
    Box::pin(async move {
        let Execution {
            executed,
            mut batches,
        } = execution;
        let events = interrupt.events.clone();
        let send = async {
            let schema = ResultSchema {
                arrow_schema: executed.arrow_schema,
                query_id: executed.query_id,
                kind: executed.kind,
            };
            // A failed send means that the reader is gone, which the interrupt says too.
            let _ = events.send(Ok(QueryEvent::Schema(schema))).await;
            let mut row_offset = 0;
            while let Some(batch) = batches.next().await? {
                let row_count = batch.row_count;
                let _ = events.send(Ok(QueryEvent::Batch { batch, row_offset })).await;
                row_offset += row_count;
            }
            Ok(())
        };
        tokio::select! {
            biased;
            cause = interrupt.wait() => Done::Delivered(Err(Undelivered::Interrupted(cause))),
            sent = send => Done::Delivered(sent.map_err(Undelivered::Failed)),
        }
    })
}

/// Why rows did not reach their reader.
pub(in crate::sessions) enum Undelivered {
    /// Nobody wants them any more, or not in time.
    Interrupted(Cause),
    /// They could not be fetched.
    Failed(Error),
}

/// Tells the reader what came of the write; says whether it heard it.
pub(in crate::sessions) fn tell(event: QueryEvent, interrupt: Interrupt) -> Stage {
    Box::pin(async move {
        let events = interrupt.events.clone();
        let told = tokio::select! {
            biased;
            sent = events.send(Ok(event)) => sent.is_ok(),
            _ = interrupt.wait() => false,
        };
        Done::Told(told)
    })
}

/// The deadline of looks that may take `time`, within that of their write.
pub(in crate::sessions) fn deadline(time: Duration, write: Instant) -> Instant {
    write.min(Instant::now() + time)
}

/// Asks for names, for at most `time`; failures and lateness are no names.
pub(in crate::sessions) async fn names(
    upstream: &Arc<dyn Upstream>,
    sql: String,
    rows_max: u64,
    time: Duration,
) -> Texts {
    const BYTES_MAX: usize = 1 << 20;
    let request_id = RequestId::new(uuid::Uuid::new_v4());
    let submission = Submission {
        request_id,
        sql,
        bindings: Vec::new(),
        row_limit: Some(rows_max),
        tag: None,
    };
    match timeout(time, upstream.look(submission, BYTES_MAX)).await {
        Ok(Ok(looked)) => looked.texts,
        Ok(Err(error)) => {
            if error.reason() != Reason::SqlRejected {
                tracing::debug!(%error, "no names for a hint");
            }
            Texts::default()
        }
        Err(_) => {
            let _ = timeout(time, upstream.cancel(request_id)).await;
            Texts::default()
        }
    }
}
