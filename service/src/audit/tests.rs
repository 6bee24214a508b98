//! The log as a whole: what is written is found, and what is missing is said.

use super::super::format::tests::record;
use super::*;
use crate::domain::audit::Verdict;

fn options(folder: &Path) -> AuditOptions {
    AuditOptions {
        folder: folder.to_owned(),
        sql: KeepSql::None,
        file_bytes_max: 2000,
        file_age_max: Duration::from_hours(24),
        total_bytes_max: 1 << 20,
        keep: Duration::from_hours(24),
        queue_max: 100,
        queue_bytes_max: 1000,
        search_time_max: Duration::from_mins(1),
    }
}

fn open(folder: &Path) -> AuditFiles {
    AuditFiles::open(options(folder)).unwrap()
}

/// The query ids of all pages of `max` records.
async fn found(log: &AuditFiles, filter: AuditFilter, max: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut before = None;
    loop {
        let page = log.search(filter.clone(), before, max).await.unwrap();
        assert!(page.records.len() <= max);
        ids.extend(page.records.into_iter().map(|record| record.query_id));
        match page.next {
            Some(next) => before = Some(next),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn what_is_logged_is_found_the_latest_first() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    for number in 0..20 {
        let mut record = record(number);
        if number % 2 == 0 {
            record.session = "etl".parse().unwrap();
        }
        if number == 7 {
            record.verdict = Verdict::Refused;
            record.targets = vec!["PROD.HR.SALARIES".into()];
        }
        log.sent(&record);
        log.ended(record);
    }
    assert!(files::list(folder.path()).unwrap().len() <= 20);
    let all: Vec<String> = (0..20).rev().map(|number| format!("q-{number}")).collect();
    for max in [1, 3, 100] {
        assert_eq!(
            found(&log, AuditFilter::default(), max).await,
            all,
            "pages of {max}"
        );
    }
    assert!(files::list(folder.path()).unwrap().len() > 1, "several files");
    let etl = AuditFilter {
        session: Some("etl".parse().unwrap()),
        ..AuditFilter::default()
    };
    assert_eq!(found(&log, etl, 4).await.len(), 10);
    for (filter, number) in [
        (
            AuditFilter {
                verdict: Some(Verdict::Refused),
                ..AuditFilter::default()
            },
            7,
        ),
        (
            AuditFilter {
                text: Some("hr.sal".into()),
                ..AuditFilter::default()
            },
            7,
        ),
        (
            AuditFilter {
                text: Some("Q-13".into()),
                ..AuditFilter::default()
            },
            13,
        ),
    ] {
        assert_eq!(found(&log, filter, 4).await, [format!("q-{number}")]);
    }
    let late = AuditFilter {
        since: Some(record(0).time + Duration::from_secs(1)),
        ..AuditFilter::default()
    };
    assert!(found(&log, late, 4).await.is_empty());
}

#[tokio::test]
async fn a_search_that_takes_too_long_says_where_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditFiles::open(AuditOptions {
        search_time_max: Duration::ZERO,
        ..options(folder.path())
    })
    .unwrap();
    for number in 0..3 {
        log.ended(record(number));
    }
    let first = log.search(AuditFilter::default(), None, 100).await.unwrap();
    assert!(first.records.len() < 3 && first.next.is_some());
    assert_eq!(
        found(&log, AuditFilter::default(), 100).await,
        ["q-2", "q-1", "q-0"]
    );
    let wrong = log.search(AuditFilter::default(), Some("x".into()), 1).await;
    assert_eq!(wrong.unwrap_err().reason(), Reason::InvalidRequest);
}

#[tokio::test]
async fn a_statement_whose_end_nobody_saw_gets_one() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut running = record(1);
    running.state = QueryState::Running;
    log.sent(&running);
    log.ended(record(2));
    assert_eq!(found(&log, AuditFilter::default(), 9).await, ["q-2"]);
    drop(log);

    let log = open(folder.path());
    let page = log.search(AuditFilter::default(), None, 9).await.unwrap();
    let states: Vec<_> = page
        .records
        .iter()
        .map(|record| (record.query_id.as_str(), record.state))
        .collect();
    assert_eq!(
        states,
        [("q-1", QueryState::Unknown), ("q-2", QueryState::Succeeded)]
    );
    drop(log);
    let log = open(folder.path());
    assert_eq!(found(&log, AuditFilter::default(), 9).await.len(), 2, "once");
}

#[tokio::test]
async fn what_finds_no_room_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let mut large = record(1);
    large.sql.text = "x".repeat(2000);
    log.ended(large);
    log.ended(record(2));
    assert_eq!(found(&log, AuditFilter::default(), 9).await, ["q-2"]);
    let begun = files::list(folder.path()).unwrap();
    let text: String = begun
        .iter()
        .map(|begun| fs::read_to_string(files::path(folder.path(), *begun)).unwrap())
        .collect();
    assert!(
        text.contains("\"phase\":\"lost\"") && text.contains("\"lost_count\":1"),
        "{text}"
    );
}

#[test]
fn texts_are_kept_as_configured_and_hashed_always() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("select '{}'", "x".repeat(300));
    let mut hashes = Vec::new();
    for (sql, text, kept) in [
        (KeepSql::None, "select 1", ""),
        (KeepSql::Head, "select 1", "select 1"),
        (KeepSql::Full, "select 1", "select 1"),
        (KeepSql::Full, "set x = 'secret'", "set x = …"),
        (KeepSql::Full, &long, &long),
    ] {
        let log = AuditFiles::open(AuditOptions {
            sql,
            ..options(folder.path())
        })
        .unwrap();
        let trace = log.trace(text);
        assert_eq!(trace.text, kept);
        assert_eq!(trace.hash.len(), 32);
        hashes.push(trace.hash);
        if sql == KeepSql::Head {
            assert_eq!(log.trace(&long).text.chars().count(), HEAD_MAX + 1);
        }
    }
    assert!(hashes[0] == hashes[1] && hashes[1] == hashes[2] && hashes[2] != hashes[3]);
    let elsewhere = tempfile::tempdir().unwrap();
    assert_ne!(open(elsewhere.path()).trace("select 1").hash, hashes[0]);
}

#[tokio::test]
async fn a_file_ends_by_its_age_though_nothing_is_logged() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    log.ended(record(1));
    log.flush().await;
    let due = log.due();
    let ends = due.borrow().expect("it will end");
    log.tend(ends);
    log.flush().await;
    assert_eq!(files::list(folder.path()).unwrap().len(), 2);
    // The next run finds what the last one has left, and says when that goes.
    drop(log);
    let log = open(folder.path());
    log.flush().await;
    let goes = log.due().borrow().expect("it will go");
    log.tend(goes);
    log.flush().await;
    assert_eq!(files::list(folder.path()).unwrap().len(), 1);
    assert_eq!(found(&log, AuditFilter::default(), 10).await, [""; 0]);
}
