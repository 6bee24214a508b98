//! `-o FILE`: complete or not there, and the pipes that readers close.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use snowflake_session_proto::v1::ErrorReason;

use crate::arrow::{events, head, numbered, two_rows};
use crate::fake::{Script, error};
use crate::harness::{House, eventually, finished, spawned};

#[test]
fn the_ending_chooses_the_format() {
    let house = House::new(Script::Events(events(&[two_rows()])));
    let check = |name: &str, expected: &str| {
        let ran = house.run(&["query", "-o", name, "select 1"]);
        assert_eq!(ran.ok(), "");
        assert_eq!(
            std::fs::read_to_string(house.path(name)).unwrap(),
            expected,
            "{name}"
        );
        assert_eq!(ran.stderr, "2 rows (12 ms)\n");
    };
    check("x.csv", "N,T\n1,one\n2,\n");
    check("x.jsonl", "{\"N\":1,\"T\":\"one\"}\n{\"N\":2,\"T\":null}\n");
    check("x.txt", "N | T\n--+-----\n1 | one\n2 | NULL\n");
    house
        .run(&["query", "-o", "y.csv", "--format", "tsv", "select 1"])
        .ok();
    assert_eq!(
        std::fs::read_to_string(house.path("y.csv")).unwrap(),
        "N\tT\n1\tone\n2\t\n"
    );
    assert_eq!(house.files(), ["x.csv", "x.jsonl", "x.txt", "y.csv"]);
}

#[test]
fn parquet_is_a_file_with_the_rows_and_their_types() {
    let house = House::new(Script::Events(events(&[numbered(70_000), numbered(3)])));
    let ran = house.run(&["query", "-o", "x.parquet", "select 1"]);
    assert_eq!((ran.ok(), ran.stderr.as_str()), ("", "70,003 rows (12 ms)\n"));
    let read = |bytes: Vec<u8>| -> Vec<RecordBatch> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
        reader.build().unwrap().map(Result::unwrap).collect()
    };
    let batches = read(std::fs::read(house.path("x.parquet")).unwrap());
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 70_003);
    assert_eq!(batches[0].schema(), numbered(1).schema());
    assert_eq!(batches[0].slice(0, 5), numbered(5));
    // A pipe gets the same bytes as a file.
    let piped = house
        .command(&["query", "--format", "parquet", "select 1"])
        .output()
        .unwrap();
    assert_eq!(piped.stdout, std::fs::read(house.path("x.parquet")).unwrap());
    // Verbs that print things have it too.
    let list = house
        .command(&["session", "list", "--format", "parquet"])
        .output()
        .unwrap();
    assert_eq!(read(list.stdout)[0].num_rows(), 1);
}

#[test]
fn a_broken_off_parquet_file_is_not_there() {
    let status = error(ErrorReason::Unreachable, "gone", &[]);
    let house = House::new(Script::Fails(head(&[numbered(10)]), status));
    house.run(&["query", "--format", "parquet", "select 1"]).failed(3);
    house.run(&["query", "-o", "x.parquet", "select 1"]).failed(3);
    assert_eq!(house.files(), [""; 0]);
}

#[test]
fn parts_are_put_together_without_their_headers() {
    let house = House::new(Script::Events(events(&[two_rows()])));
    let check = |arguments: &[&str], expected: &str| {
        let mut all = vec!["job", "result", "01ab"];
        all.extend(arguments);
        assert_eq!(house.run(&all).ok(), expected, "{arguments:?}");
    };
    check(&["--format", "csv", "--offset", "2"], "N,T\n1,one\n2,\n");
    check(
        &["--format", "csv", "--offset", "2", "--no-header"],
        "1,one\n2,\n",
    );
    check(&["--format", "tsv", "--no-header"], "1\tone\n2\t\n");
    for format in ["table", "json", "parquet"] {
        let ran = house.run(&["query", "--no-header", "--format", format, "select 1"]);
        assert!(
            ran.failed(2).contains("`--no-header` means nothing for"),
            "{ran:?}"
        );
    }
}

#[test]
fn an_existing_file_is_replaced_with_its_permissions() {
    let house = House::new(Script::Events(events(&[two_rows()])));
    let path = house.path("x.csv");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("x.csv", house.path("link.csv")).unwrap();
    house.run(&["query", "-o", "link.csv", "select 1"]).ok();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "N,T\n1,one\n2,\n");
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        std::fs::symlink_metadata(house.path("link.csv"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn a_failure_leaves_the_old_file_and_no_part() {
    let status = error(ErrorReason::Unreachable, "gone", &[]);
    let house = House::new(Script::Fails(head(&[numbered(200_000)]), status));
    std::fs::write(house.path("x.csv"), "old").unwrap();
    house.run(&["query", "-o", "x.csv", "select 1"]).failed(3);
    house.run(&["query", "-o", "y.csv", "select 1"]).failed(3);
    assert_eq!(house.files(), ["x.csv"]);
    assert_eq!(std::fs::read_to_string(house.path("x.csv")).unwrap(), "old");
}

#[test]
fn a_place_that_cannot_be_written_is_a_usage_error() {
    let house = House::new(Script::Events(events(&[two_rows()])));
    house.run(&["query", "-o", "missing/x.csv", "select 1"]).failed(2);
    house.run(&["query", "-o", ".", "select 1"]).failed(2);
    assert!(house.fake.state.queries.lock().unwrap().is_empty());
}

#[test]
fn a_device_is_written_to_and_stays() {
    let house = House::new(Script::Events(events(&[two_rows()])));
    house
        .run(&["query", "-o", "/dev/null", "--format", "csv", "select 1"])
        .ok();
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_dash_is_stdout() {
    let house = House::new(Script::Events(events(&[two_rows()])));
    assert_eq!(
        house
            .run(&["query", "-o", "-", "--format", "csv", "select 1"])
            .ok(),
        "N,T\n1,one\n2,\n"
    );
    assert_eq!(house.files(), [""; 0]);
}

#[test]
fn a_reader_that_leaves_stops_the_query() {
    let house = House::new(Script::Endless(head(&[numbered(50_000)])));
    let mut child = spawned(house.command(&["query", "--format", "csv", "select 1"]));
    let mut stdout = child.stdout.take().unwrap();
    let mut some = [0; 4096];
    stdout.read_exact(&mut some).unwrap();
    assert!(some.starts_with(b"N,T\n0,row number 0\n"));
    drop(stdout);
    let ran = finished(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    eventually("the end of the query", || {
        house.fake.state.dropped.load(Ordering::SeqCst)
    });
}

#[test]
fn a_reader_that_left_before_a_small_answer_is_no_failure() {
    let house = House::new(Script::Events(events(&[two_rows()])));
    for arguments in [&["query", "select 1"][..], &["context"], &["--help"]] {
        let mut child = spawned(house.command(arguments));
        drop(child.stdout.take());
        let ran = finished(child.wait_with_output().unwrap());
        // Nothing was read, so the pipe may also have been closed after the few bytes were in it.
        assert_eq!(ran.code, Some(0), "{arguments:?} {ran:?}");
        assert!(!ran.stderr.contains("error"), "{arguments:?} {ran:?}");
    }
}
