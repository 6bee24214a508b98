//! Calls about sessions.

use snowflake_session_proto::v1::session_service_client::SessionServiceClient;
use snowflake_session_proto::v1::{
    BeginTransactionRequest, CommitTransactionRequest, CreateSessionRequest, DeleteSessionRequest,
    DeleteSessionResponse, GetSessionRequest, ListSessionsRequest, ResetSessionRequest, ResetSessionResponse,
    RollbackTransactionRequest, Session, UpdateSessionContextRequest,
};
use tonic::transport::Channel;

use super::{Client, answer, present};
use crate::failure::Failure;

impl Client {
    /// Makes a session, or answers the existing one if `allow_existing`.
    pub(crate) async fn create_session(&self, message: CreateSessionRequest) -> Result<Session, Failure> {
        let mut client = self.sessions_client();
        let call = client.create_session(self.request(message));
        present("session", answer(self.wait_max(), call).await?.session)
    }

    /// Shows a session.
    pub(crate) async fn session(&self, name: &str) -> Result<Session, Failure> {
        let mut client = self.sessions_client();
        let call = client.get_session(self.request(GetSessionRequest {
            session: name.to_owned(),
        }));
        present("session", answer(self.wait_max(), call).await?.session)
    }

    /// Lists all sessions by name.
    pub(crate) async fn sessions(&self) -> Result<Vec<Session>, Failure> {
        let mut client = self.sessions_client();
        let (mut sessions, mut page_token) = (Vec::new(), String::new());
        loop {
            let message = ListSessionsRequest {
                page_size: 0,
                page_token,
            };
            let page = answer(self.wait_max(), client.list_sessions(self.request(message))).await?;
            sessions.extend(page.sessions);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(sessions);
            }
        }
    }

    /// Changes where a session's statements run.
    pub(crate) async fn update_context(
        &self,
        message: UpdateSessionContextRequest,
    ) -> Result<Session, Failure> {
        let mut client = self.sessions_client();
        let call = client.update_session_context(self.request(message));
        present("session", answer(self.wait_max(), call).await?.session)
    }

    /// Ends a session.
    pub(crate) async fn delete_session(&self, name: &str) -> Result<DeleteSessionResponse, Failure> {
        let mut client = self.sessions_client();
        let call = client.delete_session(self.request(DeleteSessionRequest {
            session: name.to_owned(),
        }));
        answer(self.wait_max(), call).await
    }

    /// Begins a session anew.
    pub(crate) async fn reset_session(&self, name: &str) -> Result<ResetSessionResponse, Failure> {
        let mut client = self.sessions_client();
        let call = client.reset_session(self.request(ResetSessionRequest {
            session: name.to_owned(),
        }));
        answer(self.wait_max(), call).await
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&self, message: BeginTransactionRequest) -> Result<Session, Failure> {
        let mut client = self.sessions_client();
        let call = client.begin_transaction(self.request(message));
        present("session", answer(self.wait_max(), call).await?.session)
    }

    /// Commits a session's open transaction.
    pub(crate) async fn commit(&self, name: &str) -> Result<Session, Failure> {
        let mut client = self.sessions_client();
        let call = client.commit_transaction(self.request(CommitTransactionRequest {
            session: name.to_owned(),
        }));
        present("session", answer(self.wait_max(), call).await?.session)
    }

    /// Rolls a session's open transaction back.
    pub(crate) async fn rollback(&self, name: &str) -> Result<Session, Failure> {
        let mut client = self.sessions_client();
        let call = client.rollback_transaction(self.request(RollbackTransactionRequest {
            session: name.to_owned(),
        }));
        present("session", answer(self.wait_max(), call).await?.session)
    }

    fn sessions_client(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.channel.clone())
    }
}
