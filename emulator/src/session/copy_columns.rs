//! Which value of a file goes into which column of a table, as Snowflake's SQL.

use super::SqlError;
use super::copy_options::CopyOptions;
use super::parquet::ParquetField;
use crate::catalog::names::{Name, ObjectPath, snowflake_literal};
use crate::catalog::records::Column;
use crate::catalog::types::TEXT_LENGTH_DEFAULT;
use crate::stages::{FileFormat, FileKind};

/// A column that is loaded.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LoadedColumn {
    pub(super) column: Column,
    /// What goes into it.
    pub(super) value: String,
    /// Condition under which that cannot be; none when the engine alone knows.
    pub(super) fault: Option<String>,
    /// What it is made from, for messages.
    pub(super) from: String,
}

/// What is known of the files besides their format.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FileFacts<'a> {
    /// Fields of Parquet files.
    pub(super) fields: &'a [ParquetField],
    /// Names in the first record of a CSV file.
    pub(super) names: Option<&'a [String]>,
    /// The engine's reader has made numbers and dates of what it read.
    pub(super) is_typed: bool,
}

/// The columns that are loaded from a stage without a query.
pub(super) fn loaded_columns(
    columns: &[Column],
    format: &FileFormat,
    options: &CopyOptions,
    facts: FileFacts<'_>,
) -> Result<Vec<LoadedColumn>, SqlError> {
    let Some(is_exact) = options.match_by_name else {
        return by_position(columns, format, options, facts);
    };
    let same = |column: &Column, name: &str| {
        let own = column.name.as_str();
        if is_exact {
            own == name
        } else {
            own.to_uppercase() == name.to_uppercase()
        }
    };
    let mut loaded = Vec::new();
    match format.kind() {
        FileKind::Json => {
            let function = if is_exact { "GET" } else { "GET_IGNORE_CASE" };
            for column in columns {
                let from = format!("{function}($1, {})", snowflake_literal(column.name.as_str()));
                loaded.push(of_variant(column, from));
            }
        }
        FileKind::Parquet => {
            for column in columns {
                if let Some(field) = facts.fields.iter().find(|field| same(column, &field.name)) {
                    let name = field.name.replace('"', "\"\"");
                    loaded.push(of_variant(column, format!("$1:\"{name}\"")));
                }
            }
        }
        FileKind::Csv => {
            let Some(names) = facts.names else {
                let detail =
                    "MATCH_BY_COLUMN_NAME of CSV files needs the file format option PARSE_HEADER = TRUE";
                return Err(SqlError::compilation("001420", "22023", detail));
            };
            for column in columns {
                if let Some(at) = names.iter().position(|name| same(column, name)) {
                    loaded.push(of_text(column, at + 1, format, options, false));
                }
            }
        }
    }
    if loaded.is_empty() {
        let detail = "no column of the files has the name of a column of the table";
        return Err(SqlError::compilation("001420", "22023", detail));
    }
    Ok(loaded)
}

fn by_position(
    columns: &[Column],
    format: &FileFormat,
    options: &CopyOptions,
    facts: FileFacts<'_>,
) -> Result<Vec<LoadedColumn>, SqlError> {
    if format.kind() == FileKind::Csv {
        let numbered = columns.iter().zip(1..);
        return Ok(numbered
            .map(|(column, number)| of_text(column, number, format, options, facts.is_typed))
            .collect());
    }
    match columns {
        [column] if is_semi_structured(column) => Ok(vec![of_variant(column, "$1".to_owned())]),
        _ => {
            let detail = format!(
                "{} file format can produce one and only one column of type variant, object, or array. Load data into \
                 separate columns using the MATCH_BY_COLUMN_NAME copy option or copy with transformation.",
                format.kind().word()
            );
            Err(SqlError::compilation("002019", "0A000", detail))
        }
    }
}

fn is_semi_structured(column: &Column) -> bool {
    ["VARIANT", "OBJECT", "ARRAY"].contains(&column.stored_type.tag.as_str())
}

fn of_variant(column: &Column, from: String) -> LoadedColumn {
    let declared = cast_type(column);
    LoadedColumn {
        value: format!("CAST({from} AS {declared})"),
        fault: None,
        column: column.clone(),
        from,
    }
}

/// The type to which a value for a column is converted; the length of a text is the table's to check.
pub(super) fn cast_type(column: &Column) -> String {
    match column.stored_type.tag.as_str() {
        "TEXT" => "VARCHAR".to_owned(),
        "BINARY" => "BINARY".to_owned(),
        _ => column.stored_type.declared(),
    }
}

/// True for types that the engine's own CSV reader makes as Snowflake does.
pub(super) fn typed_by_reader(column: &Column, format: &FileFormat) -> Option<String> {
    let stored = &column.stored_type;
    match stored.tag.as_str() {
        "FIXED" => Some(format!(
            "DECIMAL({},{})",
            stored.precision.unwrap_or(38),
            stored.scale.unwrap_or(0)
        )),
        "REAL" => Some("DOUBLE".to_owned()),
        "DATE" if format.text("DATE_FORMAT").eq_ignore_ascii_case("AUTO") => Some("DATE".to_owned()),
        _ => None,
    }
}

fn of_text(
    column: &Column,
    number: usize,
    format: &FileFormat,
    options: &CopyOptions,
    is_typed: bool,
) -> LoadedColumn {
    let from = format!("${number}");
    let stored = &column.stored_type;
    let written = |name: &str| format.text(name);
    let is_auto = |name: &str| written(name).eq_ignore_ascii_case("AUTO");
    let attempt = |value: &str| format!("{from} IS NOT NULL AND {value} IS NULL");
    let by_cast = || {
        let declared = cast_type(column);
        (
            format!("CAST({from} AS {declared})"),
            Some(attempt(&format!("TRY_CAST({from} AS {declared})"))),
        )
    };
    let by_format = |function: &str, option: &str| {
        if is_auto(option) {
            return by_cast();
        }
        let form = snowflake_literal(written(option));
        (
            format!("{function}({from}, {form})"),
            Some(attempt(&format!("TRY_{function}({from}, {form})"))),
        )
    };
    let length = stored
        .length
        .filter(|length| *length < i64::from(TEXT_LENGTH_DEFAULT));
    let (value, fault) = match stored.tag.as_str() {
        _ if is_typed && typed_by_reader(column, format).is_some() => (from.clone(), None),
        "TEXT" => match length {
            Some(length) if options.truncates => (format!("LEFT({from}, {length})"), None),
            Some(length) => (from.clone(), Some(format!("LENGTH({from}) > {length}"))),
            None => (from.clone(), None),
        },
        "DATE" => by_format("TO_DATE", "DATE_FORMAT"),
        "TIME" => by_format("TO_TIME", "TIME_FORMAT"),
        "TIMESTAMP_NTZ" => by_format("TO_TIMESTAMP_NTZ", "TIMESTAMP_FORMAT"),
        "TIMESTAMP_LTZ" => by_format("TO_TIMESTAMP_LTZ", "TIMESTAMP_FORMAT"),
        "TIMESTAMP_TZ" => by_format("TO_TIMESTAMP_TZ", "TIMESTAMP_FORMAT"),
        "BINARY" => {
            let form = snowflake_literal(written("BINARY_FORMAT"));
            (
                format!("TO_BINARY({from}, {form})"),
                Some(attempt(&format!("TRY_TO_BINARY({from}, {form})"))),
            )
        }
        "VARIANT" => (
            format!("PARSE_JSON({from})"),
            Some(attempt(&format!("TRY_PARSE_JSON({from})"))),
        ),
        "OBJECT" | "ARRAY" => (
            format!("CAST(PARSE_JSON({from}) AS {})", stored.tag),
            Some(attempt(&format!("TRY_PARSE_JSON({from})"))),
        ),
        _ => by_cast(),
    };
    let fault = if column.nullable {
        fault
    } else {
        let is_null = format!("{from} IS NULL");
        Some(fault.map_or(is_null.clone(), |fault| format!("({fault}) OR {is_null}")))
    };
    LoadedColumn {
        column: column.clone(),
        value,
        fault,
        from,
    }
}

/// A path with every part in quotes.
pub(super) fn quoted_path(path: &ObjectPath) -> String {
    [&path.schema.database, &path.schema.schema, &path.name]
        .map(quoted)
        .join(".")
}

/// A name in quotes.
pub(super) fn quoted(name: &Name) -> String {
    format!("\"{}\"", name.as_str().replace('"', "\"\""))
}
