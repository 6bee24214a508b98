//! The way of a write: which statement comes next, and what is certain when one fails.
//!
//! ```text
//!   own transaction:  BEGIN ─▶ sample ─▶ statement ─▶ its rows ─▶ sample ─▶ ROLLBACK   dry run
//!                       │         │          │            │     └▶ held
//!                       │         │          │            └──────▶ COMMIT ─▶ committed
//!                       └─────────┴──────────┴─ stopped or failed ─▶ ROLLBACK ─▶ error
//!   joined, or none:  statement ─▶ its rows ─▶ joined, held, or committed
//! ```
//!
//! Nothing is committed but by the COMMIT of this machine, so whatever fails before it was sent has certainly changed
//! nothing. What a COMMIT did whose answer was lost is asked of the session: a transaction that is still open was not
//! committed and is rolled back; one that is not stays in doubt.

use super::terms::{Handling, Mode, RowsMax, Terms};
use crate::domain::error::Error;
use crate::domain::policy::Concern;

/// In which transaction a statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// One of its own, begun and ended with it.
    Own,
    /// One that was open before.
    Joined,
    /// None that could be rolled back.
    Outside,
}

/// What becomes of a write that nobody has begun yet.
#[derive(Debug)]
pub enum Way {
    /// It is not run.
    Refuse(Error),
    /// It is not run before these are confirmed.
    Ask(Vec<Concern>),
    /// It runs.
    Run(Staging),
}

/// What of the session matters.
#[derive(Debug, Clone, Copy)]
pub struct SessionState {
    /// A transaction is open.
    pub transaction_open: bool,
    /// Each statement is a transaction of its own unless one was begun.
    pub autocommit: bool,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Begin the transaction.
    Begin,
    /// Look at rows before the statement.
    SampleBefore,
    /// Run the statement.
    Run,
    /// Bring the statement's own rows to its reader.
    Deliver,
    /// Look at rows after the statement.
    SampleAfter,
    /// Commit.
    Commit,
    /// Roll back.
    Rollback,
    /// Ask whether the transaction is open.
    Ask,
    /// Nothing more.
    End(End),
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is done.
    Done,
    /// The statement ran: rows changed, if Snowflake said, and whether a transaction is open now.
    Ran {
        /// Rows changed.
        rows: Option<u64>,
        /// A transaction is open.
        open: bool,
    },
    /// Snowflake said whether the transaction is open.
    Open(bool),
    /// It failed, and the session goes on.
    Failed {
        /// It may have had its effect all the same.
        doubtful: bool,
    },
    /// Somebody stopped it, or its time was over; the session goes on.
    Stopped,
    /// It failed, and the upstream session is gone.
    Lost {
        /// It may have had its effect all the same.
        doubtful: bool,
    },
}

/// How a write ended, for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// It counts.
    Committed,
    /// It is part of a transaction that was open before.
    Joined,
    /// It waits with its transaction open.
    Held(Vec<Concern>),
    /// It was rolled back, as was wanted.
    RolledBack,
    /// It failed or was stopped.
    Failed(Fate),
}

/// What is certain of a write that failed or was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing was begun.
    NotBegun,
    /// It was rolled back.
    RolledBack,
    /// It was not committed; that it was rolled back was not confirmed.
    NotCommitted,
    /// Nobody knows whether it was committed.
    Doubtful,
    /// It ran and counts, or is part of the open transaction.
    Ran,
    /// No more than its error says.
    AsTold,
}

/// The way of one write.
#[derive(Debug, Clone)]
pub struct Staging {
    place: Place,
    terms: Terms,
    samples: bool,
    at: Step,
    /// Rows changed, once it ran.
    rows: Option<u64>,
    /// The statement ran.
    ran: bool,
    /// Why it is being rolled back: as was wanted, or not.
    wanted: bool,
    /// A sample or a COMMIT failed, and what that did to the transaction is asked for.
    asked_at: Option<Step>,
}

/// Decides about a statement that nobody has begun.
pub fn way(handling: Handling, terms: Terms, session: SessionState, samples: bool) -> Way {
    match handling {
        Handling::Rows => rows_way(terms, session, samples),
        Handling::Commits | Handling::Plain => plain_way(handling, terms, session),
    }
}

fn rows_way(terms: Terms, session: SessionState, samples: bool) -> Way {
    match (terms.mode, session.transaction_open) {
        (Mode::DryRun, true) => Way::Refuse(
            Error::invalid(
                "a transaction is open, and a dry run in it could be taken back only with all of it; nothing was run",
            )
            .with_hint("commit or roll back first, or try it in another session with --session"),
        ),
        (Mode::NoTransaction, true) => Way::Refuse(
            Error::invalid("a transaction is open, so the statement cannot run without one; nothing was run")
                .with_hint("commit or roll back first, or use another session with --session"),
        ),
        (Mode::NoTransaction, false) if !session.autocommit => Way::Refuse(
            Error::invalid("AUTOCOMMIT is off, so the statement would begin a transaction; nothing was run")
                .with_hint("let it run in a transaction, or set AUTOCOMMIT"),
        ),
        (Mode::NoTransaction, false) => {
            if let RowsMax::Asked(_) = terms.rows_max {
                return Way::Refuse(
                    Error::invalid(
                        "a limit on rows cannot hold a statement that runs without a transaction; nothing was run",
                    )
                    .with_hint("leave out the limit, or let it run in a transaction"),
                );
            }
            if terms.confirmed {
                return Way::Run(Staging::new(Place::Outside, terms, false));
            }
            let mut concerns = terms.concerns;
            concerns.push(Concern::new(
                "rows",
                "it runs without a transaction, so it commits by itself however many rows it changes",
            ));
            Way::Ask(concerns)
        }
        (_, true) => {
            let concerns = terms.open_concerns();
            if concerns.is_empty() {
                Way::Run(Staging::new(Place::Joined, terms, false))
            } else {
                Way::Ask(concerns)
            }
        }
        (_, false) => {
            let samples = samples && (terms.may_hold() || terms.mode == Mode::DryRun);
            Way::Run(Staging::new(Place::Own, terms, samples))
        }
    }
}

fn plain_way(handling: Handling, terms: Terms, session: SessionState) -> Way {
    let why = if handling == Handling::Commits {
        "it commits by itself"
    } else {
        "a transaction cannot take it back"
    };
    if terms.mode == Mode::DryRun {
        return Way::Refuse(
            Error::invalid(format!("the statement cannot be tried: {why}; nothing was run"))
                .with_hint("leave out the dry run; what destroys is asked about before it runs"),
        );
    }
    let mut concerns = terms.concerns.clone();
    if handling == Handling::Commits && session.transaction_open {
        concerns.push(Concern::new(
            "transaction",
            "a transaction is open, and this statement commits it before it runs",
        ));
    }
    if terms.mode == Mode::Hold && concerns.is_empty() {
        concerns.push(Concern::new(
            "asked",
            "it was asked to be held, and runs when it is confirmed",
        ));
    }
    if concerns.is_empty() || terms.confirmed && terms.mode != Mode::Hold {
        let place = if session.transaction_open && handling == Handling::Plain {
            Place::Joined
        } else {
            Place::Outside
        };
        return Way::Run(Staging::new(
            place,
            Terms {
                rows_max: RowsMax::None,
                mode: Mode::Commit,
                concerns: Vec::new(),
                ..terms
            },
            false,
        ));
    }
    Way::Ask(concerns)
}

impl Staging {
    fn new(place: Place, terms: Terms, samples: bool) -> Self {
        let at = match place {
            Place::Own => Step::Begin,
            Place::Joined | Place::Outside => Step::Run,
        };
        Self {
            place,
            terms,
            samples,
            at,
            rows: None,
            ran: false,
            wanted: false,
            asked_at: None,
        }
    }

    /// Goes on with a held write: it counts.
    pub fn confirm(mut self) -> Self {
        self.at = match self.place {
            Place::Own => Step::Commit,
            Place::Joined | Place::Outside => Step::End(End::Joined),
        };
        self.wanted = false;
        self
    }

    /// Goes on with a held write: it is given up.
    pub fn abandon(mut self) -> Self {
        self.at = Step::Rollback;
        self.wanted = true;
        self
    }

    /// What is to be done.
    pub fn step(&self) -> &Step {
        &self.at
    }

    /// In which transaction it runs.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Most rows that it may change without a confirmation.
    pub fn rows_max(&self) -> Option<u64> {
        self.terms.rows_max.in_force(self.terms.confirmed)
    }

    /// The statement ran.
    pub fn has_run(&self) -> bool {
        self.ran
    }

    /// Goes on after a step.
    pub fn advance(&mut self, event: Event) -> &Step {
        let at = std::mem::replace(&mut self.at, Step::Ask);
        self.at = self.next(&at, event);
        &self.at
    }

    fn next(&mut self, at: &Step, event: Event) -> Step {
        if let Event::Lost { doubtful } = event {
            return Step::End(End::Failed(self.fate_when_lost(at, doubtful)));
        }
        match at {
            Step::Begin => match event {
                Event::Done if self.samples => Step::SampleBefore,
                Event::Done => Step::Run,
                Event::Failed { doubtful: false } => Step::End(End::Failed(Fate::NotBegun)),
                _ => Step::Rollback,
            },
            Step::SampleBefore => match event {
                Event::Done => Step::Run,
                Event::Stopped => Step::Rollback,
                _ => self.ask(Step::SampleBefore),
            },
            Step::Run => self.after_run(event),
            Step::Deliver => match event {
                Event::Done => self.after_delivery(),
                _ if self.place == Place::Own => Step::Rollback,
                _ => Step::End(End::Failed(Fate::Ran)),
            },
            Step::SampleAfter => match event {
                Event::Done => self.after_samples(),
                Event::Stopped => Step::Rollback,
                _ => self.ask(Step::SampleAfter),
            },
            Step::Commit => match event {
                Event::Done => Step::End(End::Committed),
                Event::Failed { doubtful: false } => Step::Rollback,
                _ => self.ask(Step::Commit),
            },
            Step::Rollback => match event {
                Event::Done if self.wanted => Step::End(End::RolledBack),
                Event::Done => Step::End(End::Failed(Fate::RolledBack)),
                _ => Step::End(End::Failed(Fate::NotCommitted)),
            },
            Step::Ask => self.after_question(event),
            Step::End(end) => Step::End(end.clone()),
        }
    }

    /// What is certain when the upstream session is gone.
    fn fate_when_lost(&self, at: &Step, doubtful: bool) -> Fate {
        let commit_in_doubt =
            *at == Step::Commit && doubtful || *at == Step::Ask && self.asked_at == Some(Step::Commit);
        match (self.place, at) {
            _ if commit_in_doubt => Fate::Doubtful,
            (Place::Own, Step::Begin) => Fate::NotBegun,
            (Place::Own | Place::Joined, _) if self.ran || self.place == Place::Own => Fate::NotCommitted,
            (Place::Outside, Step::Deliver) => Fate::Ran,
            _ => Fate::AsTold,
        }
    }

    fn ask(&mut self, about: Step) -> Step {
        self.asked_at = Some(about);
        Step::Ask
    }

    fn after_run(&mut self, event: Event) -> Step {
        match event {
            Event::Ran { rows, open } => {
                self.ran = true;
                self.rows = rows;
                if !open && self.place != Place::Outside {
                    // Snowflake has ended the transaction: nothing can be held or taken back any more.
                    self.place = Place::Outside;
                }
                Step::Deliver
            }
            _ if self.place == Place::Own => Step::Rollback,
            _ => Step::End(End::Failed(Fate::AsTold)),
        }
    }

    fn after_delivery(&mut self) -> Step {
        let held = || self.terms.concerns_after(self.rows);
        match self.place {
            Place::Outside => Step::End(End::Committed),
            Place::Joined => match held() {
                concerns if concerns.is_empty() => Step::End(End::Joined),
                concerns => Step::End(End::Held(concerns)),
            },
            Place::Own if self.terms.mode != Mode::DryRun && held().is_empty() => Step::Commit,
            Place::Own if self.samples => Step::SampleAfter,
            Place::Own => self.after_samples(),
        }
    }

    fn after_samples(&mut self) -> Step {
        if self.terms.mode == Mode::DryRun {
            self.wanted = true;
            return Step::Rollback;
        }
        Step::End(End::Held(self.terms.concerns_after(self.rows)))
    }

    fn after_question(&mut self, event: Event) -> Step {
        let about = self.asked_at.take();
        match (about, event) {
            (Some(Step::SampleBefore), Event::Open(true)) => Step::Run,
            (Some(Step::SampleBefore), Event::Open(false)) => {
                // A failed query ends transactions here: begin once more, and look at nothing.
                self.samples = false;
                Step::Begin
            }
            (Some(Step::SampleAfter), Event::Open(true)) => self.after_samples(),
            (Some(Step::SampleAfter), Event::Open(false)) if self.terms.mode == Mode::DryRun => {
                Step::End(End::RolledBack)
            }
            (Some(Step::SampleAfter), Event::Open(false)) => Step::End(End::Failed(Fate::RolledBack)),
            (Some(Step::Commit), Event::Open(true)) => Step::Rollback,
            (Some(Step::Commit), _) => Step::End(End::Failed(Fate::Doubtful)),
            _ => Step::Rollback,
        }
    }
}

#[cfg(test)]
#[path = "staging_tests.rs"]
mod tests;
