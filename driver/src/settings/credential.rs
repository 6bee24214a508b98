//! Which way to log in, and the secrets for it.

use std::path::{Path, PathBuf};

use snowflake_session_gateway::Secret;

use super::connection::{Credential, ValueSource};
use super::lookup::Lookup;
use super::values::Values;
use crate::{DriverError, Result};

/// Authenticators that Snowflake knows and we do not, in lower case. Okta is recognised by its address.
const UNSUPPORTED: [&str; 6] = [
    "externalbrowser",
    "username_password_mfa",
    "oauth_authorization_code",
    "oauth_client_credentials",
    "workload_identity",
    "pat_with_external_session",
];

const SUPPORTED_HINT: &str = "supported: snowflake (password), snowflake_jwt (key pair), programmatic_access_token, oauth; \
                              a service that logs in by itself is best given a key pair";

/// Reads the credential of a connection.
pub(crate) fn read_credential(name: &str, values: &Values, lookup: &Lookup) -> Result<Credential> {
    let authenticator = values
        .text("authenticator")?
        .unwrap_or_default()
        .to_ascii_lowercase();
    let has_key = values.has("private_key_file") || values.has("private_key_raw");
    match authenticator.as_str() {
        "" if values.has("session_token") => Err(unsupported(values, "session_token", "session_token")),
        "" | "snowflake" | "snowflake_password" if has_key && !values.has("password") => {
            key_pair(name, values, lookup)
        }
        "" if has_key => key_pair(name, values, lookup),
        "" | "snowflake" | "snowflake_password" => password(name, values),
        "snowflake_jwt" | "jwt" => key_pair(name, values, lookup),
        "programmatic_access_token" => token(name, values, lookup).map(Credential::ProgrammaticAccessToken),
        "oauth" => token(name, values, lookup).map(Credential::OAuth),
        known if UNSUPPORTED.contains(&known) => Err(unsupported(values, "authenticator", known)),
        okta if okta.starts_with("https://") => Err(unsupported(values, "authenticator", "native Okta")),
        unknown => {
            let mut error = values.wrong(
                "authenticator",
                &format!("is {unknown:?}, which is no known authenticator"),
            );
            if let DriverError::Configuration { hint, .. } = &mut error {
                *hint = Some(SUPPORTED_HINT.to_owned());
            }
            Err(error)
        }
    }
}

fn unsupported(values: &Values, key: &str, what: &str) -> DriverError {
    let place = values
        .source(key)
        .map(|source| format!(" ({source})"))
        .unwrap_or_default();
    DriverError::Configuration {
        message: format!("logging in with {what}{place} is not supported"),
        hint: Some(SUPPORTED_HINT.to_owned()),
    }
}

fn missing(name: &str, what: &str) -> DriverError {
    DriverError::Configuration {
        message: format!("connection {name:?} has no {what}"),
        hint: Some(format!(
            "add it to the connection, or set SNOWFLAKE_CONNECTIONS_{}_{}",
            name.to_ascii_uppercase(),
            what.split_whitespace()
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase()
        )),
    }
}

fn password(name: &str, values: &Values) -> Result<Credential> {
    Ok(Credential::Password {
        password: values
            .text("password")?
            .map(Secret::from)
            .ok_or_else(|| missing(name, "password"))?,
        passcode: values.text("passcode")?.map(Secret::from),
        passcode_in_password: values.boolean("passcode_in_password")?.unwrap_or(false),
    })
}

fn token(name: &str, values: &Values, lookup: &Lookup) -> Result<Secret> {
    if let Some(token) = values.text("token")? {
        return Ok(Secret::new(token.trim()));
    }
    let Some(path) = path_of(values, "token_file_path", lookup)? else {
        return Err(missing(name, "token or token_file_path"));
    };
    let text = read_secret_file(&path, "token_file_path")?;
    let token = text.trim();
    if token.is_empty() {
        return Err(values.wrong("token_file_path", "names an empty file"));
    }
    Ok(Secret::new(token))
}

fn key_pair(name: &str, values: &Values, lookup: &Lookup) -> Result<Credential> {
    let (key, pem) = match (
        values.text("private_key_raw")?,
        path_of(values, "private_key_file", lookup)?,
    ) {
        (Some(pem), _) => ("private_key_raw", pem),
        (None, Some(path)) => ("private_key_file", read_secret_file(&path, "private_key_file")?),
        (None, None) => return Err(missing(name, "private_key_file or private_key_raw")),
    };
    let passphrase = values.text("private_key_passphrase")?.map(Secret::from);
    let passphrase = match pem_kind(&pem) {
        PemKind::Plain => None,
        PemKind::Encrypted => Some(
            passphrase
                .ok_or_else(|| missing(name, "private_key_passphrase, and its private key is encrypted"))?,
        ),
        PemKind::Other => {
            let mut error = values.wrong(key, "holds no PKCS#8 private key in PEM");
            if let DriverError::Configuration { hint, .. } = &mut error {
                *hint = Some("convert it: openssl pkcs8 -topk8 -in key.pem -out rsa_key.p8".to_owned());
            }
            return Err(error);
        }
    };
    Ok(Credential::KeyPair {
        pem: Secret::new(pem.trim()),
        passphrase,
    })
}

#[derive(Debug, PartialEq, Eq)]
enum PemKind {
    Plain,
    Encrypted,
    Other,
}

fn pem_kind(pem: &str) -> PemKind {
    if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
        PemKind::Encrypted
    } else if pem.contains("-----BEGIN PRIVATE KEY-----") {
        PemKind::Plain
    } else {
        PemKind::Other
    }
}

/// A path from the settings. A relative one starts at the folder of the file that names it, because a service has no
/// working directory that its user would know; from other sources it starts at the home directory.
fn path_of(values: &Values, key: &str, lookup: &Lookup) -> Result<Option<PathBuf>> {
    let Some(text) = values.text(key)? else {
        return Ok(None);
    };
    let path = lookup.expanded(&text);
    let base = match values.source(key) {
        Some(ValueSource::File { path, .. }) => path.parent().map(Path::to_owned),
        _ => None,
    };
    Ok(Some(base.unwrap_or_else(|| lookup.home.clone()).join(path)))
}

fn read_secret_file(path: &Path, key: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| DriverError::Io {
        what: format!("{key} {} cannot be read", path.display()),
        source,
    })
}
