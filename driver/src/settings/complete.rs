//! From the values of one connection to settings that can be used.

use std::collections::BTreeMap;

use toml::Value;
use url::Url;

use super::account::{Account, read_account};
use super::connection::{ConnectionSettings, ValueSource};
use super::credential::read_credential;
use super::lookup::Lookup;
use super::values::Values;
use crate::{Credential, DriverError, ParameterValue, Result, SessionContext};

/// Checks and completes the values of connection `name`.
pub(crate) fn complete(name: &str, values: Values, lookup: &Lookup) -> Result<ConnectionSettings> {
    // In the order in which people write them: who has misspelled the first is not told of the last.
    let host = values.text("host")?;
    let account = account(name, &values, host.as_deref())?;
    let endpoint = endpoint(&values, host.as_deref().unwrap_or(&account.host))?;
    let credential = read_credential(name, &values, lookup)?;
    let user = values.text("user")?.unwrap_or_default();
    let carries_user = matches!(
        credential,
        Credential::OAuth(_) | Credential::ProgrammaticAccessToken(_)
    );
    if user.is_empty() && !carries_user {
        return Err(DriverError::Configuration {
            message: format!("connection {name:?} has no user"),
            hint: Some("add user = \"…\" to the connection, or set SNOWFLAKE_USER".to_owned()),
        });
    }
    let context = SessionContext {
        database: values.text("database")?,
        schema: values.text("schema")?,
        warehouse: values.text("warehouse")?,
        role: values.text("role")?,
    };
    let session_parameters = session_parameters(&values)?;
    let keep_alive = values.boolean("client_session_keep_alive")?.unwrap_or(true);
    let mut sources: BTreeMap<String, ValueSource> =
        values.0.into_iter().map(|(key, raw)| (key, raw.source)).collect();
    sources
        .entry("host".to_owned())
        .or_insert(ValueSource::Derived("derived from the account"));
    Ok(ConnectionSettings {
        name: name.to_owned(),
        account: account.name,
        user,
        credential,
        endpoint,
        context,
        session_parameters,
        keep_alive,
        sources,
    })
}

fn account(name: &str, values: &Values, host: Option<&str>) -> Result<Account> {
    let region = values.text("region")?;
    match (values.text("account")?, host) {
        (Some(text), _) => read_account(&text, region.as_deref()).ok_or_else(|| {
            values.wrong(
                "account",
                "is no account: write it as ORG-ACCOUNT or LOCATOR.REGION",
            )
        }),
        (None, Some(host)) => {
            let first = host.split('.').next().unwrap_or(host);
            Ok(Account {
                name: first.to_owned(),
                host: host.to_owned(),
            })
        }
        (None, None) => Err(DriverError::Configuration {
            message: format!("connection {name:?} has no account"),
            hint: Some(
                "add account = \"ORG-ACCOUNT\" to the connection, or set SNOWFLAKE_ACCOUNT".to_owned(),
            ),
        }),
    }
}

fn endpoint(values: &Values, host: &str) -> Result<Url> {
    let protocol = values
        .text("protocol")?
        .map_or("https".to_owned(), |protocol| protocol.to_ascii_lowercase());
    if !matches!(protocol.as_str(), "http" | "https") {
        return Err(values.wrong("protocol", "must be https or http"));
    }
    let port = values
        .port("port")?
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    let url = Url::parse(&format!("{protocol}://{host}{port}/")).ok();
    let plain = |url: &Url| url.path() == "/" && url.username().is_empty() && url.query().is_none();
    url.filter(plain)
        .ok_or_else(|| values.wrong("host", "is no host name"))
}

fn session_parameters(values: &Values) -> Result<BTreeMap<String, ParameterValue>> {
    let mut parameters = BTreeMap::new();
    if let Some(tag) = values.text("query_tag")? {
        parameters.insert("QUERY_TAG".to_owned(), ParameterValue::Text(tag));
    }
    let Some(raw) = values.0.get("session_parameters") else {
        return Ok(parameters);
    };
    let wrong = |why| values.wrong("session_parameters", why);
    let table = raw.value.as_table().ok_or_else(|| wrong("must be a table"))?;
    for (name, value) in table {
        let value = match value {
            Value::String(text) => ParameterValue::Text(text.clone()),
            Value::Integer(number) => ParameterValue::Integer(*number),
            Value::Boolean(truth) => ParameterValue::Boolean(*truth),
            _ => return Err(wrong("may hold only texts, whole numbers, true and false")),
        };
        parameters.insert(name.to_ascii_uppercase(), value);
    }
    Ok(parameters)
}
