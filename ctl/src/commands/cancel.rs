//! Cancelling a query and saying what came of it.

use std::time::Duration;

use snowflake_session_proto::v1::CancelOutcome;

use crate::client::{Client, QueryName};
use crate::exit_code::Exit;
use crate::failure::Failure;
use crate::interrupt::Interrupts;

/// Most time for Snowflake to confirm a cancellation.
pub(super) const CANCEL_WAIT_MAX: Duration = Duration::from_secs(10);

/// Cancels the query of an interrupted command and says what came of it. Another interrupt ends the wait.
pub(super) async fn interrupted(client: &Client, name: QueryName, interrupts: &mut Interrupts) -> Failure {
    let interrupted = |what: &str| Failure::new(Exit::Interrupted, what);
    let answer = tokio::select! {
        answer = client.cancel(name, CANCEL_WAIT_MAX) => answer,
        () = interrupts.next() => {
            return interrupted("interrupted before the cancellation was confirmed");
        }
    };
    match answer.map(|response| response.outcome()) {
        Ok(CancelOutcome::Confirmed) => interrupted("the query was cancelled, Snowflake confirmed it"),
        Ok(CancelOutcome::NotRunning) => interrupted("interrupted; the query was not running"),
        Ok(CancelOutcome::Unconfirmed | CancelOutcome::Unspecified) => {
            interrupted("the cancellation was sent, Snowflake did not confirm it in time")
        }
        Err(failure) => {
            let mut told =
                interrupted("interrupted; the cancellation is not confirmed").caused_by(failure.what);
            told.causes.extend(failure.causes);
            told
        }
    }
}
