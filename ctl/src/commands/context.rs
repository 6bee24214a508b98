//! `context`: the session, who it is and where its statements run.

use super::{Run, session};
use crate::failure::Failure;
use crate::launch;

/// Prints the session's context.
pub(super) async fn context(run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let name = &run.settings.session;
    // One with a name must have been made: a mistyped name would otherwise become a session.
    let found = if name.is_empty() {
        session::default_session(&client, run).await?
    } else {
        client.session(name).await.map_err(session::suggest_new)?
    };
    run.print(session::context(&found))?;
    session::advise(&found, run);
    Ok(())
}
