//! A stand-in for the service: the real contract on a real socket, with scripted answers.
//!
//! Sessions are kept as the service keeps them, as far as the client can tell: their names, whether a
//! transaction is open, and what they lost. What queries, writes and watches answer is the test's script.

mod lifecycle;
mod queries;
mod sessions;
mod writes;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use snowflake_session_proto::v1::lifecycle_service_server::LifecycleServiceServer;
use snowflake_session_proto::v1::query_service_server::QueryServiceServer;
use snowflake_session_proto::v1::session_service_server::SessionServiceServer;
use snowflake_session_proto::v1::write_service_server::WriteServiceServer;
use snowflake_session_proto::v1::{
    AuditRecord, BeginTransactionRequest, CancelOutcome, CancelQueryRequest, CreateSessionRequest,
    ErrorReason, ExecuteQueryRequest, ExecuteQueryResponse, HelloResponse, ListQueriesRequest, PoolStatus,
    Query, ReadQueryResultsRequest, SearchHistoryRequest, Session, SubmitQueryRequest,
    UpdateSessionContextRequest, WatchQueryRequest,
};
use snowflake_session_proto::{AGENT_KEY, BUILD_ID, BUILD_ID_KEY, CLIENT_KEY, ERROR_DOMAIN};
use tokio::sync::oneshot;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Code, Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub(crate) use sessions::now;
pub(crate) use writes::Writes;

/// What a query answers; where a result is only read, the same without its acceptance.
#[derive(Clone)]
pub(crate) enum Script {
    /// These events, then the end.
    Events(Vec<ExecuteQueryResponse>),
    /// These events, then this error.
    Fails(Vec<ExecuteQueryResponse>, Status),
    /// These events, then nothing until the query is cancelled.
    Hangs(Vec<ExecuteQueryResponse>),
    /// The head, then its last event for ever.
    Endless(Vec<ExecuteQueryResponse>),
    /// These events, then the service is gone.
    Dies(Vec<ExecuteQueryResponse>),
}

/// What watching a query answers: these states, then the end of the stream unless it hangs.
#[derive(Clone, Default)]
pub(crate) struct Watch {
    pub(crate) states: Vec<Query>,
    pub(crate) hangs: bool,
}

/// What the stand-in does and what it saw.
pub(crate) struct State {
    pub(crate) script: Mutex<Script>,
    /// What readings of results answer, one after the other; then they answer the script.
    pub(crate) rests: Mutex<VecDeque<Script>>,
    pub(crate) watch: Mutex<Watch>,
    pub(crate) cancel_outcome: Mutex<CancelOutcome>,
    /// Error of every call but queries, if any.
    pub(crate) error: Mutex<Option<Status>>,
    /// Process that `Shutdown` ends and names.
    pub(crate) process: Mutex<Option<std::process::Child>>,
    /// What it says of its versions; one of an older generation says nothing.
    pub(crate) hello: Mutex<Option<HelloResponse>>,
    pub(crate) pools: Mutex<Vec<PoolStatus>>,
    pub(crate) sessions: Mutex<Vec<Session>>,
    /// Queries that it remembers, the latest first.
    pub(crate) jobs: Mutex<Vec<Query>>,
    pub(crate) writes: Mutex<Writes>,
    /// Records of the audit log, the latest first.
    pub(crate) history: Mutex<Vec<AuditRecord>>,
    pub(crate) searched: Mutex<Vec<SearchHistoryRequest>>,
    pub(crate) queries: Mutex<Vec<ExecuteQueryRequest>>,
    pub(crate) submitted: Mutex<Vec<SubmitQueryRequest>>,
    pub(crate) listed: Mutex<Vec<ListQueriesRequest>>,
    pub(crate) watched: Mutex<Vec<WatchQueryRequest>>,
    pub(crate) read: Mutex<Vec<ReadQueryResultsRequest>>,
    pub(crate) cancels: Mutex<Vec<CancelQueryRequest>>,
    pub(crate) created: Mutex<Vec<CreateSessionRequest>>,
    pub(crate) updates: Mutex<Vec<UpdateSessionContextRequest>>,
    pub(crate) begun: Mutex<Vec<BeginTransactionRequest>>,
    /// Agents that calls named, a call each.
    pub(crate) agents: Mutex<Vec<Option<String>>>,
    /// True once a query's stream was dropped by the client.
    pub(crate) dropped: AtomicBool,
    death: Mutex<Option<oneshot::Sender<()>>>,
}

/// The services of the contract over one state.
#[derive(Clone)]
struct Stand(Arc<State>);

/// A running stand-in; dropping it ends it.
pub(crate) struct Fake {
    pub(crate) state: Arc<State>,
    pub(crate) socket: PathBuf,
}

impl Fake {
    /// Serves on `grpc.sock` in the folder; queries answer the script.
    pub(crate) fn start(directory: &Path, script: Script) -> Self {
        let socket = directory.join("grpc.sock");
        let (death, dead) = oneshot::channel();
        let state = Arc::new(State {
            script: Mutex::new(script),
            rests: Mutex::default(),
            watch: Mutex::default(),
            cancel_outcome: Mutex::new(CancelOutcome::Confirmed),
            error: Mutex::default(),
            process: Mutex::default(),
            hello: Mutex::default(),
            pools: Mutex::default(),
            sessions: Mutex::default(),
            jobs: Mutex::default(),
            writes: Mutex::default(),
            history: Mutex::default(),
            searched: Mutex::default(),
            queries: Mutex::default(),
            submitted: Mutex::default(),
            listed: Mutex::default(),
            watched: Mutex::default(),
            read: Mutex::default(),
            cancels: Mutex::default(),
            created: Mutex::default(),
            updates: Mutex::default(),
            begun: Mutex::default(),
            agents: Mutex::default(),
            dropped: AtomicBool::new(false),
            death: Mutex::new(Some(death)),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = {
            let _inside = runtime.enter();
            tokio::net::UnixListener::bind(&socket).unwrap()
        };
        let stand = Stand(Arc::clone(&state));
        std::thread::spawn(move || {
            runtime.block_on(async {
                let server = Server::builder()
                    .add_service(QueryServiceServer::new(stand.clone()))
                    .add_service(WriteServiceServer::new(stand.clone()))
                    .add_service(SessionServiceServer::new(stand.clone()))
                    .add_service(LifecycleServiceServer::new(stand))
                    .serve_with_incoming(UnixListenerStream::new(listener));
                tokio::select! {
                    served = server => served.unwrap(),
                    _ = dead => {}
                }
            });
            // The connections are tasks of this runtime: ending it breaks them as a killed service would.
            runtime.shutdown_background();
        });
        Self { state, socket }
    }

    /// The last query that arrived.
    pub(crate) fn query(&self) -> ExecuteQueryRequest {
        self.state.queries.lock().unwrap().last().unwrap().clone()
    }

    /// Makes a session as if somebody had used it before.
    pub(crate) fn with_session(&self, name: &str, change: impl FnOnce(&mut Session)) {
        self.state.make(name, "");
        self.state.change(name, change);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.state.die();
    }
}

/// An error as the service states it.
pub(crate) fn error(reason: ErrorReason, message: &str, metadata: &[(&str, &str)]) -> Status {
    let name = reason
        .as_str_name()
        .strip_prefix("ERROR_REASON_")
        .unwrap()
        .to_owned();
    let metadata: std::collections::HashMap<String, String> = metadata
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let details = ErrorDetails::with_error_info(name, ERROR_DOMAIN, metadata);
    // The code is not what the client goes by where a reason is stated.
    Status::with_error_details(Code::Unknown, message, details)
}

impl State {
    fn die(&self) {
        if let Some(death) = self.death.lock().unwrap().take() {
            let _ = death.send(());
        }
    }

    /// Every call must name its build and its client.
    fn admit<M>(&self, request: &Request<M>) -> Result<(), Status> {
        let said = |key: &str| request.metadata().get(key).and_then(|value| value.to_str().ok());
        if said(BUILD_ID_KEY) != Some(BUILD_ID) {
            return Err(Status::internal("the call names no build"));
        }
        if said(CLIENT_KEY) != Some(concat!("sfctl/", env!("CARGO_PKG_VERSION"))) {
            return Err(Status::internal("the call names no client"));
        }
        self.agents
            .lock()
            .unwrap()
            .push(said(AGENT_KEY).map(str::to_owned));
        Ok(())
    }

    fn check<M>(&self, request: &Request<M>) -> Result<(), Status> {
        self.admit(request)?;
        self.error.lock().unwrap().clone().map_or(Ok(()), Err)
    }
}
