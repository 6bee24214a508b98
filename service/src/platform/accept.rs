//! Accepts connections at a door, whatever is behind it: the loop that waits, and what it can be asked for meanwhile.
//!
//! A [`Door`] says how the next one comes in and what becomes of them; [`local_door`](super::local_door) is the one of
//! this machine.

use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
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
}

/// A running loop.
#[derive(Debug, Clone)]
pub struct AcceptLoop {
    wishes: mpsc::Sender<(Wish, oneshot::Sender<()>)>,
}

/// What it can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// An answer.
    Ping,
    /// To accept nothing more, so that whoever comes meets the next run of the service.
    Pause,
    /// To go on.
    Resume,
}

/// Pause after the system refused something, for lack of descriptors for example.
pub const REFUSED_PAUSE: Duration = Duration::from_millis(50);

impl AcceptLoop {
    /// Starts to accept, until `stop` fires or nobody takes those who come. Then the door is shut and gone.
    pub fn start(mut door: impl Door, stop: CancellationToken) -> Self {
        let (wishes, mut wished) = mpsc::channel::<(Wish, oneshot::Sender<()>)>(1);
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
                    let _ = done.send(());
                }
                if ends {
                    return;
                }
            }
        });
        Self { wishes }
    }

    /// True when the loop answers within `limit`.
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
        self.wishes.send((wish, done)).await.is_ok() && answer.await.is_ok()
    }
}

/// Says that the system did not give us the next connection, and lets it recover.
pub async fn not_accepted(error: io::Error, what: &str) {
    tracing::warn!(%error, "{what} not accepted");
    tokio::time::sleep(REFUSED_PAUSE).await;
}
