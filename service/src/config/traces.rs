//! The section `[traces]`.

use std::path::Path;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::read::Reader;
use super::values::Fraction;
use crate::platform::named_file::{self, Kind};

/// What a collector of OpenTelemetry is told.
#[derive(Debug, Clone)]
pub struct TracesSettings {
    /// Where spans are posted.
    pub url: String,
    /// Headers that the collector wants, marked as sensitive.
    pub headers: HeaderMap,
    /// Name of the service to the collector.
    pub service_name: String,
    /// What else it is told of the service.
    pub attributes: Vec<(String, String)>,
    /// Share of calls that are told, from 0 to 1.
    pub sample_ratio: f64,
    /// Most spans that wait.
    pub queue_max: usize,
    /// Most spans in one request.
    pub batch_max: usize,
    /// How long a span waits for others to go with.
    pub batch_wait: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// Most attempts of one request.
    pub attempts_max: usize,
    /// How long the end of the service waits for the collector.
    pub flush_timeout: Duration,
}

const ENDPOINT: &str = "traces.endpoint";
const HEADERS: &str = "traces.headers_file";

/// Reads the section; `None` where no collector is named.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<TracesSettings> {
    let endpoint = reader.text(ENDPOINT);
    let headers_file = reader.path(HEADERS);
    let queue_max = reader.count("traces.queue_max", 1);
    let batch_max = reader.count("traces.batch_max", 1);
    if batch_max > queue_max {
        reader.fault(
            "traces.batch_max",
            format!("{batch_max} is more than `traces.queue_max`, {queue_max}"),
        );
    }
    let attributes = reader.list::<Attribute>("traces.attributes");
    let settings = TracesSettings {
        url: String::new(),
        headers: HeaderMap::new(),
        service_name: reader.text("traces.service_name"),
        attributes: attributes
            .into_iter()
            .map(|Attribute(name, value)| (name, value))
            .collect(),
        sample_ratio: reader.word("traces.sample_ratio", Fraction(0.0)).0,
        queue_max,
        batch_max,
        batch_wait: reader.duration("traces.batch_wait", Duration::from_millis(1)),
        timeout: reader.duration("traces.timeout", Duration::from_millis(1)),
        attempts_max: reader.count("traces.attempts_max", 1),
        flush_timeout: reader.duration("traces.flush_timeout", Duration::ZERO),
    };
    if endpoint.is_empty() {
        return None;
    }
    let (url, is_open) = match url_of(&endpoint) {
        Ok(found) => found,
        Err(why) => {
            reader.fault(ENDPOINT, why);
            return None;
        }
    };
    let headers = headers_file.map(|path| headers_in(&path)).transpose();
    let headers = headers.unwrap_or_else(|why| {
        reader.fault(HEADERS, why);
        None
    });
    if is_open && headers.is_some() {
        reader.fault(
            HEADERS,
            "its headers would be sent to another machine in clear text; name an endpoint with https",
        );
    }
    Some(TracesSettings {
        url,
        headers: headers.unwrap_or_default(),
        ..settings
    })
}

/// What is appended to a collector's base address, by OTLP's rules.
const TRACES_PATH: &str = "/v1/traces";

/// Where spans go, and whether that is another machine in clear text.
fn url_of(endpoint: &str) -> Result<(String, bool), String> {
    // The text is not repeated where it may have a password in it.
    if endpoint.contains('@') {
        return Err("an address with a user in it; a key goes into `traces.headers_file`".to_owned());
    }
    let wrong = || format!("{endpoint:?} is not an address such as \"http://127.0.0.1:4318\"");
    let uri: Uri = endpoint.parse().map_err(|_| wrong())?;
    let (Some(scheme @ ("http" | "https")), Some(host)) = (uri.scheme_str(), uri.host()) else {
        return Err(wrong());
    };
    if uri.query().is_some() {
        return Err(wrong());
    }
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost"
        || address
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    let base = endpoint.trim_end_matches('/');
    let base = base.strip_suffix(TRACES_PATH).unwrap_or(base);
    Ok((format!("{base}{TRACES_PATH}"), scheme == "http" && !is_here))
}

/// Largest file of headers, in bytes.
const HEADERS_BYTES_MAX: u64 = 64 << 10;

/// Headers of a file: one `Name: value` a line. What is wrong is told without any of its text.
fn headers_in(path: &Path) -> Result<HeaderMap, String> {
    let shown = path.display();
    let bytes = named_file::read(path, HEADERS_BYTES_MAX, Kind::Secret)
        .map_err(|error| format!("{shown}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{shown}: is not UTF-8"))?;
    let mut headers = HeaderMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let header = line.split_once(':').and_then(|(name, value)| {
            let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(value.trim()).ok()?;
            value.set_sensitive(true);
            Some((name, value))
        });
        let Some((name, value)) = header else {
            return Err(format!(
                "{shown}:{}: not a header such as `Name: value`",
                number + 1
            ));
        };
        headers.append(name, value);
    }
    Ok(headers)
}

/// A name and a value with `=` between them.
struct Attribute(String, String);

impl std::str::FromStr for Attribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok(Self(name.trim().to_owned(), value.trim().to_owned()))
            }
            _ => Err(format!(
                "{text:?} is not an attribute such as \"deployment.environment.name=production\""
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_path_of_spans_is_appended_once() {
        for (endpoint, url, is_open) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces", false),
            ("http://[::1]:4318/", "http://[::1]:4318/v1/traces", false),
            ("http://localhost", "http://localhost/v1/traces", false),
            (
                "http://otlp.example.com/v1/traces",
                "http://otlp.example.com/v1/traces",
                true,
            ),
            (
                "https://otlp.example.com/otlp",
                "https://otlp.example.com/otlp/v1/traces",
                false,
            ),
        ] {
            assert_eq!(url_of(endpoint), Ok((url.to_owned(), is_open)), "{endpoint}");
        }
    }

    #[test]
    fn what_is_no_address_is_told_without_its_secrets() {
        for wrong in [
            "collector:4318",
            "grpc://a:1",
            "http://",
            "http://a/?key=1",
            "a b",
        ] {
            assert!(url_of(wrong).is_err(), "{wrong}");
        }
        let told = url_of("https://secret@example.com").unwrap_err();
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn headers_are_read_and_stay_secret() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"# for the collector\nAuthorization: Bearer s3cret\n\nX-Team : data: core\n")
            .unwrap();
        let headers = headers_in(file.path()).unwrap();
        assert_eq!(headers["authorization"], "Bearer s3cret");
        assert_eq!(headers["x-team"], "data: core");
        assert!(!format!("{headers:?}").contains("s3cret"));

        file.write_all(b"s3cret without a name\n").unwrap();
        let told = headers_in(file.path()).unwrap_err();
        assert!(
            told.contains(":5: not a header") && !told.contains("s3cret"),
            "{told}"
        );

        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
        let told = headers_in(file.path()).unwrap_err();
        assert!(told.contains("chmod 600"), "{told}");
    }
}
