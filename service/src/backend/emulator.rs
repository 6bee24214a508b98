//! Keeps the local emulator: a child process, started when it is first needed and again when it died.
//!
//! One task owns the child. Whoever needs the emulator asks that task and waits; so two logins at once
//! start one child. The child is in a process group of its own, so that Ctrl-C in the terminal of a
//! foreground service reaches the service first; it ends when its stdin closes, which also happens when
//! the service is killed.

mod child;
mod output;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use self::child::Child;
use crate::domain::error::Error;

/// How to start the emulator.
#[derive(Debug, Clone)]
pub struct EmulatorOptions {
    /// The configured executable.
    pub command: Option<PathBuf>,
    /// Where to look for it otherwise, best first.
    pub search_path: Vec<PathBuf>,
    /// Folder of its data.
    pub data_directory: PathBuf,
    /// Lets faults be made in it.
    pub fault_control: bool,
    /// Folder of ours for the file with which it says that it is ready, and for its log.
    pub state_directory: PathBuf,
    /// How long it may take to be ready.
    pub start_timeout: Duration,
    /// How long it may take to stop.
    pub stop_timeout: Duration,
    /// Makes the writer of its log, which limits its size.
    pub log: LogOpener,
    /// Its environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// Opens the file that takes what the emulator writes to stderr.
#[derive(Clone)]
pub struct LogOpener(pub Arc<dyn Fn() -> std::io::Result<Box<dyn std::io::Write + Send>> + Send + Sync>);

impl std::fmt::Debug for LogOpener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("LogOpener")
    }
}

/// A running emulator, as long as it runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Which start of the emulator this is, counted from the service's own.
    pub serial: u64,
    alive: Arc<AtomicBool>,
}

impl Running {
    /// False once the process has ended.
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }
}

/// The way to the task that keeps the emulator. The task begins with the first question.
pub struct Emulator {
    requests: mpsc::Sender<Request>,
    idle_keeper: std::sync::Mutex<Option<Keeper>>,
    address: watch::Receiver<Option<SocketAddr>>,
}

enum Request {
    Running(oneshot::Sender<Result<Running, Error>>),
    Current(oneshot::Sender<Option<Running>>),
    Stop(oneshot::Sender<()>),
}

impl Emulator {
    /// Nothing is started yet.
    pub fn new(options: EmulatorOptions) -> Self {
        let (requests, received) = mpsc::channel(16);
        let (publish, address) = watch::channel(None);
        let keeper = Keeper {
            options,
            requests: received,
            address: publish,
            child: None,
            starts: 0,
        };
        Self {
            requests,
            idle_keeper: std::sync::Mutex::new(Some(keeper)),
            address,
        }
    }

    /// The emulator, started if it does not run.
    ///
    /// # Errors
    ///
    /// `Configuration` when its executable is not found, `Unreachable` with its last words when it does not
    /// come up.
    pub async fn running(&self) -> Result<Running, Error> {
        self.ask(Request::Running)
            .await
            .unwrap_or_else(|| Err(Error::internal("the keeper of the emulator has ended")))
    }

    /// The emulator if it runs; it is not started for this.
    pub async fn current(&self) -> Option<Running> {
        if self.was_never_used() {
            return None;
        }
        self.ask(Request::Current).await.flatten()
    }

    /// Its address while it runs.
    pub fn address(&self) -> Option<SocketAddr> {
        *self.address.borrow()
    }

    /// Stops it, if it runs.
    pub async fn stop(&self) {
        if !self.was_never_used() {
            // A keeper that has ended has taken its child along.
            let _ = self.ask(Request::Stop).await;
        }
    }

    fn was_never_used(&self) -> bool {
        self.idle_keeper.lock().is_ok_and(|keeper| keeper.is_some())
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let keeper = self.idle_keeper.lock().ok().and_then(|mut keeper| keeper.take());
        if let Some(keeper) = keeper {
            tokio::spawn(keeper.run());
        }
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    }
}

/// Owns the child.
struct Keeper {
    options: EmulatorOptions,
    requests: mpsc::Receiver<Request>,
    address: watch::Sender<Option<SocketAddr>>,
    child: Option<(Child, Running)>,
    starts: u64,
}

impl Keeper {
    async fn run(mut self) {
        loop {
            let request = tokio::select! {
                biased;
                status = ended(&mut self.child) => {
                    tracing::warn!(%status, "the emulator ended by itself");
                    self.forget();
                    continue;
                }
                request = self.requests.recv() => request,
            };
            match request {
                Some(Request::Running(mut reply)) => {
                    // A start that nobody waits for any more is given up; the child goes with it.
                    let running = tokio::select! {
                        biased;
                        running = self.ensure() => running,
                        () = reply.closed() => continue,
                    };
                    let _ = reply.send(running);
                }
                Some(Request::Current(reply)) => {
                    let _ = reply.send(self.current());
                }
                Some(Request::Stop(reply)) => {
                    self.stop().await;
                    let _ = reply.send(());
                }
                None => return self.stop().await,
            }
        }
    }

    async fn ensure(&mut self) -> Result<Running, Error> {
        if let Some(running) = self.current() {
            return Ok(running);
        }
        let (child, address) = Child::start(&self.options).await?;
        tracing::info!(%address, "emulator started");
        self.starts += 1;
        let running = Running {
            address,
            serial: self.starts,
            alive: Arc::new(AtomicBool::new(true)),
        };
        self.address.send_replace(Some(address));
        self.child = Some((child, running.clone()));
        Ok(running)
    }

    /// The emulator that runs, by a look at the process itself.
    fn current(&mut self) -> Option<Running> {
        let (child, running) = self.child.as_mut()?;
        let Some(status) = child.ended_already() else {
            return Some(running.clone());
        };
        tracing::warn!(%status, "the emulator ended by itself");
        self.forget();
        None
    }

    async fn stop(&mut self) {
        if let Some((child, _)) = &mut self.child {
            child.stop(self.options.stop_timeout).await;
            tracing::info!("emulator stopped");
        }
        self.forget();
    }

    fn forget(&mut self) {
        self.address.send_replace(None);
        if let Some((_, running)) = self.child.take() {
            running.alive.store(false, Ordering::Release);
        }
    }
}

async fn ended(child: &mut Option<(Child, Running)>) -> String {
    match child {
        Some((child, _)) => child.wait().await,
        None => std::future::pending().await,
    }
}
