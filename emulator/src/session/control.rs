//! Stopping statements from outside their session's thread.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use snowflake_emulator_engine::Interrupter;

use super::{QueryId, SqlError};

/// How often a statement that was told to stop is told again: an interrupt between two engine statements
/// is lost on the engine.
const INSISTENCE: Duration = Duration::from_millis(5);

/// Which statement a session runs, which wait, and which of them are to stop.
pub(super) struct Control {
    state: Mutex<State>,
    /// Told when a statement is to stop.
    stopped: Condvar,
    interrupter: Arc<dyn Interrupter>,
}

#[derive(Default)]
struct State {
    waiting: HashSet<QueryId>,
    running: Option<QueryId>,
    stop: HashSet<QueryId>,
    /// Why the running statement stops, if not on request.
    reason: Option<SqlError>,
    /// False while the session puts its transaction right: that must not be stopped.
    interruptible: bool,
}

impl Control {
    pub(super) fn new(interrupter: Arc<dyn Interrupter>) -> Self {
        Self {
            state: Mutex::default(),
            stopped: Condvar::new(),
            interrupter,
        }
    }

    /// A statement waits for its turn.
    pub(super) fn submitted(&self, query_id: QueryId) {
        self.lock().waiting.insert(query_id);
    }

    /// A statement that waited will never have its turn.
    pub(super) fn withdrawn(&self, query_id: QueryId) {
        let mut state = self.lock();
        state.waiting.remove(&query_id);
        state.stop.remove(&query_id);
    }

    /// True when a statement has its turn.
    pub(super) fn runs(&self, query_id: QueryId) -> bool {
        self.lock().running == Some(query_id)
    }

    /// True when a statement waits for its turn.
    pub(super) fn waits(&self, query_id: QueryId) -> bool {
        self.lock().waiting.contains(&query_id)
    }

    /// A statement has its turn.
    pub(super) fn begin(&self, query_id: QueryId) {
        let mut state = self.lock();
        state.waiting.remove(&query_id);
        state.running = Some(query_id);
        state.reason = None;
        state.interruptible = true;
    }

    /// The running statement is over.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        if let Some(query_id) = state.running.take() {
            state.stop.remove(&query_id);
        }
        state.interruptible = false;
    }

    /// Fails when the running statement is to stop.
    pub(super) fn check(&self) -> Result<(), SqlError> {
        if self.is_stopped() {
            Err(self.reason())
        } else {
            Ok(())
        }
    }

    /// True when the running statement is to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().is_stopped()
    }

    /// Lets the running statement wait so long; fails when it is to stop.
    pub(super) fn wait(&self, duration: Duration) -> Result<(), SqlError> {
        let waited = self
            .stopped
            .wait_timeout_while(self.lock(), duration, |state| !state.is_stopped());
        drop(waited);
        self.check()
    }

    /// Waits until `done` is true, which [`Control::nudge`] makes it ask again; fails when the running statement is to stop.
    pub(super) fn wait_for(&self, done: &dyn Fn() -> bool) -> Result<(), SqlError> {
        let waits = |state: &mut State| !state.is_stopped() && !done();
        drop(self.stopped.wait_while(self.lock(), waits));
        self.check()
    }

    /// Lets what waits look again.
    pub(super) fn nudge(&self) {
        // Under the lock, so that this comes after a waiter's look and before its sleep, or wakes it.
        let _state = self.lock();
        self.stopped.notify_all();
    }

    /// The error of the stopped statement.
    pub(super) fn reason(&self) -> SqlError {
        self.lock().reason.clone().unwrap_or_else(SqlError::canceled)
    }

    /// Does something that an interrupt must not reach.
    pub(super) fn protected<T>(&self, work: impl FnOnce() -> T) -> T {
        self.lock().interruptible = false;
        let done = work();
        self.lock().interruptible = true;
        done
    }

    /// Stops a statement that waits or runs; false when it does neither.
    pub(super) fn stop(self: &Arc<Self>, query_id: QueryId, reason: Option<SqlError>) -> bool {
        let mut state = self.lock();
        let is_running = state.running == Some(query_id);
        if !is_running && !state.waiting.contains(&query_id) {
            return false;
        }
        if !state.stop.insert(query_id) || !is_running {
            return true;
        }
        state.reason = reason;
        self.stopped.notify_all();
        if state.interruptible {
            self.interrupter.interrupt();
        }
        drop(state);
        let control = Arc::clone(self);
        std::thread::spawn(move || control.insist(query_id));
        true
    }

    /// Stops whatever runs.
    pub(super) fn stop_running(self: &Arc<Self>) {
        let running = self.lock().running;
        if let Some(query_id) = running {
            self.stop(query_id, None);
        }
    }

    fn insist(&self, query_id: QueryId) {
        loop {
            std::thread::sleep(INSISTENCE);
            let state = self.lock();
            if state.running != Some(query_id) {
                return;
            }
            if state.interruptible {
                self.interrupter.interrupt();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_stopped(&self) -> bool {
        self.running.is_some_and(|query_id| self.stop.contains(&query_id))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Interrupter for Counter {
        fn interrupt(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn only_known_statements_stop() {
        let counter = Arc::new(Counter::default());
        let control = Arc::new(Control::new(Arc::clone(&counter) as Arc<dyn Interrupter>));
        let (first, second) = (QueryId::from_u128(1), QueryId::from_u128(2));
        assert!(!control.stop(first, None));
        control.submitted(first);
        control.submitted(second);
        control.begin(first);
        assert!(control.stop(second, None));
        assert!(!control.is_stopped());
        assert_eq!(counter.0.load(Ordering::SeqCst), 0);
        control.end();
        control.begin(second);
        assert!(control.is_stopped());
        assert_eq!(control.check().unwrap_err().code, "000604");
        control.end();
        assert!(!control.stop(second, None));
    }

    #[test]
    fn a_running_statement_is_told_until_it_stops() {
        let counter = Arc::new(Counter::default());
        let control = Arc::new(Control::new(Arc::clone(&counter) as Arc<dyn Interrupter>));
        let query_id = QueryId::from_u128(1);
        control.begin(query_id);
        assert!(control.stop(query_id, Some(SqlError::internal("why"))));
        let deadline = Instant::now() + Duration::from_mins(1);
        while counter.0.load(Ordering::SeqCst) < 3 {
            assert!(Instant::now() < deadline, "told only once");
            std::thread::yield_now();
        }
        assert_eq!(control.reason().code, "000603");
        control.end();
    }
}
