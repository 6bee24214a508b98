//! `POST /session/v1/login-request`.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::session::{ContextSnapshot, SessionSpec, VERSION};

use super::accounts::{Credentials, Identity};
use super::connector::{ClientSession, Connector};
use super::fields::Parameters;
use super::format::{ClientNeeds, Puts, ResultFormat};
use super::message::{Exchange, ObjectWriter, Reply, success};
use super::parameters;
use super::refusal::Refusal;
use super::tokens::Role;

#[derive(Deserialize)]
struct LoginRequest {
    data: LoginData,
}

/// Has no `Debug`: it holds what the user keeps secret.
#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct LoginData {
    client_app_id: Option<String>,
    client_app_version: Option<String>,
    login_name: Option<String>,
    password: Option<String>,
    authenticator: Option<String>,
    token: Option<String>,
    session_parameters: Option<Parameters>,
}

/// Logs a client in.
pub(super) async fn login(connector: &Arc<Connector>, exchange: &Exchange) -> Result<Reply, Refusal> {
    let data = exchange.json::<LoginRequest>()?.data;
    let credentials = Credentials {
        authenticator: data.authenticator.as_deref(),
        login_name: data.login_name.as_deref().filter(|name| !name.is_empty()),
        password: data.password.as_deref(),
        token: data.token.as_deref(),
        account: connector.settings.account.as_deref(),
    };
    let identity = connector
        .accounts
        .authenticate(&credentials, seconds_since_1970())
        .await?;
    let parameters = parameters::read(&data.session_parameters.unwrap_or_default());
    let application = data.client_app_id.as_deref();
    let needs = ClientNeeds {
        format: ResultFormat::asked(&parameters).unwrap_or_else(|| ResultFormat::for_client(application)),
        puts: Puts::for_client(application, data.client_app_version.as_deref()),
    };
    let spec = SessionSpec {
        role: exchange.query("roleName"),
        warehouse: exchange.query("warehouse"),
        database: exchange.query("databaseName"),
        schema: exchange.query("schemaName"),
        parameters,
        ..SessionSpec::default()
    };
    let session = open(connector, identity, spec, needs).await?;
    tracing::info!(session = session.id(), "logged in");
    Ok(success(&login_data(connector, &session)))
}

/// Opens a session for whoever was let in, and takes it in.
pub(super) async fn open(
    connector: &Arc<Connector>,
    identity: Identity,
    spec: SessionSpec,
    needs: ClientNeeds,
) -> Result<Arc<ClientSession>, Refusal> {
    let spec = SessionSpec {
        user: identity.user.clone(),
        roles: identity.roles.clone(),
        ..spec
    };
    let opened = connector.backend.open_session(spec).await;
    let backend = opened.map_err(|error| Refusal::new(error.code, error.message))?;
    let session = ClientSession::new(identity, backend, needs, connector.now());
    if !connector.admit(&session) {
        session.backend.close().await;
        return Err(Refusal::http(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many sessions are open.",
        ));
    }
    Ok(session)
}

fn login_data(connector: &Connector, session: &Arc<ClientSession>) -> Vec<u8> {
    let settings = &connector.settings;
    let now = connector.now();
    let token = connector
        .tokens
        .issue(session, Role::Session, now + settings.session_token_life);
    let master = connector
        .tokens
        .issue(session, Role::Master, now + settings.master_token_life);
    let mut data = ObjectWriter::with_capacity(4096);
    data.field("masterToken", &master);
    data.field("token", &token);
    data.field("validityInSeconds", &settings.session_token_life.as_secs());
    data.field("masterValidityInSeconds", &settings.master_token_life.as_secs());
    data.field("displayUserName", session.user());
    data.field("serverVersion", VERSION);
    data.field("firstLogin", &false);
    for absent in ["remMeToken", "idToken", "mfaToken", "responseData"] {
        data.raw(absent, b"null");
    }
    for none in [
        "remMeValidityInSeconds",
        "idTokenValidityInSeconds",
        "mfaTokenValidityInSeconds",
    ] {
        data.field(none, &0);
    }
    data.field("healthCheckInterval", &45);
    data.raw("newClientForUpgrade", b"null");
    data.field("sessionId", &session.id());
    data.raw("parameters", &session.parameters());
    data.field("sessionInfo", &session_info(&session.backend.context()));
    data.finish()
}

fn session_info(context: &ContextSnapshot) -> Value {
    json!({
        "databaseName": context.database,
        "schemaName": context.schema,
        "warehouseName": context.warehouse,
        "roleName": context.role,
    })
}

pub(crate) fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
