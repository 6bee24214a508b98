//! What several groups of checks look at: the manager, the service behind the socket, the service's program.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use snowflake_session_proto::v1::{GetStatusResponse, HelloResponse, Session};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::super::Run;
use crate::client::dial::{DialError, dial};
use crate::config::Settings;
use crate::failure::Failure;
use crate::launch::configuration::{self, Document};
use crate::launch::{Manager, service_program};

/// Most time for the service to answer here: one that takes longer is ill.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(10);

/// Most time for a program to tell about itself.
const PROGRAM_WAIT_MAX: Duration = Duration::from_secs(10);

/// Most that a program may tell, in bytes.
const ANSWER_BYTES_MAX: u64 = 8 << 20;

/// Everything that is looked at once and used by several groups.
pub(super) struct Scene<'a> {
    pub(super) settings: &'a Settings,
    pub(super) manager: Manager,
    pub(super) service: Service,
    /// The program that would be started.
    pub(super) program: Option<PathBuf>,
    /// What that program says of the connections.
    pub(super) connections: Result<Connections, String>,
    /// What that program says of the configuration.
    pub(super) configuration: Result<Document, String>,
    /// Where the service, or the next one, keeps its state.
    pub(super) state_directory: Option<PathBuf>,
}

/// The service behind the socket.
pub(super) enum Service {
    /// It answered.
    Answers(Box<Answer>),
    /// Nobody listens; the text is the system's.
    Nobody(String),
    /// Somebody else's service.
    Foreign(u32),
    /// Something listens that does not answer as a service does.
    Silent(String),
}

/// What the service said.
pub(super) struct Answer {
    pub(super) status: GetStatusResponse,
    /// What it speaks, or why it does not tell.
    pub(super) hello: Result<HelloResponse, String>,
    /// How long the connection and the first answer took.
    pub(super) first: Duration,
    /// How long another answer took.
    pub(super) next: Duration,
    /// Its sessions, or why it does not tell.
    pub(super) sessions: Result<Vec<Session>, String>,
}

/// What the service's program tells of the connections.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Connections {
    pub(super) files: Vec<PathBuf>,
    pub(super) fault: Option<Fault>,
    pub(super) warnings: Vec<String>,
    pub(super) default: Option<String>,
    #[serde(rename = "connections")]
    pub(super) all: Vec<Connection>,
}

/// One connection.
#[derive(Debug, Deserialize)]
pub(super) struct Connection {
    pub(super) name: String,
    pub(super) endpoint: Option<Endpoint>,
    pub(super) secret_files: Vec<PathBuf>,
    pub(super) fault: Option<Fault>,
}

/// Where a connection leads.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Endpoint {
    pub(super) scheme: String,
    pub(super) host: String,
    pub(super) port: u16,
}

/// Something that is wrong.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl<'a> Scene<'a> {
    /// Looks. The service is not started; where a manager holds the socket, dialling it starts the service behind it.
    pub(super) async fn look(run: &'a Run) -> Self {
        let settings = &run.settings;
        let program = service_program(settings).ok();
        let manager = Manager::find(settings).await;
        let service = Service::look(settings).await;
        let connections = asked(program.as_deref(), &["connections"]).await;
        let configuration = configuration::read(settings, None).await.map_err(told);
        let of_service = service
            .answer()
            .map(|answer| PathBuf::from(&answer.status.state_directory))
            .filter(|path| path.is_absolute());
        let configured = configuration
            .as_ref()
            .ok()
            .and_then(|told| told.state_directory.clone());
        Self {
            settings,
            manager,
            service,
            program,
            connections,
            configuration,
            state_directory: of_service.or(configured),
        }
    }

    /// The connection that commands would use, with its server; `None` where that is the emulator on this machine, or the
    /// connection is not complete.
    pub(super) fn destination(&self) -> Option<(&str, &Endpoint)> {
        let told = self.connections.as_ref().ok()?;
        let named = Some(self.settings.connection.as_str()).filter(|name| !name.is_empty());
        let name = named.or(told.default.as_deref())?;
        let connection = told.all.iter().find(|connection| connection.name == name)?;
        Some((name, connection.endpoint.as_ref()?))
    }

    /// What the service said, if it did.
    pub(super) fn answer(&self) -> Option<&Answer> {
        self.service.answer()
    }

    /// Process of the service, if it answered and is one of this machine's that we can see.
    pub(super) fn pid(&self) -> Option<i64> {
        self.answer()
            .filter(|_| self.settings.remote.is_none())
            .map(|answer| answer.status.pid)
            .filter(|pid| *pid > 1)
    }
}

impl Service {
    async fn look(settings: &Settings) -> Self {
        let begin = Instant::now();
        let client = match dial(settings).await {
            Ok(client) => client.with_timeout(ANSWER_WAIT_MAX),
            Err(DialError::NobodyListens(_, error)) => return Self::Nobody(error.to_string()),
            Err(DialError::Foreign(_, user)) => return Self::Foreign(user),
            Err(error) => return Self::Silent(told(Failure::from(error))),
        };
        let status = match client.status().await {
            Ok(status) => status,
            Err(failure) => return Self::Silent(told(failure)),
        };
        let first = begin.elapsed();
        let begin = Instant::now();
        let hello = client.hello().await.map_err(told);
        let next = begin.elapsed();
        let sessions = client.sessions().await.map_err(told);
        Self::Answers(Box::new(Answer {
            status,
            hello,
            first,
            next,
            sessions,
        }))
    }

    fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answers(answer) => Some(answer),
            _ => None,
        }
    }
}

/// A failure on one line.
pub(super) fn told(failure: Failure) -> String {
    let causes = failure.causes.iter().map(String::as_str);
    let all: Vec<&str> = [failure.what.as_str()].into_iter().chain(causes).collect();
    all.join(": ")
}

/// Asks the service's program for a document.
pub(super) async fn asked<T: DeserializeOwned>(program: Option<&Path>, what: &[&str]) -> Result<T, String> {
    let program =
        program.ok_or("the program `snowflake-session` is neither beside sfctl nor on the search path")?;
    let said = output_of(program, what)
        .await
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&said).map_err(|error| {
        format!(
            "what `{} {}` prints is not understood: {error}",
            program.display(),
            what.join(" ")
        )
    })
}

/// What a program prints, whatever it ends with; bounded in size and time.
pub(super) async fn output_of(program: &Path, arguments: &[&str]) -> io::Result<Vec<u8>> {
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut said = Vec::new();
    let output = child.stdout.take();
    let all = async {
        if let Some(output) = output {
            output.take(ANSWER_BYTES_MAX).read_to_end(&mut said).await?;
        }
        child.wait().await
    };
    timeout(PROGRAM_WAIT_MAX, all)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(said)
}

/// The last word of what `PROGRAM --version` prints.
pub(super) async fn version_of(program: &Path) -> Option<String> {
    let said = output_of(program, &["--version"]).await.ok()?;
    let said = String::from_utf8_lossy(&said);
    Some(said.split_whitespace().next_back()?.to_owned())
}
