//! The life of the service: ready, serving, draining, gone.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::doors::Doors;
use super::pulse::Pulse;
use super::remote::Remote;
use super::{Failure, Ready, Reread, measure};
use crate::config::{Faults, Settings};
use crate::domain::audit::AuditSearch;
use crate::domain::carry::Arrived;
use crate::domain::history::KeptJobs;
use crate::domain::journal::record::Kept;
use crate::domain::upstream::Connector;
use crate::metrics::Metrics;
use crate::platform::own_program::OwnProgram;
use crate::platform::signals::{Armed, Signals, Wish};
use crate::platform::socket::Listener;
use crate::platform::{notify, restart};
use crate::rpc::{self, About, Arrivals, Manager, Reloaded, Rpc, RpcLimits};
use crate::sessions::{Oversight, Sessions, WallClock};
use crate::traces::{Exporter, Exporting, Traces};

/// What a service is made of; a test makes it of other things.
pub struct Parts {
    /// The way to Snowflake.
    pub connector: Arc<dyn Connector>,
    /// The sessions that are kept.
    pub kept: Kept,
    /// What goes on from the run before; `None` where nothing can.
    pub arrived: Option<Arrived>,
    /// The program's file, to notice when it is replaced.
    pub program: Option<OwnProgram>,
    /// The submitted queries that are kept.
    pub kept_jobs: KeptJobs,
    /// What watches over the sessions.
    pub oversight: Oversight,
    /// What was counted.
    pub metrics: Arc<Metrics>,
    /// What tells of calls and statements, where anybody is told.
    pub traces: Option<(Traces, Exporter)>,
    /// Where the audit log is searched.
    pub audit: Arc<dyn AuditSearch>,
    /// The configuration.
    pub settings: Settings,
    /// The socket to serve.
    pub listener: Listener,
    /// What it takes to serve other machines, if they are.
    pub remote: Option<Remote>,
    /// File that is logged to, if there is one.
    pub log_file: Option<PathBuf>,
    /// Who runs the service.
    pub manager: Manager,
    /// Signals that came before the service could listen to them.
    pub armed: Armed,
    /// Tells the time.
    pub clock: WallClock,
}

/// How long the last answers may take to leave after everything else is done.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How long connections that were accepted last have to make their calls before the server says goodbye to them.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// Pause between two looks at the program's file.
const PROGRAM_LOOK: Duration = Duration::from_secs(2);

/// How long the manager may take to say whether it restarts us.
const RESTART_ANSWER: Duration = Duration::from_secs(3);

/// Serves until a signal, a caller, or a long quiet ends it, then drains. `reload` reads the configuration again, at SIGHUP
/// or when a caller wants it.
///
/// # Errors
///
/// When the service cannot begin, or its server breaks down.
pub async fn serve(parts: Parts, ready: Ready, reload: impl Reload) -> Result<(), Failure> {
    let mut service = match Service::begin(parts).await {
        Ok(service) => service,
        Err(failure) => return ready.failed(failure),
    };
    tracing::info!(socket = %service.about.socket.display(), version = env!("CARGO_PKG_VERSION"), "serving");
    if let Some(address) = service.about.tcp_address {
        tracing::info!(%address, "serving other machines");
    }
    notify::ready(&service.status());
    ready.ready();
    let watchdog = tokio::spawn(service.pulse().watch_over());
    let end = service.until_end(reload).await;
    let ended = service.drain(end).await;
    watchdog.abort();
    ended
}

/// Reads the configuration again.
pub trait Reload: Fn() -> Result<Reread, Faults> {}

impl<F: Fn() -> Result<Reread, Faults>> Reload for F {}

/// A running service.
struct Service {
    about: About,
    settings: Settings,
    connector: Arc<dyn Connector>,
    sessions: Sessions,
    /// Sessions can be left logged in for the next run.
    carries: bool,
    /// The next run comes as soon as this one is gone.
    restarting: bool,
    program: Program,
    doors: Doors,
    /// Who has come in and not been heard yet.
    arrivals: Arrivals,
    signals: Signals,
    shutdown_requests: mpsc::Receiver<Option<Duration>>,
    reload_requests: mpsc::Receiver<oneshot::Sender<Reloaded>>,
    server: tokio::task::JoinHandle<()>,
    exporting: Option<Exporting>,
    /// Ends the accept loop, and then the server.
    stop: (CancellationToken, CancellationToken),
}

/// Why a service ends.
enum End {
    /// Somebody wants it, with this grace period for what runs.
    Wanted(Duration),
    /// Nobody uses it, and nobody comes in any more.
    Unused,
    /// The server broke down.
    Broken(String),
}

impl Service {
    async fn begin(parts: Parts) -> Result<Self, Failure> {
        let Parts {
            connector,
            kept,
            arrived,
            program,
            kept_jobs,
            oversight,
            metrics,
            traces,
            audit,
            settings,
            log_file,
            listener,
            remote,
            manager,
            armed,
            clock,
        } = parts;
        let signals = Signals::listen(armed)?;
        let sessions = Sessions::new(
            Arc::clone(&connector),
            settings.limits.clone(),
            Arc::clone(&clock),
            kept,
            oversight,
        );
        sessions.keep_jobs(kept_jobs);
        let carries = arrived.is_some();
        if let Some(arrived) = arrived {
            // Before anybody can ask for a session of that name.
            let count = sessions.carry(arrived).await;
            tracing::debug!(count, "sessions go on");
        }
        let program = Program::new(program);
        let stop = (CancellationToken::new(), CancellationToken::new());
        let socket = listener.path.clone();
        let arrivals = Arrivals::default();
        let (doors, connections) = Doors::open(listener, remote, &settings, &arrivals, &stop.0)?;
        let about = About {
            pid: std::process::id(),
            start_time: clock(),
            manager,
            socket,
            tcp_address: doors.tcp_address(),
            log_file,
            program_replaced: program.watch(),
            state_directory: settings.folders.state.clone(),
            emulator_data_directory: settings.emulator.data_directory.clone(),
        };
        let (shutdown, shutdown_requests) = mpsc::channel(1);
        let (reload, reload_requests) = mpsc::channel(1);
        let (traces, exporting) = export(traces)?;
        let counted = measure::counted(metrics, &about, sessions.clone(), traces.clone());
        let pulse = Pulse::new(doors.clone(), sessions.clone());
        measure::publish(&settings.metrics, &counted, pulse, stop.1.clone())?;
        let rpc = Rpc {
            counted,
            about: about.clone(),
            sessions: sessions.clone(),
            audit,
            traces,
            shutdown,
            reload,
            limits: RpcLimits {
                request_bytes_max: settings.rpc.request_bytes_max,
                calls_max: settings.rpc.calls_max,
                stream_window_bytes: settings.rpc.stream_window,
                connection_window_bytes: settings.rpc.connection_window,
                parting_timeout: settings.tcp.parting_timeout,
            },
        };
        let server = tokio::spawn(rpc::serve(rpc, connections, stop.1.clone()));
        Ok(Self {
            about,
            settings,
            connector,
            sessions,
            carries,
            restarting: false,
            program,
            doors,
            arrivals,
            signals,
            shutdown_requests,
            reload_requests,
            server,
            exporting,
            stop,
        })
    }

    /// Says whether it lives.
    fn pulse(&self) -> Pulse {
        Pulse::new(self.doors.clone(), self.sessions.clone())
    }

    /// What systemd shows of a service that serves.
    fn status(&self) -> String {
        format!("serving {}", self.about.socket.display())
    }

    /// Waits for a reason to end.
    async fn until_end(&mut self, reload: impl Reload) -> End {
        loop {
            let grace = self.settings.grace_period;
            let idle_exit = self.settings.idle_exit.filter(|_| self.doors.may_be_left());
            tokio::select! {
                wish = self.signals.next() => match wish {
                    Wish::Reload => drop(self.reload(&reload)),
                    Wish::Stop => {
                        tracing::info!("stopping: told by a signal");
                        if self.carries && restart::is_under_way(RESTART_ANSWER).await {
                            tracing::info!("the service is being restarted; sessions stay logged in");
                            self.sessions.hand_over();
                            self.restarting = true;
                        }
                        return End::Wanted(grace);
                    }
                },
                Some(asked) = self.shutdown_requests.recv() => {
                    tracing::info!("stopping: told by a caller");
                    return End::Wanted(asked.unwrap_or(grace));
                }
                Some(reply) = self.reload_requests.recv() => {
                    // Who asked and left is not waited for.
                    let _ = reply.send(self.reload(&reload));
                }
                () = unused(&self.sessions, idle_exit) => {
                    if self.leave_if_unused().await {
                        tracing::info!("stopping: no session for the idle limit");
                        return End::Unused;
                    }
                }
                () = self.program.replaced() => {
                    if self.leave_if_unused().await {
                        tracing::info!("stopping: the program was replaced and holds no session");
                        return End::Unused;
                    }
                }
                ended = &mut self.server => {
                    let why = match ended {
                        Ok(()) => "it ended by itself".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    return End::Broken(why);
                }
            }
        }
    }

    /// Leaves if nobody uses the service or is about to. The doors are shut first, and whoever has come by then is heard: who
    /// comes all the time and only asks how it is does not keep the service, and who has been let in and is slow to speak
    /// does; then it goes on as if nothing had been. Whoever comes meanwhile waits for that, or for the next run.
    async fn leave_if_unused(&self) -> bool {
        if !self.doors.may_be_left() || self.sessions.counts().0 > 0 {
            return false;
        }
        self.doors.pause().await;
        self.arrivals.heard(LAST_CALLS).await;
        let leaves = self.arrivals.are_heard() && self.sessions.drain_if_unused();
        if !leaves {
            self.doors.resume().await;
        }
        leaves
    }

    /// Reads the configuration again and goes on by it, as far as that is possible.
    fn reload(&mut self, reload: &impl Reload) -> Reloaded {
        notify::reloading();
        let reloaded = match reload() {
            Ok(Reread {
                settings,
                applied,
                needs_restart,
            }) => {
                let oversight = &settings.oversight;
                self.sessions
                    .renew(&settings.limits, oversight.policies.clone(), oversight.query_tag);
                self.settings.idle_exit = settings.idle_exit;
                self.settings.grace_period = settings.grace_period;
                let (now, later) = (applied.join(" "), needs_restart.join(" "));
                tracing::info!(applied = now, needs_restart = later, "configuration read again");
                Reloaded {
                    applied,
                    needs_restart,
                    warnings: settings.warnings,
                    faults: Vec::new(),
                }
            }
            Err(faults) => {
                tracing::error!(error = %faults, "configuration not read again; the old one goes on");
                let faults = faults.0.into_iter();
                Reloaded {
                    faults: faults.map(|fault| (fault.place, fault.message)).collect(),
                    ..Reloaded::default()
                }
            }
        };
        notify::ready(&self.status());
        reloaded
    }

    /// Refuses new work, lets the old end, cancels what does not, logs out, answers the last callers.
    async fn drain(mut self, end: End) -> Result<(), Failure> {
        // Whoever still asks for that hears that the service stops.
        self.reload_requests = mpsc::channel(1).1;
        let limits = &self.settings.limits;
        let (grace, left, broken) = match end {
            End::Wanted(grace) => (grace, false, None),
            End::Unused => (Duration::ZERO, true, None),
            End::Broken(why) => (Duration::ZERO, false, Some(why)),
        };
        let closing = limits.cancel_wait + 2 * limits.logout_timeout + limits.journal_wait + LAST_ANSWERS;
        let connector = 2 * limits.logout_timeout + self.settings.emulator.stop_timeout + LAST_ANSWERS;
        let flush = self
            .exporting
            .as_ref()
            .map_or(Duration::ZERO, Exporting::flush_timeout);
        notify::stopping(
            "finishing queries",
            LAST_CALLS + grace + closing + connector + LAST_ANSWERS + flush,
        );
        if self.restarting {
            // Who comes now is better served by the next run; who has just come is still let through.
            self.doors.pause().await;
            self.arrivals.heard(LAST_CALLS).await;
        }
        if left {
            // Connections that are open and idle are said goodbye to, so that their next call goes to the next run.
            self.stop.1.cancel();
        }
        self.sessions.start_draining();
        if timeout(grace, self.sessions.quiet()).await.is_err() {
            tracing::warn!(
                ?grace,
                "queries did not end within the grace period; cancelling them"
            );
        }
        within(closing, "sessions", self.sessions.close_all()).await;
        within(connector, "spare logins and emulator", self.connector.shutdown()).await;
        if !self.restarting && !left {
            // One that was accepted a moment ago must not be cut before its call came.
            self.doors.pause().await;
            self.arrivals.heard(LAST_CALLS).await;
        }
        self.stop.0.cancel();
        self.stop.1.cancel();
        if let Some(why) = broken {
            return Err(Failure::defect(format!("the gRPC server broke down: {why}")));
        }
        // A client that keeps a call open must not keep the service.
        let _ = timeout(LAST_ANSWERS, self.server).await;
        if let Some(exporting) = self.exporting {
            exporting.finish().await;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// Begins to tell of calls and statements, where anybody is told.
fn export(traces: Option<(Traces, Exporter)>) -> Result<(Option<Traces>, Option<Exporting>), Failure> {
    let Some((traces, exporter)) = traces else {
        return Ok((None, None));
    };
    let exporting = exporter
        .start()
        .map_err(|why| Failure::temporary(format!("traces cannot be sent: {why}")))?;
    Ok((Some(traces), Some(exporting)))
}

/// The program's file, looked at now and then.
struct Program {
    file: Option<OwnProgram>,
    looks: tokio::time::Interval,
    replaced: watch::Sender<bool>,
}

impl Program {
    fn new(file: Option<OwnProgram>) -> Self {
        let mut looks = tokio::time::interval(PROGRAM_LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self {
            file,
            looks,
            replaced: watch::Sender::new(false),
        }
    }

    fn watch(&self) -> watch::Receiver<bool> {
        self.replaced.subscribe()
    }

    /// Returns at each look that finds another program on disk.
    async fn replaced(&mut self) {
        let Some(file) = &self.file else {
            return std::future::pending().await;
        };
        loop {
            self.looks.tick().await;
            if file.is_replaced() {
                if !self.replaced.send_replace(true) {
                    tracing::info!(
                        "the program was replaced on disk; `sfctl service restart` puts the new one to work"
                    );
                    notify::status("the program was replaced on disk; restart to use the new one");
                }
                return;
            }
        }
    }
}

async fn within(limit: Duration, what: &str, done: impl Future<Output = ()>) {
    if timeout(limit, done).await.is_err() {
        tracing::warn!(what, ?limit, "did not end in time; left behind");
    }
}

async fn unused(sessions: &Sessions, limit: Option<Duration>) {
    match limit {
        Some(limit) => sessions.unused(limit).await,
        None => std::future::pending().await,
    }
}
