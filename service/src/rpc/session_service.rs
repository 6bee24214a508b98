//! Makes, shows, changes and ends sessions.

use snowflake_session_proto::v1;
use snowflake_session_proto::v1::session_service_server::SessionService;
use tonic::{Request, Response, Status};

use super::caller::caller;
use super::convert;
use super::status::status;
use crate::domain::error::Error;
use crate::sessions::{Sessions, TransactionVerb};

/// Makes, shows, changes and ends sessions.
pub(super) struct SessionRpc {
    pub(super) sessions: Sessions,
}

/// Sessions in an answer for which the caller named no size.
const PAGE_SIZE_DEFAULT: usize = 1000;

#[tonic::async_trait]
impl SessionService for SessionRpc {
    async fn create_session(
        &self,
        request: Request<v1::CreateSessionRequest>,
    ) -> Result<Response<v1::CreateSessionResponse>, Status> {
        let created = async {
            let new = convert::new_session(request.get_ref())?;
            self.sessions.create(new).await
        };
        let snapshot = created.await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::CreateSessionResponse {
            session: Some(convert::session(snapshot)),
        }))
    }

    async fn get_session(
        &self,
        request: Request<v1::GetSessionRequest>,
    ) -> Result<Response<v1::GetSessionResponse>, Status> {
        let found =
            convert::session_name(&request.get_ref().session).and_then(|name| self.sessions.get(&name));
        let snapshot = found.map_err(|error| status(&error))?;
        Ok(Response::new(v1::GetSessionResponse {
            session: Some(convert::session(snapshot)),
        }))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        let request = request.into_inner();
        let page_size = match usize::try_from(request.page_size) {
            Ok(0) => PAGE_SIZE_DEFAULT,
            Ok(size) => size,
            Err(_) => return Err(status(&Error::invalid("page_size is negative"))),
        };
        // The token is the last name of the page before, so pages stay right while sessions come and go.
        let mut rest = self
            .sessions
            .list()
            .into_iter()
            .filter(|snapshot| snapshot.name.as_str() > request.page_token.as_str())
            .peekable();
        let sessions: Vec<_> = rest.by_ref().take(page_size).map(convert::session).collect();
        let last = sessions
            .last()
            .map(|session| session.name.clone())
            .unwrap_or_default();
        let next_page_token = if rest.peek().is_some() {
            last
        } else {
            String::new()
        };
        Ok(Response::new(v1::ListSessionsResponse {
            sessions,
            next_page_token,
        }))
    }

    async fn update_session_context(
        &self,
        request: Request<v1::UpdateSessionContextRequest>,
    ) -> Result<Response<v1::UpdateSessionContextResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        let updated = async {
            let session = convert::session_asked(&request.session)?;
            let connection = convert::connection_name(&request.connection)?;
            let change = convert::context_change(&request)?;
            self.sessions
                .update_context(
                    session.as_ref(),
                    connection.as_ref(),
                    &change,
                    request.accept_loss,
                    &caller,
                )
                .await
        };
        let snapshot = updated.await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::UpdateSessionContextResponse {
            session: Some(convert::session(snapshot)),
        }))
    }

    async fn delete_session(
        &self,
        request: Request<v1::DeleteSessionRequest>,
    ) -> Result<Response<v1::DeleteSessionResponse>, Status> {
        let closed = async {
            let name = convert::session_name(&request.get_ref().session)?;
            self.sessions.close(&name).await
        };
        let closed = closed.await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::DeleteSessionResponse {
            logout_confirmed: closed.logout_confirmed,
            transaction_rolled_back: closed.transaction_rolled_back,
            jobs_left: i32::try_from(closed.jobs_left).unwrap_or(i32::MAX),
        }))
    }

    async fn reset_session(
        &self,
        request: Request<v1::ResetSessionRequest>,
    ) -> Result<Response<v1::ResetSessionResponse>, Status> {
        let reset = async {
            let name = convert::session_name(&request.get_ref().session)?;
            self.sessions.reset(&name).await
        };
        let reset = reset.await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::ResetSessionResponse {
            session: Some(convert::session(reset.snapshot)),
            transaction_rolled_back: reset.transaction_rolled_back,
        }))
    }

    async fn begin_transaction(
        &self,
        request: Request<v1::BeginTransactionRequest>,
    ) -> Result<Response<v1::BeginTransactionResponse>, Status> {
        let caller = caller(&request);
        let request = request.into_inner();
        let begun = async {
            let session = convert::session_asked(&request.session)?;
            let connection = convert::connection_name(&request.connection)?;
            self.sessions
                .begin(
                    session.as_ref(),
                    connection.as_ref(),
                    request.accept_loss,
                    &caller,
                )
                .await
        };
        let snapshot = begun.await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::BeginTransactionResponse {
            session: Some(convert::session(snapshot)),
        }))
    }

    async fn commit_transaction(
        &self,
        request: Request<v1::CommitTransactionRequest>,
    ) -> Result<Response<v1::CommitTransactionResponse>, Status> {
        let session = self
            .end_transaction(&request, &request.get_ref().session, TransactionVerb::Commit)
            .await?;
        Ok(Response::new(v1::CommitTransactionResponse {
            session: Some(session),
        }))
    }

    async fn rollback_transaction(
        &self,
        request: Request<v1::RollbackTransactionRequest>,
    ) -> Result<Response<v1::RollbackTransactionResponse>, Status> {
        let session = self
            .end_transaction(&request, &request.get_ref().session, TransactionVerb::Rollback)
            .await?;
        Ok(Response::new(v1::RollbackTransactionResponse {
            session: Some(session),
        }))
    }
}

impl SessionRpc {
    async fn end_transaction<T: Sync>(
        &self,
        request: &Request<T>,
        session: &str,
        verb: TransactionVerb,
    ) -> Result<v1::Session, Status> {
        let caller = caller(request);
        let ended = async {
            let name = convert::session_name(session)?;
            self.sessions.end_transaction(&name, verb, &caller).await
        };
        let snapshot = ended.await.map_err(|error| status(&error))?;
        Ok(convert::session(snapshot))
    }
}
