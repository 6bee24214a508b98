//! What a rejected statement is told besides: a hint that fits the session, and names that are near the one that was
//! not found.

use std::sync::Arc;

use super::settle::{Outcome, Told};
use super::{Actor, Current, Task, Work};
use crate::domain::hint::{self, Wanted};
use crate::domain::upstream::Upstream;
use crate::sessions::stage::{Done, Stage};
use crate::sessions::writes::looks::names;

/// Names of one answer.
const NAMES_MAX: u64 = 2000;

impl Actor {
    /// Gives a rejection its hint, once. `None` when names are asked for first, which takes at most
    /// `query.hint_timeout`.
    pub(super) fn hint(&mut self, task: Task, mut outcome: Outcome) -> Option<(Task, Outcome)> {
        if outcome.is_hinted {
            return Some((task, outcome));
        }
        outcome.is_hinted = true;
        let Told::Error(error) = outcome.told else {
            return Some((task, outcome));
        };
        let context = &self.session.journal().context;
        let statements = match &task.work {
            Work::Query { query, .. } => query.gate.statements().to_vec(),
            Work::Write { write, .. } => write.gate.statements().to_vec(),
            _ => Vec::new(),
        };
        let wanted = hint::wanted(&error, &statements, context);
        outcome.told = Told::Error(hint::explain(error, context));
        let upstream = self.rest.upstream.clone().filter(|upstream| upstream.is_alive());
        let (Some(wanted), Some(upstream)) = (wanted, upstream) else {
            return Some((task, outcome));
        };
        if self.limits.hint_timeout.is_zero() || self.is_ending() {
            return Some((task, outcome));
        }
        self.rest.current = Some(Current {
            task,
            stage: self.near(upstream, wanted),
            sent: None,
            outcome: Some(outcome),
        });
        None
    }

    fn near(&self, upstream: Arc<dyn Upstream>, wanted: Wanted) -> Stage {
        let time = self.limits.hint_timeout;
        Box::pin(async move {
            let each = time / u32::try_from(wanted.queries.len()).unwrap_or(1).max(1);
            let mut near = Vec::new();
            for sql in &wanted.queries {
                let found = names(&upstream, sql.clone(), NAMES_MAX, each).await;
                near.extend(found.values(wanted.column).map(str::to_owned));
            }
            Done::Near(wanted.nearest(near.iter().map(String::as_str)))
        })
    }

    /// Names were asked for.
    pub(super) fn near_told(&mut self, near: &[String], task: Task, mut outcome: Outcome) {
        if let Told::Error(error) = outcome.told {
            let hint = hint::naming(error.facts().hint.as_deref(), near);
            outcome.told = Told::Error(match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            });
        }
        self.settle(task, outcome);
    }
}
