//! Makes, shows, changes and ends sessions.

use snowflake_session_proto::v1;
use snowflake_session_proto::v1::session_service_server::SessionService;
use tonic::{Request, Response, Status};

use super::convert;
use super::status::status;
use crate::domain::error::Error;
use crate::sessions::Sessions;

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
        let request = request.into_inner();
        let created = async {
            let name = convert::session_name(&request.session)?;
            let connection = convert::connection_name(&request.connection)?;
            self.sessions
                .create(&name, connection.as_ref(), request.login, request.allow_existing)
                .await
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
        let request = request.into_inner();
        let updated = async {
            let name = convert::session_name(&request.session)?;
            let connection = convert::connection_name(&request.connection)?;
            let change = convert::context_change(&request)?;
            self.sessions
                .update_context(&name, connection.as_ref(), &change)
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
        }))
    }

    async fn reset_session(
        &self,
        _request: Request<v1::ResetSessionRequest>,
    ) -> Result<Response<v1::ResetSessionResponse>, Status> {
        Err(Status::unimplemented("ResetSession"))
    }

    async fn begin_transaction(
        &self,
        _request: Request<v1::BeginTransactionRequest>,
    ) -> Result<Response<v1::BeginTransactionResponse>, Status> {
        Err(Status::unimplemented("BeginTransaction"))
    }

    async fn commit_transaction(
        &self,
        _request: Request<v1::CommitTransactionRequest>,
    ) -> Result<Response<v1::CommitTransactionResponse>, Status> {
        Err(Status::unimplemented("CommitTransaction"))
    }

    async fn rollback_transaction(
        &self,
        _request: Request<v1::RollbackTransactionRequest>,
    ) -> Result<Response<v1::RollbackTransactionResponse>, Status> {
        Err(Status::unimplemented("RollbackTransaction"))
    }
}
