//! Sessions of the stand-in.

use prost_types::Timestamp;
use snowflake_session_proto::v1::session_service_server::SessionService;
use snowflake_session_proto::v1::{
    BeginTransactionRequest, BeginTransactionResponse, CommitTransactionRequest, CommitTransactionResponse,
    CreateSessionRequest, CreateSessionResponse, DeleteSessionRequest, DeleteSessionResponse, ErrorReason,
    GetSessionRequest, GetSessionResponse, ListSessionsRequest, ListSessionsResponse, PolicyLevel,
    ResetSessionRequest, ResetSessionResponse, RollbackTransactionRequest, RollbackTransactionResponse,
    Session, SessionContext, SessionState, UpdateSessionContextRequest, UpdateSessionContextResponse,
};
use tonic::{Request, Response, Status};

use super::{Stand, State, error};

/// Connection of sessions for which none is named.
const DEFAULT_CONNECTION: &str = "local";

impl State {
    /// The session that a call means.
    fn resolve(session: &str, connection: &str) -> String {
        match (session, connection) {
            ("", "" | DEFAULT_CONNECTION) => "default".to_owned(),
            ("", connection) => connection.to_owned(),
            (session, _) => session.to_owned(),
        }
    }

    fn find(&self, name: &str) -> Option<Session> {
        let name = Self::resolve(name, "");
        let sessions = self.sessions.lock().unwrap();
        sessions.iter().find(|session| session.name == name).cloned()
    }

    fn found(&self, name: &str) -> Result<Session, Status> {
        self.find(name).ok_or_else(|| {
            let message = format!("there is no session `{}`", Self::resolve(name, ""));
            error(ErrorReason::NotFound, &message, &[])
        })
    }

    pub(super) fn find_or_make(&self, name: &str, connection: &str) -> Session {
        let name = Self::resolve(name, connection);
        self.find(&name).unwrap_or_else(|| self.make(&name, connection))
    }

    pub(super) fn make(&self, name: &str, connection: &str) -> Session {
        let session = Session {
            name: name.to_owned(),
            connection: if connection.is_empty() {
                DEFAULT_CONNECTION
            } else {
                connection
            }
            .to_owned(),
            state: SessionState::New.into(),
            policy: PolicyLevel::Guarded.into(),
            last_use_time: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 5,
            }),
            ..Session::default()
        };
        self.sessions.lock().unwrap().push(session.clone());
        session
    }

    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut Session)) -> Session {
        let mut sessions = self.sessions.lock().unwrap();
        let session = sessions.iter_mut().find(|session| session.name == name).unwrap();
        change(session);
        session.clone()
    }

    /// Refuses a session that has lost something, unless the caller accepts that.
    pub(super) fn acknowledge(&self, session: &Session, accept_loss: bool) -> Result<(), Status> {
        if session.losses.is_empty() {
            return Ok(());
        }
        if accept_loss {
            self.change(&session.name, |session| session.losses.clear());
            return Ok(());
        }
        let lost: Vec<&str> = session.losses.iter().map(|loss| loss.name.as_str()).collect();
        let details = [
            ("session", session.name.as_str()),
            ("lost", &lost.join("\n")),
            ("hint", "accept it"),
        ];
        let message = format!(
            "session {} has lost {}; nothing was run",
            session.name,
            lost.join(", ")
        );
        Err(error(ErrorReason::SessionLost, &message, &details))
    }

    fn end_transaction(&self, name: &str) -> Result<Session, Status> {
        let session = self.found(name)?;
        if !session.transaction_open {
            let message = format!("no transaction is open in session `{}`", session.name);
            return Err(error(ErrorReason::InvalidRequest, &message, &[]));
        }
        Ok(self.change(&session.name, |session| {
            session.transaction_open = false;
            session.transaction_begin_time = None;
            session.transaction_expire_time = None;
        }))
    }
}

#[tonic::async_trait]
impl SessionService for Stand {
    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<CreateSessionResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        self.0.created.lock().unwrap().push(request.clone());
        let name = State::resolve(&request.session, &request.connection);
        if self.0.find(&name).is_some() && !request.allow_existing {
            let message = format!("session `{name}` exists already");
            return Err(error(ErrorReason::InvalidRequest, &message, &[]));
        }
        let mut session = self.0.find_or_make(&name, &request.connection);
        if request.login {
            session = self.0.change(&session.name, log_in);
        }
        if let Some(limit) = request.idle_limit {
            session = self
                .0
                .change(&session.name, |session| session.idle_limit = Some(limit));
        }
        if request.policy() != PolicyLevel::Unspecified {
            let policy = request.policy;
            session = self.0.change(&session.name, |session| session.policy = policy);
        }
        Ok(Response::new(CreateSessionResponse {
            session: Some(session),
        }))
    }

    async fn get_session(
        &self,
        request: Request<GetSessionRequest>,
    ) -> Result<Response<GetSessionResponse>, Status> {
        self.0.check(&request)?;
        let session = self.0.found(&request.into_inner().session)?;
        Ok(Response::new(GetSessionResponse {
            session: Some(session),
        }))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        self.0.check(&request)?;
        let sessions = self.0.sessions.lock().unwrap();
        let (sessions, next_page_token) = super::queries::page(&sessions, &request.into_inner().page_token);
        Ok(Response::new(ListSessionsResponse {
            sessions,
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
        let session = self.0.find_or_make(&request.session, &request.connection);
        self.0.acknowledge(&session, request.accept_loss)?;
        let session = self.0.change(&session.name, |session| {
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
        let found = self.0.found(&request.into_inner().session)?;
        let mut sessions = self.0.sessions.lock().unwrap();
        sessions.retain(|session| session.name != found.name);
        Ok(Response::new(DeleteSessionResponse {
            // Logging out would stop them.
            logout_confirmed: found.job_count == 0,
            transaction_rolled_back: found.transaction_open,
            jobs_left: found.job_count,
        }))
    }

    async fn reset_session(
        &self,
        request: Request<ResetSessionRequest>,
    ) -> Result<Response<ResetSessionResponse>, Status> {
        self.0.check(&request)?;
        let found = self.0.found(&request.into_inner().session)?;
        let session = self.0.change(&found.name, |session| {
            *session = Session {
                name: found.name.clone(),
                connection: found.connection.clone(),
                state: SessionState::New.into(),
                ..Session::default()
            };
        });
        Ok(Response::new(ResetSessionResponse {
            session: Some(session),
            transaction_rolled_back: found.transaction_open,
        }))
    }

    async fn begin_transaction(
        &self,
        request: Request<BeginTransactionRequest>,
    ) -> Result<Response<BeginTransactionResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        self.0.begun.lock().unwrap().push(request.clone());
        let session = self.0.find_or_make(&request.session, &request.connection);
        self.0.acknowledge(&session, request.accept_loss)?;
        if session.transaction_open {
            let message = format!("a transaction is open already in session `{}`", session.name);
            return Err(error(ErrorReason::InvalidRequest, &message, &[]));
        }
        let session = self.0.change(&session.name, |session| {
            session.transaction_open = true;
            session.transaction_begin_time = Some(now(0));
            session.transaction_expire_time = Some(now(900));
        });
        Ok(Response::new(BeginTransactionResponse {
            session: Some(session),
        }))
    }

    async fn commit_transaction(
        &self,
        request: Request<CommitTransactionRequest>,
    ) -> Result<Response<CommitTransactionResponse>, Status> {
        self.0.check(&request)?;
        let session = Some(self.0.end_transaction(&request.into_inner().session)?);
        Ok(Response::new(CommitTransactionResponse { session }))
    }

    async fn rollback_transaction(
        &self,
        request: Request<RollbackTransactionRequest>,
    ) -> Result<Response<RollbackTransactionResponse>, Status> {
        self.0.check(&request)?;
        let session = Some(self.0.end_transaction(&request.into_inner().session)?);
        Ok(Response::new(RollbackTransactionResponse { session }))
    }
}

fn log_in(session: &mut Session) {
    session.state = SessionState::Idle.into();
    session.user = "ALICE".into();
    session.account = "LOCAL".into();
    session.host = "127.0.0.1".into();
    session.server_version = "9.1".into();
    session.upstream_session_id = 42;
    session.context = Some(SessionContext {
        role: "SYSADMIN".to_owned(),
        ..SessionContext::default()
    });
}

/// So many seconds from now.
pub(crate) fn now(plus: i64) -> Timestamp {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    Timestamp {
        seconds: i64::try_from(now.as_secs()).unwrap() + plus,
        nanos: 0,
    }
}
