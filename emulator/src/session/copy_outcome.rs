//! What became of each file of a COPY.

use super::copy_job::Faults;
use super::copy_options::OnError;
use super::stage_read::Fault;
use crate::plan::shape::{ListType, Shaped, list, status};

/// What became of a file.
#[derive(Debug)]
pub(super) struct Outcome {
    file: String,
    on_error: OnError,
    pub(super) parsed: u64,
    pub(super) loaded: u64,
    errors: u64,
    first: Option<Fault>,
}

impl Outcome {
    pub(super) fn new(file: String, on_error: OnError) -> Self {
        Self {
            file,
            on_error,
            parsed: 0,
            loaded: 0,
            errors: 0,
            first: None,
        }
    }

    /// Takes over what is wrong with the file's records.
    pub(super) fn note(&mut self, faults: &Faults) {
        self.errors = faults.count;
        self.first.clone_from(&faults.first);
    }

    /// True when so much is wrong that nothing of the file is loaded.
    pub(super) fn is_skipped(&self) -> bool {
        match self.on_error {
            OnError::Abort | OnError::Continue => false,
            OnError::SkipFile(rows) => self.errors >= rows,
            OnError::SkipFilePercent(percent) => self.errors * 100 > percent * self.parsed,
        }
    }

    /// True when any of it is loaded; an empty file is.
    pub(super) fn is_loaded(&self) -> bool {
        self.loaded > 0 || self.errors == 0
    }

    fn status(&self) -> &'static str {
        if self.errors == 0 {
            "LOADED"
        } else if self.loaded > 0 {
            "PARTIALLY_LOADED"
        } else {
            "LOAD_FAILED"
        }
    }

    fn error_limit(&self) -> u64 {
        match self.on_error {
            OnError::Abort => 1,
            OnError::Continue => self.parsed,
            OnError::SkipFile(rows) => rows,
            OnError::SkipFilePercent(percent) => (self.parsed * percent / 100).max(1),
        }
    }

    fn row(&self) -> Vec<Option<String>> {
        let number = |value: u64| Some(value.to_string());
        let first = self.first.as_ref();
        vec![
            Some(self.file.clone()),
            Some(self.status().to_owned()),
            number(self.parsed),
            number(self.loaded),
            number(self.error_limit()),
            number(self.errors),
            first.map(|fault| fault.message.clone()),
            first.map(|fault| fault.line.to_string()),
            first.map(|fault| fault.character.to_string()),
            first.map(|fault| fault.column.clone()),
        ]
    }
}

/// The answer of a COPY.
pub(super) fn answer_rows(outcomes: &[Outcome], failed_only: bool) -> Shaped {
    use ListType::{Number, Text};
    if outcomes.is_empty() {
        return status("Copy executed with 0 files processed.");
    }
    let columns = [
        ("file", Text),
        ("status", Text),
        ("rows_parsed", Number),
        ("rows_loaded", Number),
        ("error_limit", Number),
        ("errors_seen", Number),
        ("first_error", Text),
        ("first_error_line", Number),
        ("first_error_character", Number),
        ("first_error_column_name", Text),
    ];
    let shown = outcomes
        .iter()
        .filter(|outcome| !failed_only || outcome.errors > 0);
    list(&columns, shown.map(Outcome::row).collect())
}
