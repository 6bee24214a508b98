//! A stand-in for the service: the real contract on a real socket, with scripted answers.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use snowflake_session_proto::v1::lifecycle_service_server::{LifecycleService, LifecycleServiceServer};
use snowflake_session_proto::v1::query_service_server::{QueryService, QueryServiceServer};
use snowflake_session_proto::v1::session_service_server::{SessionService, SessionServiceServer};
use snowflake_session_proto::v1::{
    CancelOutcome, CancelQueryRequest, CancelQueryResponse, CreateSessionRequest, CreateSessionResponse,
    DeleteSessionRequest, DeleteSessionResponse, ErrorReason, ExecuteQueryRequest, ExecuteQueryResponse,
    GetSessionRequest, GetSessionResponse, GetStatusRequest, GetStatusResponse, ListSessionsRequest,
    ListSessionsResponse, ServiceManager, ServiceState, Session, SessionContext, SessionState,
    ShutdownRequest, ShutdownResponse, UpdateSessionContextRequest, UpdateSessionContextResponse,
};
use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY, ERROR_DOMAIN};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::transport::Server;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// What a query answers.
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

/// What the stand-in does and what it saw.
pub(crate) struct State {
    pub(crate) script: Mutex<Script>,
    pub(crate) cancel_outcome: Mutex<CancelOutcome>,
    /// Error of every call but queries, if any.
    pub(crate) error: Mutex<Option<Status>>,
    /// Process that `Shutdown` ends and names.
    pub(crate) process: Mutex<Option<std::process::Child>>,
    pub(crate) queries: Mutex<Vec<ExecuteQueryRequest>>,
    pub(crate) cancels: Mutex<Vec<CancelQueryRequest>>,
    pub(crate) updates: Mutex<Vec<UpdateSessionContextRequest>>,
    pub(crate) sessions: Mutex<Vec<Session>>,
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
            cancel_outcome: Mutex::new(CancelOutcome::Confirmed),
            error: Mutex::default(),
            process: Mutex::default(),
            queries: Mutex::default(),
            cancels: Mutex::default(),
            updates: Mutex::default(),
            sessions: Mutex::default(),
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

/// Every call must name its build.
fn admit<M>(request: &Request<M>) -> Result<(), Status> {
    let build = request
        .metadata()
        .get(BUILD_ID_KEY)
        .and_then(|value| value.to_str().ok());
    if build == Some(BUILD_ID) {
        Ok(())
    } else {
        Err(Status::internal("the call names no build"))
    }
}

impl State {
    fn die(&self) {
        if let Some(death) = self.death.lock().unwrap().take() {
            let _ = death.send(());
        }
    }

    fn check<M>(&self, request: &Request<M>) -> Result<(), Status> {
        admit(request)?;
        self.error.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn find(&self, name: &str) -> Option<Session> {
        let name = if name.is_empty() { "default" } else { name };
        self.sessions
            .lock()
            .unwrap()
            .iter()
            .find(|session| session.name == name)
            .cloned()
    }

    fn make(&self, name: &str, connection: &str) -> Session {
        let session = Session {
            name: if name.is_empty() { "default" } else { name }.to_owned(),
            connection: if connection.is_empty() {
                "local"
            } else {
                connection
            }
            .to_owned(),
            state: SessionState::New.into(),
            last_use_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 5,
            }),
            ..Session::default()
        };
        self.sessions.lock().unwrap().push(session.clone());
        session
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Session)) -> Session {
        let mut sessions = self.sessions.lock().unwrap();
        let session = sessions.iter_mut().find(|session| session.name == name).unwrap();
        change(session);
        session.clone()
    }
}

#[tonic::async_trait]
impl QueryService for Stand {
    type ExecuteQueryStream = ReceiverStream<Result<ExecuteQueryResponse, Status>>;

    async fn execute_query(
        &self,
        request: Request<ExecuteQueryRequest>,
    ) -> Result<Response<Self::ExecuteQueryStream>, Status> {
        admit(&request)?;
        self.0.queries.lock().unwrap().push(request.into_inner());
        let script = self.0.script.lock().unwrap().clone();
        if let Script::Fails(events, status) = &script
            && events.is_empty()
        {
            return Err(status.clone());
        }
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(play(script, sender, Arc::clone(&self.0)));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn cancel_query(
        &self,
        request: Request<CancelQueryRequest>,
    ) -> Result<Response<CancelQueryResponse>, Status> {
        admit(&request)?;
        let request = request.into_inner();
        let request_id = request.query.clone();
        self.0.cancels.lock().unwrap().push(request);
        let outcome = *self.0.cancel_outcome.lock().unwrap();
        Ok(Response::new(CancelQueryResponse {
            outcome: outcome.into(),
            request_id,
            query_id: String::new(),
        }))
    }
}

/// Plays a script into a query's stream and notes when the client drops it.
async fn play(script: Script, sender: mpsc::Sender<Result<ExecuteQueryResponse, Status>>, state: Arc<State>) {
    let (events, ending) = match script {
        Script::Events(events) => (events, Ending::End),
        Script::Fails(events, status) => (events, Ending::Error(status)),
        Script::Hangs(events) => (events, Ending::Hang),
        Script::Endless(events) => (events, Ending::Repeat),
        Script::Dies(events) => (events, Ending::Die),
    };
    let last = events.last().cloned();
    for event in events {
        if sender.send(Ok(event)).await.is_err() {
            state.dropped.store(true, Ordering::SeqCst);
            return;
        }
    }
    match ending {
        Ending::End => {}
        Ending::Error(status) => {
            let _ = sender.send(Err(status)).await;
        }
        Ending::Hang => {
            sender.closed().await;
            state.dropped.store(true, Ordering::SeqCst);
        }
        Ending::Repeat => {
            while sender.send(Ok(last.clone().unwrap())).await.is_ok() {}
            state.dropped.store(true, Ordering::SeqCst);
        }
        Ending::Die => {
            state.die();
            // The stream must break, not end: it is held until it does.
            sender.closed().await;
        }
    }
}

enum Ending {
    End,
    Error(Status),
    Hang,
    Repeat,
    Die,
}

#[tonic::async_trait]
impl SessionService for Stand {
    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<CreateSessionResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        let session = match self.0.find(&request.session) {
            Some(session) if request.allow_existing => session,
            Some(session) => {
                let message = format!("session `{}` exists already", session.name);
                return Err(error(ErrorReason::InvalidRequest, &message, &[]));
            }
            None => self.0.make(&request.session, &request.connection),
        };
        let session = if request.login {
            self.0.change(&session.name, |session| {
                session.state = SessionState::Idle.into();
                session.user = "ALICE".into();
                session.account = "LOCAL".into();
                session.host = "127.0.0.1".into();
                session.server_version = "9.1".into();
                session.upstream_session_id = 42;
                session.context = Some(SessionContext {
                    role: "SYSADMIN".to_owned(),
                    ..Default::default()
                });
            })
        } else {
            session
        };
        Ok(Response::new(CreateSessionResponse {
            session: Some(session),
        }))
    }

    async fn get_session(
        &self,
        request: Request<GetSessionRequest>,
    ) -> Result<Response<GetSessionResponse>, Status> {
        self.0.check(&request)?;
        let name = request.into_inner().session;
        match self.0.find(&name) {
            Some(session) => Ok(Response::new(GetSessionResponse {
                session: Some(session),
            })),
            None => Err(error(
                ErrorReason::NotFound,
                &format!("there is no session `{name}`"),
                &[],
            )),
        }
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        self.0.check(&request)?;
        // One a page, so that every list of two proves that pages are followed.
        let start: usize = request.into_inner().page_token.parse().unwrap_or(0);
        let sessions = self.0.sessions.lock().unwrap();
        let page = sessions.iter().skip(start).take(1).cloned().collect();
        let more = start + 1 < sessions.len();
        let next_page_token = if more {
            (start + 1).to_string()
        } else {
            String::new()
        };
        Ok(Response::new(ListSessionsResponse {
            sessions: page,
            next_page_token,
        }))
    }

    async fn update_session_context(
        &self,
        request: Request<UpdateSessionContextRequest>,
    ) -> Result<Response<UpdateSessionContextResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        self.0.updates.lock().unwrap().push(request.clone());
        let session = self.0.find(&request.session);
        let name = session
            .unwrap_or_else(|| self.0.make(&request.session, &request.connection))
            .name;
        let session = self.0.change(&name, |session| {
            let context = session.context.get_or_insert_default();
            let parts = [
                (&mut context.role, request.role),
                (&mut context.warehouse, request.warehouse),
                (&mut context.database, request.database),
                (&mut context.schema, request.schema),
            ];
            for (part, name) in parts {
                if let Some(name) = name {
                    *part = name.to_uppercase();
                }
            }
        });
        Ok(Response::new(UpdateSessionContextResponse {
            session: Some(session),
        }))
    }

    async fn delete_session(
        &self,
        request: Request<DeleteSessionRequest>,
    ) -> Result<Response<DeleteSessionResponse>, Status> {
        self.0.check(&request)?;
        let name = request.into_inner().session;
        let Some(found) = self.0.find(&name) else {
            return Err(error(
                ErrorReason::NotFound,
                &format!("there is no session `{name}`"),
                &[],
            ));
        };
        self.0
            .sessions
            .lock()
            .unwrap()
            .retain(|session| session.name != found.name);
        let rolled_back = found.transaction_open;
        Ok(Response::new(DeleteSessionResponse {
            logout_confirmed: true,
            transaction_rolled_back: rolled_back,
        }))
    }
}

#[tonic::async_trait]
impl LifecycleService for Stand {
    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        self.0.check(&request)?;
        Ok(Response::new(GetStatusResponse {
            version: "9.9.9".to_owned(),
            build_id: BUILD_ID.to_owned(),
            pid: 4711,
            start_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            state: ServiceState::Serving.into(),
            session_count: 2,
            query_count: 1,
            manager: ServiceManager::None.into(),
            socket: "/run/there.sock".to_owned(),
            emulator_address: "127.0.0.1:4000".to_owned(),
            state_directory: "/var/there".to_owned(),
            pools: Vec::new(),
        }))
    }

    async fn shutdown(
        &self,
        request: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownResponse>, Status> {
        self.0.check(&request)?;
        let process = self.0.process.lock().unwrap().take();
        let mut process = process.ok_or_else(|| Status::failed_precondition("the test gave no process"))?;
        let pid = i64::from(process.id());
        // The answer leaves before the process ends, as the service's does.
        tokio::task::spawn_blocking(move || {
            process.kill().unwrap();
            process.wait().unwrap();
        });
        Ok(Response::new(ShutdownResponse { pid }))
    }
}
