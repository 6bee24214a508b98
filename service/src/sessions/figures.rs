//! The sessions in numbers, for whoever watches the service from far away.

use super::registry::Sessions;
use super::snapshot::Snapshot;
use crate::domain::meter::{Figures, Traffic};
use crate::domain::session::Phase;

impl Sessions {
    /// Counts sessions and what they do. Asks no session: what each has published last is counted.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures {
            writes_held: self.writes_waiting() as u64,
            ..Figures::default()
        };
        let table = self.inner.book.table();
        figures.resting = table.resting.len() as u64;
        for handle in table.running.values() {
            add(&mut figures, &handle.snapshot.borrow());
        }
        figures
    }

    /// What went to Snowflake and came from there.
    pub fn traffic(&self) -> Traffic {
        self.inner.connector.traffic()
    }
}

fn add(figures: &mut Figures, session: &Snapshot) {
    *match session.phase {
        Phase::New => &mut figures.new,
        Phase::Connecting => &mut figures.connecting,
        Phase::Idle => &mut figures.idle,
        Phase::Busy => &mut figures.busy,
        Phase::Disconnected => &mut figures.disconnected,
        Phase::Closing => &mut figures.closing,
    } += 1;
    figures.transactions_open += u64::from(session.journal.transaction.is_some());
    figures.queries_running += u64::from(session.running.is_some());
    figures.queries_waiting += session.waiting_count as u64;
    figures.results_reading += session.reading_count as u64;
    figures.jobs += session.job_count as u64;
}
