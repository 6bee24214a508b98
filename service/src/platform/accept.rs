//! Accepts connections at a door, whatever is behind it: the loop that waits, and what it can be asked for meanwhile.
//!
//! A [`Door`] says how the next one comes in and what becomes of them; [`local_door`](super::local_door) is the one of
//! this machine.

use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A way in.
pub trait Door: Send + 'static {
    /// Somebody who has come in.
    type Came: Send;

    /// Waits for the next one; `None` when nobody came of it and the door is to be asked again. Nobody is lost when it is
    /// dropped while it waits.
    fn next(&mut self) -> impl Future<Output = Option<Self::Came>> + Send;

    /// Passes one on to where they are served. It breaks when nobody serves any more.
    fn pass(&mut self, came: Self::Came) -> impl Future<Output = ControlFlow<()>> + Send;

    /// Lets nobody in from now on; those come back who had come before that and whom nobody else will let in.
    fn shut(&mut self) -> Vec<Self::Came>;

    /// Lets them in again. What keeps it from that is tried again by [`next`](Self::next).
    fn open(&mut self);

    /// False when it is to be open and has let nobody in for long, whoever came: see [`Refusals`]. One that is shut, or at
    /// which nobody knocks, works.
    fn works(&self) -> bool;
}

/// A running loop.
#[derive(Debug, Clone)]
pub struct AcceptLoop {
    wishes: mpsc::Sender<(Wish, oneshot::Sender<bool>)>,
}

/// What it can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// To say whether the door works.
    Ping,
    /// To accept nothing more, so that whoever comes meets the next run of the service.
    Pause,
    /// To go on.
    Resume,
}

/// Pause after the system refused something, for lack of descriptors for example.
pub const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// How long the system may refuse everything, or those who were let in may wait, before a door counts as broken. A short
/// lack of descriptors mends itself; nobody is to be restarted for it.
pub const REFUSED_TIME_MAX: Duration = Duration::from_secs(10);

impl AcceptLoop {
    /// Starts to accept, until `stop` fires or nobody takes those who come. Then the door is shut and gone.
    pub fn start(mut door: impl Door, stop: CancellationToken) -> Self {
        let (wishes, mut wished) = mpsc::channel::<(Wish, oneshot::Sender<bool>)>(1);
        tokio::spawn(async move {
            loop {
                let (mut asked, mut ends) = (None, false);
                let came: Vec<_> = tokio::select! {
                    biased;
                    () = stop.cancelled() => {
                        ends = true;
                        door.shut()
                    }
                    Some((wish, done)) = wished.recv() => {
                        asked = Some(done);
                        match wish {
                            Wish::Ping => Vec::new(),
                            Wish::Pause => door.shut(),
                            Wish::Resume => {
                                door.open();
                                Vec::new()
                            }
                        }
                    }
                    came = door.next() => came.into_iter().collect(),
                };
                for came in came {
                    if door.pass(came).await.is_break() {
                        return;
                    }
                }
                if let Some(done) = asked {
                    let _ = done.send(door.works());
                }
                if ends {
                    return;
                }
            }
        });
        Self { wishes }
    }

    /// True when the loop answers within `limit`, and says that its door works.
    pub async fn is_alive(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.ask(Wish::Ping))
            .await
            .unwrap_or(false)
    }

    /// Accepts nothing from now on; whoever has connected is in. Who comes waits in the queue of a socket that a service
    /// manager holds, for the next run.
    pub async fn pause(&self) {
        self.ask(Wish::Pause).await;
    }

    /// Accepts again after a pause.
    pub async fn resume(&self) {
        self.ask(Wish::Resume).await;
    }

    async fn ask(&self, wish: Wish) -> bool {
        let (done, answer) = oneshot::channel();
        self.wishes.send((wish, done)).await.is_ok() && answer.await.unwrap_or(false)
    }
}

/// What a door remembers of connections that the system did not give it.
#[derive(Debug, Default)]
pub struct Refusals {
    /// The first and the last one since a connection was accepted.
    since: Option<(Instant, Instant)>,
}

impl Refusals {
    /// Says that the system did not give us the next connection, and lets it recover.
    pub async fn refused(&mut self, error: io::Error, what: &str) {
        let now = Instant::now();
        let first = self.since.filter(|_| !self.are_over());
        self.since = Some((first.map_or(now, |(first, _)| first), now));
        tracing::warn!(%error, "{what} not accepted");
        tokio::time::sleep(REFUSED_PAUSE).await;
    }

    /// Somebody was accepted.
    pub fn end(&mut self) {
        self.since = None;
    }

    /// True when nothing but refusals was heard for [`REFUSED_TIME_MAX`], up to now.
    pub fn go_on(&self) -> bool {
        self.since
            .is_some_and(|(first, _)| first.elapsed() >= REFUSED_TIME_MAX && !self.are_over())
    }

    /// Whoever was refused is asked for again at once; when nothing is heard, nobody is there any more.
    fn are_over(&self) -> bool {
        self.since
            .is_some_and(|(_, last)| last.elapsed() >= REFUSED_TIME_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Somebody always knocks, and the system gives him to us or does not.
    struct Knocked {
        refuses: Arc<AtomicBool>,
        refusals: Refusals,
        is_open: bool,
    }

    impl Door for Knocked {
        type Came = ();

        async fn next(&mut self) -> Option<()> {
            if !self.is_open {
                return std::future::pending().await;
            }
            if self.refuses.load(Ordering::Relaxed) {
                let error = rustix::io::Errno::MFILE.into();
                self.refusals.refused(error, "connection").await;
            } else {
                self.refusals.end();
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
            None
        }

        async fn pass(&mut self, (): ()) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }

        fn shut(&mut self) -> Vec<()> {
            self.is_open = false;
            Vec::new()
        }

        fn open(&mut self) {
            self.is_open = true;
        }

        fn works(&self) -> bool {
            !self.is_open || !self.refusals.go_on()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_door_to_which_the_system_gives_nobody_for_long_does_not_work() {
        let refuses = Arc::new(AtomicBool::new(true));
        let door = Knocked {
            refuses: Arc::clone(&refuses),
            refusals: Refusals::default(),
            is_open: true,
        };
        let accepting = AcceptLoop::start(door, CancellationToken::new());
        tokio::time::sleep(REFUSED_TIME_MAX / 2).await;
        assert!(accepting.is_alive(PATIENCE).await, "it may mend itself");
        tokio::time::sleep(REFUSED_TIME_MAX).await;
        assert!(!accepting.is_alive(PATIENCE).await);
        accepting.pause().await;
        assert!(accepting.is_alive(PATIENCE).await, "it is shut on purpose");
        accepting.resume().await;
        tokio::time::sleep(REFUSED_PAUSE * 2).await;
        assert!(!accepting.is_alive(PATIENCE).await);
        refuses.store(false, Ordering::Relaxed);
        tokio::time::sleep(REFUSED_PAUSE * 2).await;
        assert!(accepting.is_alive(PATIENCE).await);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_that_are_long_past_count_for_nothing() {
        let mut refusals = Refusals::default();
        let refused = || io::Error::from(io::ErrorKind::ConnectionAborted);
        refusals.refused(refused(), "connection").await;
        tokio::time::sleep(2 * REFUSED_TIME_MAX).await;
        assert!(!refusals.go_on());
        refusals.refused(refused(), "connection").await;
        assert!(!refusals.go_on(), "they begin anew");
    }
}
