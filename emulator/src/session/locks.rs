//! Table locks: who changes a table, and who waits for it.
//!
//! Snowflake locks a whole table for UPDATE, DELETE and MERGE until the end of the transaction; other
//! writers of that kind wait, readers and INSERTs do not. The engine refuses such writers at once
//! instead, so the waiting happens here, before the engine sees the statement.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{QueryId, SqlError};
use crate::catalog::names::ObjectPath;

/// Most statements that wait for one table; one more is refused, as in Snowflake.
const WAITERS_MAX: usize = 50;

/// The locks of an instance.
#[derive(Default)]
pub(crate) struct Locks {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: HashMap<ObjectPath, Holder>,
    waiting: HashMap<u64, ObjectPath>,
}

/// Who asks for a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holder {
    /// Session.
    pub(crate) session: u64,
    /// Transaction.
    pub(crate) transaction: u64,
    /// Statement.
    pub(crate) query: QueryId,
}

impl Locks {
    /// Locks a table for a session until [`Locks::release`]; waits while another session has it.
    ///
    /// Fails after `timeout`, when `stopped` becomes true (see [`Locks::wake`]), when too many wait, and when
    /// the holder waits for this session.
    pub(crate) fn acquire(
        &self,
        path: &ObjectPath,
        asking: Holder,
        timeout: Duration,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(), SqlError> {
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.lock();
        loop {
            let Some(holder) = state
                .held
                .get(path)
                .copied()
                .filter(|holder| holder.session != asking.session)
            else {
                state.held.insert(path.clone(), asking);
                state.waiting.remove(&asking.session);
                return Ok(());
            };
            let refusal = if stopped() {
                Some(SqlError::canceled())
            } else if state.leads_to(holder.session, asking.session) {
                Some(refused(path, holder, asking, "of a deadlock"))
            } else if state.waiting.values().filter(|waited| *waited == path).count() >= WAITERS_MAX
                && !state.waiting.contains_key(&asking.session)
            {
                let why =
                    format!("the number of waiters for this lock exceeds the {WAITERS_MAX} statements limit");
                Some(refused(path, holder, asking, &why))
            } else if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let why = format!("the lock timeout of {} seconds ran out", timeout.as_secs());
                Some(refused(path, holder, asking, &why))
            } else {
                None
            };
            if let Some(error) = refusal {
                state.waiting.remove(&asking.session);
                return Err(error);
            }
            state.waiting.insert(asking.session, path.clone());
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    self.changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }

    /// Gives all locks of a session back.
    pub(crate) fn release(&self, session: u64) {
        let mut state = self.lock();
        let before = state.held.len();
        state.held.retain(|_, holder| holder.session != session);
        if state.held.len() != before {
            self.changed.notify_all();
        }
    }

    /// True while a session waits for a table.
    pub(crate) fn is_blocked(&self, session: u64) -> bool {
        self.lock().waiting.contains_key(&session)
    }

    /// Lets everybody who waits look whether they were stopped.
    pub(crate) fn wake(&self) {
        // Taking the lock orders this after a waiter's look and before its sleep.
        let _state = self.lock();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// True when `from` waits, directly or through others, for `to`.
    fn leads_to(&self, from: u64, to: u64) -> bool {
        let mut session = from;
        for _ in 0..=self.waiting.len() {
            let Some(holder) = self.waiting.get(&session).and_then(|path| self.held.get(path)) else {
                return false;
            };
            if holder.session == to {
                return true;
            }
            session = holder.session;
        }
        false
    }
}

fn refused(path: &ObjectPath, holder: Holder, asking: Holder, why: &str) -> SqlError {
    SqlError::new(
        "000625",
        "57014",
        format!(
            "Statement '{}' has locked table '{}' in transaction {} and this lock has not yet been released.\n\
             Your statement '{}' was aborted because {why}.",
            holder.query,
            path.name.as_str(),
            holder.transaction,
            asking.query
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::catalog::names::Name;

    const LONG: Duration = Duration::from_mins(1);

    fn table(name: &str) -> ObjectPath {
        ObjectPath::new(Name::exact("D"), Name::exact("S"), Name::exact(name))
    }

    fn session(session: u64) -> Holder {
        Holder {
            session,
            transaction: session,
            query: QueryId::nil(),
        }
    }

    fn acquire(locks: &Locks, name: &str, who: u64, timeout: Duration) -> Result<(), SqlError> {
        locks.acquire(&table(name), session(who), timeout, &|| false)
    }

    #[test]
    fn a_session_may_lock_again_and_others_wait_in_vain() {
        let locks = Locks::default();
        acquire(&locks, "T", 1, LONG).unwrap();
        acquire(&locks, "T", 1, LONG).unwrap();
        acquire(&locks, "U", 2, LONG).unwrap();
        let error = acquire(&locks, "T", 2, Duration::ZERO).unwrap_err();
        assert_eq!((error.code, error.sql_state), ("000625", "57014"));
        assert!(
            error.message.contains("has locked table 'T' in transaction 1"),
            "{error}"
        );
    }

    #[test]
    fn a_released_lock_wakes_the_next() {
        let locks = Arc::new(Locks::default());
        acquire(&locks, "T", 1, LONG).unwrap();
        let waiter = {
            let locks = Arc::clone(&locks);
            std::thread::spawn(move || acquire(&locks, "T", 2, LONG))
        };
        wait_until(&locks, 1);
        locks.release(1);
        waiter.join().unwrap().unwrap();
        assert!(acquire(&locks, "T", 1, Duration::ZERO).is_err());
    }

    #[test]
    fn a_deadlock_is_refused_to_the_last() {
        let locks = Arc::new(Locks::default());
        acquire(&locks, "A", 1, LONG).unwrap();
        acquire(&locks, "B", 2, LONG).unwrap();
        let waiter = {
            let locks = Arc::clone(&locks);
            std::thread::spawn(move || acquire(&locks, "B", 1, LONG))
        };
        wait_until(&locks, 1);
        let error = acquire(&locks, "A", 2, LONG).unwrap_err();
        assert!(error.message.contains("deadlock"), "{error}");
        locks.release(2);
        waiter.join().unwrap().unwrap();
    }

    #[test]
    fn a_stopped_waiter_gives_up() {
        let locks = Arc::new(Locks::default());
        acquire(&locks, "T", 1, LONG).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let waiter = {
            let (locks, stop) = (Arc::clone(&locks), Arc::clone(&stop));
            std::thread::spawn(move || {
                locks.acquire(&table("T"), session(2), LONG, &|| stop.load(Ordering::SeqCst))
            })
        };
        wait_until(&locks, 1);
        stop.store(true, Ordering::SeqCst);
        locks.wake();
        assert_eq!(waiter.join().unwrap().unwrap_err().code, "000604");
    }

    fn wait_until(locks: &Locks, waiting: usize) {
        let deadline = Instant::now() + LONG;
        while locks.lock().waiting.len() != waiting {
            assert!(Instant::now() < deadline, "nobody waits");
            std::thread::yield_now();
        }
    }
}
