//! A look at a server without a login: its clock, and who vouches for it.
//!
//! It goes the way that everything goes, over a connection of its own, and sends nothing that anybody could use.

use std::time::{Duration, SystemTime};

use http::header::DATE;
use url::Url;

use crate::config::GatewayConfig;
use crate::error::{Fate, GatewayError};
use crate::http_client::describe;
use crate::issuer::{Issuer, issuer_of};
use crate::pool::{client_builder, set_up_failure};

/// What was seen of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its time, to the second, and ours when it said so; absent when it says none.
    pub clocks: Option<(SystemTime, SystemTime)>,
    /// Who signed its certificate; absent over plain HTTP.
    pub issuer: Option<Issuer>,
    /// Why the certificate is not trusted here; then nothing but a probe would go over such a connection.
    pub distrust: Option<String>,
}

/// Asks a server for its first page, for at most `limit`.
///
/// # Errors
///
/// When no connection comes about, or nothing is answered in time.
pub async fn probe(config: &GatewayConfig, url: &Url, limit: Duration) -> Result<Probe, GatewayError> {
    let unreachable = |reason| GatewayError::Unreachable {
        endpoint: url.origin().ascii_serialization(),
        reason,
        attempts: 1,
        fate: Fate::NotRun,
    };
    match ask(config, url, limit, Trust::Needed).await? {
        Ok(seen) => Ok(seen),
        // Whose it is can be seen only by who does not mind. Not minding extends to a proxy that is spoken to over TLS, and
        // that one is told a password.
        Err(reason) if reason.contains("certificate") && !has_tls_proxy(config) => {
            let seen = ask(config, url, limit, Trust::NotNeeded).await?;
            let seen = seen.map_err(|_| unreachable(reason.clone()))?;
            Ok(Probe {
                distrust: Some(reason),
                ..seen
            })
        }
        Err(reason) => Err(unreachable(reason)),
    }
}

fn has_tls_proxy(config: &GatewayConfig) -> bool {
    config
        .proxy
        .as_ref()
        .is_some_and(|proxy| proxy.url.scheme() == "https")
}

/// Whether the server's certificate must be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    Needed,
    /// Only to see whose it is.
    NotNeeded,
}

async fn ask(
    config: &GatewayConfig,
    url: &Url,
    limit: Duration,
    trust: Trust,
) -> Result<Result<Probe, String>, GatewayError> {
    let client = client_builder(config)?
        .timeout(limit)
        .tls_info(true)
        .tls_danger_accept_invalid_certs(trust == Trust::NotNeeded)
        .build()
        .map_err(|error| GatewayError::Configuration {
            message: set_up_failure(&describe(error)),
        })?;
    let answer = match client.get(url.clone()).send().await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(describe(error))),
    };
    let now = SystemTime::now();
    let date = answer.headers().get(DATE).and_then(|value| value.to_str().ok());
    let date = date.and_then(|text| httpdate::parse_http_date(text).ok());
    let certificate = answer
        .extensions()
        .get::<reqwest::tls::TlsInfo>()
        .and_then(reqwest::tls::TlsInfo::peer_certificate);
    Ok(Ok(Probe {
        clocks: date.map(|date| (date, now)),
        issuer: certificate.and_then(issuer_of),
        distrust: None,
    }))
}
