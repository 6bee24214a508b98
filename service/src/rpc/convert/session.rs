//! Sessions between the contract's words and ours.

use snowflake_session_proto::v1;

use super::{connection_name, context, duration, proto_duration, session_asked, timestamp};
use crate::domain::error::Error;
use crate::domain::loss::{Loss, LossKind};
use crate::domain::session::Phase;
use crate::sessions::{NewSession, Snapshot};

/// A session to make.
pub(in crate::rpc) fn new_session(request: &v1::CreateSessionRequest) -> Result<NewSession, Error> {
    let idle_limit = request.idle_limit.map(duration).transpose()?;
    if idle_limit.is_some_and(|limit| limit.is_zero()) {
        return Err(Error::invalid("the idle limit of a session is zero")
            .with_hint("leave it out for the configured limit, `session.idle_limit`"));
    }
    Ok(NewSession {
        session: session_asked(&request.session)?,
        connection: connection_name(&request.connection)?,
        login: request.login,
        allow_existing: request.allow_existing,
        idle_limit,
    })
}

/// A session at one moment.
pub(in crate::rpc) fn session(snapshot: Snapshot) -> v1::Session {
    let journal = &snapshot.journal;
    let (running, running_since) = snapshot.running.unzip();
    v1::Session {
        name: snapshot.name.to_string(),
        connection: snapshot.connection.to_string(),
        state: phase(snapshot.phase).into(),
        context: Some(context(journal.context.clone())),
        user: snapshot.identity.user,
        account: snapshot.identity.account,
        server_version: snapshot.identity.server_version,
        upstream_session_id: snapshot.identity.upstream_session_id,
        create_time: Some(timestamp(snapshot.create_time)),
        last_use_time: Some(timestamp(snapshot.last_use_time)),
        transaction_open: journal.transaction.is_some(),
        last_query_id: snapshot.last_query_id,
        host: snapshot.identity.host,
        login_time: snapshot.login_time.map(timestamp),
        transaction_begin_time: journal.transaction.map(timestamp),
        transaction_expire_time: snapshot.transaction_expire_time.map(timestamp),
        running_request_id: running.map(|id| id.to_string()).unwrap_or_default(),
        running_start_time: running_since.map(timestamp),
        waiting_count: count(snapshot.waiting_count),
        reading_count: count(snapshot.reading_count),
        job_count: count(snapshot.job_count),
        temporary_objects: journal
            .temporary_objects
            .iter()
            .map(|object| object.name.clone())
            .collect(),
        parameters: journal
            .parameters
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.as_ref()?.as_sql().to_owned())))
            .collect(),
        // Values may be secrets: they stay here.
        variables: journal.variables.keys().cloned().collect(),
        losses: journal.losses.iter().map(loss).collect(),
        idle_limit: Some(proto_duration(snapshot.idle_limit)),
        policy: v1::PolicyLevel::Unspecified.into(),
        held_write: None,
    }
}

fn loss(loss: &Loss) -> v1::Loss {
    let kind = match loss.kind {
        LossKind::Transaction => v1::LossKind::Transaction,
        LossKind::TemporaryObject => v1::LossKind::TemporaryObject,
        LossKind::Variable => v1::LossKind::Variable,
        LossKind::Parameter => v1::LossKind::Parameter,
        LossKind::Context => v1::LossKind::Context,
    };
    v1::Loss {
        kind: kind.into(),
        name: loss.name.clone(),
        cause: loss.cause.clone(),
    }
}

fn count(things: usize) -> i32 {
    i32::try_from(things).unwrap_or(i32::MAX)
}

fn phase(phase: Phase) -> v1::SessionState {
    match phase {
        Phase::New => v1::SessionState::New,
        Phase::Connecting => v1::SessionState::Connecting,
        Phase::Idle => v1::SessionState::Idle,
        Phase::Busy => v1::SessionState::Busy,
        Phase::Disconnected => v1::SessionState::Disconnected,
        Phase::Closing => v1::SessionState::Closing,
    }
}
