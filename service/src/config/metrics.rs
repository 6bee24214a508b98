//! The section `[metrics]`.

use std::net::SocketAddr;
use std::time::Duration;

use super::read::Reader;

/// What is told Prometheus, and where.
#[derive(Debug, Clone)]
pub struct MetricsSettings {
    /// Where to answer over HTTP; `None` is nowhere.
    pub listen: Option<SocketAddr>,
    /// Most connections that are told apart in labels.
    pub connections_max: usize,
    /// Most clients at a time.
    pub clients_max: usize,
    /// How long a client may take.
    pub client_time_max: Duration,
    /// How long the service may take to show that it lives; less than a client has.
    pub health_timeout: Duration,
}

/// Reads the section.
pub(super) fn read(reader: &mut Reader<'_>) -> MetricsSettings {
    const LISTEN: &str = "metrics.listen";
    const HEALTH_TIMEOUT: &str = "metrics.health_timeout";
    let public = reader.truth("metrics.public");
    let text = reader.text(LISTEN);
    let listen = if text.is_empty() {
        None
    } else {
        let address = text.parse::<SocketAddr>();
        if address.is_err() {
            reader.fault(
                LISTEN,
                format!("{text:?} is not an address such as \"127.0.0.1:9464\""),
            );
        }
        address.ok()
    };
    if let Some(address) = listen.filter(|address| !public && !address.ip().is_loopback()) {
        reader.fault(
            LISTEN,
            format!("{address} is reached from other machines, and nobody has to say who they are; `metrics.public = true` allows it"),
        );
    }
    let client_time_max = reader.duration("metrics.client_time_max", Duration::from_millis(100));
    let mut health_timeout = reader.duration(HEALTH_TIMEOUT, Duration::from_millis(10));
    if !reader.is_set(HEALTH_TIMEOUT) {
        health_timeout = health_timeout.min(client_time_max / 2);
    }
    if listen.is_some() && health_timeout >= client_time_max {
        reader.fault(
            HEALTH_TIMEOUT,
            format!("{health_timeout:?} is not less than `metrics.client_time_max`, {client_time_max:?}"),
        );
    }
    MetricsSettings {
        listen,
        connections_max: reader.count("metrics.connections_max", 1),
        clients_max: reader.count("metrics.clients_max", 1),
        client_time_max,
        health_timeout,
    }
}
