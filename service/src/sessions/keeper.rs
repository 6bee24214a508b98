//! Keeps submitted queries where they outlive the service, after each change and off everybody's way.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::history::Memory;
use crate::domain::history::{JobStore, KeptJobs};

/// The keeper of submitted queries.
pub(super) struct JobKeeper {
    memory: Arc<Memory>,
    store: Arc<dyn JobStore>,
    /// Only one writes at a time, so that the last state is the one that stays.
    writing: tokio::sync::Mutex<()>,
    jobs_max: usize,
}

impl JobKeeper {
    /// Remembers what was kept.
    pub(super) fn new(memory: Arc<Memory>, kept: KeptJobs, jobs_max: usize) -> Arc<Self> {
        memory.restore(kept.jobs);
        Arc::new(Self {
            memory,
            store: kept.store,
            writing: tokio::sync::Mutex::default(),
            jobs_max,
        })
    }

    /// Keeps every change from now on, until the handle is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> AbortOnDropHandle<()> {
        let keeper = Arc::clone(self);
        AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                keeper.memory.jobs_changed.notified().await;
                keeper.save().await;
            }
        }))
    }

    /// Keeps what is remembered now.
    pub(super) async fn save(&self) {
        let _alone = self.writing.lock().await;
        self.store.save(self.memory.kept_jobs(self.jobs_max)).await;
    }
}
