//! Refuses clients that speak no protocol of ours, naming what mends it.
//!
//! A service outlives an upgrade of its package, and then its clients are newer. Each request says in its metadata which
//! protocols its client speaks, so that nobody has to ask first. Where the ranges do not meet, the request is refused;
//! hello, status and shutdown (and health and reflection) work across versions, so that the client can find out what to do
//! and always replace the service. A client that names its build alone is understood when it is of this build.

use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY, PROTOCOL, PROTOCOL_KEY, ProtocolRange};
use tonic::{Request, Status};

use super::status::status;
use crate::domain::error::{Error, Reason};

/// Lets requests pass whose client speaks a protocol of ours.
pub(super) fn check(request: Request<()>) -> Result<Request<()>, Status> {
    let said = |key| request.metadata().get(key).and_then(|value| value.to_str().ok());
    let error = match (said(PROTOCOL_KEY), said(BUILD_ID_KEY)) {
        (Some(range), _) => match range.parse::<ProtocolRange>() {
            Ok(theirs) if PROTOCOL.agreed_with(theirs).is_some() => return Ok(request),
            Ok(theirs) => apart(theirs),
            Err(why) => Error::new(Reason::VersionSkew, why).with_hint(format!(
                "send the metadata key {PROTOCOL_KEY} with the value {PROTOCOL}"
            )),
        },
        (None, Some(build)) if build == BUILD_ID => return Ok(request),
        (None, Some(build)) => Error::new(
            Reason::VersionSkew,
            format!("client is build {build}, the running service is build {BUILD_ID}"),
        )
        .with_hint("restart the service: `sfctl service restart`"),
        (None, None) => Error::new(
            Reason::VersionSkew,
            format!(
                "the request does not say which protocol its client speaks; this service speaks {PROTOCOL}"
            ),
        )
        .with_hint(format!(
            "send the metadata key {PROTOCOL_KEY} with the value {PROTOCOL}"
        )),
    };
    Err(status(&error))
}

/// A client whose protocols do not meet ours.
fn apart(theirs: ProtocolRange) -> Error {
    let error = Error::new(
        Reason::VersionSkew,
        format!(
            "client speaks protocol {theirs}, the running service (version {BUILD_ID}) speaks {PROTOCOL}"
        ),
    );
    error.with_hint(if theirs.is_older_than(PROTOCOL) {
        "update the client"
    } else {
        "restart the service, so that the installed version runs: `sfctl service restart`"
    })
}
