//! Failures in Snowflake's words: the errors the emulator makes itself, and what the engine's become.

use snowflake_emulator_engine::{EngineError, EngineErrorKind};

use super::{SqlError, number_ranges};

impl SqlError {
    /// An error at run time, without Snowflake's compilation heading.
    pub fn new(code: &'static str, sql_state: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            sql_state,
            message: message.into(),
            position: None,
        }
    }

    /// An error found while compiling.
    pub fn compilation(code: &'static str, sql_state: &'static str, detail: impl AsRef<str>) -> Self {
        Self::new(
            code,
            sql_state,
            format!("SQL compilation error:\n{}", detail.as_ref()),
        )
    }

    /// A token that does not fit; `line` from 1, `position` from 0.
    pub fn syntax(line: u32, position: u32, unexpected: &str) -> Self {
        let detail = format!("syntax error line {line} at position {position} unexpected '{unexpected}'.");
        Self {
            position: Some((line, position)),
            ..Self::compilation("001003", "42000", detail)
        }
    }

    /// Something that Snowflake has and this emulator does not.
    pub fn unsupported(feature: impl AsRef<str>) -> Self {
        Self::compilation(
            "000002",
            "0A000",
            format!("Unsupported feature '{}'.", feature.as_ref()),
        )
    }

    /// A table, view or sequence that is not there.
    pub fn no_object(name: impl std::fmt::Display) -> Self {
        Self::compilation(
            "002003",
            "42S02",
            format!("Object '{name}' does not exist or not authorized."),
        )
    }

    /// An object of a named kind that is not there, as in `Database 'D' does not exist or not authorized.`
    pub fn no_such(kind: &str, name: impl std::fmt::Display) -> Self {
        Self::compilation(
            "002003",
            "02000",
            format!("{kind} '{name}' does not exist or not authorized."),
        )
    }

    /// `USE` or `ALTER` of something that is not there.
    pub fn no_statement(id: &str) -> Self {
        Self::new("000709", "02000", format!("Statement {id} not found"))
    }

    /// What a statement names is not there, or may not be used so.
    pub fn cannot_perform() -> Self {
        Self::compilation(
            "002043",
            "02000",
            "Object does not exist, or operation cannot be performed.",
        )
    }

    /// A name that is taken.
    pub fn already_exists(name: impl std::fmt::Display) -> Self {
        Self::compilation("002002", "42710", format!("Object '{name}' already exists."))
    }

    /// A text without any statement.
    pub fn empty_statement() -> Self {
        Self::compilation("000900", "42601", "Empty SQL statement.")
    }

    /// A text with more or fewer statements than it was to have.
    pub fn statement_count(found: usize, wanted: i64) -> Self {
        let text =
            format!("Actual statement count {found} did not match the desired statement count {wanted}.");
        Self::new("000008", "0A000", text)
    }

    /// A statement stopped on request.
    pub fn canceled() -> Self {
        Self::new("000604", "57014", "SQL execution canceled")
    }

    /// A fault of the emulator itself.
    pub fn internal(detail: impl std::fmt::Display) -> Self {
        Self::new(
            "000603",
            "XX000",
            format!("SQL execution internal error:\n{detail}"),
        )
    }
}

/// What an engine failure means to the user, as far as the failure alone tells.
///
/// Names in the engine's message are physical ones; they are given back in Snowflake's spelling.
pub fn from_engine(error: &EngineError) -> SqlError {
    let message = error.message.trim();
    if let Some(known) = error.code {
        return if known.is_of_compilation() {
            SqlError::compilation(known.code, known.sql_state, message)
        } else {
            SqlError::new(known.code, known.sql_state, message)
        };
    }
    if message.starts_with("Max expression depth limit") {
        return SqlError::compilation("001003", "54001", "Statement is nested too deeply.");
    }
    if message.starts_with("More than one row returned by a subquery") {
        let message = "Single-row subquery returns more than one row.";
        return SqlError::new("090150", "22000", message);
    }
    match error.kind {
        EngineErrorKind::Interrupted => SqlError::canceled(),
        EngineErrorKind::Catalog => catalog(message),
        EngineErrorKind::Binder => binder(message),
        EngineErrorKind::Conversion => conversion(message),
        EngineErrorKind::Arithmetic => arithmetic(message),
        EngineErrorKind::Constraint => constraint(message),
        EngineErrorKind::Function => function(message),
        EngineErrorKind::Conflict => SqlError::new(
            "000625",
            "57014",
            "Statement was aborted because another transaction changed the same rows and committed first.",
        ),
        EngineErrorKind::Resources => SqlError::new(
            "300005",
            "53200",
            format!("Processing aborted: the engine ran out of resources: {message}"),
        ),
        // Read by the front, refused by the engine's grammar: no statement for either.
        EngineErrorKind::Syntax => {
            SqlError::compilation("001003", "42000", format!("syntax error: {message}"))
        }
        EngineErrorKind::Transaction | EngineErrorKind::Internal => SqlError::internal(message),
    }
}

fn catalog(message: &str) -> SqlError {
    let lower = message.to_ascii_lowercase();
    let name = named_after(message, &["with name ", "name "]);
    match name {
        Some(name) if lower.contains("function") => SqlError::compilation(
            "002140",
            "42601",
            format!("Unknown function {}", spelled(&name).to_uppercase()),
        ),
        Some(name) if lower.starts_with("column with name") && lower.contains("already exists") => {
            let detail = format!("duplicate column name '{}'", spelled(&name));
            SqlError::compilation("002025", "42S21", detail)
        }
        Some(name) if lower.contains("already exists") => SqlError::already_exists(spelled(&name)),
        Some(name) => SqlError::no_object(spelled(&name)),
        None => SqlError::internal(message),
    }
}

fn binder(message: &str) -> SqlError {
    let lower = message.to_ascii_lowercase();
    if lower.contains("ambiguous") {
        let name = quoted(message).unwrap_or_default();
        return SqlError::compilation(
            "000904",
            "42000",
            format!("ambiguous column name '{}'", spelled(&name)),
        );
    }
    if lower.contains("column")
        && (lower.contains("not found")
            || lower.contains("does not exist")
            || lower.contains("does not have"))
    {
        let name = missing_column(message);
        return SqlError::compilation("000904", "42000", format!("invalid identifier '{name}'"));
    }
    if lower.starts_with("referenced table") && lower.contains("not found") {
        let name = quoted(message).map(|name| spelled(&name)).unwrap_or_default();
        return SqlError::compilation("000904", "42000", format!("invalid identifier '{name}'"));
    }
    if lower.contains("must appear in the group by") {
        let name = quoted(message).map(|name| spelled(&name)).unwrap_or_default();
        return SqlError::compilation(
            "000979",
            "42601",
            format!("[{name}] is not a valid group by expression"),
        );
    }
    if lower.contains("no function matches") || lower.contains("could not choose a best candidate") {
        let call = quoted(message).unwrap_or_default();
        return SqlError::compilation(
            "001044",
            "42P13",
            format!("Invalid argument types for function '{call}'"),
        );
    }
    if lower.contains("values but") || lower.contains("value count") || lower.contains("columns but") {
        return SqlError::compilation(
            "002020",
            "21S01",
            format!("Insert value list does not match column list: {message}"),
        );
    }
    SqlError::compilation("002022", "42601", message)
}

/// The column that the engine did not find: behind its table's name, in quotes, or bare.
fn missing_column(message: &str) -> String {
    let phrases = ["column with name ", "column named "];
    let named = named_after(message, &phrases).or_else(|| {
        // An UPDATE names it without quotes, and the candidates in them.
        let rest = message.strip_prefix("Referenced update column ")?;
        Some(rest.split_once(" not found")?.0.to_owned())
    });
    let table = message.strip_prefix("Table \"").and_then(|_| quoted(message));
    match (named, table) {
        (Some(column), Some(table)) if message.contains("column named ") => {
            format!("{}.{}", spelled(&table), spelled(&column))
        }
        (Some(column), _) => spelled(&column),
        (None, _) => quoted(message).map(|name| spelled(&name)).unwrap_or_default(),
    }
}

fn conversion(message: &str) -> SqlError {
    if message.starts_with("Failure in decode") {
        return SqlError::new("100144", "22021", "Invalid UTF8 detected in string");
    }
    let lower = message.to_ascii_lowercase();
    if let Some(refusal) = number_ranges::of_engine(message) {
        return refusal;
    }
    let value = quoted(message).unwrap_or_default();
    let numeric = ["int", "decimal", "double", "float", "number"]
        .iter()
        .any(|word| lower.contains(word));
    if lower.contains("timestamp") {
        SqlError::new(
            "100035",
            "22007",
            format!("Timestamp '{value}' is not recognized"),
        )
    } else if lower.contains("date") {
        SqlError::new("100040", "22007", format!("Date '{value}' is not recognized"))
    } else if lower.contains("time") {
        SqlError::new("100108", "22007", format!("Time '{value}' is not recognized"))
    } else if lower.contains("bool") {
        SqlError::new(
            "100037",
            "22018",
            format!("Boolean value '{value}' is not recognized"),
        )
    } else if numeric {
        SqlError::new(
            "100038",
            "22018",
            format!("Numeric value '{value}' is not recognized"),
        )
    } else {
        SqlError::new("100071", "22000", format!("Failed to cast: {message}"))
    }
}

fn arithmetic(message: &str) -> SqlError {
    if message.to_ascii_lowercase().contains("division by zero") {
        return SqlError::new("100051", "22012", "Division by zero");
    }
    if let Some(refusal) = number_ranges::of_engine(message) {
        return refusal;
    }
    SqlError::new(
        "100039",
        "22003",
        format!("Numeric value out of range: {message}"),
    )
}

fn constraint(message: &str) -> SqlError {
    if let Some(said) = said_by_check(message) {
        return function(said);
    }
    let lower = message.to_ascii_lowercase();
    if lower.contains("not null") || lower.contains("null result") {
        return SqlError::new("100072", "22000", "NULL result in a non-nullable column");
    }
    SqlError::new("100072", "22000", message)
}

/// What a CHECK of ours says itself, without the engine's sentence about the constraint around it.
fn said_by_check(message: &str) -> Option<&str> {
    let (_, said) = message.split_once("(Error: ")?;
    said.strip_suffix(')')
}

/// The functions speak Snowflake's words already; only the code is chosen here.
fn function(message: &str) -> SqlError {
    const KNOWN: [(&str, &str, &str); 11] = [
        ("Division by zero", "100051", "22012"),
        ("Numeric value", "100038", "22018"),
        ("Boolean value", "100037", "22018"),
        ("Timestamp '", "100035", "22007"),
        ("Date '", "100040", "22007"),
        ("Time '", "100108", "22007"),
        ("String '", "100078", "22000"),
        ("User character length limit", "100078", "22000"),
        ("Error parsing JSON", "100069", "22P02"),
        ("Failed to cast", "100071", "22000"),
        ("NULL result", "100072", "22000"),
    ];
    if message.starts_with(number_ranges::BEGINNING)
        && let Some(refusal) = number_ranges::of_check(message)
    {
        return refusal;
    }
    for (start, code, sql_state) in KNOWN {
        if message.starts_with(start) {
            let out_of_range = message.contains("out of range");
            let code = if out_of_range { "100039" } else { code };
            return SqlError::new(code, if out_of_range { "22003" } else { sql_state }, message);
        }
    }
    match message.strip_prefix("SQL compilation error:\n") {
        Some(detail) => SqlError::compilation("001044", "42P13", detail),
        None => SqlError::new("100132", "P0000", message),
    }
}

/// The first text in double or single quotes.
fn quoted(message: &str) -> Option<String> {
    let start = message.find(['"', '\''])?;
    let mark = message[start..].chars().next()?;
    let rest = &message[start + 1..];
    Some(rest[..rest.find(mark)?].to_owned())
}

/// The name that follows one of the phrases, with or without quotes.
fn named_after(message: &str, phrases: &[&str]) -> Option<String> {
    let lower = message.to_ascii_lowercase();
    let at = phrases
        .iter()
        .find_map(|phrase| lower.find(phrase).map(|at| at + phrase.len()))?;
    let rest = &message[at..];
    if rest.starts_with(['"', '\'']) {
        return quoted(rest);
    }
    let end = rest
        .find(|c: char| c.is_whitespace() || c == '!')
        .unwrap_or(rest.len());
    Some(rest[..end].to_owned())
}

/// A physical name as the user knows it.
fn spelled(physical: &str) -> String {
    crate::catalog::names::unmangle(physical)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: EngineErrorKind, engine: &str, code: &str, sql_state: &str, message: &str) {
        let error = from_engine(&EngineError {
            kind,
            message: engine.to_owned(),
            position: None,
            code: None,
        });
        assert_eq!(
            (error.code, error.sql_state, error.message.as_str()),
            (code, sql_state, message)
        );
    }

    #[test]
    fn engine_errors_speak_snowflake() {
        use EngineErrorKind as Kind;
        check(
            Kind::Catalog,
            "Table with name T does not exist!\nDid you mean \"U\"?",
            "002003",
            "42S02",
            "SQL compilation error:\nObject 'T' does not exist or not authorized.",
        );
        check(
            Kind::Catalog,
            "Table with name ~t~ does not exist!",
            "002003",
            "42S02",
            "SQL compilation error:\nObject 't' does not exist or not authorized.",
        );
        check(
            Kind::Binder,
            "Referenced column \"~x~Y\" not found in FROM clause!\nCandidate bindings: \"A\"",
            "000904",
            "42000",
            "SQL compilation error:\ninvalid identifier 'xY'",
        );
        for (engine, name) in [
            ("Table \"T\" does not have a column with name \"ZZ\"", "ZZ"),
            ("Table \"T\" does not have a column named \"ZZ\"\n", "T.ZZ"),
            (
                "Referenced update column ZZ not found in table!\nCandidate bindings: \"A\"",
                "ZZ",
            ),
            ("Referenced table \"Q\" not found!\nCandidate tables: \"T\"", "Q"),
        ] {
            let message = format!("SQL compilation error:\ninvalid identifier '{name}'");
            check(Kind::Binder, engine, "000904", "42000", &message);
        }
        check(
            Kind::Catalog,
            "Column with name A already exists!",
            "002025",
            "42S21",
            "SQL compilation error:\nduplicate column name 'A'",
        );
        check(
            Kind::Conversion,
            "Could not convert string 'abc' to INT64",
            "100038",
            "22018",
            "Numeric value 'abc' is not recognized",
        );
        check(
            Kind::Arithmetic,
            "Division by zero",
            "100051",
            "22012",
            "Division by zero",
        );
        check(
            Kind::Function,
            "Numeric value 'x' is not recognized",
            "100038",
            "22018",
            "Numeric value 'x' is not recognized",
        );
        check(
            Kind::Constraint,
            "NOT NULL constraint failed: T.A",
            "100072",
            "22000",
            "NULL result in a non-nullable column",
        );
        check(
            Kind::Interrupted,
            "Interrupted!",
            "000604",
            "57014",
            "SQL execution canceled",
        );
    }
}
