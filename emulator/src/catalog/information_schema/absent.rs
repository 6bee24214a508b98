//! Views of what Snowflake has and the emulator does not: without rows, in Snowflake's columns.

/// What a column holds: text, a whole number, or a time.
#[derive(Clone, Copy)]
enum Holds {
    Text,
    Number,
    Time,
}

use Holds::{Number, Text, Time};

/// The views, by name.
pub(super) fn views() -> impl Iterator<Item = (&'static str, String)> {
    [
        ("FUNCTIONS", FUNCTIONS),
        ("PROCEDURES", PROCEDURES),
        ("PIPES", PIPES),
        ("EXTERNAL_TABLES", EXTERNAL_TABLES),
    ]
    .into_iter()
    .map(|(name, columns)| (name, select(columns)))
}

fn select(columns: &[(&str, Holds)]) -> String {
    let columns: Vec<String> = columns
        .iter()
        .map(|(name, holds)| {
            let sql_type = match holds {
                Text => "VARCHAR",
                Number => "BIGINT",
                Time => "sf_timestamp_ltz",
            };
            format!("CAST(NULL AS {sql_type}) AS \"{name}\"")
        })
        .collect();
    format!("SELECT {} WHERE false", columns.join(", "))
}

const FUNCTIONS: &[(&str, Holds)] = &[
    ("FUNCTION_CATALOG", Text),
    ("FUNCTION_SCHEMA", Text),
    ("FUNCTION_NAME", Text),
    ("FUNCTION_OWNER", Text),
    ("ARGUMENT_SIGNATURE", Text),
    ("DATA_TYPE", Text),
    ("CHARACTER_MAXIMUM_LENGTH", Number),
    ("CHARACTER_OCTET_LENGTH", Number),
    ("NUMERIC_PRECISION", Number),
    ("NUMERIC_PRECISION_RADIX", Number),
    ("NUMERIC_SCALE", Number),
    ("FUNCTION_LANGUAGE", Text),
    ("FUNCTION_DEFINITION", Text),
    ("VOLATILITY", Text),
    ("IS_NULL_CALL", Text),
    ("IS_SECURE", Text),
    ("CREATED", Time),
    ("LAST_ALTERED", Time),
    ("COMMENT", Text),
    ("IS_EXTERNAL", Text),
    ("API_INTEGRATION", Text),
    ("CONTEXT_HEADERS", Text),
    ("MAX_BATCH_ROWS", Number),
    ("REQUEST_TRANSLATOR", Text),
    ("RESPONSE_TRANSLATOR", Text),
    ("COMPRESSION", Text),
    ("IMPORTS", Text),
    ("HANDLER", Text),
    ("TARGET_PATH", Text),
    ("RUNTIME_VERSION", Text),
    ("PACKAGES", Text),
    ("INSTALLED_PACKAGES", Text),
    ("IS_MEMOIZABLE", Text),
];

const PROCEDURES: &[(&str, Holds)] = &[
    ("PROCEDURE_CATALOG", Text),
    ("PROCEDURE_SCHEMA", Text),
    ("PROCEDURE_NAME", Text),
    ("PROCEDURE_OWNER", Text),
    ("ARGUMENT_SIGNATURE", Text),
    ("DATA_TYPE", Text),
    ("CHARACTER_MAXIMUM_LENGTH", Number),
    ("CHARACTER_OCTET_LENGTH", Number),
    ("NUMERIC_PRECISION", Number),
    ("NUMERIC_PRECISION_RADIX", Number),
    ("NUMERIC_SCALE", Number),
    ("PROCEDURE_LANGUAGE", Text),
    ("PROCEDURE_DEFINITION", Text),
    ("CREATED", Time),
    ("LAST_ALTERED", Time),
    ("COMMENT", Text),
];

const PIPES: &[(&str, Holds)] = &[
    ("PIPE_CATALOG", Text),
    ("PIPE_SCHEMA", Text),
    ("PIPE_NAME", Text),
    ("PIPE_OWNER", Text),
    ("DEFINITION", Text),
    ("IS_AUTOINGEST_ENABLED", Text),
    ("NOTIFICATION_CHANNEL_NAME", Text),
    ("CREATED", Time),
    ("LAST_ALTERED", Time),
    ("COMMENT", Text),
    ("PATTERN", Text),
];

const EXTERNAL_TABLES: &[(&str, Holds)] = &[
    ("TABLE_CATALOG", Text),
    ("TABLE_SCHEMA", Text),
    ("TABLE_NAME", Text),
    ("TABLE_OWNER", Text),
    ("CREATED", Time),
    ("LAST_ALTERED", Time),
    ("COMMENT", Text),
    ("FILE_FORMAT_NAME", Text),
    ("FILE_FORMAT_TYPE", Text),
    ("LOCATION", Text),
    ("LAST_REFRESHED_ON", Time),
    ("AUTO_REFRESH", Text),
];
