//! Statements that take long: in progress, asynchronous, cancelled, timed out, repeated.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::client::{Fixture, STATEMENTS, handle};

const LONG: &str = "call system$wait(60)";

#[tokio::test]
async fn an_asynchronous_statement_is_asked_after() {
    let fixture = Fixture::start().await;
    let path = format!("{STATEMENTS}?async=true");
    let answer = fixture
        .submit_to(&path, &json!({ "statement": "select 1" }))
        .await;
    let json = answer.with(202);
    assert_eq!(json["code"], "333334");
    assert_eq!(
        json["message"],
        "Asynchronous execution in progress. Use provided query id to perform query monitoring and management."
    );
    let handle = handle(&json);
    assert_eq!(json["statementStatusUrl"], format!("{STATEMENTS}/{handle}"));
    assert_eq!(fixture.ended(&handle).await.with(200)["data"], json!([["1"]]));
}

#[tokio::test]
async fn a_long_statement_is_in_progress_until_it_is_cancelled() {
    let fixture = Fixture::with(|setup| setup.settings.answer_wait_max = Duration::from_millis(20)).await;
    let json = fixture.submit(&json!({ "statement": LONG })).await.with(202);
    let handle = handle(&json);
    fixture.fetch(&handle).await.refused(202, "333334");
    let json = fixture.cancel(&handle).await.refused(200, "000604");
    assert_eq!(json["sqlState"], "57014");
    assert_eq!(json["message"], "SQL execution canceled");
    assert_eq!(json["statementHandle"], handle);
    let json = fixture.ended(&handle).await.refused(422, "000604");
    assert_eq!(json["sqlState"], "57014");
    fixture.cancel(&handle).await.refused(422, "000605");
}

#[tokio::test]
async fn a_statement_is_stopped_when_its_time_is_over() {
    let fixture = Fixture::start().await;
    let json = fixture
        .submit(&json!({ "statement": LONG, "timeout": 1 }))
        .await
        .refused(408, "000630");
    assert_eq!(json["sqlState"], "57014");
    fixture.fetch(&handle(&json)).await.refused(408, "000630");
    let fixture = Fixture::with(|setup| setup.api.statement_time_max = Duration::from_secs(1)).await;
    let body = json!({ "statement": LONG, "timeout": 0 });
    fixture.submit(&body).await.refused(408, "000630");
}

#[tokio::test]
async fn a_retry_runs_nothing_twice() {
    let fixture = Fixture::start().await;
    fixture.ok("create database d").await;
    fixture.ok("create table d.public.t (i int)").await;
    let insert = json!({ "statement": "insert into d.public.t values (1)" });
    let id = Uuid::new_v4();
    let first = format!("{STATEMENTS}?requestId={id}");
    let retry = format!("{first}&retry=true");
    let json = fixture.submit_to(&first, &insert).await.with(200);
    let again = fixture.submit_to(&retry, &insert).await.with(200);
    assert_eq!(again["statementHandle"], json["statementHandle"]);
    assert_eq!(
        fixture.data("select count(*) from d.public.t").await,
        json!([["1"]])
    );
    // Another id is another request.
    let other = format!("{STATEMENTS}?requestId={}&retry=true", Uuid::new_v4());
    fixture.submit_to(&other, &insert).await.with(200);
    assert_eq!(
        fixture.data("select count(*) from d.public.t").await,
        json!([["2"]])
    );
    // Without saying that it is a retry, it is none.
    fixture.submit_to(&first, &insert).await.with(200);
    assert_eq!(
        fixture.data("select count(*) from d.public.t").await,
        json!([["3"]])
    );
}

#[tokio::test]
async fn a_retry_finds_what_still_runs_and_runs_again_what_failed() {
    let fixture = Fixture::start().await;
    let path = format!("{STATEMENTS}?requestId={}&retry=true&async=true", Uuid::new_v4());
    let long = json!({ "statement": LONG });
    let first = handle(&fixture.submit_to(&path, &long).await.with(202));
    let second = handle(&fixture.submit_to(&path, &long).await.with(202));
    assert_eq!(first, second);
    fixture.cancel(&first).await.with(200);
    fixture.ended(&first).await.with(422);
    let third = handle(
        &fixture
            .submit_to(&path, &json!({ "statement": "select 1" }))
            .await
            .with(202),
    );
    assert_ne!(third, first);
    fixture.ended(&third).await.with(200);
}
