//! Refuses clients of another build, naming the command that mends it.
//!
//! Client and service come from one package, and a service outlives an upgrade of the package. Rather than
//! guess which messages both still understand, a request of another build is refused; status and shutdown
//! (and health and reflection) work across builds, so that the client can always replace the service.

use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY};
use tonic::{Request, Status};

use super::status::status;
use crate::domain::error::{Error, Reason};

/// Lets requests of this build pass.
pub(super) fn check(request: Request<()>) -> Result<Request<()>, Status> {
    let error = match request.metadata().get(BUILD_ID_KEY).map(|value| value.to_str()) {
        Some(Ok(build)) if build == BUILD_ID => return Ok(request),
        Some(Ok(build)) => Error::new(
            Reason::VersionSkew,
            format!("client is build {build}, the running service is build {BUILD_ID}"),
        )
        .with_hint("restart the service: `sfctl service restart`"),
        Some(Err(_)) | None => Error::new(
            Reason::VersionSkew,
            format!("the request does not say which build its client is; this service is build {BUILD_ID}"),
        )
        .with_hint(format!(
            "send the metadata key {BUILD_ID_KEY} with the value {BUILD_ID}"
        )),
    };
    Err(status(&error))
}
