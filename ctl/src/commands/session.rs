//! `session`: list, make, show and close sessions.

use snowflake_session_proto::v1::{CreateSessionRequest, Session};

use super::{Run, context};
use crate::arguments::SessionVerb;
use crate::failure::Failure;
use crate::launch;
use crate::render::record::{Record, Value};

/// Carries out one of the verbs.
pub(super) async fn session(verb: SessionVerb, run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let named = |name: Option<String>| name.unwrap_or_else(|| run.settings.session.clone());
    match verb {
        SessionVerb::List => {
            let sessions = client.sessions().await?;
            if sessions.is_empty() {
                run.ui.note("no sessions");
            }
            run.print_list(sessions.iter().map(summary).collect())
        }
        SessionVerb::New { name } => {
            let message = CreateSessionRequest {
                session: named(name),
                connection: run.settings.connection.clone(),
                login: false,
                allow_existing: false,
                idle_limit: None,
            };
            run.print(context::record(&client.create_session(message).await?))
        }
        SessionVerb::Show { name } => {
            let found = client
                .session(&named(name))
                .await
                .map_err(context::suggest_connect)?;
            run.print(record(&found))
        }
        SessionVerb::Close { name } => {
            let name = named(name);
            let closed = client.delete_session(&name).await?;
            if closed.transaction_rolled_back {
                run.ui.warning("the open transaction was rolled back");
            }
            if !closed.logout_confirmed {
                run.ui
                    .note("Snowflake did not confirm the logout; it ends the session by itself");
            }
            let shown = if name.is_empty() { "default" } else { &name };
            run.ui.note(&format!("session {shown} is closed"));
            Ok(())
        }
    }
}

/// Everything about a session.
pub(super) fn record(session: &Session) -> Record {
    let upstream = session.upstream_session_id;
    let mut record = context::record(session);
    record.extend([
        ("host", Value::text(&session.host)),
        ("server_version", Value::text(&session.server_version)),
        (
            "upstream_session",
            if upstream == 0 {
                Value::Nothing
            } else {
                Value::Number(upstream)
            },
        ),
        ("last_query", Value::text(&session.last_query_id)),
        ("created", time(session.create_time.as_ref())),
        ("last_used", time(session.last_use_time.as_ref())),
    ]);
    record
}

/// A session in a list.
fn summary(session: &Session) -> Record {
    let keep = [
        "session",
        "connection",
        "user",
        "role",
        "warehouse",
        "database",
        "schema",
        "state",
    ];
    let mut record = context::record(session);
    record.retain(|(name, _)| keep.contains(name));
    record.push(("last_used", time(session.last_use_time.as_ref())));
    record
}

fn time(timestamp: Option<&prost_types::Timestamp>) -> Value {
    timestamp.map_or(Value::Nothing, |timestamp| {
        // Whole seconds are all that anyone reads.
        Value::Text(crate::render::utc_seconds(timestamp.seconds))
    })
}
