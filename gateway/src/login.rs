//! Logging in: the crate's body goes through, with what the crate cannot say added.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::config::ClientIdentity;
use crate::envelope::{ControlAnswer, integer, parameters, seconds, text};
use crate::error::{Fate, GatewayError, LoginFailure};
use crate::http_client::{Answer, Call, CallLimits, HttpClient, endpoint_name};
use crate::secret::Secret;

/// Name of the session parameter that carries the nonce from our side of the crate to the gateway. It is removed before
/// anything goes upstream. A session parameter is the only free-form field of the crate's login.
pub const NONCE_PARAMETER: &str = "SNOWFLAKE_SESSION_LOGIN_NONCE";

/// How one expected login is to be forwarded.
#[derive(Clone, Debug)]
pub struct LoginPlan {
    /// Scheme, host and port to log in at.
    pub endpoint: Url,
    /// Replaces the `AUTHENTICATOR` that the crate wrote, for credentials it cannot express. The crate sends a
    /// programmatic access token as if it were an OAuth token, and this says what it is.
    pub authenticator: Option<&'static str>,
    /// Replaces the application name of the gateway's [`ClientIdentity`].
    pub application: Option<String>,
    /// Whether the gateway keeps the session alive while it is idle.
    pub keep_alive: bool,
    /// Longest time for the login, retries included.
    pub timeout: Duration,
}

/// What the server told at login.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoginFacts {
    /// Server version; empty when not told.
    pub server_version: String,
    /// Number of the session.
    pub session_id: Option<i64>,
    /// User name in the server's spelling.
    pub user: Option<String>,
    /// Database.
    pub database: Option<String>,
    /// Schema.
    pub schema: Option<String>,
    /// Warehouse.
    pub warehouse: Option<String>,
    /// Role.
    pub role: Option<String>,
    /// Session parameters, name and value as text.
    pub parameters: Vec<(String, String)>,
    /// How long the session token is good for, as told.
    pub validity: Option<Duration>,
    /// How long the master token is good for, as told.
    pub master_validity: Option<Duration>,
}

/// A successful login.
pub(crate) struct LoggedIn {
    pub(crate) token: Secret,
    pub(crate) master_token: Option<Secret>,
    pub(crate) facts: LoginFacts,
}

/// Takes the nonce out of a login body and returns both.
pub(crate) fn take_nonce(body: &[u8]) -> Option<(String, Value)> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    // Not by index: that panics where there is no object.
    let parameters = body.get_mut("data")?.get_mut("SESSION_PARAMETERS")?;
    let nonce = parameters.as_object_mut()?.remove(NONCE_PARAMETER)?;
    Some((nonce.as_str()?.to_owned(), body))
}

/// Logins whose answer may be lost: each may leave a session behind, or count as another wrong password.
const LOST_LOGINS_MAX: u32 = 2;

/// Completes the body that the crate made and sends it to the server.
pub(crate) async fn log_in(
    http: &HttpClient,
    identity: &ClientIdentity,
    plan: &LoginPlan,
    pairs: Vec<(String, String)>,
    mut body: Value,
) -> Result<LoggedIn, LoginFailure> {
    let pairs: Vec<_> = pairs
        .into_iter()
        .filter(|(name, _)| name != "requestId")
        .collect();
    complete_body(&mut body["data"], identity, plan);
    let request_id = Uuid::new_v4().to_string();
    let call = Call {
        method: Method::POST,
        endpoint: &plan.endpoint,
        path: "session/v1/login-request",
        pairs: &pairs,
        request_id: &request_id,
        token: None,
        body: Bytes::from(body.to_string()),
        // A login may be waiting for a person with a second factor, so silence does not repeat it.
        limits: CallLimits::lasting(plan.timeout, plan.timeout),
        before: Fate::NotRun,
        lost_attempts_max: LOST_LOGINS_MAX,
    };
    let answer = match http.call(&call).await {
        Err(GatewayError::Refused { status, .. }) => return Err(refused_by_status(&plan.endpoint, status)),
        other => other?,
    };
    read_answer(&plan.endpoint, &answer)
}

/// Adds who we are. `SESSION_PARAMETERS` is always there because fakesnow cannot do without.
fn complete_body(data: &mut Value, identity: &ClientIdentity, plan: &LoginPlan) {
    data["CLIENT_APP_ID"] = json!(identity.app_id);
    data["CLIENT_APP_VERSION"] = json!(identity.app_version);
    data["CLIENT_ENVIRONMENT"] = json!({
        "APPLICATION": plan.application.as_deref().unwrap_or(&identity.application),
        "APPLICATION_VERSION": env!("CARGO_PKG_VERSION"),
        "OS": std::env::consts::OS,
        "ISA": std::env::consts::ARCH,
        "LANGUAGE": "Rust",
    });
    if let Some(authenticator) = plan.authenticator {
        data["AUTHENTICATOR"] = json!(authenticator);
    }
    if !data["SESSION_PARAMETERS"].is_object() {
        data["SESSION_PARAMETERS"] = json!({});
    }
}

/// An HTTP status of 4xx at login comes from whatever answers for an account that does not exist.
fn refused_by_status(endpoint: &Url, status: u16) -> LoginFailure {
    LoginFailure::Gateway(GatewayError::Unreachable {
        endpoint: endpoint_name(endpoint),
        reason: format!("HTTP status {status} to a login; check the account name, region and host"),
        attempts: 1,
        fate: Fate::NotRun,
    })
}

fn read_answer(endpoint: &Url, answer: &Answer) -> Result<LoggedIn, LoginFailure> {
    let parsed = match ControlAnswer::parse(&answer.body) {
        Err(_) if answer.status != 200 => return Err(refused_by_status(endpoint, answer.status)),
        other => other?,
    };
    let data = &parsed.data;
    if !parsed.success {
        return Err(LoginFailure::Refused {
            message: parsed.message_or("the server gave no reason"),
            sql_state: text(&data["sqlState"]),
            code: parsed.code.or_else(|| text(&data["errorCode"])),
        });
    }
    let secret = |name: &str| {
        text(&data[name])
            .filter(|token| !token.is_empty())
            .map(Secret::from)
    };
    let token =
        secret("token").ok_or_else(|| GatewayError::protocol("the answer to the login has no token"))?;
    let info = &data["sessionInfo"];
    Ok(LoggedIn {
        token,
        master_token: secret("masterToken"),
        facts: LoginFacts {
            server_version: text(&data["serverVersion"]).unwrap_or_default(),
            session_id: integer(&data["sessionId"]),
            user: text(&data["displayUserName"]).filter(|user| !user.is_empty()),
            database: text(&info["databaseName"]),
            schema: text(&info["schemaName"]),
            warehouse: text(&info["warehouseName"]),
            role: text(&info["roleName"]),
            parameters: parameters(&data["parameters"]),
            validity: seconds(&data["validityInSeconds"]),
            master_validity: seconds(&data["masterValidityInSeconds"]),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_login_has_no_nonce() {
        for body in [
            "9",
            "[]",
            "\"x\"",
            "{\"data\":1}",
            "{\"data\":{\"SESSION_PARAMETERS\":[]}}",
            "{",
        ] {
            assert!(take_nonce(body.as_bytes()).is_none(), "{body}");
        }
        let body = format!("{{\"data\":{{\"SESSION_PARAMETERS\":{{\"{NONCE_PARAMETER}\":\"n\"}}}}}}");
        assert!(take_nonce(body.as_bytes()).is_some_and(|(nonce, _)| nonce == "n"));
    }
}
