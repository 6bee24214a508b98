//! From a request to its answer: which endpoint it is for, whether it may ask, and what the log says of it.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use tokio::sync::Semaphore;

use super::answer::Code;
use super::authenticate::authenticate;
use super::fetch;
use super::limits::{Places, Rates};
use super::order::{self, Order};
use super::refusal::{Refusal, method_not_allowed};
use super::repeats::Repeats;
use super::settings::SqlApiSettings;
use super::submit;
use crate::protocol::{Answer, Connector, Exchange, Mounted, Reply};

/// What all paths of the API begin with.
const ROOT: &str = "/api/v2";

/// The SQL API's state.
pub struct SqlApi {
    pub(super) settings: SqlApiSettings,
    pub(super) places: Arc<Places>,
    pub(super) repeats: Repeats,
    /// Places for partitions that are packed.
    pub(super) packing: Semaphore,
    rates: Option<Rates>,
}

impl fmt::Debug for SqlApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SqlApi")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint<'a> {
    Submit,
    Statement(&'a str),
    Cancel(&'a str),
}

impl<'a> Endpoint<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        let route: [&str; 5] = std::array::from_fn(|_| segments.next().unwrap_or_default());
        if segments.next().is_some() {
            return None;
        }
        match route {
            ["api", "v2", "statements", "", ""] => Some(Self::Submit),
            ["api", "v2", "statements", handle, ""] => Some(Self::Statement(handle)),
            ["api", "v2", "statements", handle, "cancel"] => Some(Self::Cancel(handle)),
            _ => None,
        }
    }

    /// The one method that it takes.
    fn method(self) -> Method {
        match self {
            Self::Submit | Self::Cancel(_) => Method::POST,
            Self::Statement(_) => Method::GET,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Submit => "sql_api_submit",
            Self::Statement(_) => "sql_api_statement",
            Self::Cancel(_) => "sql_api_cancel",
        }
    }
}

/// What the log says of a request beside what can be seen from outside.
#[derive(Default)]
struct Traced {
    user: Option<String>,
    handle: Option<String>,
}

impl SqlApi {
    /// Starts with nothing running.
    pub fn new(settings: SqlApiSettings) -> Arc<Self> {
        Arc::new(Self {
            places: Places::new(&settings),
            repeats: Repeats::new(settings.requests_kept_max),
            packing: Semaphore::new(settings.partitions_packed_max),
            rates: settings.rate.map(Rates::new),
            settings,
        })
    }

    async fn handle(
        &self,
        connector: &Arc<Connector>,
        exchange: &Exchange,
        traced: &mut Traced,
    ) -> Result<Reply, Refusal> {
        if !self.settings.enabled {
            return Err(Refusal::disabled());
        }
        let endpoint = Endpoint::of(exchange.path()).ok_or_else(Refusal::endpoint)?;
        if *exchange.method() != endpoint.method() {
            let allowed = if endpoint.method() == Method::POST {
                "POST"
            } else {
                "GET"
            };
            return Ok(method_not_allowed(allowed));
        }
        let identity = authenticate(connector, exchange).await?;
        let user = &identity.user;
        traced.user = Some(user.clone());
        check_headers(exchange.headers())?;
        if let Some(rates) = &self.rates {
            rates.count(user, connector.now())?;
        }
        match endpoint {
            Endpoint::Submit => {
                check_content_type(exchange.headers())?;
                let order = Order::read(exchange, &identity, self.settings.statement_time_max)?;
                let submitted = submit::submit(self, connector, order).await?;
                traced.handle = Some(submitted.query.id.to_string());
                Ok(submitted.reply)
            }
            Endpoint::Statement(handle) => {
                let query = fetch::find(connector, user, handle)?;
                traced.handle = Some(query.id.to_string());
                fetch::fetch(self, connector, &query, exchange).await
            }
            Endpoint::Cancel(handle) => {
                let query = fetch::find(connector, user, handle)?;
                traced.handle = Some(query.id.to_string());
                fetch::cancel(&query).await
            }
        }
    }
}

impl Mounted for SqlApi {
    fn owns(&self, path: &str) -> bool {
        path.strip_prefix(ROOT)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn body_bytes_max(&self) -> usize {
        self.settings.body_bytes_max
    }

    fn answer<'a>(&'a self, connector: &'a Arc<Connector>, exchange: &'a Exchange) -> Answer<'a, Reply> {
        Box::pin(async move {
            let began = Instant::now();
            let endpoint = self.endpoint(exchange.path());
            let request_id = order::request_id(exchange).ok().flatten();
            tracing::debug!(endpoint, method = %exchange.method(), ?request_id, bytes = exchange.body().len(), "request");
            let mut traced = Traced::default();
            let reply = self
                .handle(connector, exchange, &mut traced)
                .await
                .unwrap_or_else(Refusal::into_reply);
            tracing::info!(
                endpoint,
                method = %exchange.method(),
                request_id = request_id.map(tracing::field::display),
                handle = traced.handle,
                user = traced.user,
                status = reply.status().as_u16(),
                code = reply.extensions().get::<Code>().map(|code| code.0.as_ref()),
                elapsed_ms = began.elapsed().as_millis() as u64,
                "answered"
            );
            reply
        })
    }

    fn refuse(&self, head: &Parts, status: StatusCode, message: &str) -> Reply {
        let reply = Refusal::unreadable(status, message).into_reply();
        tracing::info!(
            endpoint = self.endpoint(head.uri.path()),
            method = %head.method,
            status = status.as_u16(),
            "refused before it was read"
        );
        reply
    }

    fn sql(&self, exchange: &Exchange) -> Option<String> {
        let submits = Endpoint::of(exchange.path()) == Some(Endpoint::Submit);
        submits.then(|| order::statement(exchange.body())).flatten()
    }

    fn endpoint(&self, path: &str) -> &'static str {
        Endpoint::of(path).map_or("sql_api_other", Endpoint::name)
    }

    fn sweep(&self, connector: &Connector) {
        if let Some(rates) = &self.rates {
            rates.sweep(connector.now());
        }
    }
}

/// Checks that the client takes JSON and says what it is.
fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(USER_AGENT).is_none_or(|agent| agent.trim().is_empty()) {
        return Err(Refusal::user_agent());
    }
    let accept = text(ACCEPT);
    let takes_json = accept.is_some_and(|accept| {
        accept.split(',').any(|range| {
            let kind = range.split(';').next().unwrap_or_default().trim();
            ["application/json", "application/*", "*/*"]
                .iter()
                .any(|json| kind.eq_ignore_ascii_case(json))
        })
    });
    if takes_json {
        Ok(())
    } else {
        Err(Refusal::accept(accept))
    }
}

/// Checks that the body is JSON, if it says what it is.
fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let value = value.to_str().unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        Ok(())
    } else {
        Err(Refusal::content_type(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_endpoints() {
        assert_eq!(Endpoint::of("/api/v2/statements"), Some(Endpoint::Submit));
        assert_eq!(Endpoint::of("/api/v2/statements/"), Some(Endpoint::Submit));
        assert_eq!(
            Endpoint::of("/api/v2/statements/h"),
            Some(Endpoint::Statement("h"))
        );
        assert_eq!(
            Endpoint::of("/api/v2/statements/h/cancel"),
            Some(Endpoint::Cancel("h"))
        );
        for other in [
            "/api/v2",
            "/api/v2/hello",
            "/api/v2/statements/h/x",
            "/api/v2/statements/h/cancel/x",
        ] {
            assert_eq!(Endpoint::of(other), None, "{other}");
        }
        let api = SqlApi::new(SqlApiSettings::default());
        assert!(api.owns("/api/v2/hello") && api.owns("/api/v2"));
        assert!(!api.owns("/api/v20/statements") && !api.owns("/queries/v1/query-request"));
    }
}
