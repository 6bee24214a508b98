//! Whether the service lives: asked by systemd's watchdog, and by `/health` where there is no systemd.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::doors::Doors;
use crate::metrics::endpoint::Condition;
use crate::platform::notify;
use crate::sessions::Sessions;

/// Tells whether the service does what it is there for. That a task of its runtime runs says nothing: a thread of an HTTP
/// server would answer for a service that lets nobody in.
#[derive(Clone)]
pub(super) struct Pulse {
    doors: Doors,
    /// Takes the locks that each call takes; true when no new work is taken.
    is_draining: Arc<dyn Fn() -> bool + Send + Sync>,
    asked: Question,
}

impl Pulse {
    pub(super) fn new(doors: Doors, sessions: Sessions) -> Self {
        Self::asking(doors, move || {
            // Answers only if the table of sessions can be reached.
            let (sessions_running, queries) = sessions.counts();
            tracing::trace!(sessions_running, queries, "alive");
            sessions.is_draining()
        })
    }

    fn asking(doors: Doors, is_draining: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            doors,
            is_draining: Arc::new(is_draining),
            asked: Question::default(),
        }
    }

    /// How the service is, known within `limit`: hung unless connections are accepted and the sessions answer.
    pub(super) async fn condition(&self, limit: Duration) -> Condition {
        let looked = timeout(limit, async {
            if !self.doors.are_alive(limit).await {
                return None;
            }
            let is_draining = Arc::clone(&self.is_draining);
            self.asked.ask(limit, move || is_draining()).await
        });
        match looked.await.ok().flatten() {
            None => Condition::Hung,
            Some(true) => Condition::Stopping,
            Some(false) => Condition::Ready,
        }
    }

    /// Tells systemd that we are alive, as long as we are, if it asks.
    pub(super) async fn watch_over(self) {
        let Some(interval) = notify::watchdog_interval() else {
            return;
        };
        let mut ticks = tokio::time::interval(interval);
        loop {
            ticks.tick().await;
            if self.condition(interval).await != Condition::Hung {
                notify::watchdog();
            }
        }
    }
}

/// Asks what takes locks, so that whoever asks does not hang with whoever holds them.
#[derive(Clone)]
pub(super) struct Question {
    /// One is asked at a time: of those that are never answered there is one thread and not one a minute.
    place: Arc<Semaphore>,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            place: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Question {
    /// The answer, unless there is none within `limit`.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let answered = timeout(limit, async {
            let place = Arc::clone(&self.place).acquire_owned().await.ok()?;
            let asked = tokio::task::spawn_blocking(move || {
                let answer = question();
                drop(place);
                answer
            });
            asked.await.ok()
        });
        answered.await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::{Mutex, PoisonError};

    use futures_util::StreamExt as _;
    use tokio_util::sync::CancellationToken;

    use super::super::measure;
    use super::*;
    use crate::config::{self, Environment, RunFlags};
    use crate::platform::socket::bind;
    use crate::rpc::{Arrivals, Counted};

    /// A limit that a service that is not stuck keeps on a machine at work.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// What HTTP says.
    fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }

    /// All that a service would do stands still here: the table of sessions is held, and so is the only thread of its runtime
    /// while HTTP is asked.
    #[expect(clippy::await_holding_lock, reason = "that is what it is about")]
    #[tokio::test]
    async fn a_stuck_table_of_sessions_is_noticed_in_time() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let path = folder.path().join("s");
        let home = ("HOME".to_owned(), folder.path().to_str().unwrap().to_owned());
        let environment: Environment = [home].into_iter().collect();
        let mut settings = config::load(&environment, &RunFlags::default()).unwrap();
        settings.metrics.listen = Some(([127, 0, 0, 1], 0).into());
        settings.metrics.health_timeout = Duration::from_millis(100);
        let stop = CancellationToken::new();
        let listener = bind(&path).unwrap();
        let (doors, connections) =
            Doors::open(listener, None, &settings, &Arrivals::default(), &stop).unwrap();
        let _taking = tokio::spawn(connections.for_each(|connection| async move { drop(connection) }));
        let table = Arc::new(Mutex::new(()));
        let held = |table: &Arc<Mutex<()>>| {
            let table = Arc::clone(table);
            move || drop(table.lock().unwrap_or_else(PoisonError::into_inner))
        };
        let (reach, reach_too) = (held(&table), held(&table));
        let pulse = Pulse::asking(doors, move || {
            reach();
            false
        });
        let counted = Counted {
            text: Arc::new(move || {
                reach_too();
                "counted 1\n".to_owned()
            }),
            content_type: "text/plain",
        };
        let address = measure::publish(&settings.metrics, &counted, pulse.clone(), stop.clone())
            .unwrap()
            .expect("it is published");
        assert_eq!(pulse.condition(PATIENCE).await, Condition::Ready);

        let stuck = table.lock().unwrap();
        for _ in 0..3 {
            assert_eq!(pulse.condition(Duration::from_millis(50)).await, Condition::Hung);
        }
        for path in ["/health", "/ready", "/metrics"] {
            assert_eq!(get(address, path), "HTTP/1.1 503 Service Unavailable", "{path}");
        }
        drop(stuck);
        assert_eq!(pulse.condition(PATIENCE).await, Condition::Ready);
        // The runtime of the service must run for this one.
        let answer = tokio::task::spawn_blocking(move || {
            let deadline = std::time::Instant::now() + PATIENCE;
            let mut answer = get(address, "/ready");
            while !answer.ends_with("200 OK") && std::time::Instant::now() < deadline {
                answer = get(address, "/ready");
            }
            answer
        });
        assert_eq!(answer.await.unwrap(), "HTTP/1.1 200 OK");
        stop.cancel();
    }
}
