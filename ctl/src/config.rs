//! What the command line and the environment amount to. The only reader of the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum as _;

use crate::arguments::{GlobalArguments, PolicyChoice, ServerAddress, parse_duration, parse_server};
use crate::commands::proxies_of;
use crate::failure::Failure;
use crate::render::Format;
use crate::trace_context;
use crate::ui::{ColorChoice, Ui};

/// Longest name of an agent's session that is passed on.
const AGENT_CHARACTERS_MAX: usize = 128;

/// Values of the environment, as text, read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    connection: Option<String>,
    session: Option<String>,
    socket: Option<PathBuf>,
    server: Option<String>,
    tls_ca: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    format: Option<String>,
    timeout: Option<String>,
    policy: Option<String>,
    agent: Option<String>,
    trace_parent: Option<String>,
    trace_state: Option<String>,
    color: Option<String>,
    no_autostart: Option<String>,
    no_color: bool,
    terminal: Option<String>,
    columns: Option<String>,
    runtime_directory: Option<PathBuf>,
    temporary_directory: Option<PathBuf>,
    search_path: Option<OsString>,
    home: Option<PathBuf>,
    configuration_directory: Option<PathBuf>,
    proxies: BTreeMap<String, String>,
}

/// What this run uses.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Connection named by the user; empty means the service chooses.
    pub(crate) connection: String,
    /// Session named by the user; empty means the one that the service chooses by the connection.
    pub(crate) session: String,
    /// Socket of the service.
    pub(crate) socket: PathBuf,
    /// Whether the socket was chosen by the user: a service manager's unit serves only the usual one.
    pub(crate) socket_chosen: bool,
    /// Whether it was named on the command line, so that commands we propose must name it too.
    pub(crate) socket_named: bool,
    /// Service of another machine, in place of the one behind the socket.
    pub(crate) remote: Option<RemotePlace>,
    /// Format named by the user.
    pub(crate) format: Option<Format>,
    /// Most time for the statement or the call.
    pub(crate) timeout: Option<Duration>,
    /// What statements may do where the command line is silent.
    pub(crate) policy: Option<PolicyChoice>,
    /// Session of the agent that runs us: visible ASCII, at most [`AGENT_CHARACTERS_MAX`].
    pub(crate) agent: Option<String>,
    /// The span that runs us, by W3C's names for it, where whoever runs us is traced.
    pub(crate) trace: Vec<(&'static str, String)>,
    /// Start the service when nobody listens.
    pub(crate) autostart: bool,
    /// Facts about the screen.
    pub(crate) screen: Screen,
    /// Where programs are looked for.
    pub(crate) search_path: Option<OsString>,
    /// `XDG_RUNTIME_DIR`, where a user's service manager lives.
    pub(crate) runtime_directory: Option<PathBuf>,
    /// The user's home.
    pub(crate) home: Option<PathBuf>,
    /// Where the user's configuration is, a manager's units among it.
    pub(crate) configuration_directory: Option<PathBuf>,
    /// What the shell says of proxies, without passwords; `sfctl` itself uses none.
    pub(crate) proxies: BTreeMap<String, String>,
    /// What can be set by flag or variable, as it was written.
    pub(crate) own: Vec<OwnSetting>,
}

/// Where a service of another machine is, and what it takes to know each other.
#[derive(Clone, Debug)]
pub(crate) struct RemotePlace {
    /// Its name, as its certificate has it, or its address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// PEM file with its authorities.
    pub(crate) ca: PathBuf,
    /// PEM file with our certificate.
    pub(crate) certificate: PathBuf,
    /// PEM file with our key.
    pub(crate) key: PathBuf,
    /// Flags of the command line that lead there, so that commands we propose have them too.
    pub(crate) flags: Vec<String>,
}

impl fmt::Display for RemotePlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (self.host.clone(), self.port);
        ServerAddress { host, port }.fmt(formatter)
    }
}

/// A setting of `sfctl` itself.
#[derive(Clone, Debug)]
pub(crate) struct OwnSetting {
    /// Its name.
    pub(crate) name: &'static str,
    /// What was written; empty when nothing was.
    pub(crate) value: String,
    /// The flag or variable; `None` when nothing was written.
    pub(crate) source: Option<String>,
}

/// Facts about stdout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// Whether stdout is a terminal.
    pub(crate) terminal: bool,
    /// Columns of the terminal, if it is one.
    pub(crate) columns: Option<usize>,
    /// Whether to colour stdout.
    pub(crate) color: bool,
}

impl Environment {
    /// Reads the process's environment.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one reader of the environment"
    )]
    pub(crate) fn read() -> Self {
        // An empty variable counts as unset, as a shell user means it.
        let os = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| os(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            connection: text("SFCTL_CONNECTION"),
            session: text("SFCTL_SESSION"),
            socket: os("SFCTL_SOCKET").map(PathBuf::from),
            server: text("SFCTL_SERVER"),
            tls_ca: os("SFCTL_TLS_CA").map(PathBuf::from),
            tls_cert: os("SFCTL_TLS_CERT").map(PathBuf::from),
            tls_key: os("SFCTL_TLS_KEY").map(PathBuf::from),
            format: text("SFCTL_FORMAT"),
            timeout: text("SFCTL_TIMEOUT"),
            policy: text("SFCTL_POLICY"),
            // Whoever set our own variable meant it; the other is set by Claude Code for all that it runs.
            agent: text("SFCTL_AGENT").or_else(|| text("CLAUDE_CODE_SESSION_ID")),
            // As OpenTelemetry says that a program tells its children; build servers and `otel-cli` do.
            trace_parent: text("TRACEPARENT"),
            trace_state: text("TRACESTATE"),
            color: text("SFCTL_COLOR"),
            no_autostart: text("SFCTL_NO_AUTOSTART"),
            no_color: os("NO_COLOR").is_some(),
            terminal: text("TERM"),
            columns: text("COLUMNS"),
            runtime_directory: os("XDG_RUNTIME_DIR").map(PathBuf::from),
            temporary_directory: os("TMPDIR").map(PathBuf::from),
            search_path: os("PATH"),
            home: os("HOME").map(PathBuf::from),
            configuration_directory: os("XDG_CONFIG_HOME").map(PathBuf::from),
            proxies: proxies_of(
                ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]
                    .into_iter()
                    .flat_map(|name| [name.to_ascii_uppercase(), name.to_owned()])
                    .filter_map(|name| Some((name.clone(), text(&name)?))),
            ),
        }
    }

    /// Colour before the command line is understood, for the errors that happen until then.
    pub(crate) fn color(&self) -> ColorChoice {
        let dumb = self.terminal.as_deref() == Some("dumb");
        if self.no_color || dumb {
            ColorChoice::Never
        } else {
            ColorChoice::Auto
        }
    }
}

impl Settings {
    /// Lays the command line over the environment and checks the whole.
    pub(crate) fn resolve(
        arguments: &GlobalArguments,
        environment: &Environment,
    ) -> Result<(Self, Ui), Failure> {
        let color = match arguments.color {
            Some(choice) => choice,
            None => match &environment.color {
                Some(text) => value_of("SFCTL_COLOR", text)?,
                None => environment.color(),
            },
        };
        let ui = Ui::new(arguments.quiet, arguments.verbose, color);
        let format = match (arguments.format, &environment.format) {
            (Some(format), _) => Some(format),
            (None, Some(text)) => Some(value_of("SFCTL_FORMAT", text)?),
            (None, None) => None,
        };
        let timeout = match (arguments.timeout, &environment.timeout) {
            (Some(timeout), _) => Some(timeout),
            (None, Some(text)) => Some(
                parse_duration(text)
                    .map_err(|e| Failure::usage("SFCTL_TIMEOUT is not valid").caused_by(e))?,
            ),
            (None, None) => None,
        };
        let policy = environment
            .policy
            .as_deref()
            .map(|text| value_of("SFCTL_POLICY", text));
        let remote = remote_place(arguments, environment)?;
        let chosen = arguments.socket.clone().or_else(|| environment.socket.clone());
        let socket_chosen = chosen.is_some();
        let settings = Self {
            connection: first(arguments.connection.as_ref(), environment.connection.as_ref()),
            session: first(arguments.session.as_ref(), environment.session.as_ref()),
            socket: chosen.unwrap_or_else(|| default_socket(environment)),
            socket_chosen,
            socket_named: arguments.socket.is_some(),
            autostart: remote.is_none()
                && !arguments.no_autostart
                && !is_yes(environment.no_autostart.as_deref()),
            remote,
            format,
            timeout,
            policy: policy.transpose()?,
            agent: environment
                .agent
                .as_deref()
                .map(agent_name)
                .filter(|name| !name.is_empty()),
            trace: trace_context::passed_on(
                environment.trace_parent.as_deref(),
                environment.trace_state.as_deref(),
            ),
            screen: Screen::look(environment, color),
            search_path: environment.search_path.clone(),
            runtime_directory: environment.runtime_directory.clone(),
            home: environment.home.clone(),
            configuration_directory: environment
                .configuration_directory
                .clone()
                .or_else(|| environment.home.as_ref().map(|home| home.join(".config"))),
            own: own_settings(arguments, environment),
            proxies: environment.proxies.clone(),
        };
        Ok((settings, ui))
    }
}

impl Screen {
    fn look(environment: &Environment, color: ColorChoice) -> Self {
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        let columns = terminal.then(|| {
            let told = environment.columns.as_deref().and_then(|text| text.parse().ok());
            let asked = rustix::termios::tcgetwinsize(&stdout)
                .ok()
                .map(|size| usize::from(size.ws_col));
            told.or(asked).filter(|columns| *columns > 0)
        });
        Self {
            terminal,
            columns: columns.flatten(),
            color: color.applies_to(terminal),
        }
    }
}

/// The usual socket: `$XDG_RUNTIME_DIR/snowflake-session/grpc.sock`, else one folder per user under
/// `$TMPDIR` or `/tmp`.
fn default_socket(environment: &Environment) -> PathBuf {
    let directory = if let Some(directory) = &environment.runtime_directory {
        directory.join("snowflake-session")
    } else {
        let user = rustix::process::getuid().as_raw();
        let temporary = environment.temporary_directory.clone();
        temporary
            .unwrap_or_else(|| PathBuf::from("/tmp"))
            .join(format!("snowflake-session-{user}"))
    };
    directory.join("grpc.sock")
}

/// The service of another machine, if one is named. What the command line names is stronger than any variable.
fn remote_place(
    arguments: &GlobalArguments,
    environment: &Environment,
) -> Result<Option<RemotePlace>, Failure> {
    let address = match (&arguments.server, &environment.server) {
        (Some(address), _) => address.clone(),
        (None, Some(text)) if arguments.socket.is_none() => {
            if environment.socket.is_some() {
                return Err(Failure::usage(
                    "SFCTL_SERVER and SFCTL_SOCKET name two services; unset one of them",
                ));
            }
            parse_server(text)
                .map_err(|error| Failure::usage("SFCTL_SERVER is not valid").caused_by(error))?
        }
        _ => return Ok(None),
    };
    let mut flags = Vec::new();
    if arguments.server.is_some() {
        flags.extend(["--server".to_owned(), address.to_string()]);
    }
    let mut missing = Vec::new();
    let mut file = |flag: &str, written: &Option<PathBuf>, variable: &Option<PathBuf>| {
        if let Some(path) = written {
            flags.extend([flag.to_owned(), path.to_string_lossy().into_owned()]);
        }
        let found = written.as_ref().or(variable.as_ref());
        if found.is_none() {
            missing.push(flag.to_owned());
        }
        found.cloned().unwrap_or_default()
    };
    let ca = file("--tls-ca", &arguments.tls_ca, &environment.tls_ca);
    let certificate = file("--tls-cert", &arguments.tls_cert, &environment.tls_cert);
    let key = file("--tls-key", &arguments.tls_key, &environment.tls_key);
    if !missing.is_empty() {
        let what = format!(
            "{address} is reached over mutual TLS, and {} is missing",
            missing.join(", ")
        );
        return Err(Failure::usage(what).hint(
            "name the files on the command line, or in SFCTL_TLS_CA, SFCTL_TLS_CERT and SFCTL_TLS_KEY",
        ));
    }
    Ok(Some(RemotePlace {
        host: address.host,
        port: address.port,
        ca,
        certificate,
        key,
        flags,
    }))
}

/// What was written of what can be set by flag or variable.
fn own_settings(arguments: &GlobalArguments, environment: &Environment) -> Vec<OwnSetting> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let word = |choice: Option<clap::builder::PossibleValue>| choice.map(|word| word.get_name().to_owned());
    let format = arguments.format.map(|format| format.name().to_owned());
    let server = arguments.server.as_ref().map(ToString::to_string);
    let color = arguments.color.and_then(|choice| choice.to_possible_value());
    let timeout = arguments.timeout.map(|timeout| format!("{timeout:?}"));
    let no_autostart = arguments.no_autostart.then(|| "true".to_owned());
    let (written, variables) = (arguments, environment);
    let settings = [
        (
            "connection",
            written.connection.clone(),
            variables.connection.clone(),
        ),
        ("session", written.session.clone(), variables.session.clone()),
        ("socket", path(&written.socket), path(&variables.socket)),
        ("server", server, variables.server.clone()),
        ("tls_ca", path(&written.tls_ca), path(&variables.tls_ca)),
        ("tls_cert", path(&written.tls_cert), path(&variables.tls_cert)),
        ("tls_key", path(&written.tls_key), path(&variables.tls_key)),
        ("format", format, variables.format.clone()),
        ("timeout", timeout, variables.timeout.clone()),
        ("policy", None, variables.policy.clone()),
        ("color", word(color), variables.color.clone()),
        ("no_autostart", no_autostart, variables.no_autostart.clone()),
    ];
    settings
        .into_iter()
        .map(|(name, flag, variable)| {
            let source = match (&flag, &variable) {
                (Some(_), _) => Some(format!("flag --{}", name.replace('_', "-"))),
                (None, Some(_)) => Some(format!("variable SFCTL_{}", name.to_ascii_uppercase())),
                (None, None) => None,
            };
            OwnSetting {
                name,
                value: flag.or(variable).unwrap_or_default(),
                source,
            }
        })
        .collect()
}

fn first(argument: Option<&String>, environment: Option<&String>) -> String {
    argument.or(environment).cloned().unwrap_or_default()
}

/// An agent's name for a header and a query tag: whatever is not a visible ASCII character is `_`.
fn agent_name(text: &str) -> String {
    let visible = |c: char| if c.is_ascii_graphic() { c } else { '_' };
    text.trim()
        .chars()
        .take(AGENT_CHARACTERS_MAX)
        .map(visible)
        .collect()
}

fn is_yes(value: Option<&str>) -> bool {
    value.is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "0" | "false" | "no" | "off"))
}

/// Reads one of an option's words from a variable.
fn value_of<V: clap::ValueEnum>(name: &str, text: &str) -> Result<V, Failure> {
    V::from_str(text, true).map_err(|_| {
        let words: Vec<String> = V::value_variants()
            .iter()
            .filter_map(V::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        Failure::usage(format!("{name} does not know `{text}`"))
            .hint(format!("it takes one of {}", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_cannot_break_a_header() {
        assert_eq!(agent_name(" 1b9d-4e5f "), "1b9d-4e5f");
        assert_eq!(agent_name("a\r\nx: \u{e9}"), "a__x:__");
        assert_eq!(agent_name(&"x".repeat(1_000)).len(), AGENT_CHARACTERS_MAX);
    }

    #[test]
    fn the_socket_is_where_the_service_puts_it() {
        let mut environment = Environment {
            runtime_directory: Some("/run/user/7".into()),
            ..Environment::default()
        };
        assert_eq!(
            default_socket(&environment),
            PathBuf::from("/run/user/7/snowflake-session/grpc.sock")
        );
        environment.runtime_directory = None;
        let user = rustix::process::getuid().as_raw();
        assert_eq!(
            default_socket(&environment),
            PathBuf::from(format!("/tmp/snowflake-session-{user}/grpc.sock"))
        );
        environment.temporary_directory = Some("/var/tmp".into());
        assert_eq!(
            default_socket(&environment),
            PathBuf::from(format!("/var/tmp/snowflake-session-{user}/grpc.sock"))
        );
    }
}
