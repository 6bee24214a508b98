//! Connections upstream: how they are opened, found dead, and given up all at once.

use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;
use tower::util::MapResponseLayer;

use crate::config::GatewayConfig;
use crate::error::GatewayError;
use crate::http_client::describe;
use crate::metrics::Counters;

/// The kept connections that are good at present.
pub(crate) struct Pool {
    config: Arc<GatewayConfig>,
    counters: Arc<Counters>,
    current: RwLock<Generation>,
}

/// Connections that were opened between two sleeps of the machine.
#[derive(Clone)]
pub(crate) struct Generation {
    /// One client for everything: a second one would load the trust roots again. It leaves gzip alone, because result
    /// parts are decompressed by their reader, off the I/O threads.
    pub(crate) client: reqwest::Client,
    /// Ends when the connections are given up; what waits on one of them need not wait any longer.
    pub(crate) given_up: CancellationToken,
}

impl Pool {
    pub(crate) fn new(config: Arc<GatewayConfig>, counters: Arc<Counters>) -> Result<Self, GatewayError> {
        let current = Generation::open(&config, &counters)?;
        Ok(Self {
            config,
            counters,
            current: RwLock::new(current),
        })
    }

    pub(crate) fn current(&self) -> Generation {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Gives up all connections. Requests that wait for an answer on one of them are interrupted.
    pub(crate) fn give_up(&self) {
        match Generation::open(&self.config, &self.counters) {
            Ok(fresh) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *current, fresh).given_up.cancel();
            }
            // It could be set up once, so this is a passing shortage; dead connections are found by their silence too.
            Err(error) => tracing::warn!(%error, "the old connections are kept"),
        }
    }
}

impl Generation {
    fn open(config: &GatewayConfig, counters: &Arc<Counters>) -> Result<Self, GatewayError> {
        let counters = Arc::clone(counters);
        let client = client_builder(config)?
            .connector_layer(MapResponseLayer::new(move |connection| {
                counters.connections_opened.increment();
                connection
            }))
            .build()
            .map_err(|error| GatewayError::Configuration {
                message: set_up_failure(&describe(error)),
            })?;
        Ok(Self {
            client,
            given_up: CancellationToken::new(),
        })
    }
}

/// Why there is no client. Small systems have no CA certificates; who speaks to `local` alone needs them too, because the
/// driver's crate and the client look for them before they know where to they will connect.
pub(crate) fn set_up_failure(reason: &str) -> String {
    let what_to_do = if reason.contains("CA certificates") {
        "; install them (most systems call the package ca-certificates) or name a file of them in SSL_CERT_FILE"
    } else {
        ""
    };
    format!("the HTTP client cannot be set up: {reason}{what_to_do}")
}

/// Unanswered probes after which a quiet connection is dead.
const PROBES_MAX: u32 = 3;

pub(crate) fn client_builder(config: &GatewayConfig) -> Result<reqwest::ClientBuilder, GatewayError> {
    let agent = format!(
        "{}/{} ({})",
        config.identity.application,
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS
    );
    // Half of the time quiet, the other half probing.
    let quiet = config.dead_peer_timeout / 2;
    let mut builder = reqwest::Client::builder()
        .user_agent(agent)
        .http1_only()
        .no_gzip()
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .tcp_keepalive(quiet)
        .tcp_keepalive_interval(quiet / PROBES_MAX)
        .tcp_keepalive_retries(PROBES_MAX)
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(config.pool_idle_timeout)
        .pool_max_idle_per_host(config.pool_idle_per_host_max)
        .no_proxy();
    #[cfg(target_os = "linux")]
    {
        builder = builder.tcp_user_timeout(config.dead_peer_timeout);
    }
    if let Some(proxy) = &config.proxy {
        builder = builder.proxy(proxy.to_client()?);
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_certificates_is_told_what_to_do() {
        let told = set_up_failure("No CA certificates were loaded from the system");
        assert!(
            told.contains("ca-certificates") && told.contains("SSL_CERT_FILE"),
            "{told}"
        );
        assert_eq!(set_up_failure("odd"), "the HTTP client cannot be set up: odd");
    }
}
