//! Turns: how many statements the engine works on at a time, and whose is next.
//!
//! The engine would take any number at once, and share its threads and its memory among them all; then whoever asks most
//! gets most. Here a statement waits for a turn, and turns go round the users that wait, so that one user's many
//! statements take no more than their share from another's one.
//!
//! A statement takes its turn after it has its lock, and no statement waits for a lock while it has a turn: so those
//! that have turns always end. A session with an open transaction does not wait, since others may wait for its locks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::SqlError;
use super::control::Control;

/// The turns of an instance.
pub(super) struct Turns {
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    /// Users that wait, the next one first, each with what waits, the oldest first. None is empty.
    waiting: VecDeque<(String, VecDeque<Arc<Waiter>>)>,
}

struct Waiter {
    session: u64,
    control: Arc<Control>,
    has_turn: AtomicBool,
}

/// A turn, until it is dropped.
pub(super) struct Turn(Arc<Turns>);

impl Turns {
    /// `max` statements, 1 or more, have turns at a time.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            max: max.max(1),
            state: Mutex::default(),
        })
    }

    /// Waits for a turn; fails when the session's statement is to stop.
    pub(super) fn take(
        self: &Arc<Self>,
        user: &str,
        session: u64,
        control: &Arc<Control>,
    ) -> Result<Turn, SqlError> {
        let mut state = self.lock();
        if state.taken < self.max {
            state.taken += 1;
            return Ok(Turn(Arc::clone(self)));
        }
        let waiter = Arc::new(Waiter {
            session,
            control: Arc::clone(control),
            has_turn: AtomicBool::new(false),
        });
        state.push(user, Arc::clone(&waiter));
        drop(state);
        let waited = control.wait_for(&|| waiter.has_turn.load(Ordering::Acquire));
        if waited.is_err() {
            self.lock().withdraw(&waiter);
        }
        // One that was given a turn as it was stopped gives it on.
        let turn = waiter
            .has_turn
            .load(Ordering::Acquire)
            .then(|| Turn(Arc::clone(self)));
        waited?;
        turn.ok_or_else(|| SqlError::internal("a wait for a turn ended without one"))
    }

    /// True while a session's statement waits for a turn.
    pub(super) fn awaits(&self, session: u64) -> bool {
        let state = self.lock();
        let mut waiters = state.waiting.iter().flat_map(|(_, waiters)| waiters);
        waiters.any(|waiter| waiter.session == session)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, user: &str, waiter: Arc<Waiter>) {
        match self.waiting.iter_mut().find(|(known, _)| known == user) {
            Some((_, waiters)) => waiters.push_back(waiter),
            None => self
                .waiting
                .push_back((user.to_owned(), VecDeque::from([waiter]))),
        }
    }

    /// The next user's oldest; the user goes to the end.
    fn pop(&mut self) -> Option<Arc<Waiter>> {
        let (user, mut waiters) = self.waiting.pop_front()?;
        let next = waiters.pop_front();
        if !waiters.is_empty() {
            self.waiting.push_back((user, waiters));
        }
        next
    }

    fn withdraw(&mut self, waiter: &Arc<Waiter>) {
        for (_, waiters) in &mut self.waiting {
            waiters.retain(|known| !Arc::ptr_eq(known, waiter));
        }
        self.waiting.retain(|(_, waiters)| !waiters.is_empty());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        let Some(next) = state.pop() else {
            state.taken -= 1;
            return;
        };
        // Under the lock, so that one that withdraws has either been given the turn or is not found here.
        next.has_turn.store(true, Ordering::Release);
        drop(state);
        next.control.nudge();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::{Duration, Instant};

    use snowflake_emulator_engine::Interrupter;

    use super::super::QueryId;
    use super::*;

    struct Deaf;

    impl Interrupter for Deaf {
        fn interrupt(&self) {}
    }

    fn control() -> Arc<Control> {
        let control = Arc::new(Control::new(Arc::new(Deaf)));
        control.begin(QueryId::from_u128(1));
        control
    }

    fn until_awaited(turns: &Turns, session: u64) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !turns.awaits(session) {
            assert!(Instant::now() < deadline, "session {session} does not wait");
            thread::yield_now();
        }
    }

    #[test]
    fn turns_go_round_the_users() {
        let turns = Turns::new(1);
        let first = turns
            .take("a", 1, &control())
            .unwrap_or_else(|error| panic!("{error:?}"));
        let (told, order) = channel();
        // One user asks three times before the others ask once.
        let waiters: Vec<_> = [("a", 2), ("a", 3), ("a", 4), ("b", 5), ("c", 6)]
            .into_iter()
            .map(|(user, session)| {
                let (turns, told) = (Arc::clone(&turns), told.clone());
                let waiter = {
                    let turns = Arc::clone(&turns);
                    thread::spawn(move || {
                        let turn = turns.take(user, session, &control());
                        told.send(session).unwrap();
                        drop(turn);
                    })
                };
                until_awaited(&turns, session);
                waiter
            })
            .collect();
        drop(first);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [2, 5, 6, 3, 4]);
        assert_eq!(turns.lock().taken, 0);
    }

    #[test]
    fn one_that_is_stopped_waits_no_more() {
        let turns = Turns::new(1);
        let first = turns.take("a", 1, &control());
        let stopped = control();
        let waiter = {
            let (turns, control) = (Arc::clone(&turns), Arc::clone(&stopped));
            thread::spawn(move || turns.take("b", 2, &control).map(drop))
        };
        until_awaited(&turns, 2);
        stopped.stop(QueryId::from_u128(1), None);
        assert_eq!(waiter.join().unwrap().unwrap_err().code, "000604");
        stopped.end();
        assert!(!turns.awaits(2));
        drop(first);
        assert!(turns.take("b", 2, &control()).is_ok());
    }
}
