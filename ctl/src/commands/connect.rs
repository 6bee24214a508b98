//! `connect`: log in, then say who and where we are.

use snowflake_session_proto::v1::{CreateSessionRequest, PolicyLevel};

use super::{Run, session};
use crate::failure::Failure;
use crate::launch;

/// Logs the session in, making it if needed.
pub(super) async fn connect(run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let message = CreateSessionRequest {
        session: run.settings.session.clone(),
        connection: run.settings.connection.clone(),
        login: true,
        allow_existing: true,
        idle_limit: None,
        policy: PolicyLevel::Unspecified.into(),
    };
    let logged_in = client.create_session(message).await?;
    run.print(session::everything(&logged_in))?;
    session::advise(&logged_in, run);
    Ok(())
}
