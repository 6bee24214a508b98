//! The entry point: one gateway for the process, and logins through it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use snowflake_connector_rs::{
    AuthConfig, Client, ClientConfig, EndpointConfig, KeyPairConfig, PasswordConfig, ProxyConfig,
    QueryConfig, SessionConfig, TransportConfig,
};
use snowflake_session_gateway::{
    Gateway, GatewayMetrics, GatewaySession, LoginFailure, LoginPlan, NONCE_PARAMETER, PendingLogin,
    SessionTicket,
};

use crate::error::from_gateway;
use crate::session::UpstreamSession;
use crate::{ConnectionSettings, Credential, DriverError, ParameterValue, Result, SessionContext};

/// Limits and identity of a [`Driver`]. Every wait, retry and buffer has its limit here.
#[derive(Clone, Debug)]
pub struct DriverConfig {
    /// Limits of the gateway: time, retries, sizes, pooling, heartbeat, proxy.
    pub gateway: snowflake_session_gateway::GatewayConfig,
    /// Longest time any query may take to its first answer, polling included.
    pub query_timeout_max: Duration,
    /// Longest time a login may take, retries included.
    pub login_timeout: Duration,
    /// Longest time to wait for the answer to an abort, and then again for the aborted query to end.
    pub cancel_timeout: Duration,
    /// Result parts downloaded at a time, per result. At least 1.
    pub prefetch_chunks_max: usize,
    /// Bytes of result parts (decompressed, as the server announced them) held ahead of the reader, per result. A
    /// single part larger than this is still fetched, alone.
    pub prefetch_bytes_max: u64,
    /// Size that larger batches are cut to, in bytes of Arrow data.
    pub batch_bytes_target: usize,
}

impl Default for DriverConfig {
    fn default() -> Self {
        Self {
            gateway: snowflake_session_gateway::GatewayConfig::default(),
            query_timeout_max: Duration::from_hours(24),
            login_timeout: Duration::from_mins(1),
            cancel_timeout: Duration::from_secs(10),
            prefetch_chunks_max: 4,
            prefetch_bytes_max: 32 * 1024 * 1024,
            batch_bytes_target: 1024 * 1024,
        }
    }
}

/// What a login adds to its [`ConnectionSettings`].
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// Context to log in with; a part that is set wins over the settings. Use it to restore a session's context.
    pub context: SessionContext,
    /// Session parameters to log in with, for example `QUERY_TAG` or `TIMEZONE`; they win over the settings.
    pub session_parameters: BTreeMap<String, ParameterValue>,
    /// Name of the application as Snowflake's history shows it. `None` says `snowflake-session`.
    pub application: Option<String>,
}

/// Whose an adopted session is, as was known when it was made.
#[derive(Clone, Debug, Default)]
pub struct Owner {
    /// Name of the connection settings it was made from.
    pub connection: String,
    /// Account as in the settings.
    pub account: String,
    /// User as in the settings.
    pub user: String,
}

/// A running driver: the gateway of this process. Cheap to clone; the gateway stops when the last clone and the last
/// session are gone.
#[derive(Clone)]
pub struct Driver {
    gateway: Gateway,
    config: Arc<DriverConfig>,
}

impl Driver {
    /// Starts the gateway on a free loopback port.
    ///
    /// # Errors
    ///
    /// [`DriverError::Configuration`] when no loopback socket can be opened or the HTTP client cannot be set up.
    pub async fn start(config: DriverConfig) -> Result<Self> {
        let gateway = Gateway::start(config.gateway.clone())
            .await
            .map_err(from_gateway)?;
        Ok(Self {
            gateway,
            config: Arc::new(config),
        })
    }

    /// What has gone over the wire so far, for all sessions together.
    pub fn metrics(&self) -> GatewayMetrics {
        self.gateway.metrics()
    }

    /// Logs in and returns the upstream session.
    ///
    /// # Errors
    ///
    /// [`LoginRefused`](DriverError::LoginRefused) when Snowflake says no,
    /// [`Unreachable`](DriverError::Unreachable) or [`Timeout`](DriverError::Timeout) when it says nothing,
    /// [`Configuration`](DriverError::Configuration) when the credential cannot be used (a key that is not PKCS#8).
    pub async fn connect(
        &self,
        settings: &ConnectionSettings,
        options: &ConnectOptions,
    ) -> Result<UpstreamSession> {
        let login = self.gateway.announce_login(LoginPlan {
            endpoint: settings.endpoint.clone(),
            authenticator: authenticator(&settings.credential),
            application: options.application.clone(),
            keep_alive: settings.keep_alive,
            timeout: self.config.login_timeout,
        });
        let config = self.client_config(settings, options, login.nonce());
        let (gateway, session) = self.log_in(config, login).await?;
        let owner = Owner {
            connection: settings.name.clone(),
            account: settings.account.clone(),
            user: settings.user.clone(),
        };
        Ok(UpstreamSession::new(
            gateway,
            session,
            owner,
            Arc::clone(&self.config),
        ))
    }

    /// Goes on with a session that another process logged in to, which must not use it any more. Nothing is sent: that
    /// the server still knows the session is seen with the first statement, or by
    /// [`UpstreamSession::heartbeat`].
    ///
    /// # Errors
    ///
    /// [`Configuration`](DriverError::Configuration) for what is no ticket of this version.
    pub async fn adopt(&self, ticket: &SessionTicket, owner: Owner) -> Result<UpstreamSession> {
        let login = self.gateway.announce_adoption(ticket).map_err(from_gateway)?;
        // The crate insists on a credential. This one is sent to the gateway and goes no further.
        let credential = AuthConfig::password(PasswordConfig::new("adopted"));
        let name = |text: &str| if text.is_empty() { "adopted" } else { text }.to_owned();
        let config = ClientConfig::new(name(&owner.user), name(&owner.account), credential);
        let config = self.through_gateway(config, SessionConfig::new(), login.nonce());
        let (gateway, session) = self.log_in(config, login).await?;
        Ok(UpstreamSession::new(
            gateway,
            session,
            owner,
            Arc::clone(&self.config),
        ))
    }

    /// Lets the crate log in at the gateway, and returns both halves of the session.
    async fn log_in(
        &self,
        config: ClientConfig,
        login: PendingLogin,
    ) -> Result<(GatewaySession, snowflake_connector_rs::Session)> {
        let client = Client::new(config).map_err(|error| unusable(&error))?;
        let session = client.create_session().await;
        match (login.finish(), session) {
            (Ok(gateway), Ok(session)) => Ok((gateway, session)),
            (Ok(_), Err(error)) => Err(DriverError::protocol(format!(
                "the login did not come back: {error}"
            ))),
            (
                Err(LoginFailure::Refused {
                    code,
                    sql_state,
                    message,
                }),
                _,
            ) => Err(DriverError::LoginRefused {
                code,
                sql_state,
                message,
            }),
            (Err(LoginFailure::Gateway(error)), _) => Err(from_gateway(error)),
            (Err(LoginFailure::NotSent), Err(error)) if error.is_timeout() => Err(DriverError::Timeout {
                after: self.config.login_timeout,
                query_id: None,
            }),
            (Err(LoginFailure::NotSent), Err(error)) => Err(unusable(&error)),
            (Err(LoginFailure::NotSent), Ok(_)) => Err(DriverError::protocol("the login took another way")),
        }
    }

    /// The crate's configuration for one login: real account, user and credential, but our gateway as the server.
    fn client_config(
        &self,
        settings: &ConnectionSettings,
        options: &ConnectOptions,
        nonce: &str,
    ) -> ClientConfig {
        let mut session = SessionConfig::new();
        let pick = |ours: &Option<String>, theirs: &Option<String>| ours.clone().or_else(|| theirs.clone());
        if let Some(warehouse) = pick(&options.context.warehouse, &settings.context.warehouse) {
            session = session.with_warehouse(warehouse);
        }
        if let Some(database) = pick(&options.context.database, &settings.context.database) {
            session = session.with_database(database);
        }
        if let Some(schema) = pick(&options.context.schema, &settings.context.schema) {
            session = session.with_schema(schema);
        }
        if let Some(role) = pick(&options.context.role, &settings.context.role) {
            session = session.with_role(role);
        }
        for (name, value) in settings
            .session_parameters
            .iter()
            .chain(&options.session_parameters)
        {
            session = session.with_session_parameter(name, value.to_json());
        }
        let config = ClientConfig::new(&settings.user, &settings.account, auth(&settings.credential));
        self.through_gateway(config, session, nonce)
    }

    /// Sends a login to the gateway, which knows it by the nonce.
    fn through_gateway(&self, config: ClientConfig, session: SessionConfig, nonce: &str) -> ClientConfig {
        let local_url = self.gateway.local_url();
        let session = session.with_session_parameter(NONCE_PARAMETER, nonce.into());
        let query = QueryConfig::new()
            .with_query_response_timeout(self.config.query_timeout_max.saturating_add(CRATE_MARGIN))
            .with_query_cancel_request_timeout(self.config.cancel_timeout);
        // Naming the gateway as the proxy too keeps the crate's client from following HTTP_PROXY, which would send
        // credentials for a loopback address to the network.
        let transport = TransportConfig::new().with_proxy(ProxyConfig::new(local_url.clone()));
        config
            .with_session(session)
            .with_query(query)
            .with_transport(transport)
            .with_endpoint(EndpointConfig::custom_base_url(local_url.clone()))
    }
}

/// By how much the crate's own time limits exceed the gateway's, so that the gateway, which knows more, decides.
pub(crate) const CRATE_MARGIN: Duration = Duration::from_secs(30);

fn auth(credential: &Credential) -> AuthConfig {
    match credential {
        Credential::Password {
            password,
            passcode,
            passcode_in_password,
        } => {
            let mut config = PasswordConfig::new(password.expose());
            if let Some(passcode) = passcode {
                config = config.with_passcode(passcode.expose());
            } else if *passcode_in_password {
                config = config.with_passcode_in_password();
            }
            AuthConfig::password(config)
        }
        // The crate does not know this kind; it travels as an OAuth token and the gateway corrects the name.
        Credential::ProgrammaticAccessToken(token) | Credential::OAuth(token) => {
            AuthConfig::oauth(token.expose())
        }
        Credential::KeyPair {
            pem,
            passphrase: None,
        } => AuthConfig::key_pair(KeyPairConfig::from_pem(pem.expose())),
        Credential::KeyPair {
            pem,
            passphrase: Some(passphrase),
        } => AuthConfig::key_pair(KeyPairConfig::from_encrypted_pem(
            pem.expose(),
            passphrase.expose(),
        )),
    }
}

fn authenticator(credential: &Credential) -> Option<&'static str> {
    match credential {
        Credential::ProgrammaticAccessToken(_) => Some("PROGRAMMATIC_ACCESS_TOKEN"),
        _ => None,
    }
}

/// The crate could not even make a login request: the key does not parse, or the passphrase is wrong.
fn unusable(error: &snowflake_connector_rs::Error) -> DriverError {
    let mut message = format!("the credential cannot be used: {error}");
    if let Some(source) = std::error::Error::source(error) {
        message = format!("{message}: {source}");
    }
    let hint = "a private key must be RSA in PKCS#8 PEM, with private_key_passphrase when it is encrypted";
    DriverError::Configuration {
        message,
        hint: Some(hint.to_owned()),
    }
}
