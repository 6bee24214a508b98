//! Statements about sequences.

use super::Path;

/// A `CREATE SEQUENCE` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSequence {
    /// `OR REPLACE`.
    pub or_replace: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// Name.
    pub path: Path,
    /// First value.
    pub start: i64,
    /// Distance of values.
    pub step: i64,
    /// `ORDER`.
    pub is_ordered: bool,
    /// Comment.
    pub comment: String,
}

/// An `ALTER SEQUENCE` statement.
#[derive(Clone, Debug, PartialEq)]
pub struct AlterSequence {
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// Name.
    pub path: Path,
    /// What is done.
    pub change: SequenceChange,
}

/// What an `ALTER SEQUENCE` does.
#[derive(Clone, Debug, PartialEq)]
pub enum SequenceChange {
    /// `RENAME TO`.
    Rename(Path),
    /// `SET …`, `UNSET COMMENT`; none is left as it is.
    Set {
        /// Distance of values.
        step: Option<i64>,
        /// `ORDER` or `NOORDER`.
        is_ordered: Option<bool>,
        /// Comment.
        comment: Option<String>,
    },
}
