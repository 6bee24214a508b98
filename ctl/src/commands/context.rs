//! `context`: the session, who it is and where its statements run.

use snowflake_session_proto::v1::{CreateSessionRequest, Session, SessionState};

use super::Run;
use crate::failure::Failure;
use crate::launch;
use crate::render::record::{Record, Value};

/// Prints the session's context.
pub(super) async fn context(run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let name = &run.settings.session;
    // The default session exists as soon as somebody looks; one with a name must have been made, since a
    // mistyped name would otherwise become a session.
    let session = if name.is_empty() {
        let message = CreateSessionRequest {
            session: String::new(),
            connection: run.settings.connection.clone(),
            login: false,
            allow_existing: true,
            idle_limit: None,
        };
        client.create_session(message).await?
    } else {
        client.session(name).await.map_err(suggest_connect)?
    };
    run.print(record(&session))
}

/// Says how a missing session comes to be, where the service gave no hint.
pub(super) fn suggest_connect(mut failure: Failure) -> Failure {
    let missing = failure.exit == crate::exit_code::Exit::Usage && failure.hint.is_none();
    if missing {
        failure.hint = Some("`sfctl connect --session NAME` makes a session and logs it in".to_owned());
    }
    failure
}

/// Where a session is, in the words of the command line.
pub(super) fn record(session: &Session) -> Record {
    let context = session.context.clone().unwrap_or_default();
    vec![
        ("session", Value::text(&session.name)),
        ("connection", Value::text(&session.connection)),
        ("user", Value::text(&session.user)),
        ("account", Value::text(&session.account)),
        ("role", Value::text(context.role)),
        ("warehouse", Value::text(context.warehouse)),
        ("database", Value::text(context.database)),
        ("schema", Value::text(context.schema)),
        (
            "transaction",
            Value::text(if session.transaction_open { "open" } else { "none" }),
        ),
        ("state", Value::text(state(session.state()))),
    ]
}

/// A session's state as one word.
pub(super) fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Unspecified => "",
        SessionState::New => "new",
        SessionState::Connecting => "connecting",
        SessionState::Idle => "idle",
        SessionState::Busy => "busy",
        SessionState::Disconnected => "disconnected",
        SessionState::Closing => "closing",
    }
}
