//! Parquet files: their fields, and how the engine reads them.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::sources::unreadable;
use super::worker::Worker;
use super::{SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{literal, mangle, quote};
use crate::lower::Source;
use crate::stages::{FileFormat, StageFile};

/// A column of Parquet files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParquetField {
    pub(super) name: String,
    /// The engine's type, as it writes it.
    pub(super) engine_type: String,
}

/// A field of one Parquet file.
pub(super) struct ParquetName {
    /// Number of the file.
    pub(super) file: usize,
    /// As it is in the file.
    pub(super) name: String,
    /// The [`ParquetField`] that it is part of, in lower case.
    pub(super) column: String,
}

impl ParquetField {
    /// The column's value in a type that Snowflake has, as engine SQL.
    fn value(&self, binary_is_text: bool) -> String {
        let column = quote(&self.name);
        let engine_type = self.engine_type.as_str();
        if engine_type.ends_with(']') || engine_type.starts_with("STRUCT") || engine_type.starts_with("MAP") {
            return format!("sf_parse_json(CAST(to_json({column}) AS VARCHAR))");
        }
        match engine_type {
            "BLOB" if binary_is_text => format!("decode({column})"),
            "TIMESTAMP WITH TIME ZONE" => {
                format!("CAST(CAST(CAST({column} AS TIMESTAMP) AS TIMESTAMP_NS) AS sf_timestamp_ltz)")
            }
            "TIMESTAMP" | "TIMESTAMP_S" | "TIMESTAMP_MS" => format!("CAST({column} AS TIMESTAMP_NS)"),
            "TIME" => format!("CAST({column} AS TIME_NS)"),
            "FLOAT" => format!("CAST({column} AS DOUBLE)"),
            "TINYINT" | "SMALLINT" | "INTEGER" | "UTINYINT" | "USMALLINT" | "UINTEGER" => {
                format!("CAST({column} AS BIGINT)")
            }
            "UBIGINT" | "HUGEINT" | "UHUGEINT" => format!("CAST({column} AS DECIMAL(38,0))"),
            "BIGINT" | "DOUBLE" | "VARCHAR" | "BLOB" | "BOOLEAN" | "DATE" | "TIMESTAMP_NS" | "TIME_NS" => {
                column
            }
            other if other.starts_with("DECIMAL") => column,
            _ => format!("CAST({column} AS VARCHAR)"),
        }
    }

    /// The type that INFER_SCHEMA tells.
    pub(super) fn inferred(&self, binary_is_text: bool) -> String {
        let engine_type = self.engine_type.as_str();
        if engine_type.ends_with(']') {
            return "ARRAY".to_owned();
        }
        if engine_type.starts_with("STRUCT") || engine_type.starts_with("MAP") {
            return "OBJECT".to_owned();
        }
        match engine_type {
            "BLOB" if !binary_is_text => "BINARY",
            "BOOLEAN" => "BOOLEAN",
            "DATE" => "DATE",
            "TIME" | "TIME_NS" => "TIME",
            "FLOAT" | "DOUBLE" => "REAL",
            "TIMESTAMP WITH TIME ZONE" => "TIMESTAMP_LTZ",
            name if name.starts_with("TIMESTAMP") => "TIMESTAMP_NTZ",
            name if name.ends_with("INT") || name.ends_with("INTEGER") => "NUMBER(38, 0)",
            name => match name
                .strip_prefix("DECIMAL(")
                .and_then(|rest| rest.strip_suffix(')'))
            {
                Some(digits) => return format!("NUMBER({})", digits.replace(',', ", ")),
                None => "TEXT",
            },
        }
        .to_owned()
    }
}

/// Engine SQL that reads files as they are.
fn reading(files: &[StageFile]) -> String {
    let paths: Vec<String> = files
        .iter()
        .map(|file| literal(&file.path.to_string_lossy()))
        .collect();
    format!(
        "read_parquet([{}], union_by_name=true, filename=true, file_row_number=true)",
        paths.join(", ")
    )
}

impl Worker {
    /// Fields of Parquet files, in order.
    pub(super) fn parquet_fields(&mut self, files: &[StageFile]) -> Result<Vec<ParquetField>, SqlError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {})",
            reading(files)
        );
        let rows = Catalog::new(self.connection.as_mut()).rows(&sql);
        let rows = rows.map_err(|error| {
            let text = format!("Error parsing the parquet file: {}", from_engine(&error).message);
            SqlError::new("100096", "22000", text)
        })?;
        let fields = rows.iter().map(|row| ParquetField {
            name: row.text(0),
            engine_type: row.text(1),
        });
        Ok(fields
            .filter(|field| !["filename", "file_row_number"].contains(&field.name.as_str()))
            .collect())
    }

    /// The fields of each Parquet file with their names as they are in it, each with the number of its file and the
    /// name under which [`Worker::parquet_fields`] has it, in lower case.
    ///
    /// The engine takes names that differ in case for one, and numbers those that come again in a file.
    pub(super) fn parquet_names(&mut self, files: &[StageFile]) -> Result<Vec<ParquetName>, SqlError> {
        let mut names = Vec::new();
        for (at, file) in files.iter().enumerate() {
            self.control.check()?;
            let sql = format!(
                "SELECT name, coalesce(num_children, 0) FROM parquet_schema({})",
                literal(&file.path.to_string_lossy())
            );
            let rows = Catalog::new(self.connection.as_mut()).rows(&sql);
            let rows = rows.map_err(|error| from_engine(&error))?;
            let mut seen: HashMap<String, u32> = HashMap::new();
            // The first is the record; what is inside of a field comes behind it.
            let mut inside = 0;
            for row in rows.iter().skip(1) {
                let children = row.integer(1).unwrap_or(0);
                if inside == 0 {
                    let name = row.text(0);
                    let mut column = name.to_lowercase();
                    let times = seen.entry(column.clone()).or_default();
                    if *times > 0 {
                        column = format!("{column}_{times}");
                    }
                    *times += 1;
                    names.push(ParquetName {
                        file: at,
                        name,
                        column,
                    });
                } else {
                    inside -= 1;
                }
                inside += children;
            }
        }
        Ok(names)
    }

    /// Parquet files as a table with a column for each field.
    pub(super) fn parquet_source(
        &mut self,
        files: &[StageFile],
        format: &FileFormat,
    ) -> Result<Source, SqlError> {
        let fields = self.parquet_fields(files)?;
        let names = fields.iter().map(|field| field.name.clone()).collect();
        if files.is_empty() {
            return Ok(Source {
                sql: "(SELECT sf_parse_json('null') AS \"COLUMN1\", '' AS \"METADATA$FILENAME\", \
                      0 AS \"METADATA$FILE_ROW_NUMBER\" WHERE false)"
                    .to_owned(),
                fields: Some(names),
                columns: None,
            });
        }
        let binary_is_text = format.is("BINARY_AS_TEXT");
        let mut columns: Vec<String> = fields
            .iter()
            .map(|field| {
                let name = quote(&mangle(&field.name));
                format!("{} AS {name}", field.value(binary_is_text))
            })
            .collect();
        let pairs: Vec<String> = fields
            .iter()
            .map(|field| format!("{}: {}", literal(&field.name), quote(&field.name)))
            .collect();
        let row = if pairs.is_empty() {
            "sf_parse_json('{}')".to_owned()
        } else {
            format!(
                "sf_parse_json(CAST(to_json({{{}}}) AS VARCHAR))",
                pairs.join(", ")
            )
        };
        columns.push(format!("{row} AS \"COLUMN1\""));
        let mut keys = String::new();
        let mut digests = String::new();
        for file in files {
            let path = literal(&file.path.to_string_lossy());
            let digest = self
                .shared
                .store
                .fingerprint(file)
                .map_err(|error| unreadable(&error))?;
            // Writing to a String cannot fail.
            let _ = write!(keys, " WHEN {path} THEN {}", literal(file.key.as_str()));
            let _ = write!(digests, " WHEN {path} THEN {}", literal(&digest));
        }
        columns.push(format!("CASE filename{keys} END AS \"METADATA$FILENAME\""));
        columns.push(format!(
            "CASE filename{digests} END AS \"METADATA$FILE_CONTENT_KEY\""
        ));
        columns.push("file_row_number + 1 AS \"METADATA$FILE_ROW_NUMBER\"".to_owned());
        Ok(Source {
            sql: format!("(SELECT {} FROM {})", columns.join(", "), reading(files)),
            fields: Some(names),
            columns: None,
        })
    }
}
