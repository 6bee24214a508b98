//! The way out of networks that have a proxy.

use std::collections::BTreeMap;

use url::Url;

use crate::{GatewayError, Secret};

/// Reached directly whatever is configured: the emulator, and other servers of this machine.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// An HTTP or HTTPS proxy.
#[derive(Clone, Debug)]
pub struct ProxySettings {
    /// Address of the proxy, without credentials.
    pub url: Url,
    /// User and password for the proxy.
    pub credentials: Option<(String, Secret)>,
    /// Comma-separated hosts that are reached directly, as in `NO_PROXY`. Hosts of this machine always are.
    pub except: Option<String>,
}

impl ProxySettings {
    /// The proxy that an environment names, by the variables that Snowflake's own clients and curl know: `HTTPS_PROXY`,
    /// else `ALL_PROXY`, and `NO_PROXY`, each also in small letters, which win. An address without a scheme is one of
    /// `http`. Credentials may stand in the address, percent-encoded.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Configuration`] when what stands there is no address of a proxy. It names the variable, never its
    /// value.
    pub fn from_environment(variables: &BTreeMap<String, String>) -> Result<Option<Self>, GatewayError> {
        let get = |name: &str| {
            let either = [name.to_ascii_lowercase(), name.to_owned()];
            either.into_iter().find_map(|name| {
                let value = variables.get(&name)?.trim();
                (!value.is_empty()).then(|| (name, value.to_owned()))
            })
        };
        let Some((name, address)) = get("HTTPS_PROXY").or_else(|| get("ALL_PROXY")) else {
            return Ok(None);
        };
        let except = get("NO_PROXY").map(|(_, hosts)| hosts);
        let settings = Self::read(&address, except);
        settings.map(Some).ok_or_else(|| GatewayError::Configuration {
            message: format!(
                "the value of {name} is not the address of an HTTP proxy, such as http://proxy.example.com:3128"
            ),
        })
    }

    fn read(address: &str, except: Option<String>) -> Option<Self> {
        let whole = if address.contains("://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        let mut url = Url::parse(&whole).ok()?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return None;
        }
        let decoded = |text: &str| {
            let decoded = percent_encoding::percent_decode_str(text).decode_utf8().ok()?;
            Some(decoded.into_owned())
        };
        let credentials = match url.username() {
            "" => None,
            user => Some((
                decoded(user)?,
                Secret::new(decoded(url.password().unwrap_or_default())?),
            )),
        };
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        Some(Self {
            url,
            credentials,
            except,
        })
    }

    /// The proxy in the words of the HTTP client.
    pub(crate) fn to_client(&self) -> Result<reqwest::Proxy, GatewayError> {
        let mut proxy =
            reqwest::Proxy::all(self.url.clone()).map_err(|error| GatewayError::Configuration {
                message: format!(
                    "the proxy cannot be used: {}",
                    crate::http_client::describe(error)
                ),
            })?;
        if let Some((user, password)) = &self.credentials {
            proxy = proxy.basic_auth(user, password.expose());
        }
        let except = match &self.except {
            Some(hosts) => format!("{hosts},{THIS_MACHINE}"),
            None => THIS_MACHINE.to_owned(),
        };
        Ok(proxy.no_proxy(reqwest::NoProxy::from_string(&except)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<ProxySettings>, GatewayError> {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        ProxySettings::from_environment(&variables.collect())
    }

    #[test]
    fn the_usual_variables_count_in_the_usual_order() {
        assert!(read(&[]).unwrap().is_none());
        assert!(
            read(&[("HTTPS_PROXY", " "), ("HTTP_PROXY", "http://a:1")])
                .unwrap()
                .is_none()
        );
        for (variables, expected) in [
            (&[("HTTPS_PROXY", "http://a:1")][..], "http://a:1/"),
            (
                &[("HTTPS_PROXY", "http://a:1"), ("https_proxy", "http://b:2")],
                "http://b:2/",
            ),
            (
                &[("ALL_PROXY", "http://a:1"), ("HTTPS_PROXY", "b:2")],
                "http://b:2/",
            ),
            (
                &[("all_proxy", "https://a.example:8443")],
                "https://a.example:8443/",
            ),
        ] {
            let settings = read(variables).unwrap().expect("a proxy");
            assert_eq!(settings.url.as_str(), expected, "{variables:?}");
            assert!(settings.credentials.is_none() && settings.except.is_none());
        }
    }

    #[test]
    fn credentials_are_taken_out_of_the_address_and_never_shown() {
        let login = "us%40er:s3%3Ame";
        let settings = read(&[
            ("HTTPS_PROXY", &format!("http://{login}@proxy.example:3128")),
            ("no_proxy", "intern.example"),
        ]);
        let settings = settings.unwrap().expect("a proxy");
        assert_eq!(settings.url.as_str(), "http://proxy.example:3128/");
        assert!(!format!("{settings:?}").contains("s3"), "{settings:?}");
        let (user, password) = settings.credentials.clone().expect("credentials");
        assert_eq!((user.as_str(), password.expose()), ("us@er", "s3:me"));
        assert_eq!(settings.except.as_deref(), Some("intern.example"));
        assert!(settings.to_client().is_ok());
    }

    #[test]
    fn what_is_no_address_is_named_without_its_value() {
        for value in [
            "socks5://u:s3cret@a:1",
            "http://",
            "http://u:s3cret@:x",
            "http://a:port",
        ] {
            let error = read(&[("HTTPS_PROXY", value)]).unwrap_err().to_string();
            assert!(
                error.contains("HTTPS_PROXY") && !error.contains("s3cret"),
                "{error}"
            );
        }
    }
}
