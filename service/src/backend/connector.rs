//! The connections of this user, and logins over them.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use snowflake_session_driver::{
    ConnectOptions, ConnectionSettings, Connections, Credential, Driver, DriverConfig, Lookup, Overrides,
    Owner, Secret, SessionTicket,
};
use tokio::sync::{OnceCell, watch};

use super::emulator::{Emulator, EmulatorOptions, Running};
use super::error::{explain, from_driver};
use super::network::{driver_config, proxy};
use super::upstream::{DriverSession, QUERY_TAG, Sizes, context_of};
use crate::domain::carry::Ticket;
use crate::domain::error::Error;
use crate::domain::limits::Limits;
use crate::domain::meter::Traffic;
use crate::domain::names::ConnectionName;
use crate::domain::network::NetworkLimits;
use crate::domain::upstream::{Connector, Fingerprint, Identity, Login, LoginBasis, Upstream};

/// What the backend needs to know.
pub struct BackendSettings {
    /// The user's home.
    pub home: PathBuf,
    /// The environment, for Snowflake's own variables.
    pub environment: BTreeMap<String, String>,
    /// Limits of sessions and queries.
    pub limits: Limits,
    /// Limits of what goes over the network.
    pub network: NetworkLimits,
    /// Size at which result batches are cut, in bytes of Arrow data.
    pub batch_bytes_max: usize,
    /// Connections that lead to a server which compiles statements without running them, whatever its name.
    pub describing: watch::Receiver<HashSet<ConnectionName>>,
    /// The local emulator.
    pub emulator: EmulatorOptions,
}

/// Snowflake's own files, in which the connections of this user are written, the stronger last.
pub fn connections_files(home: PathBuf, environment: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let folder = Lookup::new(home, environment.clone()).snowflake_home();
    vec![folder.join("config.toml"), folder.join("connections.toml")]
}

/// Reaches Snowflake through the driver.
pub struct Backend {
    lookup: Lookup,
    driver: OnceCell<Driver>,
    driver_config: DriverConfig,
    sizes: Sizes,
    describing: watch::Receiver<HashSet<ConnectionName>>,
    emulator: Emulator,
    /// Salt of the fingerprints.
    keys: RandomState,
}

impl Backend {
    /// Nothing is read or started yet.
    pub fn new(settings: BackendSettings) -> Self {
        let BackendSettings {
            home,
            environment,
            limits,
            network,
            batch_bytes_max,
            describing,
            emulator,
        } = settings;
        let driver_config = driver_config(&network, &limits, batch_bytes_max);
        Self {
            lookup: Lookup::new(home, environment),
            driver: OnceCell::new(),
            driver_config,
            sizes: Sizes {
                batch_bytes_max,
                submit_timeout: limits.submit_timeout,
            },
            describing,
            emulator: Emulator::new(emulator),
            keys: RandomState::new(),
        }
    }

    /// Reads the connections anew each time, so that a changed file counts at the next login.
    async fn connections(&self) -> Result<Connections, Error> {
        let lookup = self.lookup.clone();
        let loaded = tokio::task::spawn_blocking(move || Connections::load(&lookup)).await;
        let connections = loaded
            .map_err(|error| Error::internal("the reader of the connections failed").with_source(error))?
            .map_err(from_driver)?;
        for warning in connections.warnings() {
            tracing::warn!("{warning}");
        }
        Ok(connections)
    }

    async fn driver(&self) -> Result<&Driver, Error> {
        self.driver
            .get_or_try_init(|| async {
                let mut config = self.driver_config.clone();
                config.gateway.proxy = proxy(&self.lookup.environment)?;
                Driver::start(config).await
            })
            .await
            .map_err(from_driver)
    }

    async fn log_in(&self, settings: &ConnectionSettings, emulator: Option<Running>) -> Result<Login, Error> {
        let driver = self.driver().await?;
        let session = driver.connect(settings, &ConnectOptions::default()).await;
        let session = session.map_err(|error| explain(error, emulator.as_ref()))?;
        let info = session.info();
        let identity = Identity {
            user: info.user.clone(),
            account: info.account.clone(),
            server_version: info.server_version.clone(),
            host: settings.endpoint.host_str().unwrap_or_default().to_owned(),
            upstream_session_id: info.session_id.unwrap_or_default(),
        };
        let context = context_of(&info.context);
        let autocommit = !info
            .parameters
            .iter()
            .any(|(name, value)| name == "AUTOCOMMIT" && value.eq_ignore_ascii_case("false"));
        let fingerprint = match &emulator {
            Some(emulator) => self.fingerprint_of(Some(emulator)),
            None => Fingerprint(settings.fingerprint(&self.keys)),
        };
        let describes = emulator.is_some() || self.describes(&identity.host, &settings.name);
        let upstream = DriverSession::new(session, emulator, self.sizes, describes);
        Ok(Login {
            upstream: Arc::new(upstream),
            identity,
            context,
            autocommit,
            tagged: settings.session_parameters.contains_key(QUERY_TAG),
            fingerprint,
        })
    }

    async fn settings(
        &self,
        connection: &ConnectionName,
    ) -> Result<(ConnectionSettings, Option<Running>), Error> {
        if connection.is_local() {
            let running = self.emulator.running().await?;
            return Ok((local_settings(&running)?, Some(running)));
        }
        Ok((self.configured(connection).await?, None))
    }

    async fn configured(&self, connection: &ConnectionName) -> Result<ConnectionSettings, Error> {
        let connections = self.connections().await?;
        let name = connection.as_str().to_owned();
        let settings =
            tokio::task::spawn_blocking(move || connections.get(&name, &Overrides::default())).await;
        settings
            .map_err(|error| Error::internal("the reader of the connection failed").with_source(error))?
            .map_err(from_driver)
    }

    /// True when the server behind a connection is known to compile statements without running them.
    fn describes(&self, host: &str, connection: &str) -> bool {
        is_snowflake(host)
            || self
                .describing
                .borrow()
                .iter()
                .any(|name| name.as_str() == connection)
    }

    /// The built-in connection is as new as the emulator behind it.
    fn fingerprint_of(&self, emulator: Option<&Running>) -> Fingerprint {
        Fingerprint(self.keys.hash_one(emulator.map(|emulator| emulator.serial)))
    }
}

/// True for a host of Snowflake's own.
fn is_snowflake(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    [".snowflakecomputing.com", ".snowflakecomputing.cn"]
        .iter()
        .any(|domain| host.ends_with(domain))
}

/// How to log in to the emulator, which lets anybody on this machine in who found its port.
fn local_settings(running: &Running) -> Result<ConnectionSettings, Error> {
    let endpoint = format!("http://{}", running.address)
        .parse()
        .map_err(|error| Error::internal("the emulator's address is no URL").with_source(error))?;
    let credential = Credential::Password {
        password: Secret::new("local"),
        passcode: None,
        passcode_in_password: false,
    };
    Ok(ConnectionSettings::new(
        "local", "local", "local", credential, endpoint,
    ))
}

#[async_trait]
impl Connector for Backend {
    async fn default_connection(&self) -> Result<ConnectionName, Error> {
        match self.connections().await?.default_name() {
            Some((name, _)) => name.parse(),
            None => Ok(ConnectionName::local()),
        }
    }

    async fn basis(&self, connection: &ConnectionName) -> Result<LoginBasis, Error> {
        if connection.is_local() {
            let emulator = self.emulator.current().await;
            return Ok(LoginBasis {
                fingerprint: self.fingerprint_of(emulator.as_ref()),
                unattended: emulator.is_some(),
            });
        }
        let settings = self.configured(connection).await?;
        Ok(LoginBasis {
            fingerprint: Fingerprint(settings.fingerprint(&self.keys)),
            unattended: !settings.credential.is_one_time(),
        })
    }

    async fn login(&self, connection: &ConnectionName) -> Result<Login, Error> {
        let (settings, emulator) = self.settings(connection).await?;
        match self.log_in(&settings, emulator.clone()).await {
            // It died between our look and the login: one that is started anew may do better.
            Err(_) if emulator.is_some_and(|emulator| !emulator.is_alive()) => {
                let (settings, emulator) = self.settings(connection).await?;
                self.log_in(&settings, emulator).await
            }
            logged_in => logged_in,
        }
    }

    async fn adopt(
        &self,
        connection: &ConnectionName,
        identity: &Identity,
        ticket: &Ticket,
    ) -> Result<Arc<dyn Upstream>, Error> {
        let owner = Owner {
            connection: connection.to_string(),
            account: identity.account.clone(),
            user: identity.user.clone(),
        };
        let ticket = SessionTicket::from_text(Secret::new(ticket.expose()));
        let adopted = self.driver().await?.adopt(&ticket, owner).await;
        let session = adopted.map_err(from_driver)?;
        let describes = self.describes(&identity.host, connection.as_str());
        Ok(Arc::new(DriverSession::new(session, None, self.sizes, describes)))
    }

    fn emulator_address(&self) -> Option<String> {
        self.emulator.address().map(|address| address.to_string())
    }

    fn traffic(&self) -> Traffic {
        let Some(driver) = self.driver.get() else {
            return Traffic::default();
        };
        let counted = driver.metrics();
        Traffic {
            requests: counted.requests,
            retries_connect: counted.retries_connect,
            retries_transport: counted.retries_transport,
            retries_silence: counted.retries_silence,
            retries_busy: counted.retries_busy,
            renewals: counted.renewals,
            renewals_failed: counted.renewals_failed,
            heartbeats: counted.heartbeats,
            heartbeats_failed: counted.heartbeats_failed,
            connections_opened: counted.connections_opened,
            sleeps: counted.sleeps,
            bytes_received: counted.bytes_received,
            bytes_sent: counted.bytes_sent,
        }
    }

    async fn shutdown(&self) {
        self.emulator.stop().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snowflakes_hosts_are_known() {
        for (host, expected) in [
            ("acme.snowflakecomputing.com", true),
            ("acme.eu-central-1.privatelink.SnowflakeComputing.com", true),
            ("acme.snowflakecomputing.cn", true),
            ("snowflakecomputing.com.example.com", false),
            ("notsnowflakecomputing.com", false),
            ("127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(is_snowflake(host), expected, "{host}");
        }
    }
}
