//! What a statement passes before it is sent: the policy where it had to wait for the session, and Snowflake's word.

use std::sync::Arc;

use super::progress::Failed;
use super::{Actor, Task, Work};
use crate::domain::error::{Error, Reason};
use crate::domain::query::{StatementKind, Submission};
use crate::domain::upstream::Upstream;
use crate::sessions::history::Entry;
use crate::sessions::interrupt::{Cause, Interrupt};
use crate::sessions::oversight::{Gate, drawn_request_id, refused};
use crate::sessions::stage::{self, is_about_session};

/// What has to do with the gate of a statement.
struct Gated<'a> {
    entry: &'a Entry,
    gate: &'a mut Gate,
    submission: &'a Submission,
    interrupt: &'a Interrupt,
}

impl Work {
    /// The statement that passes a gate. What takes a write back does once it is known.
    fn gated(&mut self) -> Option<Gated<'_>> {
        match self {
            Self::Query { query, interrupt, .. } => Some(Gated {
                entry: &query.entry,
                gate: &mut query.gate,
                submission: &query.submission,
                interrupt,
            }),
            Self::Write { write, interrupt, .. } if write.undoes.is_none() => Some(Gated {
                entry: &write.entry,
                gate: &mut write.gate,
                submission: &write.submission,
                interrupt,
            }),
            _ => None,
        }
    }
}

impl Actor {
    /// Lets a task through, or takes it: then it failed, or waits for Snowflake's word.
    pub(super) fn pass_gate(&mut self, mut task: Task, upstream: &Arc<dyn Upstream>) -> Option<Task> {
        let Some(Gated {
            entry,
            gate,
            submission,
            interrupt,
        }) = task.work.gated()
        else {
            return Some(task);
        };
        if let Some(trail) = entry.trail()
            && let Err(refusal) = gate.enter(&self.session, trail)
        {
            let error = refused(trail, refusal);
            self.fail(task, error);
            return None;
        }
        if !gate.asks_server() {
            return Some(task);
        }
        let asked = Submission {
            request_id: drawn_request_id(),
            ..submission.clone()
        };
        let interrupt = interrupt.clone();
        let asked = self.tagged(asked);
        let stage = stage::describe(Arc::clone(upstream), asked, interrupt, self.limits.cancel_wait);
        self.go(task, stage);
        None
    }

    /// Snowflake said what a statement is, or could not.
    pub(super) fn described(
        &mut self,
        described: Result<Result<StatementKind, Error>, Cause>,
        mut task: Task,
    ) {
        let Some(Gated { entry, gate, .. }) = task.work.gated() else {
            return;
        };
        match described {
            Ok(Ok(kind)) => {
                if let Err(refusal) = gate.told(kind) {
                    let error = match entry.trail() {
                        Some(trail) => refused(trail, refusal),
                        None => refusal.into(),
                    };
                    return self.fail(task, error);
                }
                self.begin(task);
            }
            Ok(Err(error)) if is_about_session(&error) => {
                match self.after_failure(&[], error.without_doubt()) {
                    Failed::NotRun(_) if !task.retried => self.begin_again(task),
                    Failed::NotRun(error) | Failed::Told(error) => {
                        self.fail(task, error.and("nothing was run"));
                    }
                }
            }
            Ok(Err(error)) => match gate.not_told(&error) {
                Ok(()) => {
                    tracing::debug!(error = %error, "a statement could not be described");
                    self.begin(task);
                }
                Err(refusal) => {
                    let error = match (refusal, entry.trail()) {
                        (Some(refusal), Some(trail)) => refused(trail, refusal),
                        (Some(refusal), None) => refusal.into(),
                        (None, _) => error.without_doubt(),
                    };
                    self.fail(task, error);
                }
            },
            Err(cause) => {
                let why = self.rest.ending.get();
                let error = match (cause, why) {
                    (_, Some(why)) => why.error("nothing was run"),
                    (Cause::DeadlinePassed, None) => Error::new(
                        Reason::Timeout,
                        "the query's time limit passed before it was sent; nothing was run",
                    ),
                    (Cause::Cancelled | Cause::ReaderGone, None) => Error::new(
                        Reason::Cancelled,
                        "the query was cancelled before it was sent; nothing was run",
                    ),
                };
                self.fail(task, error);
            }
        }
    }

    /// A submission with its tag, unless the user has given the session one.
    pub(super) fn tagged(&self, submission: Submission) -> Submission {
        if self.rest.tagged || self.session.has_query_tag() {
            return Submission {
                tag: None,
                ..submission
            };
        }
        submission
    }
}
