//! A Snowflake in memory, and the service's gRPC face around it on a socket of its own.
//!
//! The fake upstream understands a handful of words as "SQL" (see [`FakeUpstream::execute`]) and writes down
//! what it was asked, so that tests can see what reached Snowflake and what did not.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use snowflake_session::domain::context::Context;
use snowflake_session::domain::error::{Error, Facts, Reason};
use snowflake_session::domain::limits::Limits;
use snowflake_session::domain::names::{ConnectionName, RequestId};
use snowflake_session::domain::query::{Batch, CancelOutcome, DmlStats, Executed, StatementKind, Submission};
use snowflake_session::domain::upstream::{
    Batches, Connector, Execution, Fingerprint, Identity, Login, LoginBasis, Upstream,
};
use snowflake_session::rpc::{About, Connection, Manager, Rpc, RpcLimits, serve};
use snowflake_session::sessions::Sessions;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use snowflake_session_proto::v1::query_service_client::QueryServiceClient;
use snowflake_session_proto::v1::session_service_client::SessionServiceClient;
use snowflake_session_proto::{BUILD_ID, BUILD_ID_KEY, v1};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

/// What the fake Snowflake saw.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) logins: AtomicUsize,
    pub(crate) closes: AtomicUsize,
    pub(crate) cancels: AtomicUsize,
    pub(crate) batches: AtomicU64,
    pub(crate) sql: Mutex<Vec<String>>,
}

impl Seen {
    pub(crate) fn sql(&self) -> Vec<String> {
        self.sql.lock().unwrap().clone()
    }
}

/// Logs in to the Snowflake in memory. Connection `refused` refuses, `unknown` does not exist.
#[derive(Default)]
pub(crate) struct FakeConnector {
    pub(crate) seen: Arc<Seen>,
}

#[async_trait]
impl Connector for FakeConnector {
    async fn default_connection(&self) -> Result<ConnectionName, Error> {
        Ok(ConnectionName::local())
    }

    async fn basis(&self, _: &ConnectionName) -> Result<LoginBasis, Error> {
        Ok(LoginBasis {
            fingerprint: Fingerprint::default(),
            unattended: true,
        })
    }

    async fn login(&self, connection: &ConnectionName) -> Result<Login, Error> {
        match connection.as_str() {
            "refused" => {
                return Err(Error::new(
                    Reason::LoginRefused,
                    "Incorrect username or password was specified",
                ));
            }
            "unknown" => {
                return Err(Error::new(
                    Reason::Configuration,
                    "there is no connection unknown",
                ));
            }
            "slow" => std::future::pending().await,
            _ => {}
        }
        let number = self.seen.logins.fetch_add(1, Ordering::SeqCst) + 1;
        let context = Context {
            database: Some("DB".into()),
            schema: Some("PUBLIC".into()),
            ..Context::default()
        };
        let identity = Identity {
            user: "ME".into(),
            account: "ACME".into(),
            server_version: "9.9".into(),
            host: "fake.test".into(),
            upstream_session_id: i64::try_from(number).unwrap(),
        };
        let upstream = FakeUpstream {
            seen: Arc::clone(&self.seen),
            context: Mutex::new(context.clone()),
            alive: AtomicBool::new(true),
            cancelled: watch::Sender::new(None),
        };
        Ok(Login {
            upstream: Arc::new(upstream),
            identity,
            context,
            autocommit: true,
            fingerprint: Fingerprint::default(),
        })
    }

    fn emulator_address(&self) -> Option<String> {
        None
    }

    async fn shutdown(&self) {}
}

struct FakeUpstream {
    seen: Arc<Seen>,
    context: Mutex<Context>,
    alive: AtomicBool,
    cancelled: watch::Sender<Option<RequestId>>,
}

#[async_trait]
impl Upstream for FakeUpstream {
    /// `rows N` answers N rows in batches of one byte each, `endless` never ends, `hang` waits for its
    /// cancellation, `deaf` does not even hear that, `fail` is rejected, `die` loses the upstream session,
    /// `begin`, `commit`, `create …`, `insert …` and `use database X` do what they say; anything else
    /// answers one row.
    async fn execute(&self, submission: Submission) -> Result<Execution, Error> {
        self.seen.sql.lock().unwrap().push(submission.sql.clone());
        let sql = submission.sql.trim_end_matches(';').to_lowercase();
        let words: Vec<&str> = sql.split_whitespace().collect();
        let mut executed = Executed {
            query_id: format!("q-{}", self.seen.sql.lock().unwrap().len()),
            kind: StatementKind::Query,
            arrow_schema: Bytes::from_static(b"schema"),
            row_count_total: 1,
            ..Executed::default()
        };
        match words[..] {
            ["hang"] => {
                let mut cancelled = self.cancelled.subscribe();
                let _ = cancelled.wait_for(|id| *id == Some(submission.request_id)).await;
                return Err(Error::new(Reason::Cancelled, "SQL execution canceled"));
            }
            ["deaf"] => std::future::pending().await,
            ["fail"] => {
                let facts = Facts {
                    snowflake_code: Some("002003".into()),
                    sql_state: Some("42S02".into()),
                    query_id: Some(executed.query_id),
                    line: Some(1),
                    position: Some(14),
                    ..Facts::default()
                };
                return Err(Error::new(Reason::SqlRejected, "Object 'T' does not exist").with_facts(facts));
            }
            ["die"] => {
                self.alive.store(false, Ordering::SeqCst);
                return Err(Error::new(Reason::Unreachable, "fake.test went away"));
            }
            ["rows", rows] => executed.row_count_total = rows.parse().unwrap(),
            ["endless"] => executed.row_count_total = u64::MAX,
            ["begin" | "commit" | "rollback"] => executed.kind = StatementKind::Transaction,
            ["insert", ..] => {
                executed.kind = StatementKind::Dml;
                executed.dml = Some(DmlStats {
                    rows_inserted: 2,
                    ..DmlStats::default()
                });
            }
            ["create", ..] => executed.kind = StatementKind::Ddl,
            ["use", "database", name] => {
                executed.kind = StatementKind::Session;
                self.context.lock().unwrap().database = Some(name.to_uppercase());
            }
            ["use", "schema", "missing"] => return Err(Error::new(Reason::SqlRejected, "no such schema")),
            _ => {}
        }
        executed.context = self.context.lock().unwrap().clone();
        let left = executed
            .row_count_total
            .min(submission.row_limit.unwrap_or(u64::MAX));
        let batches = FakeBatches {
            seen: Arc::clone(&self.seen),
            left,
        };
        Ok(Execution {
            executed,
            batches: Box::new(batches),
        })
    }

    async fn cancel(&self, request_id: RequestId) -> Result<CancelOutcome, Error> {
        self.seen.cancels.fetch_add(1, Ordering::SeqCst);
        self.cancelled.send_replace(Some(request_id));
        Ok(CancelOutcome::Confirmed)
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }

    async fn check(&self) -> Result<(), Error> {
        if self.is_alive() {
            return Ok(());
        }
        Err(Error::new(
            Reason::SessionLost,
            "fake.test does not know the session",
        ))
    }

    async fn close(&self) -> Result<(), Error> {
        self.seen.closes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

struct FakeBatches {
    seen: Arc<Seen>,
    left: u64,
}

#[async_trait]
impl Batches for FakeBatches {
    async fn next(&mut self) -> Result<Option<Batch>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.seen.batches.fetch_add(1, Ordering::SeqCst);
        // Large enough that a few of them fill every buffer between here and a reader.
        Ok(Some(Batch {
            bytes: Bytes::from(vec![7; 64 * 1024]),
            row_count: 1,
        }))
    }
}

/// Limits that tests change where they need to.
pub(crate) fn limits() -> Limits {
    Limits {
        sessions_max: 8,
        queue_max: 4,
        results_max: 4,
        session_idle: Duration::from_hours(1),
        sql_bytes_max: 1024 * 1024,
        bindings_max: 100,
        query_timeout: Duration::from_hours(1),
        cancel_wait: Duration::from_secs(5),
        batches_buffered_max: 2,
        login_timeout: Duration::from_mins(1),
        logout_timeout: Duration::from_secs(5),
    }
}

/// The gRPC face on a socket in a folder of its own.
pub(crate) struct Service {
    pub(crate) seen: Arc<Seen>,
    pub(crate) sessions: Sessions,
    pub(crate) channel: Channel,
    pub(crate) shutdown_requests: mpsc::Receiver<Option<Duration>>,
    pub(crate) stop: CancellationToken,
    folder: tempfile::TempDir,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with_limits(limits()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        let connector = FakeConnector::default();
        let seen = Arc::clone(&connector.seen);
        let sessions = Sessions::new(Arc::new(connector), limits, Arc::new(SystemTime::now));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grpc.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (shutdown, shutdown_requests) = mpsc::channel(1);
        let rpc = Rpc {
            about: about(path.clone()),
            sessions: sessions.clone(),
            shutdown,
            limits: RpcLimits {
                request_bytes_max: 16 * 1024 * 1024,
                calls_max: 100,
                stream_window_bytes: 1024 * 1024,
                connection_window_bytes: 2 * 1024 * 1024,
            },
        };
        let stop = CancellationToken::new();
        let connections =
            tokio_stream::StreamExt::filter_map(UnixListenerStream::new(listener), |accepted| {
                accepted.ok().map(|stream| Connection::new(stream, ()))
            });
        tokio::spawn(serve(rpc, connections, stop.clone().cancelled_owned()));
        let channel = connect(&path).await;
        Self {
            seen,
            sessions,
            channel,
            shutdown_requests,
            stop,
            folder,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("grpc.sock")
    }

    pub(crate) fn queries(&self) -> QueryServiceClient<Built> {
        queries(&self.channel)
    }

    pub(crate) fn session_service(&self) -> SessionServiceClient<Built> {
        SessionServiceClient::new(InterceptedService::new(
            self.channel.clone(),
            name_build as NameBuild,
        ))
    }

    pub(crate) fn lifecycle(&self) -> LifecycleServiceClient<Channel> {
        LifecycleServiceClient::new(self.channel.clone())
    }

    /// Starts a query and returns its stream.
    pub(crate) async fn execute(
        &self,
        request: v1::ExecuteQueryRequest,
    ) -> Result<Streaming<v1::ExecuteQueryResponse>, Status> {
        self.queries()
            .execute_query(request)
            .await
            .map(tonic::Response::into_inner)
    }

    /// Runs a statement to its end.
    pub(crate) async fn run(&self, request: v1::ExecuteQueryRequest) -> Result<Answer, Status> {
        collect(self.execute(request).await?).await
    }

    /// The session as shown now.
    pub(crate) async fn session(&self, name: &str) -> v1::Session {
        let request = v1::GetSessionRequest { session: name.into() };
        self.session_service()
            .get_session(request)
            .await
            .unwrap()
            .into_inner()
            .session
            .unwrap()
    }
}

/// A client of the query service that says which build it is.
pub(crate) fn queries(channel: &Channel) -> QueryServiceClient<Built> {
    QueryServiceClient::new(InterceptedService::new(channel.clone(), name_build as NameBuild))
}

pub(crate) type NameBuild = fn(Request<()>) -> Result<Request<()>, Status>;
pub(crate) type Built = InterceptedService<Channel, NameBuild>;

/// Says which build the client is, as every client of ours does.
#[expect(clippy::unnecessary_wraps, reason = "the form of an interceptor")]
fn name_build(mut request: Request<()>) -> Result<Request<()>, Status> {
    request
        .metadata_mut()
        .insert(BUILD_ID_KEY, BUILD_ID.parse().unwrap());
    Ok(request)
}

pub(crate) fn about(socket: PathBuf) -> About {
    About {
        pid: std::process::id(),
        start_time: SystemTime::now(),
        manager: Manager::None,
        state_directory: socket.parent().unwrap().to_owned(),
        socket,
    }
}

pub(crate) async fn connect(path: &std::path::Path) -> Channel {
    Endpoint::from_shared(format!("unix:{}", path.display()))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// A statement without frills in session `default`.
pub(crate) fn sql(text: &str) -> v1::ExecuteQueryRequest {
    v1::ExecuteQueryRequest {
        sql: text.into(),
        ..v1::ExecuteQueryRequest::default()
    }
}

/// The events of a finished query.
pub(crate) struct Answer {
    pub(crate) accepted: v1::QueryAccepted,
    pub(crate) schema: v1::ResultSchema,
    pub(crate) batches: Vec<v1::ResultBatch>,
    pub(crate) summary: v1::QuerySummary,
}

/// Reads a stream to its end and checks its order.
pub(crate) async fn collect(mut stream: Streaming<v1::ExecuteQueryResponse>) -> Result<Answer, Status> {
    let Some(Event::Accepted(accepted)) = next(&mut stream).await? else {
        panic!("no acceptance first")
    };
    let Some(Event::Schema(schema)) = next(&mut stream).await? else {
        panic!("no schema second")
    };
    let mut batches = Vec::new();
    loop {
        match next(&mut stream).await? {
            Some(Event::Batch(batch)) => batches.push(batch),
            Some(Event::Summary(summary)) => {
                assert!(next(&mut stream).await?.is_none(), "something after the summary");
                return Ok(Answer {
                    accepted,
                    schema,
                    batches,
                    summary,
                });
            }
            other => panic!("unexpected {other:?}"),
        }
    }
}

/// The next event of a stream.
pub(crate) async fn next(stream: &mut Streaming<v1::ExecuteQueryResponse>) -> Result<Option<Event>, Status> {
    Ok(stream
        .message()
        .await?
        .map(|response| response.event.expect("an event in every response")))
}

/// Waits until something is so; fails after a generous while.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    assert!(waited.await.is_ok(), "still not so: {what}");
}

/// Reason and metadata of an error status.
pub(crate) fn reason(status: &Status) -> (String, std::collections::HashMap<String, String>) {
    use tonic_types::StatusExt as _;
    let info = status
        .get_details_error_info()
        .expect("every error has an ErrorInfo");
    assert_eq!(info.domain, snowflake_session_proto::ERROR_DOMAIN);
    (info.reason, info.metadata)
}
