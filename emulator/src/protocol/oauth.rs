//! Access tokens of authorities that the configuration trusts, as an external OAuth integration takes them.
//!
//! Such a token names its user and says itself how long and for whom it is good; the emulator needs the authority's public
//! keys and nobody's network.

use std::fmt;

use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey as _;
use serde_json::{Map, Value};

use super::accounts::AccountsError;
use super::jwt::{self, JwtFault};

/// The claim that names the user where nothing else is said.
const USER_CLAIM_DEFAULT: &str = "sub";

/// Whoever issues tokens.
#[derive(Clone, Debug)]
pub struct Authority {
    issuer: String,
    audiences: Vec<String>,
    user_claim: String,
    keys: Vec<RsaPublicKey>,
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OauthFault {
    #[error(transparent)]
    Token(#[from] JwtFault),
    #[error("issued by nobody who is trusted")]
    Issuer,
    #[error("for another audience")]
    Audience,
    #[error("its claim {0} names no user")]
    User(String),
}

impl Authority {
    /// An authority with no keys yet; `issuer` is what its tokens say in `iss`, to the letter.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: Vec::new(),
            user_claim: USER_CLAIM_DEFAULT.to_owned(),
            keys: Vec::new(),
        }
    }

    /// Takes tokens that are for this audience, beside those for the account.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Finds the user in this claim instead of `sub`.
    #[must_use]
    pub fn with_user_claim(mut self, claim: impl Into<String>) -> Self {
        self.user_claim = claim.into();
        self
    }

    /// Takes tokens signed by the private half of a key, given in PEM.
    ///
    /// # Errors
    ///
    /// When it is no RSA public key.
    pub fn with_public_key(mut self, pem: &str) -> Result<Self, AccountsError> {
        let key =
            RsaPublicKey::from_public_key_pem(pem.trim()).map_err(|source| AccountsError::AuthorityKey {
                issuer: self.issuer.clone(),
                source,
            })?;
        self.keys.push(key);
        Ok(self)
    }

    /// The user that the claims name, in upper case, if they are for us and good now.
    fn admit(&self, claims: &Map<String, Value>, gate: &jwt::Gate<'_>) -> Result<String, OauthFault> {
        let now = gate.now as f64;
        let time = |claim: &str| claims.get(claim).and_then(Value::as_f64);
        if time("exp").is_none_or(|expires| expires <= now) {
            return Err(JwtFault::Expired.into());
        }
        let begins = [time("iat"), time("nbf")].into_iter().flatten();
        if begins.into_iter().any(|begin| begin > now + jwt::SKEW_MAX) {
            return Err(JwtFault::Future.into());
        }
        let is_ours = |audience: &str| {
            let anybodys = self.audiences.is_empty() && gate.account.is_none();
            anybodys || self.audiences.iter().any(|ours| ours == audience) || gate.is_account(audience)
        };
        let for_us = match claims.get("aud") {
            Some(Value::String(audience)) => is_ours(audience),
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).any(is_ours),
            _ => false,
        };
        if !for_us {
            return Err(OauthFault::Audience);
        }
        let named = claims.get(&self.user_claim).and_then(Value::as_str);
        named
            .filter(|name| !name.is_empty())
            .map(str::to_uppercase)
            .ok_or_else(|| OauthFault::User(self.user_claim.clone()))
    }
}

/// The user that a token of one of these authorities proves.
pub(super) fn verify(
    token: &str,
    authorities: &[Authority],
    gate: &jwt::Gate<'_>,
) -> Result<String, OauthFault> {
    let claimed: Map<String, Value> = jwt::claims(token)?;
    let issuer = claimed.get("iss").and_then(Value::as_str);
    let of_issuer = |authority: &&Authority| Some(authority.issuer.as_str()) == issuer;
    let authority = authorities.iter().find(of_issuer).ok_or(OauthFault::Issuer)?;
    // An authority changes its keys now and then, and has two meanwhile.
    let proofs = authority.keys.iter().map(|key| jwt::prove(token, key));
    proofs.reduce(Result::or).unwrap_or(Err(JwtFault::Signature))?;
    authority.admit(&claimed, gate)
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn admit(authority: &Authority, account: Option<&str>, claims: Value) -> Result<String, OauthFault> {
        let gate = jwt::Gate { account, now: 1000 };
        authority.admit(claims.as_object().unwrap(), &gate)
    }

    #[test]
    fn a_token_is_good_from_its_beginning_to_its_end() {
        let authority = Authority::new("idp");
        let check = |claims| admit(&authority, None, claims);
        let good = Ok("ANN".to_owned());
        assert_eq!(check(json!({ "sub": "ann", "aud": "x", "exp": 1001 })), good);
        assert_eq!(
            check(json!({ "sub": "ann", "aud": "x", "exp": 1001.5, "iat": 1200, "nbf": 1200 })),
            good
        );
        for (claims, fault) in [
            (json!({ "sub": "ann", "aud": "x" }), JwtFault::Expired),
            (
                json!({ "sub": "ann", "aud": "x", "exp": 1000 }),
                JwtFault::Expired,
            ),
            (
                json!({ "sub": "ann", "aud": "x", "exp": "9999" }),
                JwtFault::Expired,
            ),
            (
                json!({ "sub": "ann", "aud": "x", "exp": 9999, "nbf": 1301 }),
                JwtFault::Future,
            ),
            (
                json!({ "sub": "ann", "aud": "x", "exp": 9999, "iat": 1301 }),
                JwtFault::Future,
            ),
        ] {
            assert_eq!(check(claims), Err(fault.into()));
        }
    }

    #[test]
    fn a_token_is_for_the_account_or_a_named_audience() {
        let authority = Authority::new("idp").with_audience("api://ours");
        let check = |account, audience: Value| {
            admit(
                &authority,
                account,
                json!({ "sub": "ann", "aud": audience, "exp": 9999 }),
            )
            .is_ok()
        };
        assert!(check(None, json!("api://ours")));
        assert!(check(None, json!(["other", "api://ours"])));
        assert!(!check(None, json!("other")));
        assert!(!check(None, json!(null)));
        assert!(check(
            Some("org-one"),
            json!("https://ORG-ONE.snowflakecomputing.com")
        ));
        assert!(!check(
            Some("org-one"),
            json!("https://org-two.snowflakecomputing.com")
        ));
    }

    #[test]
    fn a_claim_names_the_user() {
        let authority = Authority::new("idp").with_user_claim("upn");
        let check = |claims| admit(&authority, None, claims);
        assert_eq!(
            check(json!({ "upn": "ann@example.com", "sub": "7", "aud": "x", "exp": 9999 })),
            Ok("ANN@EXAMPLE.COM".to_owned())
        );
        assert_eq!(
            check(json!({ "sub": "ann", "aud": "x", "exp": 9999 })),
            Err(OauthFault::User("upn".to_owned()))
        );
    }
}
