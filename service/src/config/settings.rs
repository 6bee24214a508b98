//! What the program uses: every value read, checked and typed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::Environment;
use super::flags::RunFlags;
use super::layers::{Fault, Faults, Layers};
use super::listing::{LayerName, Listing, SettingsFile};
use super::metrics::MetricsSettings;
use super::oversight::OversightSettings;
use super::read::Reader;
use super::tcp::TcpSettings;
use super::traces::TracesSettings;
use crate::domain::breaker::BreakerRules;
use crate::domain::limits::Limits;
use crate::domain::network::NetworkLimits;
use crate::domain::pool::PoolRules;

/// The whole configuration, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub socket: SocketSettings,
    /// Clients of other machines.
    pub tcp: TcpSettings,
    /// Folders of this user.
    pub folders: Folders,
    /// What to log, and where.
    pub log: LogSettings,
    /// How long to stay without any session; `None` is for ever.
    pub idle_exit: Option<Duration>,
    /// How long running queries may go on when the service stops.
    pub grace_period: Duration,
    /// How long a start in the background may take.
    pub start_timeout: Duration,
    /// Limits of sessions and queries.
    pub limits: Limits,
    /// When logins stop being tried.
    pub breaker: BreakerRules,
    /// How many spare logins are kept.
    pub pool: PoolRules,
    /// Limits of what goes over the network.
    pub network: NetworkLimits,
    /// What is told Prometheus.
    pub metrics: MetricsSettings,
    /// What a collector of OpenTelemetry is told; `None` is nothing.
    pub traces: Option<TracesSettings>,
    /// What watches over the sessions.
    pub oversight: OversightSettings,
    /// Size at which result batches are cut.
    pub batch_bytes_max: usize,
    /// Largest file of a kept session.
    pub journal_bytes_max: u64,
    /// Limits of the gRPC server.
    pub rpc: RpcSettings,
    /// The local emulator.
    pub emulator: EmulatorSettings,
    /// Things worth telling, whole sentences.
    pub warnings: Vec<String>,
    /// Every key with its value, as it was read.
    pub listing: Listing,
}

/// Where to listen.
#[derive(Debug, Clone)]
pub struct SocketSettings {
    /// The configured path.
    pub path: Option<PathBuf>,
    /// Whoever may open the socket may use the service, not its own user alone.
    pub shared: bool,
    /// The user's runtime folder.
    pub runtime_directory: Option<PathBuf>,
    /// The folder for temporary files.
    pub temporary_directory: PathBuf,
}

/// Folders of this user.
#[derive(Debug, Clone)]
pub struct Folders {
    /// The user's home.
    pub home: PathBuf,
    /// What outlives the service.
    pub state: PathBuf,
}

/// What to log, and where.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Level or filter.
    pub level: String,
    /// Size at which a log file ends.
    pub file_bytes_max: u64,
    /// Age at which it ends.
    pub file_age_max: Duration,
    /// Size of all log files.
    pub total_bytes_max: u64,
    /// How long a log file is kept after its last line.
    pub keep: Duration,
    /// Records that wait for a slow journal or disk.
    pub queue_max: usize,
    /// Bytes of them that wait for a disk.
    pub queue_bytes_max: usize,
    /// Device and inode of the journal's stream, as systemd gives it.
    pub journal_stream: Option<String>,
}

/// Limits of the gRPC server.
#[derive(Debug, Clone)]
pub struct RpcSettings {
    /// Most client connections at a time.
    pub connections_max: usize,
    /// Most calls at a time on one connection.
    pub calls_max: u32,
    /// Largest request in bytes.
    pub request_bytes_max: usize,
    /// Flow-control window of one call in bytes.
    pub stream_window: u32,
    /// Flow-control window of one connection in bytes.
    pub connection_window: u32,
}

/// The local emulator.
#[derive(Debug, Clone)]
pub struct EmulatorSettings {
    /// The configured executable.
    pub command: Option<PathBuf>,
    /// Folders in which to look for it otherwise.
    pub search_path: Vec<PathBuf>,
    /// Folder of its data.
    pub data_directory: PathBuf,
    /// Lets faults be made in it.
    pub fault_control: bool,
    /// How long it may take to be ready.
    pub start_timeout: Duration,
    /// How long it may take to stop.
    pub stop_timeout: Duration,
    /// Size at which its log is rotated.
    pub log_bytes_max: u64,
    /// Its environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// The machine's configuration file.
const SYSTEM_FILE: &str = "/etc/snowflake-session/config.toml";

/// Reads the whole configuration.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn load(environment: &Environment, flags: &RunFlags) -> Result<Settings, Faults> {
    examine(environment, flags).settings
}

/// A configuration as it was found, whether or not it can be used.
#[derive(Debug)]
pub struct Examined {
    /// The files that were looked for, in their order.
    pub files: Vec<SettingsFile>,
    /// Every key with its value and where that comes from.
    pub listing: Listing,
    /// Things worth telling, whole sentences.
    pub warnings: Vec<String>,
    /// What the program would use.
    pub settings: Result<Settings, Faults>,
}

/// Reads the whole configuration and tells all that there is to tell of it.
pub fn examine(environment: &Environment, flags: &RunFlags) -> Examined {
    examine_with(Path::new(SYSTEM_FILE), environment, flags)
}

fn examine_with(system_file: &Path, environment: &Environment, flags: &RunFlags) -> Examined {
    let mut layers = Layers::new();
    layers.file(LayerName::System, system_file, false);
    let named = flags
        .config
        .clone()
        .or_else(|| environment.get("SNOWFLAKE_SESSIOND_CONFIG").map(PathBuf::from));
    match named {
        Some(file) => layers.file(LayerName::User, &file, true),
        None => {
            if let Some(file) = user_file(environment) {
                layers.file(LayerName::User, &file, false);
            }
        }
    }
    layers.environment(environment);
    layers.flags(flags);
    let home = environment.folder("HOME");
    if home.is_none() {
        layers.fault(
            "variable HOME",
            "not set to an absolute path; the user's files cannot be found",
        );
    }
    let mut reader = Reader::new(&layers);
    let mut settings = read(&mut reader, home.unwrap_or_default(), environment);
    let faults: Vec<Fault> = layers.faults.iter().cloned().chain(reader.faults()).collect();
    let listing = layers.listing();
    settings.listing = listing.clone();
    settings.warnings.clone_from(&layers.warnings);
    Examined {
        files: layers.files,
        listing,
        warnings: layers.warnings,
        settings: if faults.is_empty() {
            Ok(settings)
        } else {
            Err(Faults(faults))
        },
    }
}

fn user_file(environment: &Environment) -> Option<PathBuf> {
    let folder = environment
        .folder("XDG_CONFIG_HOME")
        .or_else(|| environment.folder("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("snowflake-session/config.toml"))
}

fn state_folder(environment: &Environment, home: &Path) -> PathBuf {
    // systemd separates several folders by colons; we ask for one.
    let from_manager = environment
        .get("STATE_DIRECTORY")
        .and_then(|folders| folders.split(':').next());
    if let Some(folder) = from_manager {
        // For a user that exists only while the service runs, systemd gives a link into a folder of root's.
        return std::fs::canonicalize(folder).unwrap_or_else(|_| PathBuf::from(folder));
    }
    if cfg!(target_os = "macos") {
        return home.join("Library/Application Support/snowflake-session");
    }
    environment
        .folder("XDG_STATE_HOME")
        .unwrap_or_else(|| home.join(".local/state"))
        .join("snowflake-session")
}

const SECOND: Duration = Duration::from_secs(1);
const MEBIBYTE: u64 = 1 << 20;

fn read(reader: &mut Reader<'_>, home: PathBuf, environment: &Environment) -> Settings {
    let state = reader
        .path("state.directory")
        .unwrap_or_else(|| state_folder(environment, &home));
    let emulator = read_emulator(reader, &state, environment);
    Settings {
        socket: SocketSettings {
            path: reader.path("socket.path"),
            shared: read_peers(reader),
            runtime_directory: environment.folder("XDG_RUNTIME_DIR"),
            temporary_directory: environment.folder("TMPDIR").unwrap_or_else(|| "/tmp".into()),
        },
        tcp: super::tcp::read(reader),
        log: read_log(reader, environment),
        idle_exit: read_idle_exit(reader),
        grace_period: reader.duration("service.grace_period", Duration::ZERO),
        start_timeout: reader.duration("service.start_timeout", SECOND),
        limits: read_limits(reader),
        breaker: read_breaker(reader),
        network: super::network::read(reader),
        pool: read_pool(reader),
        metrics: super::metrics::read(reader),
        traces: super::traces::read(reader),
        oversight: super::oversight::read(reader),
        batch_bytes_max: to_usize(reader.size("query.batch_bytes_max", 4096, 64 * MEBIBYTE)),
        journal_bytes_max: reader.size("journal.bytes_max", 64 * 1024, 64 * MEBIBYTE),
        rpc: read_rpc(reader),
        emulator,
        folders: Folders { home, state },
        warnings: Vec::new(),
        listing: Listing::default(),
    }
}

fn read_peers(reader: &mut Reader<'_>) -> bool {
    let peers = reader.text("socket.peers");
    if !matches!(peers.as_str(), "own" | "permitted") {
        reader.fault(
            "socket.peers",
            format!("{peers:?} is neither \"own\" nor \"permitted\""),
        );
    }
    peers == "permitted"
}

fn read_log(reader: &mut Reader<'_>, environment: &Environment) -> LogSettings {
    let level = reader.text("log.level");
    if let Err(error) = level.parse::<tracing_subscriber::filter::Targets>() {
        reader.fault(
            "log.level",
            format!("{level:?} is not a level or filter: {error}"),
        );
    }
    let file_bytes_max = reader.size("log.file_bytes_max", 64 * 1024, 1024 * MEBIBYTE);
    LogSettings {
        level,
        file_bytes_max,
        file_age_max: reader.duration("log.file_age_max", Duration::from_mins(1)),
        total_bytes_max: reader.size("log.total_bytes_max", file_bytes_max, 1024 * 1024 * MEBIBYTE),
        keep: reader.duration("log.keep", Duration::from_mins(1)),
        queue_max: reader.count("log.queue_max", 16),
        queue_bytes_max: to_usize(reader.size("log.queue_bytes_max", MEBIBYTE, 1024 * MEBIBYTE)),
        journal_stream: environment.get("JOURNAL_STREAM").map(str::to_owned),
    }
}

/// Below this, a start per request could make systemd give the socket up.
const IDLE_EXIT_LEAST: Duration = Duration::from_secs(30);

fn read_idle_exit(reader: &mut Reader<'_>) -> Option<Duration> {
    let idle_exit = reader.duration("service.idle_exit", Duration::ZERO);
    if !idle_exit.is_zero() && idle_exit < IDLE_EXIT_LEAST {
        reader.fault(
            "service.idle_exit",
            format!("{idle_exit:?} is less than {IDLE_EXIT_LEAST:?}; \"0s\" means for ever"),
        );
    }
    (!idle_exit.is_zero()).then_some(idle_exit)
}

fn read_limits(reader: &mut Reader<'_>) -> Limits {
    Limits {
        sessions_max: reader.count("session.sessions_max", 1),
        queue_max: reader.count("session.queue_max", 1),
        results_max: reader.count("session.results_max", 1),
        session_idle: reader.duration("session.idle_limit", SECOND),
        transaction_lease: reader.duration("transaction.lease", SECOND),
        kept_max: reader.count("journal.sessions_max", 0),
        keep: reader.duration("journal.keep", SECOND),
        journal_wait: reader.duration("journal.write_wait", Duration::ZERO),
        history_max: reader.count("query.history_max", 1),
        jobs_max: reader.count("query.jobs_max", 1),
        jobs_kept_max: reader.count("query.jobs_kept_max", 0),
        submit_timeout: reader.duration("query.submit_timeout", SECOND),
        job_check: (
            reader.duration("query.job_check_first", Duration::from_millis(10)),
            reader.duration("query.job_check_longest", Duration::from_millis(10)),
        ),
        watch_interval: reader.duration("query.watch_interval", Duration::from_millis(100)),
        sql_bytes_max: to_usize(reader.size("query.sql_bytes_max", 1, 128 * MEBIBYTE)),
        bindings_max: reader.count("query.bindings_max", 0),
        query_timeout: reader.duration("query.timeout", SECOND),
        write_hold: reader.duration("write.hold", SECOND),
        sample_rows: reader.count("write.sample_rows", 0) as u64,
        sample_bytes_max: to_usize(reader.size("write.sample_bytes_max", 1024, 16 * MEBIBYTE)),
        sample_timeout: reader.duration("write.sample_timeout", Duration::from_millis(100)),
        hint_timeout: reader.duration("query.hint_timeout", Duration::ZERO),
        cancel_wait: reader.duration("query.cancel_wait", Duration::from_millis(100)),
        batches_buffered_max: reader.count("query.batches_buffered_max", 1),
        login_timeout: reader.duration("login.timeout", SECOND),
        logout_timeout: reader.duration("login.logout_timeout", Duration::from_millis(100)),
    }
}

fn read_breaker(reader: &mut Reader<'_>) -> BreakerRules {
    let retry_min = reader.duration("login.retry_min", Duration::from_millis(1));
    BreakerRules {
        failures_max: to_u32(reader.count("login.failures_max", 1)),
        refusals_max: to_u32(reader.count("login.refusals_max", 1)),
        retry_min,
        retry_max: reader.duration("login.retry_max", retry_min),
        refused_wait: reader.duration("login.refused_wait", SECOND),
    }
}

fn read_pool(reader: &mut Reader<'_>) -> PoolRules {
    let max = reader.count("pool.max", 0);
    let min = reader.count("pool.min", 0);
    if min > max {
        reader.fault("pool.min", format!("{min} is more than `pool.max`, {max}"));
    }
    PoolRules {
        min,
        max,
        fill_after: reader.duration("pool.fill_after", Duration::ZERO),
        check_after: reader.duration("pool.check_after", Duration::ZERO),
        check_timeout: reader.duration("pool.check_timeout", Duration::from_millis(1)),
        idle_limit: reader.duration("pool.idle_limit", SECOND),
    }
}

fn read_rpc(reader: &mut Reader<'_>) -> RpcSettings {
    /// Least and most that HTTP/2 allows for a window.
    const WINDOW: (u64, u64) = (65_535, (1 << 31) - 1);
    RpcSettings {
        connections_max: reader.count("rpc.connections_max", 1),
        calls_max: to_u32(reader.count("rpc.calls_max", 1)),
        request_bytes_max: to_usize(reader.size("rpc.request_bytes_max", MEBIBYTE, 256 * MEBIBYTE)),
        stream_window: to_u32(to_usize(reader.size("rpc.stream_window", WINDOW.0, WINDOW.1))),
        connection_window: to_u32(to_usize(reader.size("rpc.connection_window", WINDOW.0, WINDOW.1))),
    }
}

fn read_emulator(reader: &mut Reader<'_>, state: &Path, environment: &Environment) -> EmulatorSettings {
    let search_path = environment
        .get("PATH")
        .map(|path| std::env::split_paths(path).collect());
    EmulatorSettings {
        command: reader.path("emulator.command"),
        search_path: search_path.unwrap_or_default(),
        data_directory: reader
            .path("emulator.data_directory")
            .unwrap_or_else(|| state.join("emulator")),
        fault_control: reader.truth("emulator.fault_control"),
        start_timeout: reader.duration("emulator.start_timeout", SECOND),
        stop_timeout: reader.duration("emulator.stop_timeout", Duration::from_millis(100)),
        log_bytes_max: reader.size("emulator.log_bytes_max", 64 * 1024, 1024 * MEBIBYTE),
        environment: environment.for_children(),
    }
}

fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn to_usize(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
