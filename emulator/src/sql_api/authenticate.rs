//! Who asks: the bearer token of a request, judged as the connector protocol judges logins.

use http::header::AUTHORIZATION;

use super::refusal::Refusal;
use crate::protocol::{
    Accounts, Connector, Credentials, Exchange, Identity, is_signed, nobody, seconds_since_1970,
};

/// The header that says of what kind the token is.
const TOKEN_TYPE: &str = "x-snowflake-authorization-token-type";

/// The scheme before the token.
const SCHEME: &str = "bearer";

/// Proves who sends a request.
///
/// Without the header the token itself tells its kind. Where anyone may log in, any token will do; one that names a
/// user is taken at its word.
pub(super) async fn authenticate(connector: &Connector, exchange: &Exchange) -> Result<Identity, Refusal> {
    let token = bearer(exchange).ok_or_else(|| {
        Refusal::unauthorized("390101", "Authorization header not found in the request data.")
    })?;
    let kind = exchange
        .headers()
        .get(TOKEN_TYPE)
        .map(|kind| kind.to_str().unwrap_or_default().to_ascii_uppercase());
    let judge = |authenticator| judge(connector, authenticator, token);
    match kind.as_deref() {
        Some("KEYPAIR_JWT") => judge("SNOWFLAKE_JWT").await,
        Some(kind @ ("OAUTH" | "PROGRAMMATIC_ACCESS_TOKEN")) => judge(kind).await,
        Some(other) => Err(Refusal::unauthorized(
            "390190",
            &format!(
                "Token type {other} is not available here. Use KEYPAIR_JWT, OAUTH or PROGRAMMATIC_ACCESS_TOKEN."
            ),
        )),
        None if matches!(connector.accounts, Accounts::Anyone) && !is_signed(token) => Ok(nobody().into()),
        None if matches!(connector.accounts, Accounts::Anyone) => {
            Ok(judge("SNOWFLAKE_JWT").await.unwrap_or_else(|_| nobody().into()))
        }
        // A registered token may have any form, and a signed one says who issued it.
        None => match judge("OAUTH").await {
            Err(_) if is_signed(token) && !connector.accounts.issue(token) => judge("SNOWFLAKE_JWT").await,
            judged => judged,
        },
    }
}

async fn judge(connector: &Connector, authenticator: &str, token: &str) -> Result<Identity, Refusal> {
    let credentials = Credentials {
        authenticator: Some(authenticator),
        token: Some(token),
        account: connector.settings.account.as_deref(),
        ..Credentials::default()
    };
    let judged = connector
        .accounts
        .authenticate(&credentials, seconds_since_1970())
        .await;
    judged.map_err(|refusal| {
        let (_, code, message) = refusal.parts();
        Refusal::unauthorized(code, message)
    })
}

/// The token of a request.
fn bearer(exchange: &Exchange) -> Option<&str> {
    let value = exchange.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
}
