//! What statements may do: by levels, rules and Snowflake's word, through every door of the service.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use snowflake_session::domain::policy::{Level, Policy};
use snowflake_session::domain::query::StatementKind;
use snowflake_session_proto::v1::{self, PolicyLevel};
use support::watching::{Audited, oversight, policy};
use support::{Memory, Service, eventually, limits, reason};
use tonic::{Code, Status};

async fn service(general: Policy) -> (Service, Audited) {
    let audited = Audited::default();
    let oversight = oversight(general, policy(Level::ReadOnly, &[], &[]), &audited);
    let search = Arc::new(audited.clone());
    let service = Service::overseen(limits(), Memory::default(), oversight, search).await;
    (service, audited)
}

fn at(level: PolicyLevel, sql: &str) -> v1::ExecuteQueryRequest {
    v1::ExecuteQueryRequest {
        sql: sql.into(),
        policy: level.into(),
        ..v1::ExecuteQueryRequest::default()
    }
}

/// Executes exactly this request.
async fn execute(service: &Service, request: v1::ExecuteQueryRequest) -> Result<v1::QuerySummary, Status> {
    let stream = service.queries().execute_query(request).await?;
    Ok(support::collect(stream.into_inner()).await?.summary)
}

/// The rule that refuses.
fn rule(status: &Status) -> String {
    let (reason, facts) = reason(status);
    assert_eq!(
        (status.code(), reason.as_str()),
        (Code::PermissionDenied, "REFUSED")
    );
    assert!(!facts["hint"].is_empty());
    assert!(status.message().ends_with("; nothing was run"), "{status:?}");
    facts["rule"].clone()
}

#[tokio::test]
async fn who_says_nothing_reads() {
    let (service, _) = service(policy(Level::Open, &[], &[])).await;
    let insert = "insert into t values (1)";
    let refused = execute(&service, at(PolicyLevel::Unspecified, insert))
        .await
        .unwrap_err();
    assert_eq!(rule(&refused), "read-only");
    assert!(reason(&refused).1["hint"].contains("sfctl write"));
    let guarded = execute(&service, at(PolicyLevel::Guarded, insert))
        .await
        .unwrap_err();
    assert_eq!(rule(&guarded), "guarded");
    assert_eq!(service.seen.sql(), Vec::<String>::new());
    let sessions = service.session_service();
    let listed = sessions
        .clone()
        .list_sessions(v1::ListSessionsRequest::default())
        .await;
    assert!(
        listed.unwrap().into_inner().sessions.is_empty(),
        "no session was made"
    );

    execute(&service, at(PolicyLevel::Unspecified, "select 1"))
        .await
        .unwrap();
    execute(&service, at(PolicyLevel::Open, insert)).await.unwrap();
    execute(&service, at(PolicyLevel::Guarded, "create table t (a int)"))
        .await
        .unwrap();
    assert_eq!(service.seen.sql(), ["select 1", insert, "create table t (a int)"]);
    assert_eq!(
        *service.seen.described.lock().unwrap(),
        ["create table t (a int)"]
    );
    assert_eq!(service.session("default").await.policy(), PolicyLevel::Open);

    let submitted = v1::SubmitQueryRequest {
        sql: insert.into(),
        ..v1::SubmitQueryRequest::default()
    };
    let refused = service.queries().submit_query(submitted).await.unwrap_err();
    assert_eq!(rule(&refused), "read-only");
}

#[tokio::test]
async fn a_session_can_be_lowered_and_not_raised() {
    let (service, _) = service(policy(Level::Guarded, &[], &[])).await;
    let create =
        |session: &str, connection: &str, policy: PolicyLevel, allow_existing| v1::CreateSessionRequest {
            session: session.into(),
            connection: connection.into(),
            allow_existing,
            policy: policy.into(),
            ..v1::CreateSessionRequest::default()
        };
    let mut sessions = service.session_service();
    let made = sessions
        .create_session(create("low", "", PolicyLevel::ReadOnly, false))
        .await;
    assert_eq!(
        made.unwrap().into_inner().session.unwrap().policy(),
        PolicyLevel::ReadOnly
    );
    for (session, connection, policy, code) in [
        ("high", "", PolicyLevel::Open, Code::PermissionDenied),
        ("strict", "strict", PolicyLevel::Guarded, Code::PermissionDenied),
        // What exists does not become more careful by asking for it.
        ("plain", "", PolicyLevel::ReadOnly, Code::InvalidArgument),
        ("low", "", PolicyLevel::Guarded, Code::PermissionDenied),
    ] {
        if session == "plain" {
            let request = create(session, "", PolicyLevel::Unspecified, false);
            sessions.create_session(request).await.unwrap();
        }
        let refused = sessions
            .create_session(create(session, connection, policy, true))
            .await;
        assert_eq!(refused.unwrap_err().code(), code, "{session}");
    }
    sessions
        .create_session(create("low", "", PolicyLevel::ReadOnly, true))
        .await
        .unwrap();

    let in_session = |session: &str, level| v1::ExecuteQueryRequest {
        session: session.into(),
        ..at(level, "create table t (a int)")
    };
    let refused = execute(&service, in_session("low", PolicyLevel::Guarded))
        .await
        .unwrap_err();
    assert_eq!(rule(&refused), "level");
    execute(&service, in_session("plain", PolicyLevel::Guarded))
        .await
        .unwrap();
    let refused = execute(&service, in_session("plain", PolicyLevel::Open))
        .await
        .unwrap_err();
    assert_eq!(rule(&refused), "level");

    // A new beginning and a new run of the service change nothing.
    let reset = v1::ResetSessionRequest {
        session: "low".into(),
    };
    let reset = sessions.reset_session(reset).await.unwrap().into_inner();
    assert_eq!(reset.session.unwrap().policy(), PolicyLevel::ReadOnly);
    let low = v1::ExecuteQueryRequest {
        session: "low".into(),
        ..at(PolicyLevel::Unspecified, "select 1")
    };
    execute(&service, low).await.unwrap();
    let kept = service.memory.record("low");
    assert_eq!(kept.policy, Some(Level::ReadOnly));
}

#[tokio::test]
async fn rules_are_applied_where_the_session_is() {
    let deny = ["drop on db.hr.*", "use on accountadmin", "transaction"];
    let (service, audited) = service(policy(Level::Open, &[], &deny)).await;
    let open = |sql: &str| execute(&service, at(PolicyLevel::Open, sql));
    // The context is known once the session is logged in: DB.PUBLIC.
    open("drop table t").await.unwrap();
    open("use schema hr").await.unwrap();
    let refused = open("drop table t").await.unwrap_err();
    assert_eq!(rule(&refused), "deny drop on db.hr.*");
    assert_eq!(service.seen.sql(), ["drop table t", "use schema hr"]);
    assert_eq!(
        rule(&open("use role accountadmin").await.unwrap_err()),
        "deny use on accountadmin"
    );
    audited.ended.lock().unwrap().clear();

    let mut sessions = service.session_service();
    let update = v1::UpdateSessionContextRequest {
        role: Some("accountadmin".into()),
        ..v1::UpdateSessionContextRequest::default()
    };
    let refused = sessions.update_session_context(update).await.unwrap_err();
    assert_eq!(rule(&refused), "deny use on accountadmin");
    assert_eq!(audited.take_one().rule, "deny use on accountadmin");
    let begin = v1::BeginTransactionRequest::default();
    let refused = sessions.begin_transaction(begin).await.unwrap_err();
    assert_eq!(rule(&refused), "deny transaction");
    assert_eq!(service.seen.sql().len(), 2);

    let submit = v1::SubmitQueryRequest {
        sql: "drop table t".into(),
        policy: PolicyLevel::Open.into(),
        ..v1::SubmitQueryRequest::default()
    };
    let refused = service.queries().submit_query(submit).await.unwrap_err();
    assert_eq!(rule(&refused), "deny drop on db.hr.*");
    assert_eq!(service.seen.sql().len(), 2);
}

#[tokio::test]
async fn what_is_allowed_by_a_rule_runs_at_every_level() {
    let allow = ["call on db.public.refresh", "delete on db.public.*"];
    let (service, audited) = service(policy(Level::Guarded, &allow, &[])).await;
    let read = |sql: &str| execute(&service, at(PolicyLevel::Unspecified, sql));
    read("call refresh()").await.unwrap();
    assert_eq!(audited.take_one().rule, "call on db.public.refresh");
    read("delete from t").await.unwrap();
    assert_eq!(rule(&read("call other()").await.unwrap_err()), "read-only");
}

#[tokio::test]
async fn snowflake_has_the_last_word() {
    let (service, audited) = service(policy(Level::Guarded, &[], &[])).await;
    let says = |beginning: &str, kind| {
        let mut kinds = service.seen.kinds.lock().unwrap();
        *kinds = vec![(beginning.to_owned(), kind)];
    };
    let create = "create table t (a int)";
    let guarded = |sql: &str| execute(&service, at(PolicyLevel::Guarded, sql));
    says("create", Some(StatementKind::Call));
    let refused = guarded(create).await.unwrap_err();
    assert_eq!(rule(&refused), "server");
    assert_eq!(service.seen.sql(), Vec::<String>::new(), "nothing ran");
    assert_eq!(audited.take_one().rule, "server");
    let submit = v1::SubmitQueryRequest {
        sql: create.into(),
        policy: PolicyLevel::Guarded.into(),
        ..v1::SubmitQueryRequest::default()
    };
    let refused = service.queries().submit_query(submit.clone()).await.unwrap_err();
    assert_eq!(rule(&refused), "server");

    says("create", Some(StatementKind::Ddl));
    guarded(create).await.unwrap();
    says("nothing", None);
    guarded(create).await.unwrap();
    service.queries().submit_query(submit).await.unwrap();
    assert_eq!(service.seen.sql(), [create, create, create]);
    assert_eq!(service.seen.described.lock().unwrap().len(), 5);

    // A read is not asked about; what it turned out to be is told.
    let read = execute(&service, at(PolicyLevel::Unspecified, "show tables"))
        .await
        .unwrap();
    assert!(read.notices.is_empty());
    let odd = execute(&service, at(PolicyLevel::Unspecified, "select misread"))
        .await
        .unwrap();
    assert!(odd.notices[0].contains("was no read"), "{:?}", odd.notices);
    assert_eq!(service.seen.described.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn a_slip_of_the_pen_is_no_matter_of_policy() {
    let (service, audited) = service(policy(Level::Guarded, &[], &[])).await;
    let read = |sql: &str| execute(&service, at(PolicyLevel::Unspecified, sql));
    let slip = read("selec 1").await.unwrap_err();
    assert_eq!(
        (reason(&slip).0.as_str(), slip.message()),
        ("SQL_REJECTED", "syntax error unexpected 'selec'")
    );
    assert_eq!(audited.take_one().failure.unwrap().code, "001003");
    // What Snowflake may understand, and we do not, does not run.
    assert_eq!(rule(&read("frobnicate t").await.unwrap_err()), "read-only");
    *service.seen.kinds.lock().unwrap() = vec![("frobnicate".to_owned(), Some(StatementKind::Query))];
    assert_eq!(rule(&read("frobnicate t").await.unwrap_err()), "read-only");
    let submit = v1::SubmitQueryRequest {
        sql: "selec 1".into(),
        ..v1::SubmitQueryRequest::default()
    };
    let slip = service.queries().submit_query(submit).await.unwrap_err();
    assert_eq!(reason(&slip).0, "SQL_REJECTED");
    assert_eq!(service.seen.sql(), Vec::<String>::new());
}

#[tokio::test]
async fn a_question_to_snowflake_can_be_cancelled_and_asked_again() {
    let (service, _) = service(policy(Level::Guarded, &[], &[])).await;
    *service.seen.kinds.lock().unwrap() = vec![("create".to_owned(), None)];
    let create = "create table t (a int)";
    let running = tokio::spawn({
        let mut queries = service.queries();
        async move {
            let stream = queries.execute_query(at(PolicyLevel::Guarded, create)).await?;
            support::collect(stream.into_inner()).await.map(drop)
        }
    });
    let asked = || service.seen.described.lock().unwrap().len();
    eventually("it is asked about", || asked() == 1).await;
    let cancel = v1::CancelQueryRequest::default();
    let cancelled = service.queries().cancel_query(cancel).await.unwrap().into_inner();
    assert_eq!(cancelled.outcome(), v1::CancelOutcome::Confirmed);
    let status = running.await.unwrap().unwrap_err();
    assert_eq!(
        status.message(),
        "the query was cancelled before it was sent; nothing was run"
    );
    assert_eq!(service.seen.sql(), Vec::<String>::new());

    // An upstream session that turns out to be gone is replaced, and the question is asked anew.
    *service.seen.kinds.lock().unwrap() = vec![("create".to_owned(), Some(StatementKind::Ddl))];
    service.seen.expire();
    execute(&service, at(PolicyLevel::Guarded, create)).await.unwrap();
    assert_eq!((asked(), service.seen.sql().len()), (2, 1));

    // The time limit counts.
    *service.seen.kinds.lock().unwrap() = vec![("create".to_owned(), None)];
    let slow = v1::ExecuteQueryRequest {
        timeout: Some(Duration::from_millis(50).try_into().unwrap()),
        ..at(PolicyLevel::Guarded, create)
    };
    let status = execute(&service, slow).await.unwrap_err();
    assert_eq!(reason(&status).0, "TIMEOUT");
    assert_eq!(service.seen.sql().len(), 1);
}
