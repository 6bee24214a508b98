//! Access tokens of authorities that the configuration trusts, as an external OAuth integration takes them.
//!
//! A signed token names its user and says itself how long and for whom it is good; the emulator needs the authority's
//! public keys and nobody's network. Of other tokens the authority is asked ([`super::introspection`]). Which roles a
//! token gives stands in its scopes.

use std::fmt;

use futures_util::future::join_all;
use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey as _;
use serde_json::{Map, Value};

use super::accounts::{AccountsError, Identity};
use super::introspection::{Introspection, IntrospectionFault};
use super::jwt::{self, JwtFault};
use crate::session::Roles;

/// The claim that names the user where nothing else is said.
const USER_CLAIM_DEFAULT: &str = "sub";
/// The claims that list what a token is good for: an array, or a text with blanks or commas between.
const SCOPE_CLAIMS: [&str; 2] = ["scp", "scope"];
/// What stands before a role in a scope, in any case.
const ROLE_SCOPE: &str = "session:role:";
/// The scope of a token whose user chooses the role, where the authority may leave that to users.
const ANY_ROLE_SCOPE: &str = "session:role-any";
/// What a signed token says of itself, where the authority that is asked about it does not.
const OWN_CLAIMS: [&str; 4] = ["exp", "nbf", "iat", "aud"];

/// Whoever issues tokens.
#[derive(Clone, Debug)]
pub struct Authority {
    issuer: String,
    audiences: Vec<String>,
    user_claim: String,
    any_role: bool,
    keys: Vec<RsaPublicKey>,
    introspection: Option<Introspection>,
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum OauthFault {
    #[error(transparent)]
    Token(#[from] JwtFault),
    #[error("issued by nobody who is trusted")]
    Issuer,
    #[error("for another audience")]
    Audience,
    #[error("its claim {0} names no user")]
    User(String),
    #[error("its claim {0} is no time")]
    Time(&'static str),
    #[error("no authority calls it active")]
    Inactive,
    #[error("the authority {issuer} did not tell: {}", .fault.in_full())]
    Unknown {
        issuer: String,
        fault: IntrospectionFault,
    },
}

/// Who tells what a token claims.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Teller {
    /// The token itself, which is signed.
    Token,
    /// The authority, which was asked and called it active. It need not repeat until when and for whom.
    Authority,
}

impl Authority {
    /// An authority with no keys yet; `issuer` is what its tokens say in `iss`, to the letter.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: Vec::new(),
            user_claim: USER_CLAIM_DEFAULT.to_owned(),
            any_role: false,
            keys: Vec::new(),
            introspection: None,
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

    /// Lets users whose tokens have the scope `session:role-any` take roles that these do not name, and change them.
    #[must_use]
    pub fn with_any_role(mut self) -> Self {
        self.any_role = true;
        self
    }

    /// Asks this authority about tokens that are not signed, and about signed ones where no key is known.
    #[must_use]
    pub fn with_introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
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

    /// Who the claims let in, if they are for us and good now.
    fn admit(
        &self,
        claims: &Map<String, Value>,
        teller: Teller,
        gate: &jwt::Gate<'_>,
    ) -> Result<Identity, OauthFault> {
        let now = gate.now as f64;
        let is_told = |claim: &str| claims.get(claim).is_some_and(|value| !value.is_null());
        let may_be_silent = |claim: &str| teller == Teller::Authority && !is_told(claim);
        let time = |claim: &str| claims.get(claim).and_then(Value::as_f64);
        if !may_be_silent("exp") && time("exp").is_none_or(|expires| expires <= now) {
            return Err(JwtFault::Expired.into());
        }
        for claim in ["iat", "nbf"] {
            match time(claim) {
                Some(begin) if begin > now + jwt::SKEW_MAX => return Err(JwtFault::Future.into()),
                None if is_told(claim) => return Err(OauthFault::Time(claim)),
                _ => {}
            }
        }
        let is_ours = |audience: &str| {
            let anybodys = self.audiences.is_empty() && gate.account.is_none();
            anybodys || self.audiences.iter().any(|ours| ours == audience) || gate.is_account(audience)
        };
        let for_us = match claims.get("aud") {
            Some(Value::String(audience)) => is_ours(audience),
            Some(Value::Array(audiences)) => audiences.iter().filter_map(Value::as_str).any(is_ours),
            _ => may_be_silent("aud"),
        };
        if !for_us {
            return Err(OauthFault::Audience);
        }
        let issuer = claims.get("iss").and_then(Value::as_str);
        if !may_be_silent("iss") && issuer != Some(&self.issuer) {
            return Err(OauthFault::Issuer);
        }
        let named = claims.get(&self.user_claim).and_then(Value::as_str);
        let user = named
            .filter(|name| !name.is_empty())
            .map(str::to_ascii_uppercase)
            .ok_or_else(|| OauthFault::User(self.user_claim.clone()))?;
        let scopes = scopes(claims);
        let is_free = self.any_role
            && scopes
                .iter()
                .any(|scope| scope.eq_ignore_ascii_case(ANY_ROLE_SCOPE));
        let roles = if is_free {
            Roles::Any
        } else {
            Roles::Only(roles(&scopes))
        };
        Ok(Identity { user, roles })
    }

    /// Who a token lets in of which only the authority can tell; `own` is what the token says of itself, if it does.
    async fn ask(
        &self,
        token: &str,
        own: &Map<String, Value>,
        gate: &jwt::Gate<'_>,
    ) -> Result<Identity, OauthFault> {
        let Some(introspection) = &self.introspection else {
            return Err(OauthFault::Inactive);
        };
        let told = introspection.ask(token, gate.now).await;
        let told = told.map_err(|fault| OauthFault::Unknown {
            issuer: self.issuer.clone(),
            fault,
        })?;
        let mut claims = Map::clone(&*told.ok_or(OauthFault::Inactive)?);
        for claim in OWN_CLAIMS {
            if let Some(own) = own.get(claim)
                && claims.get(claim).is_none_or(Value::is_null)
            {
                claims.insert(claim.to_owned(), own.clone());
            }
        }
        self.admit(&claims, Teller::Authority, gate)
    }
}

/// The scopes that the claims list, in their order.
fn scopes(claims: &Map<String, Value>) -> Vec<&str> {
    let told = SCOPE_CLAIMS.iter().filter_map(|claim| claims.get(*claim));
    let texts = told.flat_map(|value| match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(entries) => entries.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    });
    texts.flat_map(|text| text.split([' ', ','])).collect()
}

/// The roles that scopes give.
fn roles(scopes: &[&str]) -> Vec<String> {
    scopes
        .iter()
        .filter_map(|scope| {
            let (start, role) = scope.split_at_checked(ROLE_SCOPE.len())?;
            (start.eq_ignore_ascii_case(ROLE_SCOPE) && !role.is_empty()).then(|| role.to_owned())
        })
        .collect()
}

/// Who a token of one of these authorities lets in. A signed one is shown to nobody but the authority that it names.
pub(super) async fn verify(
    token: &str,
    authorities: &[Authority],
    gate: &jwt::Gate<'_>,
) -> Result<Identity, OauthFault> {
    if jwt::is_signed(token) {
        return verify_signed(token, authorities, gate).await;
    }
    // Whose it is cannot be seen: all are asked at the same time. Where one does not answer, another may know it; where
    // none knows it, the one that did not answer might.
    let asked = authorities
        .iter()
        .filter(|authority| authority.introspection.is_some());
    let own = Map::new();
    let verdicts = join_all(asked.map(|authority| authority.ask(token, &own, gate))).await;
    let mut fault = OauthFault::Inactive;
    for verdict in verdicts {
        match (verdict, &fault) {
            (Err(OauthFault::Inactive), _) | (Err(_), OauthFault::Unknown { .. }) => {}
            (Err(other), _) => fault = other,
            (admitted, _) => return admitted,
        }
    }
    Err(fault)
}

async fn verify_signed(
    token: &str,
    authorities: &[Authority],
    gate: &jwt::Gate<'_>,
) -> Result<Identity, OauthFault> {
    let authority = issuer(token, authorities).ok_or(OauthFault::Issuer)?;
    if authority.keys.is_empty() {
        return authority.ask(token, &jwt::claims(token)?, gate).await;
    }
    // An authority changes its keys now and then, and has two meanwhile.
    let proofs = authority.keys.iter().map(|key| jwt::prove(token, key));
    proofs.reduce(Result::or).unwrap_or(Err(JwtFault::Signature))?;
    authority.admit(&jwt::claims(token)?, Teller::Token, gate)
}

/// The authority that a signed token names as the one that issued it.
pub(super) fn issuer<'a>(token: &str, authorities: &'a [Authority]) -> Option<&'a Authority> {
    let claims: Map<String, Value> = jwt::claims(token).ok()?;
    let issuer = claims.get("iss").and_then(Value::as_str)?;
    authorities.iter().find(|authority| authority.issuer == issuer)
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

    /// The user that the claims of a token let in, or why they do not.
    fn admit(authority: &Authority, account: Option<&str>, mut claims: Value) -> Result<String, String> {
        claims["iss"] = json!("idp");
        judge(authority, account, Teller::Token, &claims).map(|identity| identity.user)
    }

    fn judge(
        authority: &Authority,
        account: Option<&str>,
        teller: Teller,
        claims: &Value,
    ) -> Result<Identity, String> {
        let gate = jwt::Gate { account, now: 1000 };
        let admitted = authority.admit(claims.as_object().unwrap(), teller, &gate);
        admitted.map_err(|fault| fault.to_string())
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
            assert_eq!(check(claims), Err(fault.to_string()));
        }
        let unclear = check(json!({ "sub": "ann", "aud": "x", "exp": 9999, "nbf": "9999" }));
        assert_eq!(unclear, Err("its claim nbf is no time".to_owned()));
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
        // Letters that become others with their case leave two names two.
        assert_eq!(
            check(json!({ "upn": "adm\u{131}n", "aud": "x", "exp": 9999 })),
            Ok("ADM\u{131}N".to_owned())
        );
        assert_eq!(
            check(json!({ "sub": "ann", "aud": "x", "exp": 9999 })),
            Err("its claim upn names no user".to_owned())
        );
    }

    #[test]
    fn an_authority_that_was_asked_may_leave_out_what_a_token_must_say() {
        let authority = Authority::new("idp").with_audience("api://ours");
        let check =
            |claims: Value| judge(&authority, None, Teller::Authority, &claims).map(|identity| identity.user);
        let good = Ok("ANN".to_owned());
        assert_eq!(check(json!({ "active": true, "sub": "ann" })), good);
        let full = json!({ "sub": "ann", "iss": "idp", "aud": ["api://ours"], "exp": 1001 });
        assert_eq!(check(full), good);
        // What it tells counts.
        for (claim, told, fault) in [
            ("exp", json!(1000), OauthFault::from(JwtFault::Expired)),
            ("nbf", json!(1301), JwtFault::Future.into()),
            ("aud", json!("api://other"), OauthFault::Audience),
            ("iss", json!("other"), OauthFault::Issuer),
        ] {
            let mut claims = json!({ "sub": "ann" });
            claims[claim] = told;
            assert_eq!(check(claims), Err(fault.to_string()), "{claim}");
        }
    }

    #[test]
    fn scopes_give_roles() {
        let scoped = |authority: &Authority, claim: &str, told: Value| {
            let mut claims = json!({ "sub": "ann" });
            claims[claim] = told;
            judge(authority, None, Teller::Authority, &claims).unwrap().roles
        };
        let authority = Authority::new("idp");
        let only = |roles: &[&str]| Roles::Only(roles.iter().map(|role| (*role).to_owned()).collect());
        for (claim, told, roles) in [
            (
                "scp",
                json!(["session:role:ANALYST", "openid"]),
                only(&["ANALYST"]),
            ),
            ("scp", json!("session:role:a,SESSION:ROLE:b"), only(&["a", "b"])),
            ("scope", json!("openid session:role:analyst"), only(&["analyst"])),
            ("scope", json!("session:role-any session:role: röle"), only(&[])),
            ("roles", json!("session:role:analyst"), only(&[])),
        ] {
            assert_eq!(scoped(&authority, claim, told.clone()), roles, "{claim} {told}");
        }
        let any = authority.with_any_role();
        assert_eq!(scoped(&any, "scp", json!(["session:role:a"])), only(&["a"]));
        let free = json!(["session:role:a", "SESSION:ROLE-ANY"]);
        assert_eq!(scoped(&any, "scp", free), Roles::Any);
    }
}
