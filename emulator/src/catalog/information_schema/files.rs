//! Stages, file formats and what was loaded.

use super::{comment, time};
use crate::catalog::records::where_schema_lives;
use crate::catalog::tables::CATALOG_SCHEMA;

/// `STAGES`: the named ones that are not temporary.
pub(super) fn stages(database: &str) -> String {
    format!(
        "SELECT s.database_name AS \"STAGE_CATALOG\", s.schema_name AS \"STAGE_SCHEMA\", s.name AS \"STAGE_NAME\", \
         CAST(NULL AS VARCHAR) AS \"STAGE_URL\", CAST(NULL AS VARCHAR) AS \"STAGE_REGION\", \
         'Internal Named' AS \"STAGE_TYPE\", s.owner AS \"STAGE_OWNER\", {} AS \"COMMENT\", {1} AS \"CREATED\", \
         {1} AS \"LAST_ALTERED\" FROM {CATALOG_SCHEMA}.stages s WHERE s.database_name = {database} AND {2}",
        comment("s.comment"),
        time("s.created_ms"),
        where_schema_lives("s"),
    )
}

/// Options of file formats that have a column, with the value that they have where nothing is said, for CSV and for
/// JSON; none where a type has no such option.
const OPTIONS: [(&str, Option<&str>, Option<&str>); 14] = [
    ("RECORD_DELIMITER", Some("\\n"), None),
    ("FIELD_DELIMITER", Some(","), None),
    ("SKIP_HEADER", Some("0"), None),
    ("DATE_FORMAT", Some("AUTO"), Some("AUTO")),
    ("TIME_FORMAT", Some("AUTO"), Some("AUTO")),
    ("TIMESTAMP_FORMAT", Some("AUTO"), Some("AUTO")),
    ("BINARY_FORMAT", Some("HEX"), Some("HEX")),
    ("ESCAPE", Some("NONE"), None),
    ("ESCAPE_UNENCLOSED_FIELD", Some("\\\\"), None),
    ("TRIM_SPACE", Some("false"), Some("false")),
    ("FIELD_OPTIONALLY_ENCLOSED_BY", Some("NONE"), None),
    ("NULL_IF", Some("[\\\\N]"), Some("[]")),
    ("COMPRESSION", Some("AUTO"), Some("AUTO")),
    ("ERROR_ON_COLUMN_COUNT_MISMATCH", Some("true"), None),
];

/// `FILE_FORMATS`.
pub(super) fn file_formats(database: &str) -> String {
    let options: Vec<String> = OPTIONS
        .iter()
        .map(|(name, csv, json)| {
            let sql_type = if *name == "SKIP_HEADER" {
                "BIGINT"
            } else {
                "VARCHAR"
            };
            format!("CAST({} AS {sql_type}) AS \"{name}\"", option(name, *csv, *json))
        })
        .collect();
    format!(
        "SELECT f.database_name AS \"FILE_FORMAT_CATALOG\", f.schema_name AS \"FILE_FORMAT_SCHEMA\", \
         f.name AS \"FILE_FORMAT_NAME\", f.owner AS \"FILE_FORMAT_OWNER\", f.kind AS \"FILE_FORMAT_TYPE\", {}, \
         {1} AS \"CREATED\", {1} AS \"LAST_ALTERED\", {2} AS \"COMMENT\" \
         FROM (SELECT *, sf_parse_json(options) AS said FROM {CATALOG_SCHEMA}.file_formats) f \
         WHERE f.database_name = {database} AND {3}",
        options.join(", "),
        time("f.created_ms"),
        comment("f.comment"),
        where_schema_lives("f"),
    )
}

fn option(name: &str, csv: Option<&str>, json: Option<&str>) -> String {
    let said = if name == "NULL_IF" {
        format!("'[' || sf_array_to_string(sf_get_path(f.said, '{name}'), ', ') || ']'")
    } else {
        format!("sf_to_varchar(sf_get_path(f.said, '{name}[0]'))")
    };
    let said = match name {
        "TRIM_SPACE" | "ERROR_ON_COLUMN_COUNT_MISMATCH" => format!("lower({said})"),
        _ => format!("replace(replace({said}, chr(10), '\\n'), chr(9), '\\t')"),
    };
    let fallback =
        |value: Option<&str>| value.map_or_else(|| "NULL".to_owned(), |value| format!("'{value}'"));
    format!(
        "coalesce({said}, CASE f.kind WHEN 'CSV' THEN {} WHEN 'JSON' THEN {} END)",
        fallback(csv),
        fallback(json)
    )
}

/// `LOAD_HISTORY`: the files that tables were loaded from. How many rows they had is not known any more.
pub(super) fn load_history(database: &str) -> String {
    format!(
        "SELECT o.schema_name AS \"SCHEMA_NAME\", l.file AS \"FILE_NAME\", o.name AS \"TABLE_NAME\", \
         {} AS \"LAST_LOAD_TIME\", 'LOADED' AS \"STATUS\", CAST(NULL AS BIGINT) AS \"ROW_COUNT\", \
         CAST(NULL AS BIGINT) AS \"ROW_PARSED\", CAST(NULL AS VARCHAR) AS \"FIRST_ERROR_MESSAGE\", \
         CAST(NULL AS BIGINT) AS \"FIRST_ERROR_LINE_NUMBER\", CAST(NULL AS BIGINT) AS \"FIRST_ERROR_CHARACTER_POSITION\", \
         CAST(NULL AS VARCHAR) AS \"FIRST_ERROR_COL_NAME\", CAST(0 AS BIGINT) AS \"ERROR_COUNT\", \
         CAST(NULL AS BIGINT) AS \"ERROR_LIMIT\" FROM {CATALOG_SCHEMA}.loads l \
         JOIN {CATALOG_SCHEMA}.objects o ON o.id = l.object_id \
         WHERE o.database_name = {database} AND o.dropped_ms IS NULL",
        time("l.loaded_ms"),
    )
}
