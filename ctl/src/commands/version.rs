//! `version`: ours, and that of the service if one runs.

use snowflake_session_proto::BUILD_ID;

use super::Run;
use crate::client::dial::dial;
use crate::failure::Failure;
use crate::render::record::Value;

/// Prints the versions. A service that does not run is no failure and is not started.
pub(super) async fn version(run: &Run) -> Result<(), Failure> {
    let service = match dial(&run.settings).await {
        Ok(client) => match client.status().await {
            Ok(status) => Some(status),
            Err(failure) => {
                run.ui
                    .note(&format!("{}: {}", failure.what, failure.causes.join(": ")));
                None
            }
        },
        Err(_) => None,
    };
    let (version, build_id) =
        service.map_or_else(Default::default, |status| (status.version, status.build_id));
    if !build_id.is_empty() && build_id != BUILD_ID {
        run.ui
            .warning("sfctl and the service are of different builds; run `sfctl service restart`");
    }
    run.print(vec![
        ("sfctl", Value::text(env!("CARGO_PKG_VERSION"))),
        ("build", Value::text(BUILD_ID)),
        ("service", Value::text(version)),
        ("service_build", Value::text(build_id)),
    ])
}
