//! What keeps a session alive and what ends it: renewal, heartbeat, logout.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::session::SessionSpec;

use super::connector::{ClientSession, Connector};
use super::login;
use super::message::{Exchange, Reply, success};
use super::refusal::Refusal;
use super::tokens::{Role, authorization};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenRequest {
    request_type: Option<String>,
}

/// `POST /session/token-request`: new tokens for the holder of a master token.
pub(super) async fn renew(connector: &Arc<Connector>, exchange: &Exchange) -> Result<Reply, Refusal> {
    let now = connector.now();
    let session = connector
        .tokens
        .find(authorization(exchange.headers()), Role::Master, now)
        .map_err(|fault| fault.refusal(Role::Master))?;
    session.touch(now);
    let request: TokenRequest = exchange.json()?;
    let session = match request.request_type.as_deref().unwrap_or("RENEW") {
        "RENEW" => {
            connector.tokens.supersede(session.id());
            session
        }
        "ISSUE" => session,
        "CLONE" => clone(connector, &session).await?,
        other => {
            return Err(Refusal::new(
                "390400",
                format!("Request type {other} is not known."),
            ));
        }
    };
    let settings = &connector.settings;
    let token = connector
        .tokens
        .issue(&session, Role::Session, now + settings.session_token_life);
    let master = connector
        .tokens
        .issue(&session, Role::Master, now + settings.master_token_life);
    let data = json!({
        "sessionToken": token,
        "validityInSecondsST": settings.session_token_life.as_secs(),
        "masterToken": master,
        "validityInSecondsMT": settings.master_token_life.as_secs(),
        "masterValidityInSeconds": settings.master_token_life.as_secs(),
        "sessionId": session.id(),
    });
    Ok(success(data.to_string().as_bytes()))
}

/// Opens a second session that starts where the first one is.
async fn clone(
    connector: &Arc<Connector>,
    session: &Arc<ClientSession>,
) -> Result<Arc<ClientSession>, Refusal> {
    let context = session.backend.context();
    let exact = |name: Option<String>| name.map(|name| SessionSpec::exact_name(&name));
    let spec = SessionSpec {
        role: exact(context.role),
        warehouse: exact(context.warehouse),
        database: exact(context.database),
        schema: exact(context.schema),
        parameters: session
            .backend
            .parameters()
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        ..SessionSpec::default()
    };
    login::open(connector, session.identity.clone(), spec, session.needs()).await
}

/// `POST /session/heartbeat`: the session is still wanted.
pub(super) fn heartbeat(connector: &Connector, exchange: &Exchange) -> Result<Reply, Refusal> {
    connector.authorize(exchange)?;
    Ok(success(b"null"))
}

/// `POST /session?delete=true`: the session is not wanted any more.
pub(super) async fn logout(connector: &Connector, exchange: &Exchange) -> Result<Reply, Refusal> {
    let session = connector.authorize(exchange)?;
    if exchange.query("delete").as_deref() == Some("true") {
        connector.end(&session).await;
        tracing::info!(session = session.id(), "logged out");
    }
    Ok(success(b"null"))
}
