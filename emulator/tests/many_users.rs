//! Many users at once: nothing is lost, nobody sees another's, nobody starves another.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod real;

use std::thread;
use std::time::Instant;

use real::{Emulator, PATIENCE, User};
use serde_json::json;

/// Each user has 20 statements: some that run at once, some that wait for their turn, some whose large results are held
/// until they are read at the end.
#[test]
fn fifty_users_have_a_thousand_statements_and_none_is_lost() {
    const USERS: usize = 50;
    const EACH: usize = 20;
    let emulator = Emulator::start(
        "[limits]\nstatements_running = 8\nmemory_mib = 512\nresult_memory_mib = 16\nresult_inline_mib = 8\n",
        &[],
    );
    let submitted: Vec<_> = (0..USERS)
        .map(|number| {
            let user = emulator.user(&format!("u{number}"));
            thread::spawn(move || {
                user.run(&format!("set who = {number}"));
                let queries: Vec<String> = (0..EACH)
                    .map(|statement| {
                        user.submit(&match statement % 4 {
                            // Held for reading: several chunks.
                            0 => format!("select $who, {statement}, seq4(), repeat('x', 100) from table(generator(rowcount => 15000))"),
                            1 => format!("select $who, {statement}, count(*), 1 from table(generator(rowcount => 300000))"),
                            2 => format!("select $who, {statement}, current_user(), 1"),
                            _ => format!("select $who, {statement}, sum(seq8()), 1 from table(generator(rowcount => 100000))"),
                        })
                    })
                    .collect();
                (user, queries)
            })
        })
        .collect();
    let users: Vec<(User, Vec<String>)> = submitted
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    // Another user's statement is none.
    let foreign = users[0]
        .0
        .request("GET", &format!("/queries/{}/result", users[1].1[2]), &json!({}));
    assert_eq!(foreign["success"], false, "{foreign}");
    let readers: Vec<_> = users
        .into_iter()
        .enumerate()
        .map(|(number, (user, queries))| {
            thread::spawn(move || {
                for (statement, query) in queries.iter().enumerate() {
                    let data = user.result(query);
                    let first = &data["rowset"][0];
                    assert_eq!(first[0], number.to_string(), "another user's row");
                    assert_eq!(first[1], statement.to_string());
                    match statement % 4 {
                        0 => {
                            assert_eq!(data["total"], 15000);
                            assert!(data["chunks"].as_array().is_some_and(|chunks| !chunks.is_empty()));
                        }
                        1 => assert_eq!(first[2], "300000"),
                        2 => assert_eq!(first[2], format!("U{number}")),
                        _ => assert_eq!(first[2], "4999950000"),
                    }
                }
            })
        })
        .collect();
    for reader in readers {
        reader.join().unwrap();
    }
    // 250 results are held, 24 MiB of them in memory; with the engine's own half a gigabyte, a stack for each thread
    // and the program itself that stays below this.
    let peak = emulator.peak_memory();
    assert!(peak < 1000 * 1024 * 1024, "{peak} bytes");
    assert!(emulator.home.path().exists());
}

#[test]
fn one_users_many_statements_do_not_starve_another_users_one() {
    let emulator = Emulator::start("[limits]\nstatements_running = 1\n", &[]);
    let (busy, modest) = (emulator.user("busy"), emulator.user("modest"));
    let heavy = "select count(*) from table(generator(rowcount => 300000)) where seq8() % 7 = 3";
    let many: Vec<String> = (0..100).map(|_| busy.submit(heavy)).collect();
    let deadline = Instant::now() + PATIENCE;
    while !many.iter().any(|query| busy.state(query) == "QUEUED") {
        assert!(Instant::now() < deadline, "nothing waits for its turn");
    }
    let waiting = |queries: &[String]| {
        queries
            .iter()
            .filter(|query| busy.state(query) == "QUEUED")
            .count()
    };
    let before = waiting(&many);
    modest.run("select count(*) from table(generator(rowcount => 10))");
    let after = waiting(&many);
    assert!(after > 0, "it came after all {before} others");
    // What waits can be stopped, and leaves the others alone.
    let last = many.last().unwrap();
    let stop = json!({ "sqlText": format!("select system$cancel_query('{last}')") });
    assert_eq!(
        busy.request("POST", "/queries/v1/query-request", &stop)["success"],
        true
    );
    for query in &many[..many.len() - 1] {
        assert_eq!(busy.result(query)["rowset"].as_array().unwrap().len(), 1);
    }
}

/// More than twice what may lie in memory of first parts and of chunks, in both protocols, before the first is read.
#[test]
fn results_that_nobody_has_read_outlive_every_budget_in_memory() {
    const EACH: usize = 20;
    const ROWS: usize = 20_000;
    const AGENT: &str = "Authorization: Bearer any\r\nAccept: application/json\r\nUser-Agent: tests/1\r\n";
    let emulator = Emulator::start(
        "[limits]\nresult_memory_mib = 1\nresult_inline_mib = 2\nmemory_mib = 512\n",
        &[],
    );
    let user = emulator.user("u");
    let sql = |number: usize| {
        format!(
            "select {number}, row_number() over (order by null) - 1 as n, repeat('x', 100) from table(generator(rowcount => {ROWS}))"
        )
    };
    user.run("select 1");
    let before = emulator.peak_memory();
    let by_connector: Vec<String> = (0..EACH).map(|number| user.submit(&sql(number))).collect();
    let by_api: Vec<String> = (0..EACH)
        .map(|number| {
            let body = json!({ "statement": sql(number) }).to_string();
            let answer = emulator.send("POST", "/api/v2/statements?async=true", AGENT, body.as_bytes());
            assert_eq!(answer.status, 202, "{}", answer.head);
            answer.json()["statementHandle"].as_str().unwrap().to_owned()
        })
        .collect();
    let whole = |number: usize, rows: &[serde_json::Value]| {
        assert_eq!(rows.len(), ROWS);
        for (n, row) in rows.iter().enumerate() {
            assert_eq!(
                (&row[0], &row[1]),
                (&json!(number.to_string()), &json!(n.to_string()))
            );
        }
    };
    for (number, handle) in by_api.iter().enumerate() {
        let path = format!("/api/v2/statements/{handle}");
        let deadline = Instant::now() + PATIENCE;
        let first = loop {
            let answer = emulator.send("GET", &path, AGENT, b"");
            if answer.status != 202 {
                break answer;
            }
            assert!(Instant::now() < deadline, "it never ends");
        };
        assert_eq!(first.status, 200, "{}", first.head);
        let first = first.json();
        let mut rows = first["data"].as_array().unwrap().clone();
        let partitions = first["resultSetMetaData"]["partitionInfo"]
            .as_array()
            .unwrap()
            .len();
        assert!(partitions > 1, "{first}");
        for partition in 1..partitions {
            let answer = emulator.send("GET", &format!("{path}?partition={partition}"), AGENT, b"");
            assert_eq!(answer.status, 200, "{}", answer.head);
            rows.extend(answer.json()["data"].as_array().unwrap().clone());
        }
        whole(number, &rows);
    }
    for (number, query) in by_connector.iter().enumerate() {
        whole(number, &user.rows(&user.result(query)));
    }
    // 100 MB of results were held: what the engine works with, three megabytes of them, and what is read at a time.
    let grown = emulator.peak_memory() - before;
    assert!(grown < 256 * 1024 * 1024, "{grown} bytes");
}

#[test]
fn results_beyond_their_limits_are_refused_by_name() {
    let emulator = Emulator::start("[limits]\nresult_memory_mib = 1\nresult_disk_mib = 8\n", &[]);
    let user = emulator.user("u");
    let large = "select seq8(), repeat('x', 1000) from table(generator(rowcount => 40000))";
    let answer = user.request("POST", "/queries/v1/query-request", &json!({ "sqlText": large }));
    assert_eq!(answer["success"], false, "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("result"), "{message}");
    user.run("select 1");
}

#[test]
fn an_open_transaction_is_not_kept_waiting_by_those_that_wait_for_it() {
    let emulator = Emulator::start("[limits]\nstatements_running = 1\n", &[]);
    let owner = emulator.user("owner");
    owner.run("create database d");
    owner.run("create table t (n int)");
    owner.run("insert into t values (0)");
    owner.run("begin");
    owner.run("update t set n = n + 1");
    let waiters: Vec<_> = (0..5)
        .map(|number| {
            let user = emulator.user(&format!("w{number}"));
            (user.submit("update d.public.t set n = n + 1"), user)
        })
        .collect();
    let deadline = Instant::now() + PATIENCE;
    while !waiters.iter().all(|(query, user)| user.state(query) == "BLOCKED") {
        assert!(Instant::now() < deadline, "they do not wait for the lock");
    }
    // Nobody has the one turn while he waits.
    emulator.user("other").run("select count(*) from d.public.t");
    owner.run("update t set n = n + 1");
    owner.run("commit");
    for (query, user) in &waiters {
        user.result(query);
    }
    assert_eq!(owner.run("select n from t")["rowset"], json!([["7"]]));
}
