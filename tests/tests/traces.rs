//! What a collector of OpenTelemetry hears of the service, and what a bad one can do to it.

use std::net::TcpListener;
use std::time::Duration;

use snowflake_session_tests::collector::{Collector, Mood, hex, said};
use snowflake_session_tests::stage::Stage;
use snowflake_session_tests::wait::until_true;

/// Longest wait for what happens on the way to a collector.
const DEADLINE: Duration = Duration::from_secs(30);

/// The span that runs `sfctl`, as a build server would tell it.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A home whose service sends to this endpoint.
fn stage(endpoint: &str, more: &str) -> Stage {
    let stage = Stage::new();
    configure(&stage, endpoint, more);
    stage
}

fn configure(stage: &Stage, endpoint: &str, more: &str) {
    stage.write(
        "config/snowflake-session/config.toml",
        format!("[traces]\nendpoint = \"{endpoint}\"\n{more}\n"),
    );
}

fn metric(stage: &Stage, name: &str) -> u64 {
    let text = stage.sfctl(&["service", "metrics"]).ok();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let value = line.unwrap_or_else(|| panic!("no {name} in\n{text}"));
    value.trim().parse().expect("a counter is a number")
}

#[test]
fn a_statement_is_a_span_below_its_call_below_its_caller() {
    use std::os::unix::fs::PermissionsExt as _;
    let collector = Collector::start(Mood::Takes);
    let mut stage = Stage::new();
    let headers = stage.write("headers", "Authorization: Bearer s3cret\n");
    std::fs::set_permissions(&headers, std::fs::Permissions::from_mode(0o600)).expect("our own file");
    // Long enough that nothing goes before the end: the service sends what waits when it stops.
    let more = format!(
        "headers_file = \"{}\"\nattributes = [\"team=core\"]\nbatch_wait = \"1h\"",
        headers.display()
    );
    configure(&stage, &collector.endpoint(), &more);
    stage.set("TRACEPARENT", format!("00-{TRACE}-{SPAN}-01"));
    stage.rows("select 'hush' as a from table(generator(rowcount => 3))");
    stage.sfctl(&["query", "select hush from nowhere"]).fails(1, &[]);
    stage.sfctl(&["service", "stop"]).ok();
    until_true("the spans", DEADLINE, || !collector.posted().is_empty());

    let posted = collector.posted();
    assert!(
        posted[0].head.starts_with("POST /v1/traces "),
        "{}",
        posted[0].head
    );
    assert!(posted[0].head.contains("Bearer s3cret"), "{}", posted[0].head);
    let resource = &posted[0].resource;
    assert_eq!(
        said(resource, "service.name").as_deref(),
        Some("snowflake-session")
    );
    assert_eq!(said(resource, "team").as_deref(), Some("core"));

    let spans = collector.spans();
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let calls = named("snowflake_session.v1.QueryService/ExecuteQuery");
    assert_eq!(calls.len(), 2, "{spans:#?}");
    for call in &calls {
        assert_eq!(
            (hex(&call.trace_id), hex(&call.parent_span_id)),
            (TRACE.into(), SPAN.into())
        );
        let client = said(&call.attributes, "user_agent.original").expect("a client says its name");
        assert!(client.starts_with("sfctl/"), "{client}");
    }
    assert_eq!(
        said(&calls[0].attributes, "rpc.grpc.status_code").as_deref(),
        Some("0")
    );

    let statements = named("read query");
    let [read, failed] = statements.as_slice() else {
        panic!("{spans:#?}")
    };
    assert_eq!(read.parent_span_id, calls[0].span_id);
    assert_eq!(failed.parent_span_id, calls[1].span_id);
    for (key, value) in [
        ("snowflake.session", "default"),
        ("snowflake.connection", "local"),
        ("snowflake.status", "succeeded"),
        ("snowflake.rows", "3"),
    ] {
        assert_eq!(said(&read.attributes, key).as_deref(), Some(value), "{key}");
    }
    for key in ["snowflake.query_id", "snowflake.request_id"] {
        assert!(
            said(&read.attributes, key).is_some_and(|id| id.len() == 36),
            "{key}"
        );
    }
    let steps: Vec<&str> = read.events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(steps, ["sent", "executed"]);
    assert_eq!(
        said(&failed.attributes, "error.type").as_deref(),
        Some("sql_rejected")
    );
    // Neither what was asked for nor what opens the collector is told anywhere.
    let told = format!("{spans:?}").to_lowercase();
    assert!(!told.contains("hush") && !told.contains("nowhere"), "{told}");
    let logs = stage.logs();
    assert!(!logs.contains("s3cret"));
    let failed = logs.lines().find(|line| line.contains("request failed"));
    assert!(failed.is_some_and(|line| line.contains(TRACE)), "{logs}");
    let shown = stage.sfctl(&["config", "show"]).ok();
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_collector_that_is_down_costs_its_spans_and_nothing_else() {
    // Bound and let go: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.expect("a port is free").port();
    let stage = stage(
        &format!("http://127.0.0.1:{port}"),
        "batch_wait = \"1ms\"\nattempts_max = 1",
    );
    stage.foresee("the collector did not take spans");
    assert_eq!(stage.rows("select 1"), "1");
    until_true("the loss to be counted", DEADLINE, || {
        metric(
            &stage,
            "snowflake_trace_spans_dropped_total{reason=\"not_taken\"}",
        ) > 0
    });
    assert_eq!(stage.rows("select 2"), "2");
    assert_eq!(metric(&stage, "snowflake_trace_spans_exported_total"), 0);
    // It is told once, not for each request.
    let told = stage.logs().matches("did not take spans").count();
    assert_eq!(told, 1, "{}", stage.logs());
}

#[test]
fn a_collector_that_hangs_holds_nobody_up() {
    let collector = Collector::start(Mood::Hangs);
    let stage = stage(
        &collector.endpoint(),
        "queue_max = 2\nbatch_max = 1\nbatch_wait = \"1ms\"\ntimeout = \"1h\"\nflush_timeout = \"50ms\"",
    );
    stage.foresee("the collector did not take the last spans in time");
    for number in 0..5 {
        assert_eq!(stage.rows(&format!("select {number}")), number.to_string());
    }
    assert!(
        metric(
            &stage,
            "snowflake_trace_spans_dropped_total{reason=\"queue_full\"}"
        ) > 0
    );
    stage.sfctl(&["service", "stop"]).ok();
    until_true("the service to be gone", DEADLINE, || {
        stage.processes("snowflake-session").is_empty()
    });
}

#[test]
fn the_share_of_what_is_told_can_be_changed_while_it_runs() {
    let collector = Collector::start(Mood::Takes);
    let stage = stage(&collector.endpoint(), "batch_wait = \"1ms\"\nsample_ratio = 0.0");
    assert_eq!(stage.rows("select 1"), "1");
    configure(
        &stage,
        &collector.endpoint(),
        "batch_wait = \"1ms\"\nsample_ratio = 1.0",
    );
    let reloaded = stage.sfctl(&["service", "reload"]).ok();
    assert!(reloaded.contains("traces.sample_ratio"), "{reloaded}");
    assert_eq!(stage.rows("select 2"), "2");
    until_true("the spans", DEADLINE, || {
        collector.spans().iter().any(|span| span.name == "read query")
    });
    let statements = collector.spans();
    let count = statements.iter().filter(|span| span.name == "read query").count();
    assert_eq!(count, 1, "{statements:#?}");
}

#[test]
fn headers_go_to_no_other_machine_in_clear_text() {
    use std::os::unix::fs::PermissionsExt as _;
    let stage = Stage::new();
    let headers = stage.write("headers", "X-Key: s3cret\n");
    std::fs::set_permissions(&headers, std::fs::Permissions::from_mode(0o600)).expect("our own file");
    let more = format!("headers_file = \"{}\"", headers.display());
    configure(&stage, "http://collector.example.com:4318", &more);
    let checked = stage.sfctl(&["config", "check"]);
    let checked = checked.fails(2, &["traces.headers_file", "clear text"]);
    assert!(!checked.stderr.contains("s3cret"), "{}", checked.stderr);
}
