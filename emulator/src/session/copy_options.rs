//! What a COPY is told besides where from and where to.

use super::SqlError;
use crate::front::{Setting, SettingValue};

/// Options of a COPY into a table.
#[derive(Clone, Debug, Default)]
pub(super) struct CopyOptions {
    pub(super) on_error: OnError,
    /// Bytes after which no further file is begun.
    pub(super) size_limit: Option<u64>,
    pub(super) purge: bool,
    pub(super) return_failed_only: bool,
    /// Columns are found by their names; true when letters must be of the same case.
    pub(super) match_by_name: Option<bool>,
    /// Texts that are too long are cut.
    pub(super) truncates: bool,
    pub(super) force: bool,
    pub(super) files: Vec<String>,
    pub(super) pattern: Option<String>,
    pub(super) format: Option<SettingValue>,
    pub(super) validation: Option<Validation>,
}

/// What a record does with which something is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OnError {
    /// The statement fails.
    #[default]
    Abort,
    /// The record is left out.
    Continue,
    /// The file is left out, from so many records on.
    SkipFile(u64),
    /// The file is left out, when more than so many in a hundred are wrong.
    SkipFilePercent(u64),
}

/// What a `VALIDATION_MODE` answers with instead of loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validation {
    /// The first rows.
    Rows(u64),
    /// What is wrong.
    Errors,
}

impl CopyOptions {
    /// Reads the options; later ones win.
    pub(super) fn read(settings: &[Setting]) -> Result<Self, SqlError> {
        let mut options = Self::default();
        for setting in settings {
            options.set(setting)?;
        }
        Ok(options)
    }

    fn set(&mut self, setting: &Setting) -> Result<(), SqlError> {
        let name = setting.name.as_str();
        match (name, &setting.value) {
            ("FILE_FORMAT", value) => self.format = Some(value.clone()),
            ("FILES", SettingValue::Many(files)) => self.files.clone_from(files),
            ("PATTERN", SettingValue::One { text, .. }) => self.pattern = Some(text.clone()),
            ("ON_ERROR", SettingValue::One { text, .. }) => self.on_error = on_error(text)?,
            ("SIZE_LIMIT", _) => self.size_limit = number(setting)?,
            ("PURGE", _) => self.purge = truth(setting)?,
            ("RETURN_FAILED_ONLY", _) => self.return_failed_only = truth(setting)?,
            ("FORCE", _) => self.force = truth(setting)?,
            ("TRUNCATECOLUMNS", _) => self.truncates = truth(setting)?,
            ("ENFORCE_LENGTH", _) => self.truncates = !truth(setting)?,
            // Nothing that is loaded here is uncertain, and every load is the same.
            ("LOAD_UNCERTAIN_FILES" | "LOAD_MODE", _) => {}
            ("MATCH_BY_COLUMN_NAME", SettingValue::One { text, .. }) => {
                self.match_by_name = match text.to_uppercase().as_str() {
                    "CASE_SENSITIVE" => Some(true),
                    "CASE_INSENSITIVE" => Some(false),
                    "NONE" => None,
                    _ => return Err(invalid(name, text)),
                };
            }
            ("VALIDATION_MODE", SettingValue::One { text, .. }) => {
                let word = text.to_uppercase();
                let rows = word
                    .strip_prefix("RETURN_")
                    .and_then(|rest| rest.strip_suffix("_ROWS"))
                    .and_then(|rows| rows.parse().ok());
                self.validation = Some(match (rows, word.as_str()) {
                    (Some(rows), _) => Validation::Rows(rows),
                    (None, "RETURN_ERRORS" | "RETURN_ALL_ERRORS") => Validation::Errors,
                    _ => return Err(invalid(name, text)),
                });
            }
            ("INCLUDE_METADATA" | "FILE_PROCESSOR", _) => {
                return Err(SqlError::unsupported(format!("COPY with {name}")));
            }
            _ => {
                let detail = format!("invalid property '{name}' for 'COPY'");
                return Err(SqlError::compilation("001420", "22023", detail));
            }
        }
        Ok(())
    }
}

fn on_error(text: &str) -> Result<OnError, SqlError> {
    let word = text.to_uppercase();
    match word.as_str() {
        "ABORT_STATEMENT" => return Ok(OnError::Abort),
        "CONTINUE" => return Ok(OnError::Continue),
        "SKIP_FILE" => return Ok(OnError::SkipFile(1)),
        _ => {}
    }
    let limit = word.strip_prefix("SKIP_FILE_");
    let skip = limit.and_then(|limit| match limit.strip_suffix('%') {
        Some(percent) => percent
            .parse()
            .ok()
            .filter(|percent| *percent <= 100)
            .map(OnError::SkipFilePercent),
        None => limit.parse().ok().filter(|rows| *rows > 0).map(OnError::SkipFile),
    });
    skip.ok_or_else(|| invalid("ON_ERROR", text))
}

/// The truth of an option.
pub(super) fn truth(setting: &Setting) -> Result<bool, SqlError> {
    match &setting.value {
        SettingValue::One { text, .. } if text.eq_ignore_ascii_case("TRUE") => Ok(true),
        SettingValue::One { text, .. } if text.eq_ignore_ascii_case("FALSE") => Ok(false),
        SettingValue::One { text, .. } => Err(invalid(&setting.name, text)),
        _ => Err(invalid(&setting.name, "")),
    }
}

/// The number of an option.
pub(super) fn number(setting: &Setting) -> Result<Option<u64>, SqlError> {
    match &setting.value {
        SettingValue::One { text, .. } if text.is_empty() => Ok(None),
        SettingValue::One { text, .. } => text.parse().map(Some).map_err(|_| invalid(&setting.name, text)),
        _ => Err(invalid(&setting.name, "")),
    }
}

pub(super) fn invalid(name: &str, value: &str) -> SqlError {
    SqlError::compilation(
        "001008",
        "22023",
        format!("invalid value ['{value}'] for parameter '{name}'"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_modes_are_read() {
        for (text, mode) in [
            ("abort_statement", OnError::Abort),
            ("CONTINUE", OnError::Continue),
            ("skip_file", OnError::SkipFile(1)),
            ("SKIP_FILE_3", OnError::SkipFile(3)),
            ("SKIP_FILE_10%", OnError::SkipFilePercent(10)),
        ] {
            assert_eq!(on_error(text), Ok(mode), "{text}");
        }
        for text in ["", "SKIP_FILE_", "SKIP_FILE_0", "SKIP_FILE_101%", "IGNORE"] {
            assert_eq!(on_error(text).unwrap_err().code, "001008", "{text}");
        }
    }
}
