//! Spans on their way to a collector that answers by a script.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::domain::audit::{AuditFailure, AuditRecord, Caller, SqlTrace, Verdict};
use crate::domain::error::Reason;
use crate::domain::history::QueryState;
use crate::domain::names::{RequestId, SessionName};
use crate::domain::trace::{Step, TraceFigures, Tracer as _};

/// A collector on one kept connection.
struct Scripted {
    url: String,
    taken: Arc<Mutex<Vec<Span>>>,
}

impl Scripted {
    /// Answers with these heads and bodies, one after the other, and takes all that is answered with 200.
    async fn start(answers: Vec<(&'static str, Vec<u8>)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let spans = Arc::clone(&taken);
        tokio::spawn(async move {
            let mut answers = answers.into_iter();
            loop {
                let mut stream = BufReader::new(listener.accept().await.unwrap().0);
                while let Some(body) = request(&mut stream).await {
                    let (head, answer) = answers.next().unwrap_or(("200 OK", Vec::new()));
                    if head.starts_with("200") {
                        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
                        let scopes = request.resource_spans.into_iter().flat_map(|of| of.scope_spans);
                        spans.lock().unwrap().extend(scopes.flat_map(|of| of.spans));
                    }
                    let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", answer.len());
                    stream.write_all(head.as_bytes()).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        });
        Self { url, taken }
    }

    fn options(&self) -> TraceOptions {
        TraceOptions {
            service_name: "tested".to_owned(),
            attributes: vec![("team".to_owned(), "core".to_owned())],
            sample_ratio: 1.0,
            queue_max: 4,
            export: ExportRules {
                url: self.url.clone(),
                headers: HeaderMap::new(),
                batch_max: 4,
                batch_wait: Duration::from_hours(1),
                timeout: Duration::from_secs(20),
                attempts_max: 3,
                flush_timeout: Duration::from_secs(20),
            },
        }
    }

    fn taken(&self) -> Vec<Span> {
        self.taken.lock().unwrap().clone()
    }
}

/// The body of the next request.
async fn request(stream: &mut BufReader<tokio::net::TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = told.trim().parse().unwrap();
        }
        if line == "\r\n" {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            return Some(body);
        }
    }
}

fn call(traces: &Traces) -> Call {
    traces.call("a.Service", "Method", &HeaderMap::new(), Caller::default())
}

fn record(state: QueryState, reason: Option<Reason>) -> AuditRecord {
    AuditRecord {
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(100),
        caller: Caller::default(),
        session: SessionName::default_name(),
        connection: "prod".parse().unwrap(),
        request_id: RequestId::new(uuid::Uuid::nil()),
        query_id: "01b2".to_owned(),
        class: "read query".to_owned(),
        targets: vec!["SECRET".to_owned()],
        verdict: Verdict::Allowed,
        rule: "secret".to_owned(),
        state,
        outcome: String::new(),
        row_count: 7,
        byte_count: 300,
        elapsed: Duration::from_secs(2),
        failure: reason.map(|reason| AuditFailure {
            reason,
            code: "002003".to_owned(),
            sql_state: "02000".to_owned(),
            message: "secret".to_owned(),
        }),
        sql: SqlTrace {
            hash: "abc".to_owned(),
            text: "select 'secret'".to_owned(),
        },
    }
}

fn said(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    Some(match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("{key} is {other:?}"),
    })
}

#[tokio::test]
async fn a_statement_is_told_below_its_call_and_nothing_that_was_written() {
    let collector = Scripted::start(Vec::new()).await;
    let (traces, exporter) = begin(collector.options());
    let exporting = exporter.start().unwrap();
    let call = call(&traces);
    let mut statement = call.run(|| traces.begin()).unwrap();
    statement.reached(Step::Sent, Duration::from_millis(500));
    statement.ended(&record(QueryState::Failed, Some(Reason::SqlRejected)));
    // Forgotten ones are not told.
    drop(call.run(|| traces.begin()));
    call.end(3);
    exporting.finish().await;
    let taken = collector.taken();
    let [statement, call] = taken.as_slice() else {
        panic!("{taken:?}")
    };
    assert_eq!(call.name, "a.Service/Method");
    assert_eq!(said(call, "rpc.grpc.status_code").as_deref(), Some("3"));
    assert_eq!(statement.name, "read query");
    assert_eq!(
        (&statement.parent_span_id, &statement.trace_id),
        (&call.span_id, &call.trace_id)
    );
    let second = 1_000_000_000;
    assert_eq!(
        (statement.start_time_unix_nano, statement.end_time_unix_nano),
        (100 * second, 102 * second)
    );
    assert_eq!(
        (
            statement.events[0].name.as_str(),
            statement.events[0].time_unix_nano
        ),
        ("sent", 100 * second + second / 2)
    );
    let status = statement.status.as_ref().unwrap();
    assert_eq!(
        (status.code(), status.message.as_str()),
        (StatusCode::Error, "sql_rejected")
    );
    for (key, value) in [
        ("snowflake.session", "default"),
        ("snowflake.connection", "prod"),
        ("snowflake.query_id", "01b2"),
        ("snowflake.status", "failed"),
        ("snowflake.rows", "7"),
        ("snowflake.bytes", "300"),
        ("error.type", "sql_rejected"),
        ("db.response.status_code", "002003"),
    ] {
        assert_eq!(said(statement, key).as_deref(), Some(value), "{key}");
    }
    let shown = format!("{taken:?}").to_lowercase();
    assert!(!shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn what_is_refused_for_a_moment_is_sent_again_and_the_rest_is_counted() {
    let partial = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 1,
            error_message: "too old".to_owned(),
        }),
    };
    let collector = Scripted::start(vec![
        ("503 Service Unavailable\r\nretry-after: 0", Vec::new()),
        ("200 OK", partial.encode_to_vec()),
        ("400 Bad Request", Vec::new()),
    ])
    .await;
    let mut options = collector.options();
    options.export.batch_max = 2;
    let (traces, exporter) = begin(options);
    for _ in 0..6 {
        call(&traces).end(0);
    }
    // Four fit.
    let waiting = TraceFigures {
        dropped_full: 2,
        ..TraceFigures::default()
    };
    assert_eq!(traces.figures(), waiting);
    exporter.start().unwrap().finish().await;
    assert_eq!(
        traces.figures(),
        TraceFigures {
            exported: 1,
            dropped_full: 2,
            dropped_failed: 3,
        }
    );
}

#[tokio::test]
async fn what_waits_in_whole_batches_waits_for_nothing_else() {
    let collector = Scripted::start(Vec::new()).await;
    let mut options = collector.options();
    options.export.batch_max = 2;
    let (traces, exporter) = begin(options);
    for _ in 0..4 {
        call(&traces).end(0);
    }
    // Neither the time to wait for more nor the end comes.
    let _exporting = exporter.start().unwrap();
    let all = async {
        while traces.figures().exported < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.unwrap();
    assert_eq!(collector.taken().len(), 4);
}

#[tokio::test]
async fn who_is_traced_itself_decides_and_the_share_decides_for_the_rest() {
    let collector = Scripted::start(Vec::new()).await;
    let mut options = collector.options();
    options.sample_ratio = 0.0;
    let (traces, exporter) = begin(options);
    let (trace, span) = (
        0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128,
        0xb7ad_6b71_6920_3331_u64,
    );
    for (flags, is_told) in [("01", true), ("00", false)] {
        let mut headers = HeaderMap::new();
        let parent = format!("00-{trace:032x}-{span:016x}-{flags}");
        headers.insert("traceparent", parent.parse().unwrap());
        let call = traces.call("a.Service", flags, &headers, Caller::default());
        assert_eq!(call.run(|| traces.begin()).is_some(), is_told, "{flags}");
    }
    call(&traces).end(0);
    traces.set_sample_ratio(1.0);
    call(&traces).end(14);
    exporter.start().unwrap().finish().await;
    let taken = collector.taken();
    let [followed, ours] = taken.as_slice() else {
        panic!("{taken:?}")
    };
    assert_eq!(followed.name, "a.Service/01");
    assert_eq!(followed.trace_id, trace.to_be_bytes());
    assert_eq!(followed.parent_span_id, span.to_be_bytes());
    // It was dropped before it ended.
    assert_eq!(said(followed, "rpc.grpc.status_code").as_deref(), Some("1"));
    assert_eq!(ours.status.as_ref().unwrap().code(), StatusCode::Error);
}
