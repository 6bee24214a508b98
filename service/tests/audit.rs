//! What goes into the audit log, and how queries are tagged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use snowflake_session::domain::audit::Verdict;
use snowflake_session::domain::history::QueryState;
use snowflake_session::domain::policy::Level;
use snowflake_session_proto::v1::{self, PolicyLevel};
use snowflake_session_proto::{AGENT_KEY, CLIENT_KEY};
use support::watching::{Audited, oversight, policy};
use support::writes::{dry, limited, write};
use support::{Memory, Service, eventually, limits, next, sql};
use tonic::Request;

async fn service() -> (Service, Audited) {
    let audited = Audited::default();
    let general = policy(Level::Open, &[], &["drop"]);
    let oversight = oversight(general, policy(Level::ReadOnly, &[], &[]), &audited);
    let search = Arc::new(audited.clone());
    let service = Service::overseen(limits(), Memory::default(), oversight, search).await;
    (service, audited)
}

#[tokio::test]
async fn every_statement_is_logged_with_its_end() {
    let (service, audited) = service().await;
    for (text, class, verdict, state, rows) in [
        (
            "select 1",
            "read query",
            Verdict::Allowed,
            QueryState::Succeeded,
            1,
        ),
        ("rows 3", "unknown", Verdict::Refused, QueryState::Failed, 0),
        (
            "insert into t values ('secret')",
            "write insert",
            Verdict::Allowed,
            QueryState::Succeeded,
            2,
        ),
        (
            "drop table t",
            "ddl drop table",
            Verdict::Refused,
            QueryState::Failed,
            0,
        ),
        (
            "begin",
            "transaction begin",
            Verdict::Allowed,
            QueryState::Succeeded,
            1,
        ),
    ] {
        let _ = service.run(sql(text)).await;
        eventually("it is logged", || audited.ended().len() == 1).await;
        let record = audited.take_one();
        assert_eq!(
            (
                record.class.as_str(),
                record.verdict,
                record.state,
                record.row_count
            ),
            (class, verdict, state, rows),
            "{text}"
        );
        assert_eq!(
            (record.session.as_str(), record.connection.as_str()),
            ("default", "local")
        );
        assert_eq!(record.query_id.is_empty(), verdict == Verdict::Refused, "{text}");
        assert_eq!(record.caller.uid, Some(rustix::process::geteuid().as_raw()));
        assert_eq!(record.caller.pid, Some(std::process::id().cast_signed()));
        assert!(!format!("{record:?}").contains("secret"));
        assert_eq!(record.byte_count > 0, state == QueryState::Succeeded, "{text}");
    }
    // Only what may change something is logged when it is sent, too.
    let sent = audited.sent.lock().unwrap().clone();
    let classes: Vec<&str> = sent.iter().map(|record| record.class.as_str()).collect();
    assert_eq!(classes, ["write insert", "transaction begin"]);
    assert!(sent.iter().all(|record| record.state == QueryState::Running));
}

#[tokio::test]
async fn however_it_ends_it_is_logged_once() {
    let audited = Audited::default();
    let open = policy(Level::Open, &[], &[]);
    let oversight = oversight(open.clone(), open, &audited);
    let search = Arc::new(audited.clone());
    let service = Service::overseen(limits(), Memory::default(), oversight, search).await;
    let logged = |count: usize| {
        let audited = audited.clone();
        async move { eventually("so many records", || audited.ended().len() == count).await }
    };

    service.run(sql("fail")).await.err().unwrap();
    logged(1).await;
    let failed = audited.take_one();
    assert_eq!(failed.state, QueryState::Failed);
    let failure = failed.failure.unwrap();
    assert_eq!((failure.code.as_str(), failure.message.as_str()), ("002003", ""));

    service.run(sql("vanish")).await.err().unwrap();
    logged(1).await;
    assert_eq!(audited.take_one().state, QueryState::Unknown);

    // A reader that goes away in the middle of a result.
    let mut stream = service.execute(sql("endless")).await.unwrap();
    for _ in 0..3 {
        next(&mut stream).await.unwrap();
    }
    drop(stream);
    logged(1).await;
    let left = audited.take_one();
    assert_eq!(left.state, QueryState::Succeeded);
    assert!(left.byte_count > 0);

    // A request that is repeated is no statement of its own.
    let request = v1::ExecuteQueryRequest {
        request_id: uuid::Uuid::new_v4().to_string(),
        ..sql("select 7")
    };
    service.run(request.clone()).await.unwrap();
    service.run(request).await.unwrap();
    service.run(sql("select 8")).await.unwrap();
    logged(2).await;
    audited.ended.lock().unwrap().clear();

    // One that never gets its turn.
    let running = service.execute(sql("hang")).await.unwrap();
    eventually("it runs", || {
        service.seen.sql().last().is_some_and(|sql| sql == "hang")
    })
    .await;
    let waiting = service.execute(sql("select 9")).await.unwrap();
    drop(waiting);
    let cancel = v1::CancelQueryRequest::default();
    service.queries().cancel_query(cancel).await.unwrap();
    logged(2).await;
    drop(running);
    let ended = audited.ended();
    assert!(
        ended.iter().all(|record| record.state == QueryState::Cancelled),
        "{ended:?}"
    );
}

#[tokio::test]
async fn submitted_statements_and_what_sessions_do_are_logged() {
    let (service, audited) = service().await;
    let submit = v1::SubmitQueryRequest {
        sql: "insert into t values (1)".into(),
        policy: PolicyLevel::Open.into(),
        ..v1::SubmitQueryRequest::default()
    };
    let submitted = service.queries().submit_query(submit).await.unwrap().into_inner();
    let query_id = submitted.query.unwrap().query_id;
    assert_eq!(audited.sent.lock().unwrap().len(), 1);
    service.seen.queries.finish(&query_id);
    eventually("its end is seen", || audited.ended().len() == 1).await;
    let record = audited.take_one();
    assert_eq!((record.query_id, record.state), (query_id, QueryState::Succeeded));

    let mut sessions = service.session_service();
    let update = v1::UpdateSessionContextRequest {
        schema: Some("s".into()),
        role: Some("r".into()),
        ..v1::UpdateSessionContextRequest::default()
    };
    sessions.update_session_context(update).await.unwrap();
    let record = audited.take_one();
    assert_eq!(
        (record.class.as_str(), record.state),
        ("use ->> use", QueryState::Succeeded)
    );
    assert_eq!(record.targets, ["R", "S"]);
    sessions
        .begin_transaction(v1::BeginTransactionRequest::default())
        .await
        .unwrap();
    assert_eq!(audited.take_one().class, "transaction begin");
    sessions
        .commit_transaction(v1::CommitTransactionRequest::default())
        .await
        .unwrap();
    assert_eq!(audited.take_one().class, "transaction commit");
    let nothing = sessions
        .commit_transaction(v1::CommitTransactionRequest::default())
        .await;
    nothing.unwrap_err();
    assert_eq!(audited.take_one().state, QueryState::Failed);
}

#[tokio::test]
async fn queries_say_who_asked_unless_the_user_says_otherwise() {
    let (service, audited) = service().await;
    let named = |text: &str, connection: &str, session: &str| {
        let mut request = Request::new(v1::ExecuteQueryRequest {
            connection: connection.into(),
            session: session.into(),
            ..sql(text)
        });
        let metadata = request.metadata_mut();
        metadata.insert(CLIENT_KEY, "sfctl/0.1.0".parse().unwrap());
        metadata.insert(AGENT_KEY, "agent-7".parse().unwrap());
        request
    };
    let run = async |request| {
        let stream = service.queries().execute_query(request).await.unwrap();
        support::collect(stream.into_inner()).await.unwrap();
        service.seen.tags.lock().unwrap().pop().unwrap()
    };
    let tag = run(named("select 1", "", "")).await;
    let tagged = r#"{"client":"sfctl/0.1.0","session":"default","agent":"agent-7"}"#;
    assert_eq!(tag.as_deref(), Some(tagged));
    eventually("it is logged", || audited.ended().len() == 1).await;
    let caller = audited.take_one().caller;
    assert_eq!(
        (caller.client.as_str(), caller.agent.as_str()),
        ("sfctl/0.1.0", "agent-7")
    );

    run(named("alter session set query_tag = 'mine'", "", "")).await;
    assert_eq!(run(named("select 2", "", "")).await, None);
    run(named("alter session unset query_tag", "", "")).await;
    assert_eq!(run(named("select 3", "", "")).await.as_deref(), Some(tagged));
    assert_eq!(run(named("select 4", "tagged", "other")).await, None);
}

#[tokio::test]
async fn the_log_can_be_searched() {
    let (service, audited) = service().await;
    let _ = service.run(sql("drop table prod.hr.t")).await;
    service.run(sql("select 1")).await.unwrap();
    eventually("both are logged", || audited.ended().len() == 2).await;
    let search = |request| {
        let mut queries = service.queries();
        async move {
            queries
                .search_history(request)
                .await
                .map(|found| found.into_inner().records)
        }
    };
    let all = search(v1::SearchHistoryRequest::default()).await.unwrap();
    let classes: Vec<&str> = all.iter().map(|record| record.class.as_str()).collect();
    assert_eq!(classes, ["read query", "ddl drop table"]);
    let refused = search(v1::SearchHistoryRequest {
        decision: "refused".into(),
        text: "hr.T".into(),
        state: v1::QueryState::Failed.into(),
        ..v1::SearchHistoryRequest::default()
    });
    let refused = refused.await.unwrap();
    assert_eq!((refused.len(), refused[0].rule.as_str()), (1, "deny drop"));
    assert_eq!(refused[0].targets, ["PROD.HR.T"]);
    let error = refused[0].error.as_ref().unwrap();
    assert_eq!(error.reason(), v1::ErrorReason::Refused);
    for wrong in [
        v1::SearchHistoryRequest {
            decision: "maybe".into(),
            ..v1::SearchHistoryRequest::default()
        },
        v1::SearchHistoryRequest {
            page_size: -1,
            ..v1::SearchHistoryRequest::default()
        },
        v1::SearchHistoryRequest {
            state: 99,
            ..v1::SearchHistoryRequest::default()
        },
    ] {
        let status = search(wrong).await.unwrap_err();
        assert_eq!(support::reason(&status).0, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn of_a_write_the_log_says_who_decided_and_what_came_of_it() {
    let (service, audited) = service().await;
    let logged = || async {
        eventually("it is logged", || audited.ended().len() == 1).await;
        let record = audited.take_one();
        (record.verdict, record.rule, record.outcome)
    };
    let told = |verdict, rule: &str, outcome: &str| (verdict, rule.to_owned(), outcome.to_owned());

    service.write(write("insert into t values (1)")).await.unwrap();
    assert_eq!(logged().await, told(Verdict::Allowed, "", "committed"));
    service.write(dry("insert into t values (1)")).await.unwrap();
    assert_eq!(logged().await, told(Verdict::Allowed, "", "rolled_back"));

    for (confirm, verdict, outcome) in [
        (true, Verdict::Confirmed, "committed"),
        (false, Verdict::Held, "rolled_back"),
    ] {
        audited.sent.lock().unwrap().clear();
        let held = service
            .write(limited("insert into t values (1)", 1))
            .await
            .unwrap();
        assert!(audited.ended().is_empty(), "its end is not known yet");
        let last = audited.sent.lock().unwrap().last().cloned().unwrap();
        assert_eq!((last.verdict, last.rule.as_str()), (Verdict::Held, "rows"));
        if confirm {
            service.confirm(&held.write.token).await.unwrap();
        } else {
            service.abandon(&held.write.token).await.unwrap();
        }
        assert_eq!(logged().await, told(verdict, "rows", outcome));
    }

    let held = service
        .write(limited("insert into t values (1)", 1))
        .await
        .unwrap();
    assert!(!held.write.token.is_empty());
    service.run(sql("rollback")).await.unwrap();
    eventually("both are logged", || audited.ended().len() == 2).await;
    let ended = audited.ended();
    let lost = ended
        .iter()
        .find(|record| record.class == "write insert")
        .unwrap();
    assert_eq!(
        (lost.verdict, lost.outcome.as_str()),
        (Verdict::Held, "rolled_back")
    );
}
