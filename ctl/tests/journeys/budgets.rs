//! `--budget`: as much of a result as an agent wants to read, and how to get the rest.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use serde_json::{Value, json};
use snowflake_session_proto::v1::execute_query_response::Event;

use crate::arrow::{batch, event, events, head, numbered, summary, two_rows};
use crate::fake::Script;
use crate::harness::{House, Ran};

/// Bytes that count as a token.
const BYTES_PER_TOKEN: usize = 3;

fn house(batches: &[RecordBatch]) -> House {
    House::new(Script::Events(events(batches)))
}

/// A house whose results are cut, of so many rows in all.
fn cut(batches: &[RecordBatch], total: i64) -> House {
    let mut all = head(batches);
    let Some(Event::Summary(mut end)) = summary(batches).event else {
        panic!("no summary")
    };
    end.truncated = true;
    end.row_count_total = total;
    all.push(event(Event::Summary(end)));
    House::new(Script::Events(all))
}

fn read(ran: &Ran) -> Value {
    serde_json::from_str(ran.ok()).unwrap()
}

#[test]
fn a_small_result_is_whole() {
    let ran = house(&[two_rows()]).run(&["query", "--budget", "1000", "select 1"]);
    assert_eq!(
        ran.ok(),
        "{\"query_id\":\"01ab\",\"columns\":[{\"name\":\"N\",\"type\":\"Int64\"},{\"name\":\"T\",\"type\":\"text\"}],\
         \"columns_omitted\":0,\"rows_total\":2,\"row_offset\":0,\"rows_shown\":2,\"cells_cut\":0,\n\
         \"rows\":[\n[1,\"one\"],\n[2,null]\n],\n\"next\":null,\n\"rest\":null,\n\"whole\":null}\n"
    );
    assert_eq!(ran.stderr, "");
}

#[test]
fn an_empty_result_has_its_columns() {
    let ran = house(&[two_rows().slice(0, 0)]).run(&["query", "--budget", "1000", "select 1"]);
    let shown = read(&ran);
    assert_eq!(shown["rows"], json!([]));
    assert_eq!((&shown["rows_total"], &shown["next"]), (&json!(0), &Value::Null));
    assert_eq!(shown["columns"][1]["name"], "T");
}

#[test]
fn the_budget_is_kept_and_the_commands_fetch_the_rest() {
    for tokens in [300, 1_000, 5_000] {
        let house = cut(&[numbered(5_000)], 60_175);
        let text = tokens.to_string();
        let ran = house.run(&["query", "--budget", &text, "select 1"]);
        let shown = read(&ran);
        let bytes = ran.stdout.len();
        assert!(bytes <= tokens * BYTES_PER_TOKEN, "{bytes} for {tokens}");
        assert!(bytes > tokens * BYTES_PER_TOKEN / 3, "{bytes} for {tokens}");
        let rows = shown["rows"].as_array().unwrap();
        assert_eq!(shown["rows_shown"], rows.len());
        assert_eq!(shown["rows_total"], 60_175);
        assert_eq!(rows[3], json!([3, "row number 3"]));
        let count = rows.len();
        assert_eq!(
            shown["next"],
            format!("sfctl job result 01ab --offset {count} --budget {tokens}")
        );
        assert_eq!(
            shown["rest"],
            format!("sfctl job result 01ab --offset {count} --limit all --format jsonl")
        );
        // The same again, byte for byte, also where batches end elsewhere.
        let pieces: Vec<RecordBatch> = (0..50)
            .map(|part| numbered(5_000).slice(part * 100, 100))
            .collect();
        let again = cut(&pieces, 60_175).run(&["query", "--budget", &text, "select 1"]);
        assert_eq!(again.stdout, ran.stdout);
    }
}

#[test]
fn the_next_page_goes_on_where_the_last_ended() {
    let house = cut(&[numbered(200)], 0);
    let ran = house.run(&[
        "job",
        "result",
        "01ab",
        "--offset",
        "40",
        "--budget",
        "400",
        "--session",
        "mine",
        "-c",
        "dev",
    ]);
    let shown = read(&ran);
    assert_eq!(shown["row_offset"], 40);
    let next = 40 + shown["rows_shown"].as_i64().unwrap();
    assert_eq!(
        shown["next"],
        format!("sfctl job result 01ab --offset {next} --budget 400 --session mine -c dev")
    );
    // How many there are in all is not known.
    assert_eq!(shown["rows_total"], Value::Null);
    let asked = house.fake.state.read.lock().unwrap()[0].clone();
    assert_eq!((asked.row_offset, asked.row_limit), (40, 240));
}

#[test]
fn a_limit_below_the_budget_is_kept() {
    let house = house(&[two_rows()]);
    house
        .run(&["query", "--budget", "1000", "--limit", "2", "select 1"])
        .ok();
    assert_eq!(house.fake.query().row_limit, 2);
    house
        .run(&["query", "--budget", "1000", "--limit", "all", "select 1"])
        .ok();
    assert_eq!(house.fake.query().row_limit, 600);
    house.run(&["query", "--budget", "1000000", "select 1"]).ok();
    assert_eq!(house.fake.query().row_limit, 10_000);
}

#[test]
fn huge_values_are_cut_and_numbers_are_not() {
    let huge = "é\"\\".repeat(100_000);
    let rows = batch(vec![
        ("N", Arc::new(Int64Array::from(vec![i64::MIN; 6]))),
        ("T", Arc::new(StringArray::from(vec![huge.as_str(); 6]))),
    ]);
    let ran = house(&[rows]).run(&["query", "--budget", "1000", "select 1"]);
    assert!(ran.stdout.len() <= 3_000, "{}", ran.stdout.len());
    let shown = read(&ran);
    let rows = shown["rows"].as_array().unwrap();
    // Long values give way, so that several rows are seen.
    assert!(rows.len() >= 5, "{}", rows.len());
    assert_eq!(shown["cells_cut"], rows.len());
    for row in rows {
        assert_eq!(row[0], i64::MIN);
        let text = row[1].as_str().unwrap();
        assert!(
            text.ends_with('…') && huge.starts_with(text.trim_end_matches('…')),
            "{text}"
        );
        assert!(text.len() > 100, "{text}");
    }
    assert_eq!(
        shown["whole"],
        format!(
            "sfctl job result 01ab --offset 0 --limit {} --format json",
            rows.len()
        )
    );
}

#[test]
fn one_huge_value_takes_the_room_there_is() {
    let rows = batch(vec![("T", Arc::new(StringArray::from(vec!["x".repeat(50_000)])))]);
    let ran = house(&[rows]).run(&["query", "--budget", "1000", "select 1"]);
    assert!((2_000..=3_000).contains(&ran.ok().len()), "{}", ran.stdout.len());
}

#[test]
fn columns_give_way_when_there_are_too_many() {
    let names: Vec<String> = (0..500)
        .map(|number| format!("A_RATHER_LONG_NAME_{number}"))
        .collect();
    let columns = names.iter().map(|name| {
        let values: arrow_array::ArrayRef = Arc::new(StringArray::from(vec!["some text"; 20]));
        (name.as_str(), values)
    });
    let ran = house(&[batch(columns.collect())]).run(&["query", "--budget", "1000", "select 1"]);
    assert!(ran.stdout.len() <= 3_000, "{}", ran.stdout.len());
    let shown = read(&ran);
    let kept = shown["columns"].as_array().unwrap().len();
    assert_eq!(shown["columns_omitted"], 500 - kept);
    assert!(kept > 5);
    assert_eq!(shown["rows"][0].as_array().unwrap().len(), kept);
    assert!(shown["whole"].is_string());
}

#[test]
fn what_a_budget_cannot_be_combined_with_is_refused() {
    let house = house(&[two_rows()]);
    for arguments in [
        &["--budget", "100", "select 1"][..],
        &["--budget", "1000", "-o", "x.json", "select 1"],
        &["--budget", "1000", "--async", "select 1"],
        &["--budget", "1000", "--no-header", "select 1"],
        &["--budget", "1000", "--format", "csv", "select 1"],
    ] {
        let mut all = vec!["query"];
        all.extend(arguments);
        house.run(&all).failed(2);
    }
    assert!(house.fake.state.queries.lock().unwrap().is_empty());
    house
        .run(&["query", "--budget", "1000", "--format", "json", "select 1"])
        .ok();
    let stats = house.run(&["query", "--budget", "1000", "--stats", "select 1"]);
    assert_eq!(read(&stats)["rows_shown"], 2);
    assert!(serde_json::from_str::<Value>(&stats.stderr).is_ok(), "{stats:?}");
}
