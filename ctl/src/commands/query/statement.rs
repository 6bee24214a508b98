//! A statement about to be sent.

use snowflake_session_proto::v1::{Binding, ExecuteQueryRequest, PolicyLevel, SubmitQueryRequest};

use super::super::Run;
use crate::arguments::Bind;
use crate::client;
use crate::failure::Failure;

/// What is sent, however it is run.
pub(super) struct Statement {
    pub(super) sql: String,
    pub(super) bindings: Vec<Binding>,
    /// Names the request, for its cancellation.
    pub(super) request_id: String,
    pub(super) accept_loss: bool,
}

impl Statement {
    /// The call that runs it and answers its result.
    pub(super) fn execution(&self, row_limit: i64, run: &Run) -> ExecuteQueryRequest {
        ExecuteQueryRequest {
            session: run.settings.session.clone(),
            connection: run.settings.connection.clone(),
            sql: self.sql.clone(),
            bindings: self.bindings.clone(),
            row_limit,
            timeout: run.settings.timeout.and_then(client::duration),
            request_id: self.request_id.clone(),
            accept_loss: self.accept_loss,
            policy: PolicyLevel::Unspecified.into(),
        }
    }

    /// The call that starts it.
    pub(super) fn submission(&self, run: &Run) -> SubmitQueryRequest {
        SubmitQueryRequest {
            session: run.settings.session.clone(),
            connection: run.settings.connection.clone(),
            sql: self.sql.clone(),
            bindings: self.bindings.clone(),
            timeout: run.settings.timeout.and_then(client::duration),
            request_id: self.request_id.clone(),
            accept_loss: self.accept_loss,
            policy: PolicyLevel::Unspecified.into(),
        }
    }
}

/// Values for the placeholders, all by position or all by name, as Snowflake takes them.
pub(super) fn bindings(binds: Vec<Bind>) -> Result<Vec<Binding>, Failure> {
    let named = binds.iter().filter(|bind| !bind.name.is_empty()).count();
    if named != 0 && named != binds.len() {
        return Err(
            Failure::usage("some values are bound by name and others by position")
                .hint("name all or none; write `=VALUE` for a value that holds a `=`"),
        );
    }
    let binding = |bind: Bind| Binding {
        name: bind.name,
        r#type: String::new(),
        value: Some(bind.value),
    };
    Ok(binds.into_iter().map(binding).collect())
}
