//! Puts the rooms together.
//!
//! [`run`] serves in the foreground, [`start`] in the background, [`print_configuration`] only tells; the first two load the configuration, take the
//! lock of the state folder, come to a listening socket and hand it all to [`serve()`], which is the life of
//! the service. Here are no rules of its own: what is decided here is only who gets what.

mod aging;
#[cfg(target_os = "linux")]
mod carry;
mod configuration;
mod connections;
mod doors;
mod failure;
mod manual;
mod measure;
mod pulse;
mod reload;
mod remote;
mod serve;
mod traces;

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

pub use configuration::print_configuration;
pub use connections::{print_connections, print_reach};
pub use failure::Failure;
pub use manual::write_manual;
pub use reload::Reread;
pub use remote::Remote;
pub use serve::{Parts, serve};

use self::aging::Aging;
use self::reload::Reloader;
use crate::audit::{AuditFiles, AuditOptions, KeepSql};
use crate::backend::emulator::{EmulatorOptions, LogOpener};
use crate::backend::{Backend, BackendSettings};
use crate::config::{self, Environment, LogSettings, RunFlags, Settings};
use crate::domain::audit::AuditSearch;
use crate::domain::carry::Arrived;
use crate::domain::journal::record::Kept;
use crate::domain::meter::Meter;
use crate::domain::names::ConnectionName;
use crate::metrics::Metrics;
use crate::platform::activation::{self, Announced, Passed};
use crate::platform::daemon::{self, Fate, Report, Side};
use crate::platform::lock::FileLock;
use crate::platform::log_files::LogRules;
use crate::platform::logging::{self, LogOptions, Logger};
use crate::platform::own_program::OwnProgram;
use crate::platform::socket;
use crate::platform::{PlatformError, signals, socket_path};
use crate::pool::{Pool, PoolOptions};
use crate::remote::credentials::Credentials;
use crate::rpc::Manager;
use crate::sessions::Oversight;

/// Serves in the foreground until told to stop.
///
/// # Errors
///
/// What kept the service from serving, with the exit code for it.
pub fn run(environment: &Environment, flags: &RunFlags) -> Result<(), Failure> {
    // Both before anything else opens files or somebody replaces the program.
    let program = OwnProgram::look();
    let passed = passed(environment)?;
    let settings = config::load(environment, flags)?;
    let lock = lock_state(&settings)?;
    // launchd has no journal, and never rotates the file that it writes stderr to.
    let log_file = (passed.1 == Manager::Launchd).then(|| settings.folders.state.join("service.log"));
    let process = Process {
        environment,
        flags,
        settings,
        lock,
        log_file,
        program,
    };
    process.live(passed, None)
}

/// Starts in the background; returns when the service answers.
///
/// # Errors
///
/// The text and exit code with which the service ended instead.
pub fn start(environment: &Environment, flags: &RunFlags) -> Result<(), Failure> {
    let program = OwnProgram::look();
    let settings = config::load(environment, flags)?;
    let path = socket_of(&settings);
    if socket::answers(&path) {
        return Ok(());
    }
    let Some(lock) = lock_unless_answered(&settings, &path)? else {
        return Ok(());
    };
    let state = settings.folders.state.clone();
    let limit = settings.start_timeout;
    match daemon::detach(&state.join("service.stderr"), limit)? {
        Side::Parent(fate) => told(fate, limit, &state),
        Side::Child(report) => {
            let log_file = Some(state.join("service.log"));
            Process {
                environment,
                flags,
                settings,
                lock,
                log_file,
                program,
            }
            .live_reporting(report)
        }
    }
}

/// The state folder, or nothing once another service answers. Who holds it meanwhile is very likely a start at the same
/// moment, or a service that is just leaving.
fn lock_unless_answered(settings: &Settings, path: &Path) -> Result<Option<FileLock>, Failure> {
    let deadline = Instant::now() + settings.start_timeout;
    loop {
        match lock_state(settings) {
            Ok(lock) => return Ok(Some(lock)),
            Err(failure) if !failure.is_in_use() || Instant::now() >= deadline => return Err(failure),
            Err(_) if socket::answers(path) => return Ok(None),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// What the parent says of its child's fate.
fn told(fate: Fate, limit: Duration, state: &Path) -> Result<(), Failure> {
    let see = format!("see service.log and service.stderr in {}", state.display());
    match fate {
        Fate::Ready => Ok(()),
        Fate::Failed { code, message } => Err(Failure::new(code, message)),
        Fate::Silent => Err(Failure::defect(format!(
            "the service ended before it was ready; {see}"
        ))),
        Fate::Late => Err(Failure::temporary(format!(
            "the service was not ready within {limit:?}; {see}"
        ))),
    }
}

/// Everything of this process that is decided before the runtime starts.
struct Process<'a> {
    environment: &'a Environment,
    flags: &'a RunFlags,
    settings: Settings,
    lock: FileLock,
    log_file: Option<PathBuf>,
    program: Option<OwnProgram>,
}

/// What it takes to serve.
struct Prepared {
    logger: Logger,
    parts: Parts,
    credentials: Option<watch::Sender<Credentials>>,
    aging: Vec<Aging>,
}

impl Process<'_> {
    /// Lives in the background and tells the waiting parent how it goes.
    fn live_reporting(mut self, report: Report) -> Result<(), Failure> {
        if let Err(error) = self.lock.sign() {
            let failure = Failure::from(error);
            report.failed(failure.code(), &failure.to_string());
            return Err(failure);
        }
        self.live((Passed::default(), Manager::None), Some(report))
    }

    /// Lives until told to stop. A failure before the service is ready goes to `report` too.
    fn live(self, passed: (Passed, Manager), report: Option<Report>) -> Result<(), Failure> {
        let ready = Ready(report);
        let describing = watch::Sender::new(self.settings.oversight.describing.clone());
        let Prepared {
            logger,
            parts,
            credentials,
            aging,
        } = match self.prepare(passed, &describing) {
            Ok(prepared) => prepared,
            Err(failure) => return ready.failed(failure),
        };
        let reloader = Reloader {
            environment: self.environment,
            flags: self.flags,
            logger: &logger,
            traces: parts.traces.as_ref().map(|(traces, _)| traces.clone()),
            in_effect: RefCell::new(self.settings.listing.clone()),
            describing,
            credentials,
        };
        let reload = || reloader.read_again();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(8)
            .thread_name("service")
            .enable_all()
            .build();
        let ended = match runtime {
            Ok(runtime) => {
                runtime.spawn(aging::tend_all(aging, Arc::clone(&parts.clock)));
                runtime.block_on(serve(parts, ready, reload))
            }
            Err(error) => ready.failed(
                PlatformError::Io {
                    what: "start the runtime".to_owned(),
                    source: error,
                }
                .into(),
            ),
        };
        drop(logger);
        drop(self.lock);
        ended
    }

    fn prepare(
        &self,
        (passed, manager): (Passed, Manager),
        describing: &watch::Sender<HashSet<ConnectionName>>,
    ) -> Result<Prepared, Failure> {
        let armed = signals::arm()?;
        let logger = logging::start(&self.log_options())?;
        for warning in &self.settings.warnings {
            tracing::warn!("{warning}");
        }
        let expected = socket_of(&self.settings);
        let listener = match passed.listener {
            Some(listener) => {
                if listener.path != expected {
                    tracing::warn!(
                        passed = %listener.path.display(),
                        expected = %expected.display(),
                        "the passed socket is not where clients look by default"
                    );
                }
                listener
            }
            None => socket::bind(&expected)?,
        };
        let (remote, credentials) = remote::open(&self.settings, passed.tcp)?.unzip();
        let mut kept = kept_sessions(&self.settings)?;
        let arrived = self.arrived(passed.stored, manager, &mut kept);
        let audit = Arc::new(open_audit(&self.settings)?);
        // Whoever waits for the log to be written at the end does not wait for the timer.
        let aged = Arc::downgrade(&audit);
        let tend = move |now| {
            if let Some(audit) = aged.upgrade() {
                audit.tend(now);
            }
        };
        let mut aging = vec![Aging::new(audit.due(), tend)];
        aging.extend(
            logger
                .lines()
                .map(|lines| Aging::new(lines.due(), move |now| lines.tend(now))),
        );
        let metrics = Metrics::new(self.settings.metrics.connections_max);
        let traces = self.settings.traces.as_ref().map(traces::begin);
        let parts = Parts {
            metrics: Arc::clone(&metrics),
            audit: Arc::clone(&audit) as Arc<dyn AuditSearch>,
            oversight: Oversight {
                policies: self.settings.oversight.policies.clone(),
                audit,
                meter: Arc::clone(&metrics) as Arc<dyn Meter>,
                tracer: traces::tracer(traces.as_ref()),
                query_tag: self.settings.oversight.query_tag,
            },
            traces,
            connector: Arc::new(self.pool(describing)),
            kept,
            arrived,
            program: self.program.clone(),
            kept_jobs: crate::journal::open_jobs(&self.settings.folders.state.join("jobs.json")),
            settings: self.settings.clone(),
            log_file: self.log_file.clone(),
            listener,
            remote,
            manager,
            armed,
            clock: Arc::new(SystemTime::now),
        };
        Ok(Prepared {
            logger,
            parts,
            credentials,
            aging,
        })
    }

    /// What goes on from the run before, where a manager carries anything over.
    #[cfg(target_os = "linux")]
    fn arrived(&self, stored: Vec<activation::Stored>, manager: Manager, kept: &mut Kept) -> Option<Arrived> {
        if manager != Manager::Systemd {
            return None;
        }
        carry::open(stored, self.settings.limits.sessions_max, kept)
    }

    #[cfg(not(target_os = "linux"))]
    fn arrived(&self, _: Vec<activation::Stored>, _: Manager, _: &mut Kept) -> Option<Arrived> {
        None
    }

    fn log_options(&self) -> LogOptions {
        let log = &self.settings.log;
        LogOptions {
            level: log.level.clone(),
            journal_stream: log.journal_stream.clone(),
            queue_max: log.queue_max,
            queue_bytes_max: log.queue_bytes_max,
            file: self.log_file.clone(),
            file_rules: log_rules(log),
        }
    }

    fn pool(&self, describing: &watch::Sender<HashSet<ConnectionName>>) -> Pool {
        let limits = &self.settings.limits;
        let options = PoolOptions {
            pool: self.settings.pool.clone(),
            breaker: self.settings.breaker.clone(),
            login_timeout: limits.login_timeout,
            logout_timeout: limits.logout_timeout,
        };
        Pool::new(
            Arc::new(self.backend(describing)),
            options,
            Arc::new(SystemTime::now),
        )
    }

    fn backend(&self, describing: &watch::Sender<HashSet<ConnectionName>>) -> Backend {
        let emulator = &self.settings.emulator;
        let state = &self.settings.folders.state;
        let own_folder = std::env::current_exe()
            .ok()
            .and_then(|path| path.parent().map(Path::to_owned));
        let (log_path, log_bytes_max) = (state.join("emulator.log"), emulator.log_bytes_max);
        let open_log = move || {
            let file = crate::platform::log_file::LogFile::open(&log_path, log_bytes_max)?;
            Ok(Box::new(file) as Box<dyn std::io::Write + Send>)
        };
        Backend::new(BackendSettings {
            home: self.settings.folders.home.clone(),
            environment: self.environment.variables().clone(),
            limits: self.settings.limits.clone(),
            network: self.settings.network.clone(),
            batch_bytes_max: self.settings.batch_bytes_max,
            describing: describing.subscribe(),
            emulator: EmulatorOptions {
                command: emulator.command.clone(),
                search_path: own_folder
                    .into_iter()
                    .chain(emulator.search_path.iter().cloned())
                    .collect(),
                data_directory: emulator.data_directory.clone(),
                fault_control: emulator.fault_control,
                state_directory: state.clone(),
                start_timeout: emulator.start_timeout,
                stop_timeout: emulator.stop_timeout,
                log: LogOpener(Arc::new(open_log)),
                environment: emulator.environment.clone(),
            },
        })
    }
}

/// Who waits to hear that the service is ready, if anybody does.
pub struct Ready(Option<Report>);

impl Ready {
    /// Nobody waits.
    pub fn nobody() -> Self {
        Self(None)
    }

    /// Says that the service is ready.
    pub(crate) fn ready(self) {
        if let Some(report) = self.0 {
            report.ready();
        }
    }

    /// Says why it will not be.
    pub(crate) fn failed<T>(self, failure: Failure) -> Result<T, Failure> {
        if let Some(report) = self.0 {
            report.failed(failure.code(), &failure.to_string());
        }
        Err(failure)
    }
}

/// What a manager passed, and which one it is.
fn passed(environment: &Environment) -> Result<(Passed, Manager), Failure> {
    let passed = activation::from_systemd(Announced {
        pid: environment.get("LISTEN_PID"),
        count: environment.get("LISTEN_FDS"),
        names: environment.get("LISTEN_FDNAMES"),
    })?;
    if passed.listener.is_some() || passed.tcp.is_some() || environment.get("NOTIFY_SOCKET").is_some() {
        return Ok((passed, Manager::Systemd));
    }
    let listener = activation::from_launchd()?;
    let manager = listener.as_ref().map_or(Manager::None, |_| Manager::Launchd);
    let passed = Passed { listener, ..passed };
    Ok((passed, manager))
}

fn socket_of(settings: &Settings) -> PathBuf {
    let socket = &settings.socket;
    socket.path.clone().unwrap_or_else(|| {
        let uid = rustix::process::geteuid().as_raw();
        socket_path::default_path(
            socket.runtime_directory.as_deref(),
            &socket.temporary_directory,
            uid,
        )
    })
}

fn lock_state(settings: &Settings) -> Result<FileLock, Failure> {
    let state = &settings.folders.state;
    // Not private: on some versions of systemd the state folder of a user's service is the folder of its configuration.
    socket::own_folder(state)?;
    Ok(FileLock::acquire(
        &state.join("service.lock"),
        &format!("state folder {}", state.display()),
    )?)
}

/// When log files end and go.
fn log_rules(log: &LogSettings) -> LogRules {
    LogRules {
        bytes_max: log.file_bytes_max,
        age_max: log.file_age_max,
        total_bytes_max: log.total_bytes_max,
        keep: log.keep,
    }
}

/// The sessions that an earlier run of the service has kept.
fn kept_sessions(settings: &Settings) -> Result<Kept, Failure> {
    let folder = settings.folders.state.join("sessions");
    socket::private_folder(&folder)?;
    let what = format!("read the kept sessions in {}", folder.display());
    Ok(crate::journal::open(&folder, settings.journal_bytes_max)
        .map_err(|source| PlatformError::Io { what, source })?)
}

/// The audit log of this and earlier runs of the service.
fn open_audit(settings: &Settings) -> Result<AuditFiles, Failure> {
    let folder = settings.folders.state.join("audit");
    socket::private_folder(&folder)?;
    let audit = &settings.oversight.audit;
    let what = format!("open the audit log in {}", folder.display());
    let options = AuditOptions {
        folder,
        sql: match audit.sql {
            config::KeepSql::None => KeepSql::None,
            config::KeepSql::Head => KeepSql::Head,
            config::KeepSql::Full => KeepSql::Full,
        },
        file_bytes_max: audit.file_bytes_max,
        file_age_max: audit.file_age_max,
        total_bytes_max: audit.total_bytes_max,
        keep: audit.keep,
        queue_max: audit.queue_max,
        queue_bytes_max: usize::try_from(audit.queue_bytes_max).unwrap_or(usize::MAX),
        search_time_max: audit.search_time_max,
    };
    Ok(AuditFiles::open(options).map_err(|source| PlatformError::Io { what, source })?)
}
