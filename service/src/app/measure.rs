//! Brings together what is told of the service in numbers, and where.

use std::net::SocketAddr;
use std::sync::Arc;

use snowflake_session_proto::BUILD_ID;
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::pulse::{Pulse, Question};
use crate::config::MetricsSettings;
use crate::metrics::endpoint::{self, EndpointLimits, Sources};
use crate::metrics::{Metrics, Snapshot};
use crate::platform::{PlatformError, dropped, process};
use crate::rpc::{About, Counted};
use crate::sessions::Sessions;
use crate::traces::Traces;

/// Writes down, whenever asked, what was counted and how things are.
pub(super) fn counted(
    metrics: Arc<Metrics>,
    about: &About,
    sessions: Sessions,
    traces: Option<Traces>,
) -> Counted {
    let start_time = about.start_time;
    let text = move || {
        metrics.text(&Snapshot {
            version: env!("CARGO_PKG_VERSION"),
            build: BUILD_ID,
            start_time,
            draining: sessions.is_draining(),
            figures: sessions.figures(),
            pools: sessions.pools(),
            traffic: sessions.traffic(),
            log_records_dropped: dropped::records(),
            traces: traces.as_ref().map(Traces::figures).unwrap_or_default(),
            process: process::figures(),
        })
    };
    Counted {
        text: Arc::new(text),
        content_type: endpoint::CONTENT_TYPE_TEXT,
    }
}

/// Answers over HTTP where that is configured, until `stop` fires; says where.
pub(super) fn publish(
    settings: &MetricsSettings,
    counted: &Counted,
    pulse: Pulse,
    stop: CancellationToken,
) -> Result<Option<SocketAddr>, Failure> {
    let Some(address) = settings.listen else {
        return Ok(None);
    };
    let failed = |source| PlatformError::Io {
        what: format!("serve metrics at {address} (`metrics.listen`)"),
        source,
    };
    let (listener, bound) = endpoint::bind(address).map_err(failed)?;
    let health_timeout = settings.health_timeout;
    let (text, asked) = (Arc::clone(&counted.text), Question::default());
    let sources = Sources {
        text: Arc::new(move || {
            let (text, asked) = (Arc::clone(&text), asked.clone());
            Box::pin(async move { asked.ask(health_timeout, move || text()).await })
        }),
        condition: Arc::new(move || {
            let pulse = pulse.clone();
            Box::pin(async move { pulse.condition(health_timeout).await })
        }),
    };
    let limits = EndpointLimits {
        connections_max: settings.clients_max,
        connection_time_max: settings.client_time_max,
    };
    endpoint::start(listener, sources, limits, stop).map_err(failed)?;
    tracing::info!(address = %bound, "serving metrics");
    Ok(Some(bound))
}
