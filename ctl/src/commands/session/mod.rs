//! `session`: list, make, show, close and reset sessions.

mod record;

use std::time::Instant;

use snowflake_session_proto::v1::{CreateSessionRequest, PolicyLevel, Session};

use super::Run;
use crate::arguments::SessionVerb;
use crate::client::{self, Client};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::launch;
use crate::render::measured;

pub(super) use record::{context, everything};

/// Carries out one of the verbs.
pub(super) async fn session(verb: SessionVerb, run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    match verb {
        SessionVerb::List => list(&client, run).await,
        SessionVerb::New {
            name,
            idle_limit,
            no_login,
            policy,
        } => {
            let message = CreateSessionRequest {
                session: name.unwrap_or_else(|| run.settings.session.clone()),
                connection: run.settings.connection.clone(),
                login: !no_login,
                allow_existing: false,
                idle_limit: idle_limit.and_then(client::duration),
                policy: run.policy(policy).into(),
            };
            make(&client, message, run).await
        }
        SessionVerb::Show { name } => {
            let name = named(&client, name, run).await?;
            let found = client.session(&name).await.map_err(suggest_new)?;
            run.print(everything(&found))?;
            advise(&found, run);
            Ok(())
        }
        SessionVerb::Close { all: true, .. } => close_all(&client, run).await,
        SessionVerb::Close { name, all: false } => {
            let name = named(&client, name, run).await?;
            close(&client, or_default(&name), run).await
        }
        SessionVerb::Reset { name } => {
            let name = named(&client, name, run).await?;
            let reset = client.reset_session(&name).await.map_err(suggest_new)?;
            say_rolled_back(reset.transaction_rolled_back, or_default(&name), run);
            run.ui.note(&format!("session {} begins anew", or_default(&name)));
            Ok(())
        }
    }
}

/// Name of the session that is meant where a call takes nothing but a name: the one given, else that of
/// `--session`, else the one that the service chooses for the connection. Empty means `default`.
pub(super) async fn named(client: &Client, name: Option<String>, run: &Run) -> Result<String, Failure> {
    let settings = &run.settings;
    let connection = &settings.connection;
    match name {
        Some(name) => Ok(name),
        None if settings.session.is_empty() && !connection.is_empty() => {
            // Asking the service for its choice makes the session; a mistyped connection would leave one behind.
            let sessions = client.sessions().await?;
            if !sessions.iter().any(|session| session.connection == *connection) {
                let what = format!("there is no session on connection {connection}");
                return Err(Failure::usage(what).hint(format!(
                    "`sfctl -c {connection} connect` makes one and logs it in"
                )));
            }
            Ok(default_session(client, run).await?.name)
        }
        None => Ok(settings.session.clone()),
    }
}

/// The session that statements run in when none is named. It exists as soon as somebody looks.
pub(super) async fn default_session(client: &Client, run: &Run) -> Result<Session, Failure> {
    let message = CreateSessionRequest {
        session: String::new(),
        connection: run.settings.connection.clone(),
        login: false,
        allow_existing: true,
        idle_limit: None,
        policy: PolicyLevel::Unspecified.into(),
    };
    client.create_session(message).await
}

/// Says how a missing session comes to be, where the service gave no hint.
pub(super) fn suggest_new(mut failure: Failure) -> Failure {
    let missing = failure.exit == Exit::Usage && failure.hint.is_none();
    if missing {
        failure.hint = Some("`sfctl session new NAME` makes a session and logs it in".to_owned());
    }
    failure
}

/// Says what a session that has lost something, or holds a write, waits for.
pub(super) fn advise(session: &Session, run: &Run) {
    if !session.losses.is_empty() {
        run.ui.advice(
            "statements are refused until one is given `--accept-loss`, or until `sfctl session reset`",
        );
    }
    if session.held_write.is_some() {
        run.ui.advice(
            "only reads run until `sfctl write --confirm TOKEN` or `--abandon TOKEN`, with the token that the write \
             was given; `sfctl session reset` gives it up without one",
        );
    }
}

async fn list(client: &Client, run: &Run) -> Result<(), Failure> {
    let sessions = client.sessions().await?;
    if sessions.is_empty() {
        run.ui.note("no sessions");
    }
    let current = current(&sessions, run);
    let with_writes = sessions.iter().any(|session| session.held_write.is_some());
    let shown = sessions.iter().map(|session| {
        let is_current = Some(session.name.as_str()) == current;
        if run.format().is_for_people() {
            record::line(session, is_current, with_writes)
        } else {
            record::row(session, is_current)
        }
    });
    run.print_list(shown.collect())
}

/// Name of the session that a statement would run in, if it exists.
fn current<'a>(sessions: &'a [Session], run: &'a Run) -> Option<&'a str> {
    let settings = &run.settings;
    let named = |name: &str| sessions.iter().find(|session| session.name == name);
    let of_connection = |session: &&Session| session.connection == settings.connection;
    let found = match (settings.session.as_str(), settings.connection.as_str()) {
        ("", "") => named(DEFAULT_NAME),
        ("", connection) => named(connection)
            .filter(of_connection)
            .or_else(|| named(DEFAULT_NAME).filter(of_connection)),
        (session, _) => named(session),
    };
    found.map(|session| session.name.as_str())
}

async fn make(client: &Client, message: CreateSessionRequest, run: &Run) -> Result<(), Failure> {
    let login = message.login;
    let start = Instant::now();
    let made = client.create_session(message).await?;
    let elapsed = measured(start.elapsed());
    run.print(context(&made))?;
    run.ui.note(&if login {
        format!("session {} is logged in ({elapsed})", made.name)
    } else {
        format!("session {} is made and logs in when it is first used", made.name)
    });
    Ok(())
}

async fn close(client: &Client, name: &str, run: &Run) -> Result<(), Failure> {
    let closed = client.delete_session(name).await?;
    say_rolled_back(closed.transaction_rolled_back, name, run);
    if closed.jobs_left > 0 {
        let jobs = match closed.jobs_left {
            1 => "1 job goes".to_owned(),
            count => format!("{count} jobs go"),
        };
        run.ui.note(&format!(
            "{jobs} on at Snowflake without the session; `sfctl job cancel ID` stops one"
        ));
    } else if !closed.logout_confirmed {
        run.ui
            .note("Snowflake did not confirm the logout; it ends the session by itself");
    }
    run.ui.note(&format!("session {name} is closed"));
    Ok(())
}

/// Closes every session, also when one of them cannot be closed; fails with the first failure.
async fn close_all(client: &Client, run: &Run) -> Result<(), Failure> {
    let sessions = client.sessions().await?;
    if sessions.is_empty() {
        run.ui.note("no sessions");
    }
    let mut first = None;
    for session in sessions {
        if let Err(failure) = close(client, &session.name, run).await {
            match &first {
                None => first = Some(failure),
                Some(_) => run.ui.failure(&failure),
            }
        }
    }
    first.map_or(Ok(()), Err)
}

fn say_rolled_back(rolled_back: bool, name: &str, run: &Run) {
    if rolled_back {
        run.ui
            .warning(&format!("the open transaction of session {name} was rolled back"));
    }
}

/// The session that an empty name stands for.
pub(super) const DEFAULT_NAME: &str = "default";

/// A session's name for the screen.
pub(super) fn or_default(name: &str) -> &str {
    if name.is_empty() { DEFAULT_NAME } else { name }
}
