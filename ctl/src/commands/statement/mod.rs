//! A statement about to be sent, and where its text comes from.

mod source;

use std::path::PathBuf;

use snowflake_session_proto::v1::{
    Binding, ExecuteQueryRequest, PolicyLevel, PrepareWriteRequest, SubmitQueryRequest,
};

use super::Run;
use crate::arguments::Bind;
use crate::client::{self, QueryName};
use crate::failure::Failure;

/// What is sent, however it is run.
pub(super) struct Statement {
    pub(super) sql: String,
    /// What the text came from, where that has a name.
    origin: Option<String>,
    bindings: Vec<Binding>,
    /// Names the request, for its cancellation.
    pub(super) request_id: String,
    accept_loss: bool,
    policy: PolicyLevel,
}

/// What was typed about a statement.
pub(super) struct Typed {
    pub(super) sql: Option<String>,
    pub(super) file: Option<PathBuf>,
    pub(super) binds: Vec<Bind>,
    pub(super) accept_loss: bool,
    pub(super) policy: PolicyLevel,
}

impl Statement {
    /// Reads its text and checks the rest.
    pub(super) fn read(typed: Typed) -> Result<Self, Failure> {
        let bindings = bindings(typed.binds)?;
        let (sql, origin) = source::read(typed.sql, typed.file)?;
        Ok(Self {
            sql,
            origin,
            bindings,
            request_id: uuid::Uuid::new_v4().to_string(),
            accept_loss: typed.accept_loss,
            policy: typed.policy,
        })
    }

    /// Names the running request, for its cancellation.
    pub(super) fn name(&self, run: &Run) -> QueryName {
        QueryName {
            session: run.settings.session.clone(),
            connection: run.settings.connection.clone(),
            query: self.request_id.clone(),
        }
    }

    /// Shows the place of a mistake in its text.
    pub(super) fn blame(&self, failure: Failure) -> Failure {
        failure.quoting(&self.sql, self.origin.as_deref())
    }

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
            policy: self.policy.into(),
        }
    }

    /// The call that runs it as a write, with no wishes about how.
    pub(super) fn preparation(&self, run: &Run) -> PrepareWriteRequest {
        PrepareWriteRequest {
            session: run.settings.session.clone(),
            connection: run.settings.connection.clone(),
            sql: self.sql.clone(),
            bindings: self.bindings.clone(),
            timeout: run.settings.timeout.and_then(client::duration),
            request_id: self.request_id.clone(),
            accept_loss: self.accept_loss,
            policy: self.policy.into(),
            ..PrepareWriteRequest::default()
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
            policy: self.policy.into(),
        }
    }
}

/// Values for the placeholders, all by position or all by name, as Snowflake takes them.
fn bindings(binds: Vec<Bind>) -> Result<Vec<Binding>, Failure> {
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
