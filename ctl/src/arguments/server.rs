//! The address of a service of another machine.

use std::fmt;

/// Where a service of another machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    /// Its name, as its certificate has it, or its address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "https://[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "https://{}:{}", self.host, self.port)
        }
    }
}

/// Reads `https://HOST:PORT`.
pub(crate) fn parse_server(text: &str) -> Result<ServerAddress, String> {
    let wrong = |why: &str| format!("{why}; write `https://HOST:PORT`");
    let rest = text
        .strip_prefix("https://")
        .ok_or_else(|| wrong("only `https` is spoken between machines"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '@']) {
        return Err(wrong("there is more in it than host and port"));
    }
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once("]:"),
        None => rest.rsplit_once(':').filter(|(host, _)| !host.contains(':')),
    }
    .ok_or_else(|| wrong("the port is missing"))?;
    let port = port.parse().ok().filter(|port| *port != 0);
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic());
    match port {
        Some(port) if is_host => Ok(ServerAddress {
            host: host.to_owned(),
            port,
        }),
        Some(_) => Err(wrong("the host is missing")),
        None => Err(wrong("the port is no number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port() {
        for text in [
            "https://etl.example.com:7443",
            "https://127.0.0.1:1",
            "https://[::1]:7443",
        ] {
            assert_eq!(parse_server(text).unwrap().to_string(), text);
        }
        assert_eq!(parse_server("https://[::1]:7443/").unwrap().host, "::1");
        for (text, why) in [
            ("etl.example.com:7443", "https"),
            ("http://etl.example.com:7443", "https"),
            ("https://etl.example.com", "port"),
            ("https://etl.example.com:7443/a", "more"),
            ("https://me@etl.example.com:7443", "more"),
            ("https://etl.example.com:7443?a", "more"),
            ("https://:7443", "host"),
            ("https://etl.example.com:0", "65535"),
            ("https://::1:7443", "port"),
            ("", "https"),
        ] {
            let told = parse_server(text).unwrap_err();
            assert!(told.contains(why), "{text:?}: {told}");
        }
    }
}
