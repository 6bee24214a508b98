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
    /// Snowflake's code, when an `sf_*` function refused; the message is Snowflake's text then.
    pub code: Option<ErrorCode>,
}

/// Snowflake's identity of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode {
    /// Six digits.
    pub code: &'static str,
    /// Five signs of the SQL standard.
    pub sql_state: &'static str,
}

/// Codes that functions give, with their SQLSTATEs.
const CODES: &[(&str, &str)] = &[
    ("000938", "22023"),
    ("000939", "22023"),
    ("001007", "22023"),
    ("001015", "42601"),
    ("001035", "22023"),
    ("001044", "42P13"),
    ("001045", "22023"),
    ("001073", "22023"),
    ("001082", "22023"),
    ("100035", "22007"),
    ("100037", "22018"),
    ("100038", "22018"),
    ("100039", "22003"),
    ("100040", "22007"),
    ("100046", "22003"),
    ("100047", "22023"),
    ("100048", "2201B"),
    ("100051", "22012"),
    ("100069", "22P02"),
    ("100071", "22000"),
    ("100072", "22000"),
    ("100078", "22000"),
    ("100083", "22000"),
    ("100096", "22007"),
    ("100103", "22000"),
    ("100107", "22000"),
    ("100108", "22007"),
    ("100115", "22023"),
    ("100124", "22023"),
    ("100139", "22000"),
    ("100144", "22021"),
    ("100154", "22023"),
    ("100199", "22008"),
    ("100205", "22000"),
    ("100217", "22000"),
    ("100218", "22000"),
];

impl ErrorCode {
    /// A function's code with its SQLSTATE.
    pub(crate) fn of_function(number: u32) -> Self {
        let wanted = format!("{number:06}");
        let known = CODES.iter().find(|(code, _)| *code == wanted);
        // What is not in the list is a function's own defect, which has one code.
        let (code, sql_state) = known.copied().unwrap_or(("300002", "XX000"));
        Self { code, sql_state }
    }

    /// Whether Snowflake reports it when a statement is compiled, under `SQL compilation error:`.
    pub fn is_of_compilation(self) -> bool {
        self.code.starts_with("00")
    }
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

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// The numbers of `FunctionError::new(100_051, …)` in all source files of a folder.
    fn numbers_in(folder: &Path, numbers: &mut Vec<u32>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                numbers_in(&path, numbers);
                continue;
            }
            for call in fs::read_to_string(&path)
                .unwrap()
                .split("FunctionError::new(")
                .skip(1)
            {
                let number: String = call
                    .trim_start()
                    .chars()
                    .take_while(|sign| sign.is_ascii_digit() || *sign == '_')
                    .collect();
                numbers.extend(number.replace('_', "").parse::<u32>());
            }
        }
    }

    #[test]
    fn every_code_of_a_function_has_its_sqlstate() {
        let mut numbers = Vec::new();
        numbers_in(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src/functions"),
            &mut numbers,
        );
        assert!(numbers.len() > 20, "{numbers:?}");
        for number in numbers {
            assert_eq!(ErrorCode::of_function(number).code, format!("{number:06}"));
        }
    }
}
