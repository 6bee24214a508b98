//! The checked step from what was written to what is used.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::ServeArguments;
use super::accounts::accounts;
use super::file::ConfigFile;
use super::sql_api;
use crate::faults::{Faults, Rule, RuleError};
use crate::protocol::{Accounts, AccountsError, BELIEVED_MAX, Metrics, Mounted, Settings, Tls, TlsError};
use crate::results::SpoolLimits;
use crate::session::{HistoryLimits, InstanceConfig};
use crate::sql_api::SqlApi;
use crate::stages::StoreLimits;

const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8432);
const DEFAULT_RESULT_MEMORY_MIB: u64 = 256;
const DEFAULT_RESULT_DISK_MIB: u64 = 8192;
const DEFAULT_RESULT_INLINE_MIB: u64 = 32;
const MIB: u64 = 1024 * 1024;

/// What `serve` runs with.
#[derive(Debug)]
pub struct ServeConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where databases are, and what the engine may use.
    pub instance: InstanceConfig,
    /// Where to write that connections are accepted.
    pub ready_file: Option<PathBuf>,
    /// Stop when standard input ends.
    pub stop_with_stdin: bool,
    /// What followed `serve` on the command line; told to whoever looks into the data folder.
    pub command_line: Vec<String>,
    /// How the protocol behaves.
    pub settings: Settings,
    /// Who may log in.
    pub accounts: Accounts,
    /// How much results may take.
    pub spool_limits: SpoolLimits,
}

/// Why the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("failed to read {path:?}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration file is not what is expected; tells the place but not the text, which may be
    /// a password.
    #[error("{path:?}, line {line}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A user is not acceptable.
    #[error(transparent)]
    User(#[from] AccountsError),
    /// A user has nothing to prove its identity by.
    #[error("user {name} has no password, token or public key")]
    NoCredentials {
        /// Name of the user.
        name: String,
    },
    /// An authority's tokens could not be told from anybody's.
    #[error("the OAuth authority {issuer} has neither public_key_files nor introspection_url")]
    NoAuthorityKeys {
        /// Its issuer.
        issuer: String,
    },
    /// An authority is to be asked, and it is not said how.
    #[error(
        "the OAuth authority {issuer} is asked with introspection_url, client_id and client_secret_file together"
    )]
    HalfIntrospection {
        /// Its issuer.
        issuer: String,
    },
    /// Where to ask is no address.
    #[error("introspection_url of the OAuth authority {issuer} is no address")]
    IntrospectionUrl {
        /// Its issuer.
        issuer: String,
        /// What the parser says.
        source: url::ParseError,
    },
    /// Answers would be believed for too long.
    #[error("introspection_seconds of the OAuth authority {issuer} is at most {}", BELIEVED_MAX.as_secs())]
    IntrospectionSeconds {
        /// Its issuer.
        issuer: String,
    },
    /// There is nothing to ask with.
    #[error("client_secret_file of the OAuth authority {issuer} is empty")]
    NoClientSecret {
        /// Its issuer.
        issuer: String,
    },
    /// An authority speaks of users, and none may come.
    #[error("the OAuth authority {issuer} proves who a user is; add [[users]] for those who may log in")]
    OauthWithoutUsers {
        /// Its issuer.
        issuer: String,
    },
    /// The time at which a token ends is none.
    #[error("a token of user {name} expires at no time with an offset, such as 2030-12-31T23:59:59Z")]
    Expiry {
        /// Name of the user.
        name: String,
    },
    /// Other machines could reach the emulator, and that was not asked for.
    #[error("{address} can be reached by other machines; add --allow-remote if that is meant")]
    Remote {
        /// The address.
        address: SocketAddr,
    },
    /// Other machines could log in as anyone.
    #[error("{address} can be reached by other machines; add [[users]] to the configuration file")]
    RemoteWithoutUsers {
        /// The address.
        address: SocketAddr,
    },
    /// A fault rule cannot be read.
    #[error(transparent)]
    Fault(#[from] RuleError),
    /// A burst of requests where their rate is not limited.
    #[error("burst needs requests_per_second")]
    BurstWithoutRate,
    /// Certificate or key cannot be used.
    #[error("failed to use the certificate {certificate:?} with the key {key:?}")]
    Tls {
        /// File with the certificate.
        certificate: PathBuf,
        /// File with its key.
        key: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// One of the two without the other.
    #[error("tls_cert and tls_key belong together")]
    HalfTls,
    /// A life or limit of zero.
    #[error("{name} must be more than 0")]
    Zero {
        /// What it is.
        name: &'static str,
    },
}

impl ServeConfig {
    /// Reads the configuration file, if there is one, and lays the command line over it.
    pub fn resolve(arguments: ServeArguments) -> Result<Self, ConfigError> {
        let (file, folder) = match &arguments.config {
            Some(path) => (read(path)?, path.parent().unwrap_or(Path::new(""))),
            None => (ConfigFile::default(), Path::new("")),
        };
        let listen = arguments.listen.or(file.listen).unwrap_or(DEFAULT_LISTEN);
        let accounts = accounts(file.users, file.oauth, folder)?;
        if !listen.ip().is_loopback() {
            if !(arguments.allow_remote || file.allow_remote == Some(true)) {
                return Err(ConfigError::Remote { address: listen });
            }
            if matches!(accounts, Accounts::Anyone) {
                return Err(ConfigError::RemoteWithoutUsers { address: listen });
            }
        }
        let data = arguments
            .data
            .clone()
            .or_else(|| file.data.map(|data| folder.join(data)))
            .filter(|_| !arguments.in_memory);
        let limits = &file.limits;
        let defaults = Settings::default();
        let compress = arguments.compress || file.compress == Some(true);
        let seconds = |name, argument: Option<u64>, file: Option<u64>, default: Duration| {
            let seconds = positive(name, argument.or(file))?;
            Ok::<_, ConfigError>(seconds.map_or(default, Duration::from_secs))
        };
        let settings = Settings {
            session_token_life: seconds(
                "session_token_seconds",
                arguments.session_token_seconds,
                limits.session_token_seconds,
                defaults.session_token_life,
            )?,
            master_token_life: seconds(
                "master_token_seconds",
                arguments.master_token_seconds,
                limits.master_token_seconds,
                defaults.master_token_life,
            )?,
            session_idle_max: seconds(
                "idle_seconds",
                arguments.idle_seconds,
                limits.idle_seconds,
                defaults.session_idle_max,
            )?,
            answer_wait_max: seconds(
                "answer_seconds",
                arguments.answer_seconds,
                limits.answer_seconds,
                defaults.answer_wait_max,
            )?,
            result_life: seconds(
                "result_seconds",
                None,
                limits.result_seconds,
                defaults.result_life,
            )?,
            queries_kept_max: positive("results_kept", limits.results_kept)?
                .unwrap_or(defaults.queries_kept_max),
            body_bytes_max: positive("body_mib", limits.body_mib)?
                .map_or(defaults.body_bytes_max, |mib| mib.saturating_mul(MIB) as usize),
            bodies_bytes_max: positive("bodies_mib", limits.bodies_mib)?
                .map_or(defaults.bodies_bytes_max, |mib| mib.saturating_mul(MIB)),
            body_wait_max: seconds("body_seconds", None, limits.body_seconds, defaults.body_wait_max)?,
            connections_max: positive("connections", limits.connections)?.unwrap_or(defaults.connections_max),
            sessions_max: positive("sessions", limits.sessions)?.unwrap_or(defaults.sessions_max),
            tls: tls(&arguments, (file.tls_cert, file.tls_key), folder)?,
            compress_answers: compress,
            compress_chunks: compress,
            account: file.account,
            mounted: Some(SqlApi::new(sql_api::settings(&file.sql_api)?) as Arc<dyn Mounted>),
            metrics: arguments.metrics.then(Metrics::new),
            faults: faults(&arguments, &defaults)?,
            ..defaults
        };
        let size = |argument: Option<u64>, file: Option<u64>, default: u64| {
            argument.or(file).unwrap_or(default).saturating_mul(MIB)
        };
        let memory = size(
            arguments.result_memory,
            limits.result_memory_mib,
            DEFAULT_RESULT_MEMORY_MIB,
        );
        let disk = size(
            arguments.result_disk,
            limits.result_disk_mib,
            DEFAULT_RESULT_DISK_MIB,
        );
        let first =
            positive("result_inline_mib", limits.result_inline_mib)?.unwrap_or(DEFAULT_RESULT_INLINE_MIB);
        let defaults = InstanceConfig::in_memory();
        let engine_memory = positive("memory", arguments.memory.or(limits.memory_mib))?;
        let instance = InstanceConfig {
            data,
            memory_bytes_max: engine_memory.map_or(defaults.memory_bytes_max, |mib| mib.saturating_mul(MIB)),
            threads: positive("threads", arguments.threads.or(limits.threads))?.unwrap_or(defaults.threads),
            sessions_max: settings.sessions_max,
            statements_running_max: positive("statements_running", limits.statements_running)?
                .unwrap_or(defaults.statements_running_max),
            stages: StoreLimits {
                file_bytes_max: size(None, limits.stage_file_mib, defaults.stages.file_bytes_max / MIB),
                bytes_max: size(None, limits.stages_mib, defaults.stages.bytes_max / MIB),
                ..defaults.stages
            },
            history: HistoryLimits {
                // 0 keeps nothing.
                states_max: limits.history_states.unwrap_or(defaults.history.states_max),
                age_max: limits
                    .history_seconds
                    .map_or(defaults.history.age_max, Duration::from_secs),
                rows_max: limits.history_rows.unwrap_or(defaults.history.rows_max),
                log_bytes_max: size(None, limits.history_log_mib, defaults.history.log_bytes_max / MIB),
            },
            ..defaults
        };
        Ok(Self {
            listen,
            instance,
            ready_file: arguments.ready_file,
            stop_with_stdin: arguments.stop_with_stdin,
            command_line: Vec::new(),
            settings,
            accounts,
            spool_limits: SpoolLimits {
                memory_bytes_max: memory,
                first_bytes_max: first.saturating_mul(MIB),
                disk_bytes_max: disk,
            },
        })
    }
}

/// The certificate that the command line names, or else the configuration file.
fn tls(
    arguments: &ServeArguments,
    file: (Option<PathBuf>, Option<PathBuf>),
    folder: &Path,
) -> Result<Option<Tls>, ConfigError> {
    let in_folder = |path: Option<PathBuf>| path.map(|path| folder.join(path));
    let given = match (&arguments.tls_cert, &arguments.tls_key) {
        (None, None) => (in_folder(file.0), in_folder(file.1)),
        (certificate, key) => (certificate.clone(), key.clone()),
    };
    let (certificate, key) = match given {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => return Err(ConfigError::HalfTls),
    };
    match Tls::read(&certificate, &key) {
        Ok(tls) => Ok(Some(tls)),
        Err(source) => Err(ConfigError::Tls {
            certificate,
            key,
            source,
        }),
    }
}

/// The faults to make; none when nothing was said of faults, so that nothing looks for them.
fn faults(arguments: &ServeArguments, defaults: &Settings) -> Result<Option<Arc<Faults>>, ConfigError> {
    let rules: Vec<Rule> = arguments
        .faults
        .iter()
        .map(|text| Rule::parse(text))
        .collect::<Result<_, _>>()?;
    let wanted = arguments.fault_control || !rules.is_empty();
    let seed = arguments.fault_seed.unwrap_or_default();
    Ok(wanted.then(|| Faults::new(seed, rules, defaults.clock.now())))
}

pub(super) fn positive<T: PartialEq + From<u8>>(
    name: &'static str,
    value: Option<T>,
) -> Result<Option<T>, ConfigError> {
    if value == Some(T::from(0)) {
        Err(ConfigError::Zero { name })
    } else {
        Ok(value)
    }
}

pub(super) fn read_text(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<ConfigFile, ConfigError> {
    let text = read_text(path)?;
    toml::from_str(&text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        ConfigError::Parse {
            path: path.to_owned(),
            line,
            message: error.message().to_owned(),
        }
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Instant;

    use super::*;

    /// The configuration that a file and the command line make.
    pub(in super::super) fn resolve(
        text: &str,
        change: impl FnOnce(&mut ServeArguments),
    ) -> Result<ServeConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emulator.toml");
        std::fs::write(&path, text).unwrap();
        let mut arguments = ServeArguments {
            config: Some(path),
            ..ServeArguments::default()
        };
        change(&mut arguments);
        ServeConfig::resolve(arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn the_command_line_lies_over_the_file() {
        let text = "listen = '127.0.0.1:1'\ndata = 'db'\n[limits]\nidle_seconds = 5\nanswer_seconds = 6\n";
        let config = resolve(text, |arguments| arguments.idle_seconds = Some(9)).unwrap();
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.settings.session_idle_max, Duration::from_secs(9));
        assert_eq!(config.settings.answer_wait_max, Duration::from_secs(6));
        assert!(
            config
                .instance
                .data
                .is_some_and(|path| path.is_absolute() && path.ends_with("db"))
        );
        let config = resolve(text, |arguments| arguments.in_memory = true).unwrap();
        assert_eq!(config.instance.data, None);
    }

    #[test]
    fn mistakes_are_told_without_what_is_secret() {
        let error = resolve("\n[[users]]\nname = 'a'\npassword = 'hush\n", |_| {}).unwrap_err();
        assert!(error.contains("line 4") && !error.contains("hush"), "{error}");
        let token = |expires: &str| {
            let text =
                format!("[[users]]\nname = 'a'\ntokens = ['b', {{ token = 'hush', expires = {expires} }}]");
            resolve(&text, |_| {}).map(|_| ())
        };
        assert_eq!(token("2030-12-31T23:59:59+01:00"), Ok(()));
        for none in ["2030-12-31", "'tomorrow'"] {
            let error = token(none).unwrap_err();
            assert!(!error.contains("hush"), "{error}");
        }
        let error = resolve("lisen = '127.0.0.1:1'", |_| {}).unwrap_err();
        assert!(error.contains("line 1") && error.contains("lisen"), "{error}");
        let error = resolve("[[users]]\nname = 'a'", |_| {}).unwrap_err();
        assert_eq!(error, "user a has no password, token or public key");
        let error = resolve("[limits]\nbody_mib = 0", |_| {}).unwrap_err();
        assert_eq!(error, "body_mib must be more than 0");
    }

    #[test]
    fn faults_are_there_when_asked_for() {
        let faults = |change: fn(&mut ServeArguments)| {
            resolve("", change)
                .map(|config| config.settings.faults.map(|faults| faults.report(Instant::now())))
        };
        assert_eq!(faults(|_| {}), Ok(None));
        assert_eq!(
            faults(|arguments| arguments.fault_control = true),
            Ok(Some(Vec::new()))
        );
        let rules = faults(|arguments| arguments.faults = vec!["reset,times=1".to_owned()]);
        assert_eq!(rules.unwrap().unwrap()[0].rule, "reset,times=1");
        let error = faults(|arguments| arguments.faults = vec!["rest".to_owned()]).unwrap_err();
        assert_eq!(
            error,
            "fault rule \"rest\": \"rest\" is not a key; did you mean reset?"
        );
    }

    #[test]
    fn the_sql_api_is_there_and_metrics_when_asked_for() {
        let config = resolve("account = 'org-one'", |_| {}).unwrap();
        assert!(config.settings.mounted.is_some() && config.settings.metrics.is_none());
        assert_eq!(config.settings.account.as_deref(), Some("org-one"));
        let config = resolve("", |arguments| arguments.metrics = true).unwrap();
        assert!(config.settings.metrics.is_some());
        let error = resolve("[sql_api]\nstatements = 0", |_| {}).unwrap_err();
        assert_eq!(error, "statements must be more than 0");
    }

    #[test]
    fn other_machines_need_permission_and_users() {
        let users = "[[users]]\nname = 'a'\npassword = 'b'\n";
        let listen = |arguments: &mut ServeArguments| arguments.listen = Some("0.0.0.0:0".parse().unwrap());
        assert!(resolve(users, listen).unwrap_err().contains("--allow-remote"));
        let allowed = |arguments: &mut ServeArguments| {
            listen(arguments);
            arguments.allow_remote = true;
        };
        assert!(resolve("", allowed).unwrap_err().contains("[[users]]"));
        assert!(resolve(users, allowed).is_ok());
    }
}
