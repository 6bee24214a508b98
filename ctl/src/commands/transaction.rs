//! `begin`, `commit` and `rollback`: a transaction that stays open over several commands.

use snowflake_session_proto::v1::{BeginTransactionRequest, Session};

use super::{Run, session};
use crate::arguments::LossArguments;
use crate::failure::Failure;
use crate::launch;
use crate::render::{Clock, measured};

/// Begins a transaction.
pub(super) async fn begin(loss: LossArguments, run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let message = BeginTransactionRequest {
        session: run.settings.session.clone(),
        connection: run.settings.connection.clone(),
        accept_loss: loss.accept_loss,
    };
    let begun = client.begin(message).await?;
    let lease = begun.transaction_expire_time.map_or_else(String::new, |end| {
        let left = Clock::read().until(&end);
        format!(
            "; it is rolled back if the session is not used for {}",
            measured(left)
        )
    });
    report(
        &begun,
        &format!("a transaction is open in session {}{lease}", begun.name),
        run,
    )
}

/// Commits the open transaction.
pub(super) async fn commit(run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let name = session::named(&client, None, run).await?;
    let committed = client.commit(&name).await?;
    report(
        &committed,
        &format!("the transaction of session {} is committed", committed.name),
        run,
    )
}

/// Rolls the open transaction back.
pub(super) async fn rollback(run: &Run) -> Result<(), Failure> {
    let client = launch::reach(&run.settings, &run.ui).await?;
    let name = session::named(&client, None, run).await?;
    let rolled_back = client.rollback(&name).await?;
    report(
        &rolled_back,
        &format!("the transaction of session {} is rolled back", rolled_back.name),
        run,
    )
}

/// Tells people that it is done; programs that ask for JSON get the context.
fn report(session: &Session, done: &str, run: &Run) -> Result<(), Failure> {
    if run.wants_json() {
        run.print(session::context(session))?;
    }
    run.ui.note(done);
    Ok(())
}
