//! What can be seen of a connection's server without a login: its clock, and who vouches for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use snowflake_session_driver::{Connections, Lookup, Overrides};
use snowflake_session_gateway::{GatewayConfig, Issuer, probe};

use super::network::proxy;

/// Longest time for a connection, and for an answer.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(4);

/// Organisations that sign for public servers, those of Snowflake and of the clouds under it among them. Whoever else signed
/// for such a host stands between it and us.
const PUBLIC: [&str; 9] = [
    "Amazon",
    "DigiCert",
    "Entrust",
    "GlobalSign",
    "GoDaddy",
    "Google Trust Services",
    "Let's Encrypt",
    "Microsoft",
    "Sectigo",
];

/// Ends of the names of Snowflake's own hosts.
const SNOWFLAKE: [&str; 2] = [".snowflakecomputing.com", ".snowflakecomputing.cn"];

/// What was seen of a connection's server. Nothing in it is secret.
#[derive(Debug, Default, Serialize)]
pub struct ReachReport {
    /// How many seconds this machine's clock is ahead of the server's; absent when the server does not tell its time.
    pub ahead_seconds: Option<i64>,
    /// Who signed the server's certificate; absent over plain HTTP.
    pub issuer: Option<String>,
    /// Why that certificate is not trusted.
    pub distrust: Option<String>,
    /// A host of Snowflake's whose certificate is not signed by a public authority.
    pub is_intercepted: bool,
    /// Why nothing was seen.
    pub failure: Option<String>,
}

/// Looks at the server of a connection, as the configuration of this home has it.
pub async fn report_reach(home: PathBuf, environment: BTreeMap<String, String>, name: &str) -> ReachReport {
    let failed = |error: &dyn std::error::Error| ReachReport {
        failure: Some(error.to_string()),
        ..ReachReport::default()
    };
    let proxy = match proxy(&environment) {
        Ok(proxy) => proxy,
        Err(error) => return failed(&error),
    };
    let lookup = Lookup::new(&home, environment);
    let found =
        Connections::load(&lookup).and_then(|connections| connections.get(name, &Overrides::default()));
    let settings = match found {
        Ok(settings) => settings,
        Err(error) => return failed(&error),
    };
    let config = GatewayConfig {
        connect_timeout: CONNECT_TIME_MAX,
        proxy,
        ..GatewayConfig::default()
    };
    let host = settings.endpoint.host_str().unwrap_or_default().to_owned();
    match probe(&config, &settings.endpoint, ANSWER_TIME_MAX).await {
        Ok(seen) => ReachReport {
            ahead_seconds: seen.clocks.map(|(server, ours)| ahead(ours, server)),
            is_intercepted: is_intercepted(&host, seen.issuer.as_ref()),
            issuer: seen.issuer.map(|issuer| issuer.to_string()),
            distrust: seen.distrust,
            failure: None,
        },
        Err(error) => failed(&error),
    }
}

/// Seconds that `ours` is ahead of a time that was told to the second.
fn ahead(ours: SystemTime, told: SystemTime) -> i64 {
    let whole = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match ours.duration_since(told) {
        Ok(ahead) => whole(ahead),
        Err(behind) => -whole(behind.duration()),
    }
}

fn is_intercepted(host: &str, issuer: Option<&Issuer>) -> bool {
    let is_snowflakes = SNOWFLAKE.iter().any(|end| host.ends_with(end));
    is_snowflakes
        && issuer.is_some_and(|issuer| !PUBLIC.iter().any(|known| issuer.organization.contains(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_both_ways() {
        let told = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        for (ours, seconds) in [(1000, 0), (1045, 45), (940, -60)] {
            let ours = SystemTime::UNIX_EPOCH + Duration::from_secs(ours);
            assert_eq!(ahead(ours, told), seconds);
        }
    }

    #[test]
    fn whoever_signs_for_snowflake_without_being_public_is_told() {
        let issuer = |organization: &str| Issuer {
            organization: organization.to_owned(),
            ..Issuer::default()
        };
        let host = "acme.snowflakecomputing.com";
        assert!(!is_intercepted(host, Some(&issuer("DigiCert Inc"))));
        assert!(is_intercepted(host, Some(&issuer("Acme Inc"))));
        assert!(!is_intercepted("private.example.com", Some(&issuer("Acme Inc"))));
        assert!(!is_intercepted(host, None));
    }
}
