//! The way a service ends: told, or unused; with queries that finish and queries that do not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use snowflake_session::app::{Failure, Parts, Ready, serve};
use snowflake_session::config::{self, Environment, Faults, RunFlags, Settings};
use snowflake_session::domain::audit::NoAudit;
use snowflake_session::metrics::Metrics;
use snowflake_session::platform::signals::Armed;
use snowflake_session::platform::socket;
use snowflake_session::rpc::Manager;
use snowflake_session::sessions::Oversight;
use snowflake_session_proto::v1;
use snowflake_session_proto::v1::lifecycle_service_client::LifecycleServiceClient;
use support::{FakeConnector, Memory, Seen, collect, eventually, reason, sql};
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// The shipped composition around a Snowflake in memory.
struct Whole {
    seen: Arc<Seen>,
    socket: PathBuf,
    channel: Channel,
    served: JoinHandle<Result<(), Failure>>,
    _home: tempfile::TempDir,
}

impl Whole {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (seen, served) = serve_in(home.path(), change);
        let socket = home.path().join("s/grpc.sock");
        let channel = support::connect(&socket).await;
        Self {
            seen,
            socket,
            channel,
            served,
            _home: home,
        }
    }

    async fn shut_down(&self, grace: Duration) {
        let grace_period = Some(prost_types::Duration::try_from(grace).unwrap());
        let request = v1::ShutdownRequest { grace_period };
        LifecycleServiceClient::new(self.channel.clone())
            .shutdown(request)
            .await
            .unwrap();
    }

    /// Waits for the end of the service, which must be a good one.
    async fn end(self) -> Arc<Seen> {
        tokio::time::timeout(Duration::from_secs(20), self.served)
            .await
            .expect("an end")
            .unwrap()
            .unwrap();
        assert!(!self.socket.exists());
        self.seen
    }
}

/// Serves at `s/grpc.sock` in a home, with these changes to the defaults.
fn serve_in(home: &Path, change: impl FnOnce(&mut Settings)) -> (Arc<Seen>, JoinHandle<Result<(), Failure>>) {
    let environment = Environment::from_iter([("HOME".to_owned(), home.display().to_string())]);
    let mut settings = config::load(&environment, &RunFlags::default()).unwrap();
    settings.limits.cancel_wait = Duration::from_millis(50);
    change(&mut settings);
    let connector = FakeConnector::default();
    let seen = Arc::clone(&connector.seen);
    let parts = Parts {
        metrics: Metrics::new(8),
        traces: None,
        connector: Arc::new(connector),
        arrived: None,
        program: None,
        kept: Memory::default().kept(),
        oversight: Oversight::none(),
        audit: Arc::new(NoAudit),
        kept_jobs: snowflake_session::journal::open_jobs(&home.join("jobs.json")),
        settings,
        log_file: None,
        listener: socket::bind(&home.join("s/grpc.sock")).unwrap(),
        remote: None,
        manager: Manager::None,
        armed: Armed::default(),
        clock: Arc::new(SystemTime::now),
    };
    let served = tokio::spawn(serve(parts, Ready::nobody(), || Err(Faults(Vec::new()))));
    (seen, served)
}

#[tokio::test]
async fn running_queries_finish_within_the_grace_period() {
    let service = Whole::start(|_| ()).await;
    let mut queries = support::queries(&service.channel);
    queries.execute_query(sql("begin")).await.unwrap();
    let reading = queries.execute_query(sql("rows 100")).await.unwrap().into_inner();
    service.shut_down(Duration::from_hours(1)).await;
    assert_eq!(collect(reading).await.unwrap().summary.row_count, 100);
    let seen = service.end().await;
    assert_eq!(seen.sql(), ["begin", "rows 100", "ROLLBACK"]);
    assert_eq!(seen.closes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_does_not_finish_is_cancelled_and_hears_why() {
    let service = Whole::start(|_| ()).await;
    let mut queries = support::queries(&service.channel);
    let hanging = queries.execute_query(sql("hang")).await.unwrap().into_inner();
    let waiting = queries.execute_query(sql("select 1")).await.unwrap().into_inner();
    let endless = v1::ExecuteQueryRequest {
        session: "b".into(),
        ..sql("endless")
    };
    let mut endless = queries.execute_query(endless).await.unwrap().into_inner();
    eventually("both run", || service.seen.sql().len() == 2).await;
    service.shut_down(Duration::ZERO).await;
    let status = collect(hanging).await.err().unwrap();
    assert_eq!(reason(&status).0, "DRAINING");
    assert_eq!(
        status.message(),
        "the service is stopping; Snowflake confirmed that it stopped"
    );
    let status = collect(waiting).await.err().unwrap();
    assert_eq!(status.message(), "the service is stopping; it was not sent");
    let mut received = 0;
    let ended = loop {
        match endless.message().await {
            Ok(Some(v1::ExecuteQueryResponse {
                event: Some(v1::execute_query_response::Event::Batch(batch)),
            })) => received += batch.row_count,
            Ok(Some(_)) => {}
            Ok(None) => panic!("the endless result ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!(
        ended.message(),
        format!("the service is stopping; the result was not read to its end, {received} of its rows were")
    );
    // What it takes to read on in the next run.
    let (reason, facts) = reason(&ended);
    assert_eq!(reason, "DRAINING");
    assert_eq!(facts["row_offset"], received.to_string());
    assert!(!facts["query_id"].is_empty(), "{facts:?}");
    let seen = service.end().await;
    assert_eq!(
        (
            seen.cancels.load(Ordering::SeqCst),
            seen.closes.load(Ordering::SeqCst)
        ),
        (1, 2)
    );
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_keep_it() {
    let service = Whole::start(|_| ()).await;
    let endless = support::queries(&service.channel)
        .execute_query(sql("endless"))
        .await
        .unwrap();
    service.shut_down(Duration::ZERO).await;
    service.end().await;
    drop(endless);
}

#[tokio::test]
async fn an_unused_service_ends_by_itself() {
    let service = Whole::start(|settings| {
        // Long enough for the first query to come before it.
        settings.idle_exit = Some(Duration::from_secs(1));
        settings.limits.session_idle = Duration::from_millis(50);
    })
    .await;
    let answer = support::queries(&service.channel)
        .execute_query(sql("rows 1"))
        .await
        .unwrap();
    collect(answer.into_inner()).await.unwrap();
    let seen = service.end().await;
    assert_eq!(seen.closes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_stays_open_meets_the_next_run() {
    let service = Whole::start(|settings| settings.idle_exit = Some(Duration::from_millis(500))).await;
    let mut lifecycle = LifecycleServiceClient::new(service.channel.clone());
    lifecycle.get_status(v1::GetStatusRequest {}).await.unwrap();
    service.end().await;
    // It was said goodbye to, so the client dials again, and finds that nobody is there.
    let status = lifecycle.get_status(v1::GetStatusRequest {}).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
}

#[tokio::test]
async fn whoever_has_come_in_is_heard_before_it_leaves() {
    let mut service = Whole::start(|settings| settings.idle_exit = Some(Duration::from_millis(20))).await;
    // Connected, and silent for longer than the service stays unused: a client on a busy machine.
    let left = tokio::time::timeout(Duration::from_secs(1), &mut service.served).await;
    assert!(left.is_err(), "it left somebody behind whom it had let in");
    let mut lifecycle = LifecycleServiceClient::new(service.channel.clone());
    lifecycle.get_status(v1::GetStatusRequest {}).await.unwrap();
    service.end().await;
}

/// Clients that come while services leave and come, all the time: each is answered, or finds that nobody is there.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_comes_while_it_leaves_is_answered_or_finds_nobody() {
    const ANSWERS: usize = 200;
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("s/grpc.sock");
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|number| {
            let (socket, answered) = (socket.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                while answered.load(Ordering::SeqCst) < ANSWERS {
                    let Ok(stream) = tokio::net::UnixStream::connect(&socket).await else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    if number == 0 {
                        // Lets the service become unused once it has been heard.
                        tokio::time::sleep(Duration::from_millis(15)).await;
                    }
                    let mut lifecycle = LifecycleServiceClient::new(support::channel_on(stream).await);
                    let answer = lifecycle.get_status(v1::GetStatusRequest {});
                    let answer = tokio::time::timeout(Duration::from_secs(20), answer).await;
                    answer.expect("an answer").expect("a good one");
                    answered.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10 * number)).await;
                }
            })
        })
        .collect();
    let mut runs = 0;
    while answered.load(Ordering::SeqCst) < ANSWERS {
        let (_, served) = serve_in(home.path(), |settings| {
            settings.idle_exit = Some(Duration::from_millis(20));
        });
        tokio::time::timeout(Duration::from_mins(1), served)
            .await
            .expect("it leaves now and then")
            .unwrap()
            .unwrap();
        runs += 1;
    }
    for client in clients {
        client.await.unwrap();
    }
    assert!(runs > 1, "it left {runs} times");
}
