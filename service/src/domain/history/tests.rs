//! Queries that are remembered: order, names, limits, and what a job goes through.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::domain::error::{Error, Facts, Reason};
use crate::domain::names::{ConnectionName, RequestId};
use crate::domain::query::{Executed, StatementKind};

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

fn request(number: u128) -> RequestId {
    RequestId::new(uuid::Uuid::from_u128(number))
}

fn new(session: &str, number: u128) -> NewQuery {
    NewQuery {
        request_id: request(number),
        session: session.parse().unwrap(),
        connection: ConnectionName::local(),
        sql: format!("select\n  {number}"),
        fingerprint: number as u64,
        submitted: number % 2 == 1,
        create_time: at(1),
    }
}

fn history(per_session_max: usize, sessions_max: usize) -> History {
    History::new(HistoryLimits {
        per_session_max,
        sessions_max,
    })
}

fn executed(query_id: &str) -> Executed {
    Executed {
        query_id: query_id.to_owned(),
        kind: StatementKind::Query,
        row_count_total: 7,
        ..Executed::default()
    }
}

fn told(state: QueryState) -> Observed {
    Observed {
        state,
        sql: Some("select 1".to_owned()),
        start_time: Some(at(10)),
        end_time: state.is_settled().then(|| at(20)),
        kind: StatementKind::Unknown,
        row_count_total: None,
        dml: None,
        failure: None,
    }
}

/// Enters a query and ends it well.
fn run(history: &mut History, session: &str, number: u128) -> QueryRecord {
    let record = history.accept(new(session, number)).unwrap();
    let done = |record: &mut QueryRecord| record.succeeded(&executed(&format!("q-{number}")), at(3));
    history.update(&record.session, record.serial, done).unwrap()
}

fn by_id(id: &str) -> QueryRef {
    QueryRef::parse(id).unwrap()
}

#[test]
fn a_query_goes_through_its_states() {
    let mut record = history(9, 9).accept(new("default", 1)).unwrap();
    assert_eq!(
        (record.state, record.sql.as_str()),
        (QueryState::Waiting, "select 1")
    );
    assert!(record.sent(at(2)) && !record.sent(at(3)));
    assert_eq!(
        (record.state, record.start_time),
        (QueryState::Running, Some(at(2)))
    );
    assert!(record.succeeded(&executed("q"), at(5)));
    assert_eq!(
        (record.query_id.as_deref(), record.end_time),
        (Some("q"), Some(at(5)))
    );
    assert_eq!(record.row_count_total, Some(7));
    let end = record.clone();
    assert!(
        !record.failed(&Error::internal("late"), at(6)),
        "an end is an end"
    );
    assert!(!record.observed(&told(QueryState::Running)));
    assert_eq!(record, end);
}

#[test]
fn errors_sort_into_failed_cancelled_and_unknown() {
    let facts = Facts {
        query_id: Some("q".to_owned()),
        ..Facts::default()
    };
    let error = |reason| Error::new(reason, "no").with_facts(facts.clone());
    for (sent, error, state) in [
        (true, error(Reason::SqlRejected), QueryState::Failed),
        (true, error(Reason::Cancelled), QueryState::Cancelled),
        (true, error(Reason::Unreachable).with_doubt(), QueryState::Unknown),
        (true, error(Reason::Cancelled).with_doubt(), QueryState::Unknown),
        (false, error(Reason::Unreachable).with_doubt(), QueryState::Failed),
        (false, error(Reason::Cancelled), QueryState::Cancelled),
    ] {
        let mut record = history(9, 9).accept(new("default", 1)).unwrap();
        if sent {
            record.sent(at(2));
        }
        assert!(record.failed(&error, at(3)));
        assert_eq!(record.state, state, "{error:?}");
        assert_eq!(record.query_id.as_deref(), Some("q"));
        let again = record.failure.as_ref().unwrap().error();
        assert_eq!(
            (again.reason(), again.to_string(), again.facts()),
            (error.reason(), error.to_string(), &facts)
        );
    }
}

#[test]
fn what_is_unknown_becomes_known_when_snowflake_is_asked() {
    let mut record = history(9, 9).accept(new("default", 1)).unwrap();
    record.sent(at(2));
    record.taken_on("q");
    assert!(record.left(&Error::new(Reason::Cancelled, "the session was closed"), at(3)));
    assert_eq!((record.state, record.end_time), (QueryState::Unknown, None));
    assert!(record.observed(&told(QueryState::Queued)));
    assert_eq!(
        (record.state, record.failure.is_none()),
        (QueryState::Queued, true)
    );
    assert!(!record.observed(&told(QueryState::Queued)), "nothing new");
    assert!(record.observed(&told(QueryState::Succeeded)));
    assert_eq!(record.end_time, Some(at(20)));
}

#[test]
fn what_was_left_before_it_was_sent_was_cancelled() {
    let mut record = history(9, 9).accept(new("default", 1)).unwrap();
    assert!(record.left(&Error::new(Reason::Cancelled, "its caller left"), at(3)));
    assert_eq!(
        (record.state, record.end_time),
        (QueryState::Cancelled, Some(at(3)))
    );
}

#[test]
fn a_known_request_is_not_entered_again() {
    let mut history = history(9, 9);
    let first = run(&mut history, "default", 1);
    assert_eq!(*history.accept(new("default", 1)).unwrap_err(), first);
    assert!(
        history.accept(new("other", 1)).is_ok(),
        "sessions know only their own"
    );
}

#[test]
fn the_oldest_ended_query_makes_room() {
    let mut history = history(3, 9);
    let waiting = history.accept(new("default", 0)).unwrap();
    for number in 1..=4 {
        run(&mut history, "default", number);
    }
    let serials = |history: &History| -> Vec<u64> {
        let page = history.page(None, false, None, 99);
        page.records.iter().map(|record| record.serial).collect()
    };
    assert_eq!(serials(&history), [5, 4, waiting.serial]);
    for number in 10..=14 {
        history.accept(new("default", number)).unwrap();
    }
    assert_eq!(serials(&history).len(), 6, "what has not ended stays");
    assert!(serials(&history).contains(&waiting.serial));
}

#[test]
fn the_session_that_was_quiet_longest_makes_room() {
    let mut history = history(9, 2);
    run(&mut history, "a", 1);
    history.accept(new("busy", 2)).unwrap();
    run(&mut history, "c", 3);
    assert!(history.find(None, &by_id("q-1")).is_none());
    run(&mut history, "d", 4);
    assert!(history.find(None, &by_id("q-3")).is_none());
    assert!(
        history
            .find(Some(&"busy".parse().unwrap()), &QueryRef::Last)
            .is_some()
    );
}

#[test]
fn a_query_is_found_by_either_id_and_by_last() {
    let mut history = history(9, 9);
    let first = run(&mut history, "a", 1);
    let second = run(&mut history, "b", 2);
    let (a, b) = (first.session.clone(), second.session.clone());
    for (session, query, expected) in [
        (None, by_id("q-1"), Some(&first)),
        (None, by_id(&request(2).to_string()), Some(&second)),
        (None, by_id(&request(2).to_string().to_uppercase()), Some(&second)),
        (Some(&a), by_id("q-2"), None),
        (Some(&a), QueryRef::Last, Some(&first)),
        (Some(&b), QueryRef::Last, Some(&second)),
        (None, by_id("q-3"), None),
    ] {
        assert_eq!(
            history.find(session, &query).as_ref(),
            expected,
            "{session:?} {query}"
        );
    }
    history.withdraw(&second.session, second.serial);
    assert_eq!(history.find(None, &by_id("q-2")), None);
}

#[test]
fn pages_follow_each_other_while_queries_come() {
    let mut history = history(9, 9);
    for number in 1..=5 {
        run(&mut history, if number < 3 { "a" } else { "b" }, number);
    }
    let serials = |page: &Page| {
        page.records
            .iter()
            .map(|record| record.serial)
            .collect::<Vec<_>>()
    };
    let first = history.page(None, false, None, 2);
    assert_eq!((serials(&first), first.next), (vec![5, 4], Some(4)));
    run(&mut history, "a", 6);
    let second = history.page(None, false, first.next, 2);
    assert_eq!((serials(&second), second.next), (vec![3, 2], Some(2)));
    let third = history.page(None, false, second.next, 2);
    assert_eq!((serials(&third), third.next), (vec![1], None));
    let b = "b".parse().unwrap();
    assert_eq!(serials(&history.page(Some(&b), true, None, 9)), [5, 3]);
}

#[test]
fn those_that_wait_know_their_place() {
    let mut history = history(9, 9);
    let places = |history: &History| -> Vec<usize> {
        let page = history.page(None, false, None, 9);
        page.records
            .iter()
            .rev()
            .map(|record| record.queue_position)
            .collect()
    };
    let first = history.accept(new("default", 2)).unwrap();
    history.accept(new("default", 4)).unwrap();
    history.accept(new("default", 5)).unwrap();
    history.accept(new("default", 6)).unwrap();
    assert_eq!(
        places(&history),
        [1, 2, 0, 3],
        "submitted ones do not stand in the queue"
    );
    history.update(&first.session, first.serial, |record| record.sent(at(2)));
    assert_eq!(places(&history), [0, 1, 0, 2]);
}

#[test]
fn long_texts_are_cut_with_a_mark() {
    let mut history = history(9, 9);
    let sql = format!("select '{}'", "ü".repeat(500));
    let record = history
        .accept(NewQuery {
            sql,
            ..new("default", 1)
        })
        .unwrap();
    assert_eq!(record.sql.chars().count(), 121);
    assert!(record.sql.ends_with("ü…"));
}

#[test]
fn what_is_no_id_names_nothing() {
    assert_eq!(QueryRef::parse("last").unwrap(), QueryRef::Last);
    for bad in ["", "a b", "../x", "a?b", &"x".repeat(129)] {
        assert_eq!(
            QueryRef::parse(bad).unwrap_err().reason(),
            Reason::InvalidRequest,
            "{bad}"
        );
    }
}

#[test]
fn submitted_queries_come_back_without_what_they_say() {
    let mut before = history(9, 9);
    for number in 1..=4 {
        run(&mut before, "a", number);
    }
    let running = before.accept(new("b", 5)).unwrap();
    let taken_on = |record: &mut QueryRecord| record.sent(at(2)) && record.taken_on("q-5");
    before.update(&running.session, running.serial, taken_on).unwrap();
    before.accept(new("b", 7)).unwrap();
    let kept = before.kept_jobs(9);
    let ids: Vec<&str> = kept.iter().map(|job| job.query_id.as_str()).collect();
    assert_eq!(
        ids,
        ["q-1", "q-3", "q-5"],
        "only submitted ones that Snowflake knows"
    );
    assert_eq!(
        before.kept_jobs(2).len(),
        1,
        "the latest two, of which one has no id"
    );
    let mut after = history(9, 9);
    after.restore(kept);
    let ended = after.find(None, &by_id("q-3")).unwrap();
    assert_eq!((ended.state, ended.sql.as_str()), (QueryState::Succeeded, ""));
    let left = after.find(None, &by_id(&request(5).to_string())).unwrap();
    assert_eq!((left.state, left.start_time), (QueryState::Unknown, Some(at(2))));
    assert!(left.failure.is_some() && left.submitted);
    assert_eq!(
        after.accept(new("b", 5)).unwrap_err().query_id.as_deref(),
        Some("q-5")
    );
}
