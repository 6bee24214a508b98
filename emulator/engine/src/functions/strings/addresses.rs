//! Addresses taken apart: `PARSE_URL`, `PARSE_IP`.

use std::net::IpAddr;

use serde_json::{Map, Value as Json, json};

use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Value, rows,
};
use crate::functions::semi_structured::write_json;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_parse_url", 1..=2, parse_url),
    ScalarFunction::new("sf_parse_ip", 2..=3, parse_ip),
];

/// An OBJECT, or its one field `error` when errors are permitted.
fn answer(
    parsed: std::result::Result<Json, String>,
    subject: &str,
    permissive: bool,
) -> Result<Value<'static>> {
    match parsed {
        Ok(object) => Ok(Value::owned_text(write_json(&object))),
        Err(error) if permissive => Ok(Value::owned_text(write_json(&json!({ "error": error })))),
        Err(error) => Err(FunctionError::new(
            100_139,
            format!("Error parsing {subject}: {error}"),
        )),
    }
}

fn is_permissive(row: &[Value<'_>], position: usize) -> Result<bool> {
    row.get(position)
        .map_or(Ok(false), |flag| Ok(flag.to_integer()? != 0))
}

fn parse_url(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::object(), |row| {
        let text = row[0].to_text()?;
        answer(url(&text), "URL", is_permissive(row, 1)?)
    })
}

/// `scheme:[//host[:port]/]path[?query][#fragment]`, each as it is written.
fn url(text: &str) -> std::result::Result<Json, String> {
    let unspecified = || "scheme not specified".to_owned();
    let (scheme, rest) = text.split_once(':').ok_or_else(unspecified)?;
    let is_scheme = scheme.starts_with(|sign: char| sign.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, b'+' | b'-' | b'.'));
    if !is_scheme {
        return Err(unspecified());
    }
    let (rest, fragment) = split(rest, '#');
    let (rest, query) = split(rest, '?');
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            (Some(authority), path)
        }
        None => (None, rest),
    };
    let (host, port) = match authority {
        None => (None, None),
        Some(authority) => match authority.rsplit_once(':') {
            Some((host, port)) if !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit()) => {
                (Some(host), Some(port))
            }
            _ => (Some(authority), None),
        },
    };
    let parameters = query.map(|query| {
        let fields: Map<String, Json> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) => (name.to_owned(), Json::from(value)),
                None => (pair.to_owned(), Json::Null),
            })
            .collect();
        Json::Object(fields)
    });
    Ok(json!({
        "fragment": fragment,
        "host": host,
        "parameters": parameters,
        "path": path,
        "port": port,
        "query": query,
        "scheme": scheme,
    }))
}

fn split(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn parse_ip(_: &[Argument]) -> Result<Bound> {
    rows(FunctionType::object(), |row| {
        let (text, kind) = (row[0].to_text()?, row[1].to_text()?.to_lowercase());
        answer(ip(&text, &kind), "IP", is_permissive(row, 2)?)
    })
}

/// An address with or without the length of its network's prefix.
fn ip(text: &str, kind: &str) -> std::result::Result<Json, String> {
    if !matches!(kind, "inet" | "cidr") {
        return Err(format!("unknown type {kind}"));
    }
    let (host, prefix) = split(text.trim(), '/');
    let address: IpAddr = host.parse().map_err(|_| format!("invalid address {host}"))?;
    let (family, width, bits) = match address {
        IpAddr::V4(address) => (4, 32, u128::from(u32::from(address))),
        IpAddr::V6(address) => (6, 128, u128::from(address)),
    };
    let prefix = match prefix {
        None => None,
        Some(length) => {
            let length = length.parse::<u32>().ok().filter(|length| *length <= width);
            Some(length.ok_or_else(|| format!("invalid prefix length in {text}"))?)
        }
    };
    let range = prefix.map(|length| {
        let all = u128::MAX >> (128 - width);
        let hosts = if length == 0 {
            all
        } else {
            all.checked_shr(length).unwrap_or(0)
        };
        (bits & !hosts & all, bits | hosts)
    });
    if let ("cidr", Some((start, _))) = (kind, range)
        && start != bits
    {
        return Err(format!("{text} has bits set to the right of its mask"));
    }
    let fields: Vec<u32> = match address {
        IpAddr::V4(_) => vec![bits as u32, 0, 0, 0],
        IpAddr::V6(_) => (0..4).rev().map(|part| (bits >> (32 * part)) as u32).collect(),
    };
    let mut object = json!({
        "family": family,
        "host": host,
        "ip_fields": fields,
        "ip_type": kind,
        "netmask_prefix_length": prefix,
        "snowflake$type": "ip_address",
    });
    let mut put = |key: &str, number: u128| {
        object[key] = match address {
            IpAddr::V4(_) => Json::from(number as u32),
            IpAddr::V6(_) => Json::from(format!("{number:032X}")),
        };
    };
    let key = if family == 4 { "ipv4" } else { "hex_ipv6" };
    put(key, bits);
    if let Some((start, end)) = range {
        put(&format!("{key}_range_start"), start);
        put(&format!("{key}_range_end"), end);
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn urls() {
        for (url, expected) in [
            (
                "https://www.example.com/",
                r#"{"fragment":null,"host":"www.example.com","parameters":null,"path":"","port":null,"query":null,"scheme":"https"}"#,
            ),
            (
                concat!("http:", "//ann:pass@www.example.com:4345/HELLO.PHP?USER=1#top"),
                r#"{"fragment":"top","host":"ann:pass@www.example.com","parameters":{"USER":"1"},"path":"HELLO.PHP","port":"4345","query":"USER=1","scheme":"http"}"#,
            ),
            (
                "mailto:abc@xyz.com",
                r#"{"fragment":null,"host":null,"parameters":null,"path":"abc@xyz.com","port":null,"query":null,"scheme":"mailto"}"#,
            ),
        ] {
            check(&format!("sf_parse_url('{url}')"), expected);
        }
        check(
            "sf_parse_url('example.int/x', 1)",
            r#"{"error":"scheme not specified"}"#,
        );
        check_error(
            "sf_parse_url('example.int/x')",
            100_139,
            "Error parsing URL: scheme not specified",
        );
    }

    #[test]
    fn ips() {
        check(
            "sf_parse_ip('192.168.242.188/24', 'INET')",
            r#"{"family":4,"host":"192.168.242.188","ip_fields":[3232297660,0,0,0],"ip_type":"inet","ipv4":3232297660,"ipv4_range_end":3232297727,"ipv4_range_start":3232297472,"netmask_prefix_length":24,"snowflake$type":"ip_address"}"#,
        );
        check(
            "sf_parse_ip('fe80::20c:29ff:fe2c:429/64', 'inet')",
            r#"{"family":6,"hex_ipv6":"FE80000000000000020C29FFFE2C0429","hex_ipv6_range_end":"FE80000000000000FFFFFFFFFFFFFFFF","hex_ipv6_range_start":"FE800000000000000000000000000000","host":"fe80::20c:29ff:fe2c:429","ip_fields":[4269801472,0,34351615,4264297513],"ip_type":"inet","netmask_prefix_length":64,"snowflake$type":"ip_address"}"#,
        );
        check(
            "sf_parse_ip('1.2.3', 'inet', 1)",
            r#"{"error":"invalid address 1.2.3"}"#,
        );
    }
}
