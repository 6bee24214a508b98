//! What can go wrong in the engine, by what the emulator does about it.

/// A failure of the engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// What the emulator can do about it.
    pub kind: EngineErrorKind,
    /// The engine's or function's own text, without its class prefix.
    pub message: String,
    /// Byte position in the SQL given, where known.
    pub position: Option<usize>,
    /// Snowflake's error code, when an `sf_*` function gave one: 100051 for a division by zero.
    pub code: Option<u32>,
}

impl EngineError {
    /// An error without position and code.
    pub(crate) fn new(kind: EngineErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            position: None,
            code: None,
        }
    }
}

/// Classes of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineErrorKind {
    /// The SQL is not DuckDB's; a defect of the lowering.
    Syntax,
    /// A name does not exist, or exists already.
    Catalog,
    /// Types or names do not fit.
    Binder,
    /// A value cannot be converted.
    Conversion,
    /// A number does not fit or a division by zero.
    Arithmetic,
    /// A constraint of a table (NOT NULL, length).
    Constraint,
    /// Another transaction changed the same rows.
    Conflict,
    /// [`crate::Interrupter::interrupt`] was called.
    Interrupted,
    /// Memory or disk ran out.
    Resources,
    /// An `sf_*` function refused its arguments; the message is Snowflake's text.
    Function,
    /// No transaction, or one that was already ended.
    Transaction,
    /// Anything else.
    Internal,
}
