//! What is kept of statements, how much of it in memory, and what must not be lost.

use std::time::Duration;

use serde_json::{Value, json};
use snowflake_emulator::protocol::{Accounts, Settings};
use snowflake_emulator::results::{ChunkLimits, SpoolLimits};

use super::client::{Fixture, Login, eventually, get};

const ROWS: usize = 1000;

fn small_chunks(settings: &mut Settings) {
    settings.chunk_limits = ChunkLimits {
        inline_weight_max: 20_000,
        chunk_weight_max: 100_000,
    };
}

/// Submits a statement that nobody waits for, and gives its query id once it has ended.
async fn unread(login: &Login, sql: &str) -> Result<String, Value> {
    let answer = login.request(&json!({ "sqlText": sql, "asyncExec": true })).await;
    if answer["success"] != true {
        return Err(answer);
    }
    let id = answer["data"]["queryId"].as_str().unwrap().to_owned();
    eventually("it ends", async || {
        let status = login.get(&format!("/monitoring/queries/{id}")).await;
        status["data"]["queries"][0]["status"] != "RUNNING"
    })
    .await;
    Ok(id)
}

async fn result(login: &Login, id: &str) -> Value {
    login.get(&format!("/queries/{id}/result")).await
}

/// Reads all parts of a result, which has so many rows.
async fn read(login: &Login, answer: &Value) {
    assert_eq!(answer["success"], true, "{answer}");
    let data = &answer["data"];
    let mut rows = data["rowset"].as_array().unwrap().len();
    assert_eq!(data["rowset"][0][1], "row 0");
    assert_eq!(data["rowtype"][2]["type"], "timestamp_ntz");
    for chunk in data["chunks"].as_array().into_iter().flatten() {
        let url = chunk["url"].as_str().unwrap();
        let answer = get(login.address, &url[url.find("/results/").unwrap()..]).await;
        assert_eq!(answer.status, 200);
        rows += chunk["rowCount"].as_u64().unwrap() as usize;
    }
    assert_eq!(rows, ROWS);
}

#[tokio::test]
async fn first_rows_beyond_their_budget_lie_in_the_file() {
    let limits = SpoolLimits {
        memory_bytes_max: 100_000,
        first_bytes_max: 200_000,
        disk_bytes_max: 64 << 20,
    };
    let fixture = Fixture::with_spool(small_chunks, Accounts::Anyone, limits).await;
    let (login, arrow) = (fixture.login().await, fixture.login_arrow().await);
    let mut ids = Vec::new();
    for _ in 0..100 {
        ids.push(unread(&login, &format!("rows {ROWS}")).await.unwrap());
        let first = fixture.spool.first_bytes();
        assert!(first <= limits.first_bytes_max, "{first}");
    }
    assert!(
        fixture.spool.disk_bytes() > 1_000_000,
        "{}",
        fixture.spool.disk_bytes()
    );
    for id in &ids {
        read(&login, &result(&login, id).await).await;
    }
    // The last one again, by SQL, and in the other form.
    let again = arrow
        .query(&format!("select * from table(result_scan('{}'))", ids[99]))
        .await;
    assert_eq!(again["data"]["total"], ROWS, "{again}");
    assert!(!again["data"]["rowsetBase64"].as_str().unwrap().is_empty());
    fixture.skip(Duration::from_secs(86_401));
    fixture.connector.sweep().await;
    eventually("all is free", async || {
        (fixture.spool.first_bytes(), fixture.spool.disk_bytes()) == (0, 0)
    })
    .await;
}

#[tokio::test]
async fn a_full_file_refuses_what_is_new_and_loses_nothing() {
    let limits = SpoolLimits {
        memory_bytes_max: 100_000,
        first_bytes_max: 100_000,
        disk_bytes_max: 400_000,
    };
    let fixture = Fixture::with_spool(small_chunks, Accounts::Anyone, limits).await;
    let login = fixture.login().await;
    let (mut kept, mut refused) = (Vec::new(), None);
    while refused.is_none() {
        let id = unread(&login, &format!("rows {ROWS}")).await.unwrap();
        let status = login.get(&format!("/monitoring/queries/{id}")).await;
        if status["data"]["queries"][0]["status"] == "SUCCESS" {
            kept.push(id);
        } else {
            refused = Some(result(&login, &id).await);
        }
        assert!(kept.len() < 1000, "nothing is ever refused");
    }
    let refused = refused.unwrap();
    assert_eq!(refused["code"], "000603");
    assert!(
        refused["message"].as_str().unwrap().contains("result_disk_mib"),
        "{refused}"
    );
    // A write's outcome is small, and must not turn into a failure.
    assert_eq!(login.query("insert").await["data"]["rowset"], json!([["3"]]));
    assert!(kept.len() > 5, "{}", kept.len());
    for id in &kept {
        read(&login, &result(&login, id).await).await;
    }
    // They were read: now there is room.
    assert_eq!(login.query(&format!("rows {ROWS}")).await["success"], true);
}

#[tokio::test]
async fn what_found_no_room_in_the_file_moves_there_later() {
    let limits = SpoolLimits {
        memory_bytes_max: 0,
        first_bytes_max: 60_000,
        disk_bytes_max: 1_000_000,
    };
    let fixture = Fixture::with_spool(small_chunks, Accounts::Anyone, limits).await;
    let login = fixture.login().await;
    let mut large = Vec::new();
    loop {
        let id = unread(&login, &format!("rows {ROWS}")).await.unwrap();
        let status = login.get(&format!("/monitoring/queries/{id}")).await;
        if status["data"]["queries"][0]["status"] != "SUCCESS" {
            break;
        }
        large.push(id);
    }
    let mut small = Vec::new();
    for number in 0..30 {
        // Its text is long enough for a place in the file.
        let sql = format!("select {}{number}", "0".repeat(10_000));
        small.push(unread(&login, &sql).await.unwrap());
    }
    assert!(
        fixture.spool.first_bytes() > 200_000,
        "{}",
        fixture.spool.first_bytes()
    );
    for id in &large {
        read(&login, &result(&login, id).await).await;
    }
    eventually("the texts lie in the file", async || {
        assert_eq!(login.query("select 1").await["success"], true);
        fixture.spool.first_bytes() <= limits.first_bytes_max / 2
    })
    .await;
    for (number, id) in small.iter().enumerate() {
        let expected = json!([[number.to_string()]]);
        assert_eq!(result(&login, id).await["data"]["rowset"], expected);
    }
}

#[tokio::test]
async fn as_many_unread_outcomes_as_are_kept_refuse_what_is_new() {
    let few = |settings: &mut Settings| settings.queries_kept_max = 3;
    let fixture = Fixture::with(few, Accounts::Anyone).await;
    let login = fixture.login().await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(unread(&login, &format!("select {number}")).await.unwrap());
    }
    let refused = unread(&login, "select 9").await.unwrap_err();
    assert_eq!(refused["code"], "000617");
    assert!(
        refused["message"].as_str().unwrap().contains("results_kept"),
        "{refused}"
    );
    assert_eq!(result(&login, &ids[1]).await["data"]["rowset"], json!([["1"]]));
    // The one that was read goes for the next; the others stay.
    assert_eq!(login.query("select 4").await["data"]["rowset"], json!([["4"]]));
    assert_eq!(result(&login, &ids[1]).await["code"], "000612");
    for number in [0, 2] {
        let expected = json!([[number.to_string()]]);
        assert_eq!(result(&login, &ids[number]).await["data"]["rowset"], expected);
    }
}

#[tokio::test]
async fn statements_of_one_request_are_kept_beyond_the_limit() {
    let few = |settings: &mut Settings| settings.queries_kept_max = 2;
    let fixture = Fixture::with(few, Accounts::Anyone).await;
    let login = fixture.login().await;
    let several = login.query("several").await;
    let ids = several["data"]["resultIds"].as_str().unwrap();
    // Those that were read go, one for each that comes: first the request itself.
    for number in 0..3 {
        let expected = json!([[number.to_string()]]);
        assert_eq!(
            login.query(&format!("select {number}")).await["data"]["rowset"],
            expected
        );
    }
    unread(&login, "select 3").await.unwrap();
    let refused = unread(&login, "select 4").await.unwrap_err();
    assert_eq!(refused["code"], "000617");
    for (id, value) in ids.split(',').zip(["11", "12"]) {
        assert_eq!(result(&login, id).await["data"]["rowset"], json!([[value]]));
    }
}

#[tokio::test]
async fn a_chunk_that_is_read_twice_stands_for_no_other() {
    let limits = SpoolLimits {
        memory_bytes_max: 100_000,
        first_bytes_max: 1 << 20,
        disk_bytes_max: 0,
    };
    let change = |settings: &mut Settings| {
        settings.chunk_limits = ChunkLimits {
            inline_weight_max: 1000,
            chunk_weight_max: 15_000,
        };
    };
    let fixture = Fixture::with_spool(change, Accounts::Anyone, limits).await;
    let login = fixture.login().await;
    let answer = login.query(&format!("rows {ROWS}")).await;
    let chunks = answer["data"]["chunks"].as_array().unwrap();
    assert!(chunks.len() > 1);
    let first = chunks[0]["url"].as_str().unwrap();
    for _ in 0..chunks.len() {
        let path = &first[first.find("/results/").unwrap()..];
        assert_eq!(get(login.address, path).await.status, 200);
    }
    // Crowds the memory: what was read would go.
    while login.query(&format!("rows {ROWS}")).await["success"] == true {}
    read(&login, &answer).await;
}
