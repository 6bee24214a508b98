//! Which spare is taken, how many there are to be, and which go.

use std::time::{Duration, Instant};

use snowflake_session::domain::pool::{PoolRules, Spare, Spares, Taken};
use snowflake_session::domain::upstream::Fingerprint;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

fn pool(min: usize, max: usize) -> Spares<&'static str> {
    Spares::new(PoolRules {
        min,
        max,
        fill_after: SECOND,
        check_after: 30 * SECOND,
        check_timeout: 2 * SECOND,
        idle_limit: 10 * MINUTE,
    })
}

fn spare(login: &'static str, at: Instant) -> Spare<&'static str> {
    Spare {
        login,
        fingerprint: Fingerprint(1),
        idle_since: at,
        proved_at: at,
    }
}

fn taken(taken: Option<Taken<&'static str>>) -> Option<(&'static str, bool)> {
    taken.map(|taken| match taken {
        Taken::Ready(spare) => (spare.login, true),
        Taken::Doubtful(spare) => (spare.login, false),
    })
}

#[test]
fn the_freshest_goes_first_and_old_ones_are_doubtful() {
    let start = Instant::now();
    let mut spares = pool(1, 4);
    spares.put(spare("new", start + 20 * SECOND));
    spares.put(spare("old", start));
    spares.put(Spare {
        proved_at: start + 25 * SECOND,
        ..spare("checked", start)
    });
    let now = start + 45 * SECOND;
    assert_eq!(taken(spares.take(now)), Some(("checked", true)));
    assert_eq!(taken(spares.take(now)), Some(("new", true)));
    assert_eq!(taken(spares.take(now)), Some(("old", false)));
    assert_eq!(taken(spares.take(now)), None);
}

#[test]
fn after_an_upheaval_all_are_doubtful() {
    let start = Instant::now();
    let mut spares = pool(1, 4);
    spares.put(spare("before", start));
    spares.doubt_all(start + SECOND);
    spares.put(spare("after", start + SECOND));
    let now = start + 2 * SECOND;
    assert_eq!(taken(spares.take(now)), Some(("after", true)));
    assert_eq!(taken(spares.take(now)), Some(("before", false)));
}

#[test]
fn demand_is_what_was_handed_out_lately() {
    let start = Instant::now();
    let mut spares = pool(1, 3);
    assert_eq!(spares.target(start), 0, "nobody used it yet");
    spares.used(start);
    assert_eq!(spares.target(start), 1);
    for _ in 0..2 {
        spares.handed_out(start + 30 * SECOND);
    }
    assert_eq!(spares.target(start + 31 * SECOND), 2);
    for _ in 0..9 {
        spares.handed_out(start + 40 * SECOND);
    }
    assert_eq!(spares.target(start + 41 * SECOND), 3, "no more than the most");
    assert_eq!(spares.target(start + 101 * SECOND), 1, "the demand is forgotten");
    assert_eq!(spares.target(start + 11 * MINUTE), 0, "nobody uses it any more");
}

#[test]
fn a_pool_of_none_wants_none() {
    let start = Instant::now();
    let mut spares = pool(0, 0);
    spares.handed_out(start);
    spares.put(spare("left over", start));
    assert_eq!(spares.missing_from(start), None);
    assert_eq!(spares.remove_surplus(start), ["left over"]);
}

#[test]
fn what_waited_too_long_goes() {
    let start = Instant::now();
    let mut spares = pool(1, 4);
    spares.handed_out(start);
    spares.put(spare("a", start));
    spares.put(spare("b", start + MINUTE));
    assert_eq!(spares.next_surplus(start), Some(start + 10 * MINUTE));
    spares.handed_out(start + 5 * MINUTE);
    assert!(spares.remove_surplus(start + 9 * MINUTE).is_empty());
    assert_eq!(spares.remove_surplus(start + 10 * MINUTE), ["a"]);
    assert_eq!(
        spares.next_surplus(start + 10 * MINUTE),
        Some(start + 11 * MINUTE)
    );
    assert_eq!(spares.next_surplus(start + HOUR), None);
    spares.put(spare("c", start + 14 * MINUTE));
    assert_eq!(
        spares.remove_surplus(start + 15 * MINUTE),
        ["b", "c"],
        "all go when nobody uses the connection"
    );
}

#[test]
fn the_oldest_of_too_many_go() {
    let start = Instant::now();
    let mut spares = pool(1, 2);
    spares.handed_out(start);
    for (age, login) in ["a", "b", "c"].into_iter().enumerate() {
        spares.put(spare(login, start + SECOND * u32::try_from(age).unwrap()));
    }
    assert_eq!(spares.remove_surplus(start + 4 * SECOND), ["a"]);
    assert_eq!(spares.len(), 2);
}

#[test]
fn what_rests_on_other_settings_goes() {
    let start = Instant::now();
    let mut spares = pool(1, 4);
    spares.put(spare("same", start));
    spares.put(Spare {
        fingerprint: Fingerprint(2),
        ..spare("other", start)
    });
    assert_eq!(spares.remove_others(Fingerprint(1)), ["other"]);
    assert_eq!(spares.remove_all(), ["same"]);
    assert!(spares.is_empty());
}

#[test]
fn a_missing_spare_is_not_logged_in_while_the_connection_is_busy() {
    let start = Instant::now();
    let mut spares = pool(1, 1);
    assert_eq!(spares.missing_from(start), None, "nobody uses the connection");
    spares.used(start);
    assert_eq!(spares.missing_from(start), Some(start + SECOND));
    spares.used(start + SECOND / 2);
    assert_eq!(
        spares.missing_from(start + SECOND / 2),
        Some(start + SECOND / 2 + SECOND)
    );
}
