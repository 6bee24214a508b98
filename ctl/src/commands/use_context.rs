//! `use`: change one part of the session context.

use snowflake_session_proto::v1::UpdateSessionContextRequest;

use super::{Run, session};
use crate::arguments::{ContextPart, LossArguments};
use crate::failure::Failure;
use crate::launch;

/// Changes the part and prints the context that results.
pub(super) async fn use_context(
    part: ContextPart,
    name: String,
    loss: LossArguments,
    run: &Run,
) -> Result<(), Failure> {
    if name.trim().is_empty() {
        return Err(Failure::usage("the name is empty"));
    }
    let mut message = UpdateSessionContextRequest {
        session: run.settings.session.clone(),
        connection: run.settings.connection.clone(),
        accept_loss: loss.accept_loss,
        ..UpdateSessionContextRequest::default()
    };
    let field = match part {
        ContextPart::Database => &mut message.database,
        ContextPart::Schema => &mut message.schema,
        ContextPart::Warehouse => &mut message.warehouse,
        ContextPart::Role => &mut message.role,
    };
    *field = Some(name);
    let client = launch::reach(&run.settings, &run.ui).await?;
    let changed = client.update_context(message).await?;
    run.print(session::context(&changed))
}
