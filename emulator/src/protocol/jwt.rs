//! Signed tokens: RS256, and key pair logins as Snowflake's drivers sign them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::EncodePublicKey as _;
use rsa::sha2::{Digest as _, Sha256};
use rsa::signature::Verifier as _;
use serde::Deserialize;

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JwtFault {
    #[error("not a signed JSON web token")]
    Format,
    #[error("signed with another algorithm than RS256")]
    Algorithm,
    #[error("no key of the user has the issuer's fingerprint")]
    Fingerprint,
    #[error("issuer and subject do not name the same user")]
    Issuer,
    #[error("signature does not match")]
    Signature,
    #[error("expired; at most an hour after it was issued")]
    Expired,
    #[error("issued in the future")]
    Future,
    #[error("for another account")]
    Account,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: String,
    exp: Option<f64>,
    iat: Option<f64>,
    aud: Option<Audience>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Longest life of a token, in seconds from when it was issued; a token may say more, and is over all the same.
const LIFE_MAX: f64 = 3600.0;
/// Seconds that the clock of whoever issues tokens may be ahead of ours.
pub(super) const SKEW_MAX: f64 = 300.0;

/// What a token is shown to.
pub(super) struct Gate<'a> {
    /// The account that it must be for; none accepts every account's.
    pub(super) account: Option<&'a str>,
    /// Seconds since 1970.
    pub(super) now: u64,
}

/// The user that a token names, without proof.
pub(super) fn subject(token: &str) -> Result<String, JwtFault> {
    user(&claims::<Claims>(token)?.sub).ok_or(JwtFault::Format)
}

/// The user that a token proves; `keys` gives the public keys of a user by its upper-case name.
pub(super) fn verify<'k>(
    token: &str,
    gate: &Gate<'_>,
    keys: impl FnOnce(&str) -> &'k [RsaPublicKey],
) -> Result<String, JwtFault> {
    let claims: Claims = claims(token)?;
    let name = user(&claims.sub).ok_or(JwtFault::Format)?;
    let issuer = claims.iss.as_deref().ok_or(JwtFault::Issuer)?;
    let (issuing, fingerprint) = issuer.rsplit_once('.').ok_or(JwtFault::Issuer)?;
    if user(issuing).as_deref() != Some(&name) {
        return Err(JwtFault::Issuer);
    }
    let key = keys(&name)
        .iter()
        .find(|key| fingerprint_of(key).as_deref() == Some(fingerprint))
        .ok_or(JwtFault::Fingerprint)?;
    prove(token, key)?;
    gate.admit(&claims)?;
    Ok(name)
}

/// Proves that a token was signed with the private half of a key.
pub(super) fn prove(token: &str, key: &RsaPublicKey) -> Result<(), JwtFault> {
    let (header, payload, signature) = split(token)?;
    if decode::<Header>(header)?.alg != "RS256" {
        return Err(JwtFault::Algorithm);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtFault::Format)?;
    let signature = Signature::try_from(signature.as_slice()).map_err(|_| JwtFault::Signature)?;
    let signed = &token[..header.len() + 1 + payload.len()];
    VerifyingKey::<Sha256>::new(key.clone())
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| JwtFault::Signature)
}

/// What a token claims, without proof.
pub(super) fn claims<T: for<'de> Deserialize<'de>>(token: &str) -> Result<T, JwtFault> {
    let (_, payload, _) = split(token)?;
    decode(payload)
}

impl Gate<'_> {
    /// Judges when and for whom a token is good.
    fn admit(&self, claims: &Claims) -> Result<(), JwtFault> {
        let now = self.now as f64;
        let issued = claims.iat.unwrap_or(now);
        let expires = claims.exp.ok_or(JwtFault::Expired)?.min(issued + LIFE_MAX);
        if expires <= now {
            return Err(JwtFault::Expired);
        }
        if issued > now + SKEW_MAX {
            return Err(JwtFault::Future);
        }
        if self.account.is_none() {
            return Ok(());
        }
        let for_us = match &claims.aud {
            None => true,
            Some(Audience::One(audience)) => self.is_account(audience),
            Some(Audience::Several(audiences)) => audiences.iter().any(|audience| self.is_account(audience)),
        };
        if self.is_account(&claims.sub) && for_us {
            Ok(())
        } else {
            Err(JwtFault::Account)
        }
    }
}

impl Gate<'_> {
    /// Whether a name or an address, which names its account in front of the first dot, is of the account that it must be for.
    pub(super) fn is_account(&self, name: &str) -> bool {
        let name = name.strip_prefix("https://").unwrap_or(name);
        let name = name.split(['.', '/', ':']).next().unwrap_or_default();
        self.account
            .is_some_and(|account| name.eq_ignore_ascii_case(account))
    }
}

/// True for a text that has the form of a signed token.
pub(crate) fn is_signed(token: &str) -> bool {
    split(token).is_ok_and(|(header, ..)| decode::<Header>(header).is_ok())
}

fn split(token: &str) -> Result<(&str, &str, &str), JwtFault> {
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Ok((header, payload, signature)),
        _ => Err(JwtFault::Format),
    }
}

fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, JwtFault> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtFault::Format)?;
    serde_json::from_slice(&json).map_err(|_| JwtFault::Format)
}

/// The user in `ACCOUNT.USER`; an account name has no dots, a user name may.
fn user(qualified: &str) -> Option<String> {
    let (_, name) = qualified.split_once('.')?;
    (!name.is_empty()).then(|| name.to_ascii_uppercase())
}

/// `SHA256:` and the digest of the key, as the issuer claim ends.
fn fingerprint_of(key: &RsaPublicKey) -> Option<String> {
    let der = key.to_public_key_der().ok()?;
    Some(format!(
        "SHA256:{}",
        STANDARD.encode(Sha256::digest(der.as_bytes()))
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(sub: &str, iat: Option<f64>, exp: Option<f64>, aud: Option<&str>) -> Claims {
        Claims {
            iss: None,
            sub: sub.to_owned(),
            exp,
            iat,
            aud: aud.map(|aud| Audience::One(aud.to_owned())),
        }
    }

    #[test]
    fn a_token_is_good_for_an_hour_at_most() {
        let check = |iat: Option<f64>, exp: Option<f64>| {
            let gate = Gate {
                account: None,
                now: 10_000,
            };
            gate.admit(&claims("A.U", iat, exp, None))
        };
        assert_eq!(check(Some(9_990.0), Some(10_050.0)), Ok(()));
        assert_eq!(check(Some(9_000.0), Some(10_000.0)), Err(JwtFault::Expired));
        assert_eq!(check(None, None), Err(JwtFault::Expired));
        // Says a day, and is over after an hour.
        assert_eq!(check(Some(9_000.0), Some(95_400.0)), Ok(()));
        assert_eq!(check(Some(6_000.0), Some(92_400.0)), Err(JwtFault::Expired));
        assert_eq!(check(Some(11_000.0), Some(12_000.0)), Err(JwtFault::Future));
    }

    #[test]
    fn a_token_is_for_one_account() {
        let check = |sub: &str, aud: Option<&str>| {
            let gate = Gate {
                account: Some("org-one"),
                now: 0,
            };
            gate.admit(&claims(sub, Some(0.0), Some(60.0), aud))
        };
        assert_eq!(check("ORG-ONE.ANN", None), Ok(()));
        assert_eq!(check("ORG-TWO.ANN", None), Err(JwtFault::Account));
        let ours = "https://org-one.snowflakecomputing.com/oauth";
        assert_eq!(check("ORG-ONE.ANN", Some(ours)), Ok(()));
        assert_eq!(check("ORG-ONE.ANN", Some("other")), Err(JwtFault::Account));
    }

    #[test]
    fn the_form_tells_a_signed_token() {
        assert!(is_signed("eyJhbGciOiJSUzI1NiJ9.e30.c2ln"));
        for other in ["", "a.b.c", "opaque-token", "eyJhbGciOiJSUzI1NiJ9.e30"] {
            assert!(!is_signed(other), "{other}");
        }
    }
}
