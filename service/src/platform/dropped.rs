//! How many records of the log found no room on their way out.

use std::sync::atomic::{AtomicU64, Ordering};

// The log is the process's, and so is this.
static RECORDS: AtomicU64 = AtomicU64::new(0);

/// Counts a record that found no room.
pub(super) fn count() {
    RECORDS.fetch_add(1, Ordering::Relaxed);
}

/// Records that found no room since the process started.
pub fn records() -> u64 {
    RECORDS.load(Ordering::Relaxed)
}
