//! The service's gRPC face on a socket of its own, around a Snowflake in memory.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(unused_imports, reason = "each test binary uses a part of it")]

pub(crate) mod engine;
mod memory;
mod queries;
mod seen;
mod snowflake;
mod used;
pub(crate) mod watching;
pub(crate) mod writes;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::{FutureExt as _, StreamExt as _};
pub(crate) use memory::{Luggage, Memory};
pub(crate) use seen::Seen;
pub(crate) use snowflake::FakeConnector;
use snowflake_session::domain::audit::{AuditSearch, NoAudit};
use snowflake_session::domain::limits::Limits;
use snowflake_session::rpc::{About, Arrivals, Connection, Counted, Manager, Rpc, RpcLimits, serve};
use snowflake_session::sessions::{Oversight, Sessions};
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

/// Limits that tests change where they need to.
pub(crate) fn limits() -> Limits {
    Limits {
        sessions_max: 8,
        queue_max: 4,
        results_max: 4,
        session_idle: Duration::from_hours(1),
        history_max: 20,
        jobs_max: 3,
        jobs_kept_max: 10,
        submit_timeout: Duration::from_mins(1),
        job_check: (Duration::from_millis(250), Duration::from_secs(10)),
        watch_interval: Duration::from_secs(5),
        transaction_lease: Duration::from_hours(1),
        kept_max: 8,
        keep: Duration::from_hours(24 * 30),
        journal_wait: Duration::from_secs(5),
        sql_bytes_max: 1024 * 1024,
        bindings_max: 100,
        query_timeout: Duration::from_hours(1),
        cancel_wait: Duration::from_secs(5),
        write_hold: Duration::from_mins(10),
        sample_rows: 10,
        sample_bytes_max: 256 * 1024,
        sample_timeout: Duration::from_secs(10),
        // Whoever tests hints sets it.
        hint_timeout: Duration::ZERO,
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
    /// Dismisses the clients of [`guest`](Self::guest).
    pub(crate) dismiss: CancellationToken,
    pub(crate) memory: Memory,
    folder: tempfile::TempDir,
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with_limits(limits()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        Self::with_memory(limits, Memory::default()).await
    }

    /// A service that finds the sessions that another one has kept.
    pub(crate) async fn with_memory(limits: Limits, memory: Memory) -> Self {
        Self::with_snowflake(limits, memory, FakeConnector::default(), None).await
    }

    /// A service that goes on with the upstream sessions in `luggage`, where there is one.
    pub(crate) async fn with_snowflake(
        limits: Limits,
        memory: Memory,
        connector: FakeConnector,
        luggage: Option<&Luggage>,
    ) -> Self {
        let (oversight, audit) = (Oversight::none(), Arc::new(NoAudit));
        Self::made_of(limits, memory, connector, luggage, oversight, audit).await
    }

    /// A service whose statements are watched over.
    pub(crate) async fn overseen(
        limits: Limits,
        memory: Memory,
        oversight: Oversight,
        audit: Arc<dyn AuditSearch>,
    ) -> Self {
        let connector = FakeConnector::default();
        Self::made_of(limits, memory, connector, None, oversight, audit).await
    }

    async fn made_of(
        limits: Limits,
        memory: Memory,
        connector: FakeConnector,
        luggage: Option<&Luggage>,
        oversight: Oversight,
        audit: Arc<dyn AuditSearch>,
    ) -> Self {
        let seen = Arc::clone(&connector.seen);
        let mut kept = memory.kept();
        let arrived = luggage.map(|luggage| luggage.arrived(&mut kept.records));
        let sessions = Sessions::new(
            Arc::new(connector),
            limits,
            Arc::new(SystemTime::now),
            kept,
            oversight,
        );
        if let Some(arrived) = arrived {
            sessions.carry(arrived).await;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grpc.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (shutdown, shutdown_requests) = mpsc::channel(1);
        let rpc = Rpc {
            counted: Counted {
                text: Arc::new(String::new),
                content_type: "text/plain",
            },
            about: about(path.clone()),
            sessions: sessions.clone(),
            audit,
            traces: None,
            shutdown,
            reload: mpsc::channel(1).0,
            limits: RpcLimits {
                request_bytes_max: 16 * 1024 * 1024,
                calls_max: 100,
                stream_window_bytes: 1024 * 1024,
                connection_window_bytes: 2 * 1024 * 1024,
                parting_timeout: Duration::from_secs(5),
            },
        };
        let stop = CancellationToken::new();
        let dismiss = CancellationToken::new();
        let guests = UnixListener::bind(folder.path().join("guests.sock")).unwrap();
        let arrivals = Arrivals::default();
        let came = |listener| {
            let arrivals = arrivals.clone();
            let accepted = UnixListenerStream::new(listener).filter_map(|stream| async { stream.ok() });
            accepted.map(move |stream| Connection::new(stream, arrivals.arrive(), ()))
        };
        let notice = dismiss.clone();
        let connections = futures_util::stream::select(
            came(listener),
            came(guests).map(move |connection| {
                let notice = notice.clone().cancelled_owned();
                connection.until(Box::pin(
                    notice.map(|()| "its certificate was revoked".to_owned()),
                ))
            }),
        );
        let connections = Box::pin(connections);
        tokio::spawn(serve(rpc, connections, stop.clone()));
        let channel = connect(&path).await;
        Self {
            seen,
            sessions,
            channel,
            shutdown_requests,
            stop,
            dismiss,
            memory,
            folder,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("grpc.sock")
    }

    /// A client that can be dismissed.
    pub(crate) async fn guest(&self) -> Channel {
        connect(&self.folder.path().join("guests.sock")).await
    }

    pub(crate) fn queries(&self) -> QueryServiceClient<Built> {
        queries(&self.channel)
    }

    pub(crate) fn session_service(&self) -> SessionServiceClient<Built> {
        sessions(&self.channel)
    }

    pub(crate) fn lifecycle(&self) -> LifecycleServiceClient<Channel> {
        LifecycleServiceClient::new(self.channel.clone())
    }

    /// Starts a query and returns its stream. One that does not say what it may do may do everything: most of what
    /// the Snowflake in memory understands is no SQL.
    pub(crate) async fn execute(
        &self,
        mut request: v1::ExecuteQueryRequest,
    ) -> Result<Streaming<v1::ExecuteQueryResponse>, Status> {
        if request.policy() == v1::PolicyLevel::Unspecified {
            request.set_policy(v1::PolicyLevel::Open);
        }
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

pub(crate) fn sessions(channel: &Channel) -> SessionServiceClient<Built> {
    SessionServiceClient::new(InterceptedService::new(channel.clone(), name_build as NameBuild))
}

pub(crate) type NameBuild = fn(Request<()>) -> Result<Request<()>, Status>;
pub(crate) type Built = InterceptedService<Channel, NameBuild>;

/// Says which build the client is, as every client of ours does.
#[expect(clippy::unnecessary_wraps, reason = "the form of an interceptor")]
pub(crate) fn name_build(mut request: Request<()>) -> Result<Request<()>, Status> {
    request
        .metadata_mut()
        .insert(BUILD_ID_KEY, BUILD_ID.parse().unwrap());
    Ok(request)
}

pub(crate) fn about(socket: PathBuf) -> About {
    About {
        tcp_address: None,
        pid: std::process::id(),
        start_time: SystemTime::now(),
        manager: Manager::None,
        state_directory: socket.parent().unwrap().to_owned(),
        emulator_data_directory: PathBuf::from("/nowhere/emulator"),
        socket,
        log_file: None,
        program_replaced: watch::channel(false).1,
    }
}

/// Speaks on a connection, and on no other after it.
pub(crate) async fn channel_on<S>(stream: S) -> Channel
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let mut stream = Some(hyper_util::rt::TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        let stream = stream.take();
        async move { stream.ok_or(std::io::Error::from(std::io::ErrorKind::ConnectionReset)) }
    });
    Endpoint::from_static("http://host")
        .connect_with_connector(connector)
        .await
        .unwrap()
}

pub(crate) async fn connect(path: &std::path::Path) -> Channel {
    Endpoint::from_shared(format!("unix:{}", path.display()))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

/// A statement without frills in session `default` that may do everything.
pub(crate) fn sql(text: &str) -> v1::ExecuteQueryRequest {
    v1::ExecuteQueryRequest {
        sql: text.into(),
        policy: v1::PolicyLevel::Open.into(),
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
