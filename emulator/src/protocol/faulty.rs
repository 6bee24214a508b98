//! Carries out faults: stands between a connection and the endpoints, and does what the rules say.

use std::cell::OnceCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::faults::{self, Action, ConnectFault, Faults, Phase, RequestFault};
use crate::session::SqlError;

use super::connector::{ClientSession, Connector};
use super::fault_control;
use super::hurt_body::HurtBody;
use super::line::{Grip, Line, reset};
use super::message::{Exchange, Reply, ReplyBody};
use super::refusal::Refusal;
use super::tokens::{Role, authorization};
use super::{external, route, server, stage_urls};

/// How long a new connection is watched for a request to the control endpoint, before a fault takes it.
const CONTROL_WAIT_MAX: Duration = Duration::from_millis(500);
/// How often, when its beginning comes in pieces.
const CONTROL_STEP: Duration = Duration::from_millis(1);
/// Bytes of a request's beginning that tell whether it is one: a method of up to eight letters, a space, the path.
const CONTROL_HEAD: usize = 16;
/// Bytes that are read and forgotten at a time on a stalled connection.
const SWALLOW_BYTES: usize = 4096;

/// The one endpoint of the connector protocol whose requests hold the text of a statement.
const QUERY_REQUEST: &str = "/queries/v1/query-request";

/// Serves a connection, with what the faults do to it and to its requests.
pub(super) async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    connector: Arc<Connector>,
    faults: Arc<Faults>,
    stop: CancellationToken,
) {
    if faults.awaits_connections()
        && !begins_with_control(&stream).await
        && let Some(fault) = faults.meet_connection(connector.now())
    {
        tracing::info!(%peer, ?fault, "fault on a connection");
        match fault {
            ConnectFault::Delay(wait) => pause(wait, &stop).await,
            ConnectFault::Reset => return reset(&stream),
            ConnectFault::Stall => return swallow(&mut stream, &stop).await,
        }
    }
    let head_wait_max = connector.settings.head_wait_max;
    let tls = connector.settings.tls.clone();
    let grip = Grip::default();
    let line = Line::new(stream, grip.clone());
    let ending = stop.clone();
    let service = service_fn(move |request| {
        let station = Station {
            connector: Arc::clone(&connector),
            faults: Arc::clone(&faults),
            grip: grip.clone(),
            stop: ending.clone(),
            peer,
        };
        async move { station.answer(request).await }
    });
    server::serve_line(line, tls.as_ref(), service, head_wait_max, &stop).await;
}

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("a fault ended the connection")]
struct Broken;

/// What an action leaves to be done.
enum Then {
    /// All goes on.
    GoOn,
    /// This is the answer.
    Answer(Reply),
    /// There will be none.
    Break,
}

/// Where a request meets its fault.
struct Station {
    connector: Arc<Connector>,
    faults: Arc<Faults>,
    grip: Grip,
    stop: CancellationToken,
    peer: SocketAddr,
}

impl Station {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<HurtBody>, Broken> {
        let (parts, body) = request.into_parts();
        if stage_urls::is_put(&parts) {
            // A file passes as it comes; no rule looks into it.
            let reply = stage_urls::put(&self.connector, &parts, body).await;
            return Ok(reply.unwrap_or_else(Refusal::into_reply).map(HurtBody::whole));
        }
        let exchange = match Exchange::read(parts, body, &self.connector).await {
            Ok(exchange) => exchange,
            Err((head, refusal)) => {
                return Ok(route::refuse(&self.connector, &head, refusal).map(HurtBody::whole));
            }
        };
        if exchange.path() == fault_control::PATH {
            let reply = fault_control::answer(&self.faults, &exchange, self.peer, self.connector.now());
            let reply = reply.unwrap_or_else(Refusal::into_reply);
            return Ok(reply.map(HurtBody::whole));
        }
        let fault = {
            let seen = Seen::new(&self.connector, &exchange);
            self.faults.meet_request(&seen, self.connector.now())
        };
        match fault {
            Some(fault) => {
                tracing::info!(path = exchange.path(), ?fault, "fault on a request");
                self.hurt(exchange, fault).await
            }
            None => Ok(self.handle(&exchange).await.map(HurtBody::whole)),
        }
    }

    async fn hurt(&self, exchange: Exchange, fault: RequestFault) -> Result<Response<HurtBody>, Broken> {
        let RequestFault { phase, action } = fault;
        let handled = match (phase, &action) {
            (Phase::Before, Action::Delay(wait)) => return self.late(exchange, *wait).await,
            (Phase::Before, _) => None,
            (Phase::After, _) => Some(self.handle(&exchange).await),
        };
        let reply = match (self.act(&action, &exchange).await, handled) {
            (Then::Break, _) => return Err(Broken),
            (Then::Answer(reply), _) | (Then::GoOn, Some(reply)) => reply,
            (Then::GoOn, None) => self.handle(&exchange).await,
        };
        Ok(reply.map(|body| self.body(body, &action)))
    }

    /// Handles a request so much later, in a task of its own: what is late on its way arrives, whether the client
    /// still waits for the answer or not.
    async fn late(&self, exchange: Exchange, wait: Duration) -> Result<Response<HurtBody>, Broken> {
        let (connector, stop, peer) = (Arc::clone(&self.connector), self.stop.clone(), self.peer);
        let arriving = self.connector.statements.spawn(async move {
            pause(wait, &stop).await;
            route::respond(&connector, &exchange, peer).await
        });
        let reply = arriving.await.map_err(|_| Broken)?;
        Ok(reply.map(HurtBody::whole))
    }

    async fn handle(&self, exchange: &Exchange) -> Reply {
        route::respond(&self.connector, exchange, self.peer).await
    }

    async fn act(&self, action: &Action, exchange: &Exchange) -> Then {
        match action {
            Action::Delay(wait) => pause(*wait, &self.stop).await,
            Action::Stall => {
                // The client may hang up; then this is dropped.
                self.stop.cancelled().await;
                return Then::Break;
            }
            Action::Reset => {
                self.grip.reset();
                return Then::Break;
            }
            Action::Status { status, retry_after } => {
                return Then::Answer(status_reply(*status, *retry_after));
            }
            Action::Code { code, end_session } => {
                if *end_session && let Some(session) = holder(&self.connector, exchange) {
                    self.connector.end(&session).await;
                }
                return Then::Answer(refusal(code).into_reply());
            }
            Action::Cut(_) | Action::Throttle(_) => {}
        }
        Then::GoOn
    }

    fn body(&self, body: ReplyBody, action: &Action) -> HurtBody {
        match action {
            Action::Cut(bytes) => HurtBody::cut(body, *bytes, self.grip.clone()),
            Action::Throttle(rate) => HurtBody::throttled(body, *rate),
            _ => HurtBody::whole(body),
        }
    }
}

/// A request as rules look at it. What takes time to find out is found out when a rule asks.
struct Seen<'a> {
    connector: &'a Connector,
    exchange: &'a Exchange,
    sql: OnceCell<Option<String>>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(rename = "sqlText")]
    sql: Option<String>,
}

impl<'a> Seen<'a> {
    fn new(connector: &'a Connector, exchange: &'a Exchange) -> Self {
        Self {
            connector,
            exchange,
            sql: OnceCell::new(),
        }
    }
}

impl faults::Request for Seen<'_> {
    fn method(&self) -> &str {
        self.exchange.method().as_str()
    }

    fn path(&self) -> &str {
        self.exchange.path()
    }

    fn sql(&self) -> Option<&str> {
        let text = self.sql.get_or_init(|| {
            if let Some(api) = self.connector.settings.mounted_at(self.path()) {
                return api.sql(self.exchange);
            }
            let submits = self.path() == QUERY_REQUEST;
            submits.then(|| self.exchange.json::<Text>().ok()).flatten()?.sql
        });
        text.as_deref()
    }

    fn session(&self) -> Option<u64> {
        holder(self.connector, self.exchange).map(|session| session.id())
    }
}

/// The session whose token, of either kind, a request carries.
fn holder(connector: &Connector, exchange: &Exchange) -> Option<Arc<ClientSession>> {
    if let Some(key) = external::Key::of(exchange.headers()) {
        return external::find(connector, &key.ok()?).ok();
    }
    let token = authorization(exchange.headers());
    [Role::Session, Role::Master]
        .into_iter()
        .find_map(|role| connector.tokens.find(token, role, connector.now()).ok())
}

/// What stands in for an answer: as a proxy in between would write it, without Snowflake's envelope.
fn status_reply(status: u16, retry_after: Option<u64>) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut reply = Response::new(ReplyBody::from(status.to_string().into_bytes()));
    *reply.status_mut() = status;
    if let Some(seconds) = retry_after {
        reply
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    reply
}

/// What Snowflake says under a code: of a statement, if the code is one of statements.
fn refusal(code: &str) -> Refusal {
    if code == "000606" {
        let words = "No active warehouse selected in the current session.  Select an active warehouse with the 'use \
                     warehouse' command.\n";
        return Refusal::sql(&SqlError::new("000606", "57P03", words), Uuid::new_v4());
    }
    Refusal::new(code.to_owned(), words(code))
}

/// Snowflake's words for a code, where it is one of a session's.
fn words(code: &str) -> String {
    let known = match code {
        "390100" => "Incorrect username or password was specified.",
        "390104" => "Session token is invalid.",
        "390110" => "ID Token is expired.",
        "390111" => "Session no longer exists.  New login required to access the service.",
        "390112" => "Session token has expired.",
        "390113" => "Master token not found in the request data.",
        "390114" => "Authentication token has expired.  The user must authenticate again.",
        "390115" => "Master token is invalid.",
        "390195" => "The ID Token is invalid.",
        "000604" => "SQL execution canceled",
        _ => return format!("Code {code} was asked for by a fault rule."),
    };
    known.to_owned()
}

/// True when a new connection begins with a request to the control endpoint: whoever makes faults must be able
/// to end them.
async fn begins_with_control(stream: &TcpStream) -> bool {
    let deadline = Instant::now() + CONTROL_WAIT_MAX;
    let mut head = [0; CONTROL_HEAD];
    while Instant::now() < deadline {
        let Ok(Ok(length @ 1..)) = tokio::time::timeout_at(deadline, stream.peek(&mut head)).await else {
            return false;
        };
        if let Some(decided) = is_control(&head[..length]) {
            return decided;
        }
        // What has been looked at is still there, so nothing tells when more has come.
        tokio::time::sleep(CONTROL_STEP).await;
    }
    false
}

/// Whether a request that begins so is one to the control endpoint; none while it could be.
fn is_control(head: &[u8]) -> Option<bool> {
    let path = fault_control::PATH.as_bytes();
    let Some(space) = head.iter().position(|byte| *byte == b' ') else {
        return (head.len() >= CONTROL_HEAD - path.len()).then_some(false);
    };
    let begun = &head[space + 1..];
    if begun.starts_with(path) {
        Some(true)
    } else if path.starts_with(begun) {
        None
    } else {
        Some(false)
    }
}

/// Waits so long, or until the server stops.
async fn pause(wait: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = stop.cancelled() => {}
    }
}

/// Reads and forgets until the client hangs up or the server stops.
async fn swallow(stream: &mut TcpStream, stop: &CancellationToken) {
    let mut bytes = [0; SWALLOW_BYTES];
    loop {
        tokio::select! {
            read = stream.read(&mut bytes) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            () = stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_request_is_known_by_its_beginning() {
        for whole in ["GET /faults HTTP", "PUT /faults?x HT", "DELETE /faults H"] {
            assert_eq!(is_control(whole.as_bytes()), Some(true), "{whole}");
        }
        for part in ["D", "DELETE", "DELETE ", "DELETE /fau", "GET /fault"] {
            assert_eq!(is_control(part.as_bytes()), None, "{part}");
        }
        for other in ["POST /queries/v1", "GET /fa-", "\u{16}\u{3}\u{1}and so on"] {
            assert_eq!(is_control(other.as_bytes()), Some(false), "{other}");
        }
    }
}
