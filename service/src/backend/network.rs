//! The limits of the network in the driver's words.

use std::collections::BTreeMap;

use snowflake_session_driver::{DriverConfig, DriverError};
use snowflake_session_gateway::{GatewayConfig, ProxySettings, RetryLimits};

use crate::domain::limits::Limits;
use crate::domain::network::NetworkLimits;

/// The proxy that the service's environment names.
pub(super) fn proxy(environment: &BTreeMap<String, String>) -> Result<Option<ProxySettings>, DriverError> {
    ProxySettings::from_environment(environment).map_err(|error| DriverError::Configuration {
        message: error.to_string(),
        hint: Some("look at the environment of the service: `sfctl doctor` shows it".to_owned()),
    })
}

/// How the driver is to behave.
pub(super) fn driver_config(
    network: &NetworkLimits,
    limits: &Limits,
    batch_bytes_max: usize,
) -> DriverConfig {
    let (pause_first, pause_max) = network.pause;
    let gateway = GatewayConfig {
        connect_timeout: network.connect_timeout,
        control_timeout: network.control_timeout,
        answer_timeout: network.answer_silence,
        dead_peer_timeout: network.dead_peer_timeout,
        chunk_timeout: network.download_silence,
        retry: RetryLimits {
            attempts_max: network.attempts_max,
            connect_attempts_max: network.connect_attempts_max,
            silent_attempts_max: network.silent_attempts_max,
            pause_first,
            pause_max,
            elapsed_max: network.attempts_time,
        },
        answer_body_bytes_max: network.answer_bytes_max,
        pool_idle_timeout: network.unused_connection,
        heartbeat_interval: network.heartbeat_interval,
        renew_ahead: network.renew_ahead,
        ..GatewayConfig::default()
    };
    DriverConfig {
        gateway,
        query_timeout_max: limits
            .query_timeout
            .max(DriverConfig::default().query_timeout_max),
        login_timeout: limits.login_timeout,
        cancel_timeout: limits.cancel_wait,
        prefetch_chunks_max: network.downloads_max,
        prefetch_bytes_max: network.ahead_bytes_max,
        batch_bytes_target: batch_bytes_max,
    }
}
