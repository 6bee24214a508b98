//! Every transition of a write's way.

use super::Event::{Done, Failed, Lost, Open, Ran, Stopped};
use super::Fate::{AsTold, Doubtful, NotBegun, NotCommitted, RolledBack};
use super::Step::{Ask, Begin, Commit, Deliver, End, Rollback, Run, SampleAfter, SampleBefore};
use super::*;

const NOT_DONE: Event = Failed { doubtful: false };
const IN_DOUBT: Event = Failed { doubtful: true };
const GONE: Event = Lost { doubtful: false };
const GONE_IN_DOUBT: Event = Lost { doubtful: true };
const TWO: Event = Ran {
    rows: Some(2),
    open: true,
};

fn terms(mode: Mode, rows_max: RowsMax) -> Terms {
    Terms {
        mode,
        rows_max,
        confirmed: false,
        concerns: Vec::new(),
    }
}

fn session(transaction_open: bool) -> SessionState {
    SessionState {
        transaction_open,
        autocommit: true,
    }
}

fn begun(way: Way) -> Staging {
    match way {
        Way::Run(staging) => staging,
        other => panic!("{other:?}"),
    }
}

fn own(mode: Mode, most: u64) -> Staging {
    let terms = terms(mode, RowsMax::Configured(most));
    begun(way(Handling::Rows, terms, session(false), true))
}

fn joined(most: u64) -> Staging {
    let terms = terms(Mode::Commit, RowsMax::Configured(most));
    begun(way(Handling::Rows, terms, session(true), true))
}

fn outside() -> Staging {
    let terms = terms(Mode::Commit, RowsMax::Configured(1));
    begun(way(Handling::Commits, terms, session(false), true))
}

/// Goes the way of a write with these events and returns the steps on it.
fn steps(mut staging: Staging, events: &[Event]) -> Vec<Step> {
    let mut steps = vec![staging.step().clone()];
    for event in events {
        steps.push(staging.advance(*event).clone());
    }
    steps
}

fn failed(fate: Fate) -> Step {
    End(super::End::Failed(fate))
}

#[test]
fn a_small_write_commits_and_a_large_one_is_held() {
    assert_eq!(
        steps(own(Mode::Commit, 2), &[Done, Done, TWO, Done, Done]),
        [
            Begin,
            SampleBefore,
            Run,
            Deliver,
            Commit,
            End(super::End::Committed)
        ]
    );
    let way = steps(own(Mode::Commit, 1), &[Done, Done, TWO, Done, Done]);
    assert_eq!(way[..5], [Begin, SampleBefore, Run, Deliver, SampleAfter]);
    let End(super::End::Held(concerns)) = &way[5] else {
        panic!("{way:?}")
    };
    assert_eq!(concerns[0].rule, "rows");
}

#[test]
fn a_dry_run_is_rolled_back_whatever_it_changed() {
    for most in [0, 100] {
        assert_eq!(
            steps(own(Mode::DryRun, most), &[Done, Done, TWO, Done, Done, Done])[4..],
            [SampleAfter, Rollback, End(super::End::RolledBack)]
        );
    }
}

#[test]
fn nothing_is_sampled_where_nothing_can_be_held() {
    let mut terms = terms(Mode::Commit, RowsMax::Configured(1));
    terms.confirmed = true;
    let staging = begun(way(Handling::Rows, terms, session(false), true));
    assert_eq!(
        steps(staging, &[Done, TWO, Done, Done]),
        [Begin, Run, Deliver, Commit, End(super::End::Committed)]
    );
}

#[test]
fn what_fails_before_the_commit_has_changed_nothing() {
    let all = [Done, Done, TWO, Done];
    let rolled_back = [Rollback, failed(RolledBack)];
    for (done, event, expected) in [
        (0, NOT_DONE, vec![failed(NotBegun)]),
        (0, GONE, vec![failed(NotBegun)]),
        (0, GONE_IN_DOUBT, vec![failed(NotBegun)]),
        (0, IN_DOUBT, rolled_back.to_vec()),
        (0, Stopped, rolled_back.to_vec()),
        (1, Stopped, rolled_back.to_vec()),
        (1, GONE, vec![failed(NotCommitted)]),
        (2, NOT_DONE, rolled_back.to_vec()),
        (2, IN_DOUBT, rolled_back.to_vec()),
        (2, Stopped, rolled_back.to_vec()),
        (2, GONE_IN_DOUBT, vec![failed(NotCommitted)]),
        (3, Stopped, rolled_back.to_vec()),
        (3, NOT_DONE, rolled_back.to_vec()),
        (3, GONE, vec![failed(NotCommitted)]),
        (4, NOT_DONE, rolled_back.to_vec()),
    ] {
        let mut events = all[..done].to_vec();
        events.push(event);
        if expected.len() == 2 {
            events.push(Done);
        }
        let way = steps(own(Mode::Commit, 2), &events);
        assert_eq!(way[done + 1..], expected, "{event:?} after {done} steps");
    }
}

#[test]
fn a_rollback_that_is_not_confirmed_is_told() {
    for event in [NOT_DONE, IN_DOUBT, Stopped, GONE] {
        let way = steps(own(Mode::DryRun, 9), &[Done, Done, TWO, Done, Done, event]);
        assert_eq!(way[6], failed(NotCommitted), "{event:?}");
    }
}

#[test]
fn a_commit_without_answer_is_asked_for_once() {
    let until_commit = [Done, Done, TWO, Done];
    for (events, expected) in [
        (vec![IN_DOUBT, Open(false)], vec![Ask, failed(Doubtful)]),
        (vec![Stopped, Open(false)], vec![Ask, failed(Doubtful)]),
        (
            vec![IN_DOUBT, Open(true), Done],
            vec![Ask, Rollback, failed(RolledBack)],
        ),
        (vec![IN_DOUBT, NOT_DONE], vec![Ask, failed(Doubtful)]),
        (vec![IN_DOUBT, GONE], vec![Ask, failed(Doubtful)]),
        (vec![GONE_IN_DOUBT], vec![failed(Doubtful)]),
        (vec![GONE], vec![failed(NotCommitted)]),
    ] {
        let all: Vec<Event> = until_commit.iter().copied().chain(events.clone()).collect();
        assert_eq!(steps(own(Mode::Commit, 2), &all)[5..], expected, "{events:?}");
    }
}

#[test]
fn a_failed_sample_is_no_failure_unless_it_ended_the_transaction() {
    for event in [NOT_DONE, IN_DOUBT] {
        assert_eq!(
            steps(own(Mode::Commit, 2), &[Done, event, Open(true)])[2..],
            [Ask, Run]
        );
        // Begun once more, and without a sample.
        assert_eq!(
            steps(
                own(Mode::DryRun, 2),
                &[Done, event, Open(false), Done, TWO, Done, Done]
            )[2..],
            [Ask, Begin, Run, Deliver, Rollback, End(super::End::RolledBack)]
        );
        let until_after = [Done, Done, TWO, Done];
        for (mode, open, expected) in [
            (Mode::DryRun, true, vec![Ask, Rollback]),
            (Mode::DryRun, false, vec![Ask, End(super::End::RolledBack)]),
            (Mode::Commit, false, vec![Ask, failed(RolledBack)]),
        ] {
            let mut all = until_after.to_vec();
            all.extend([event, Open(open)]);
            assert_eq!(steps(own(mode, 1), &all)[5..], expected, "{mode:?} {open}");
        }
    }
    assert_eq!(
        steps(own(Mode::Commit, 2), &[Done, NOT_DONE, NOT_DONE])[2..],
        [Ask, Rollback]
    );
}

#[test]
fn a_statement_that_commits_against_its_text_counts() {
    let ran = Ran {
        rows: None,
        open: false,
    };
    for staging in [own(Mode::Commit, 0), own(Mode::DryRun, 0)] {
        assert_eq!(
            steps(staging, &[Done, Done, ran, Done])[3..],
            [Deliver, End(super::End::Committed)]
        );
    }
}

#[test]
fn in_an_open_transaction_nothing_is_ended() {
    assert_eq!(
        steps(joined(2), &[TWO, Done]),
        [Run, Deliver, End(super::End::Joined)]
    );
    let way = steps(joined(1), &[TWO, Done]);
    assert!(matches!(way[2], End(super::End::Held(_))), "{way:?}");
    for event in [NOT_DONE, IN_DOUBT, Stopped, GONE, GONE_IN_DOUBT] {
        assert_eq!(steps(joined(2), &[event]), [Run, failed(AsTold)], "{event:?}");
    }
    assert_eq!(steps(joined(2), &[TWO, Stopped])[2], failed(Fate::Ran));
    assert_eq!(steps(joined(2), &[TWO, GONE])[2], failed(NotCommitted));
}

#[test]
fn what_commits_by_itself_runs_alone() {
    assert_eq!(
        steps(outside(), &[TWO, Done]),
        [Run, Deliver, End(super::End::Committed)]
    );
    for event in [NOT_DONE, IN_DOUBT, Stopped, GONE_IN_DOUBT] {
        assert_eq!(steps(outside(), &[event]), [Run, failed(AsTold)]);
    }
    for event in [Stopped, GONE] {
        assert_eq!(steps(outside(), &[TWO, event])[2], failed(Fate::Ran));
    }
}

#[test]
fn a_held_write_is_confirmed_or_given_up() {
    let held = |staging: Staging, events: &[Event]| {
        let mut staging = staging;
        for event in events {
            staging.advance(*event);
        }
        assert!(matches!(staging.step(), End(super::End::Held(_))), "{staging:?}");
        staging
    };
    let own = held(own(Mode::Commit, 1), &[Done, Done, TWO, Done, Done]);
    let joined = held(joined(1), &[TWO, Done]);
    assert_eq!(
        steps(own.clone().confirm(), &[Done]),
        [Commit, End(super::End::Committed)]
    );
    assert_eq!(
        steps(own.clone().confirm(), &[GONE_IN_DOUBT])[1],
        failed(Doubtful)
    );
    assert_eq!(steps(joined.clone().confirm(), &[]), [End(super::End::Joined)]);
    for staging in [own, joined] {
        assert_eq!(
            steps(staging.clone().abandon(), &[Done]),
            [Rollback, End(super::End::RolledBack)]
        );
        assert_eq!(steps(staging.abandon(), &[GONE])[1], failed(NotCommitted));
    }
}

#[test]
fn what_is_decided_before_anything_runs() {
    use Handling::{Commits, Plain, Rows};
    let concern = || vec![Concern::new("unconditional", "it has no condition")];
    let asked = |handling, mode, open, autocommit, confirmed, concerns: Vec<Concern>| {
        let terms = Terms {
            mode,
            rows_max: RowsMax::Configured(1),
            confirmed,
            concerns,
        };
        let session = SessionState {
            transaction_open: open,
            autocommit,
        };
        match way(handling, terms, session, true) {
            Way::Refuse(error) => format!("refuse {error}").chars().take(20).collect(),
            Way::Ask(concerns) => {
                let rules: Vec<&str> = concerns.iter().map(|concern| concern.rule).collect();
                format!("ask {}", rules.join(","))
            }
            Way::Run(staging) => format!("run {:?}", staging.place()),
        }
    };
    for (handling, mode, open, autocommit, confirmed, concerns, expected) in [
        (Rows, Mode::Commit, false, true, false, concern(), "run Own"),
        (Rows, Mode::Commit, false, false, false, concern(), "run Own"),
        (
            Rows,
            Mode::Commit,
            true,
            true,
            false,
            concern(),
            "ask unconditional",
        ),
        (Rows, Mode::Commit, true, true, true, concern(), "run Joined"),
        (Rows, Mode::Commit, true, true, false, vec![], "run Joined"),
        (
            Rows,
            Mode::DryRun,
            true,
            true,
            true,
            vec![],
            "refuse a transaction",
        ),
        (
            Rows,
            Mode::NoTransaction,
            true,
            true,
            true,
            vec![],
            "refuse a transaction",
        ),
        (
            Rows,
            Mode::NoTransaction,
            false,
            false,
            true,
            vec![],
            "refuse AUTOCOMMIT is",
        ),
        (
            Rows,
            Mode::NoTransaction,
            false,
            true,
            false,
            concern(),
            "ask unconditional,rows",
        ),
        (
            Rows,
            Mode::NoTransaction,
            false,
            true,
            true,
            concern(),
            "run Outside",
        ),
        (Commits, Mode::Commit, false, true, false, vec![], "run Outside"),
        (
            Commits,
            Mode::Commit,
            false,
            true,
            false,
            concern(),
            "ask unconditional",
        ),
        (
            Commits,
            Mode::Commit,
            true,
            true,
            false,
            vec![],
            "ask transaction",
        ),
        (Commits, Mode::Commit, true, true, true, vec![], "run Outside"),
        (
            Commits,
            Mode::DryRun,
            false,
            true,
            true,
            vec![],
            "refuse the statement",
        ),
        (Commits, Mode::Hold, false, true, true, vec![], "ask asked"),
        (Plain, Mode::Commit, true, true, false, vec![], "run Joined"),
        (
            Plain,
            Mode::Commit,
            false,
            true,
            false,
            concern(),
            "ask unconditional",
        ),
        (
            Plain,
            Mode::DryRun,
            false,
            true,
            false,
            vec![],
            "refuse the statement",
        ),
    ] {
        assert_eq!(
            asked(handling, mode, open, autocommit, confirmed, concerns),
            expected,
            "{handling:?} {mode:?} open: {open} autocommit: {autocommit} confirmed: {confirmed}"
        );
    }
    let bound = Terms {
        rows_max: RowsMax::Asked(1),
        ..terms(Mode::NoTransaction, RowsMax::None)
    };
    assert!(matches!(way(Rows, bound, session(false), true), Way::Refuse(_)));
}
