//! Key pair logins: RS256 tokens as Snowflake's drivers sign them.

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
    #[error("expired")]
    Expired,
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
}

/// The user that a token names, without proof.
pub(super) fn subject(token: &str) -> Result<String, JwtFault> {
    let (_, payload, _) = split(token)?;
    user(&decode::<Claims>(payload)?.sub).ok_or(JwtFault::Format)
}

/// The user that a token proves; `keys` gives the public keys of a user by its upper-case name.
pub(super) fn verify<'k>(
    token: &str,
    now: u64,
    keys: impl FnOnce(&str) -> &'k [RsaPublicKey],
) -> Result<String, JwtFault> {
    let (header, payload, signature) = split(token)?;
    if decode::<Header>(header)?.alg != "RS256" {
        return Err(JwtFault::Algorithm);
    }
    let claims: Claims = decode(payload)?;
    let name = user(&claims.sub).ok_or(JwtFault::Format)?;
    let issuer = claims.iss.ok_or(JwtFault::Issuer)?;
    let (issuing, fingerprint) = issuer.rsplit_once('.').ok_or(JwtFault::Issuer)?;
    if user(issuing).as_deref() != Some(&name) {
        return Err(JwtFault::Issuer);
    }
    let key = keys(&name)
        .iter()
        .find(|key| fingerprint_of(key).as_deref() == Some(fingerprint))
        .ok_or(JwtFault::Fingerprint)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtFault::Format)?;
    let signature = Signature::try_from(signature.as_slice()).map_err(|_| JwtFault::Signature)?;
    let signed = &token[..header.len() + 1 + payload.len()];
    VerifyingKey::<Sha256>::new(key.clone())
        .verify(signed.as_bytes(), &signature)
        .map_err(|_| JwtFault::Signature)?;
    if claims.exp.is_none_or(|expires| expires <= now as f64) {
        return Err(JwtFault::Expired);
    }
    Ok(name)
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
    (!name.is_empty()).then(|| name.to_uppercase())
}

/// `SHA256:` and the digest of the key, as the issuer claim ends.
fn fingerprint_of(key: &RsaPublicKey) -> Option<String> {
    let der = key.to_public_key_der().ok()?;
    Some(format!(
        "SHA256:{}",
        STANDARD.encode(Sha256::digest(der.as_bytes()))
    ))
}
