//! What is wrong with records of a file, and what a query over a stage puts into a table.

use sqlparser::ast::{CastKind, Expr, SelectItem, SetExpr, Statement};

use super::copy_columns::{FileFacts, LoadedColumn, cast_type, quoted, quoted_path};
use super::copy_job::{CopyJob, FILE, Faults, columns_for, raw_name, shape_of};
use super::copy_options::OnError;
use super::sources::unreadable;
use super::stage_read::{Fault, Raw};
use super::worker::{Work, Worker};
use super::{SqlError, StatementOutput, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::snowflake_literal;
use crate::front::Parsed;
use crate::lower::{Lowered, Scope, Source, lower};
use crate::plan::shape::{ListType, list};
use crate::stages::csv::{CsvOptions, CsvReader};
use crate::stages::{Compression, FileKind, StageFile};

/// Faults that `VALIDATION_MODE = RETURN_ERRORS` lists.
const LISTED_MAX: usize = 10_000;

impl Worker {
    /// What is wrong with the records that were read. What would fail when it is inserted is taken out,
    /// unless the whole statement fails with it.
    pub(super) fn faults_of(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
        file: &StageFile,
        raw: &Raw,
        columns: &[LoadedColumn],
    ) -> Result<Faults, SqlError> {
        let mut faults = Faults {
            count: raw.faulty,
            first: raw.faults.first().map(|fault| in_columns(fault, job)),
        };
        if job.options.on_error == OnError::Abort && job.options.validation.is_none() {
            return Ok(faults);
        }
        let found = self.wrong_values(job, work, file, raw, columns, 1)?;
        faults.count += found.0;
        faults.first = match (faults.first.take(), found.1.into_iter().next()) {
            (Some(one), Some(other)) => Some(if one.row <= other.row { one } else { other }),
            (one, other) => one.or(other),
        };
        Ok(faults)
    }

    /// Takes records out whose values do not fit; gives their number and the first few faults.
    fn wrong_values(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
        file: &StageFile,
        raw: &Raw,
        columns: &[LoadedColumn],
        faults_max: usize,
    ) -> Result<(u64, Vec<Fault>), SqlError> {
        let conditions: Vec<(usize, &str)> = if job.format.kind() == FileKind::Json {
            vec![(0, "TRY_PARSE_JSON($1) IS NULL")]
        } else {
            let checked = columns.iter().enumerate();
            checked
                .filter_map(|(at, loaded)| Some((at, loaded.fault.as_deref()?)))
                .collect()
        };
        if conditions.is_empty() {
            return Ok((0, Vec::new()));
        }
        let branches: Vec<String> = conditions
            .iter()
            .map(|(at, condition)| format!("WHEN {condition} THEN {at}"))
            .collect();
        let values: Vec<String> = conditions
            .iter()
            .map(|(at, condition)| {
                let from = columns.get(*at).map_or("$1", |loaded| loaded.from.as_str());
                let from = if job.format.kind() == FileKind::Json {
                    "$1"
                } else {
                    from
                };
                format!("WHEN {condition} THEN {from}")
            })
            .collect();
        let all: Vec<String> = conditions
            .iter()
            .map(|(_, condition)| format!("({condition})"))
            .collect();
        let sql = format!(
            "SELECT METADATA$FILE_ROW_NUMBER AS R, METADATA$LINE AS L, CASE {} END AS C, CASE {} END AS V FROM {FILE} \
             WHERE {}",
            branches.join(" "),
            values.join(" "),
            all.join(" OR ")
        );
        let source = Source {
            sql: raw_name(raw),
            fields: None,
            columns: None,
        };
        let lowered = self.lower_generated(&sql, &source, work)?;
        let engine = |error| from_engine(&error);
        let mut catalog = Catalog::new(self.connection.as_mut());
        let count = catalog
            .rows(&format!("SELECT count(*) FROM ({})", lowered.sql))
            .map_err(engine)?;
        let count = count
            .first()
            .and_then(|row| row.integer(0))
            .unwrap_or(0)
            .unsigned_abs();
        if count == 0 {
            return Ok((0, Vec::new()));
        }
        let rows = catalog
            .rows(&format!(
                "SELECT * FROM ({}) ORDER BY 1 LIMIT {faults_max}",
                lowered.sql
            ))
            .map_err(engine)?;
        let mut faults = Vec::with_capacity(rows.len());
        for row in &rows {
            let number = |at| row.integer(at).unwrap_or(0).unsigned_abs();
            let at = usize::try_from(number(2)).unwrap_or(0);
            let place = (number(0), number(1), row.optional(3));
            faults.push(self.fault_at(job, work, file, columns.get(at), at, place)?);
        }
        let delete = format!(
            "DELETE FROM {} WHERE \"METADATA$FILE_ROW_NUMBER\" IN (SELECT \"R\" FROM ({}))",
            raw_name(raw),
            lowered.sql
        );
        self.connection.execute(&delete).map_err(engine)?;
        Ok((count, faults))
    }

    fn fault_at(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
        file: &StageFile,
        loaded: Option<&LoadedColumn>,
        at: usize,
        (row, line, value): (u64, u64, Option<String>),
    ) -> Result<Fault, SqlError> {
        let (code, sql_state, message) = self.what_is_wrong(job, work, loaded, value.as_deref());
        let (character, byte) = if job.format.kind() == FileKind::Csv {
            character_of(job, file, row, at)?
        } else {
            (1, 0)
        };
        Ok(Fault {
            code,
            sql_state,
            message,
            file: job.stage.shown(file.key.as_str()),
            line,
            character,
            byte,
            row,
            column: column_shown(job, at),
        })
    }

    fn what_is_wrong(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
        loaded: Option<&LoadedColumn>,
        value: Option<&str>,
    ) -> (&'static str, &'static str, String) {
        let Some(value) = value else {
            let message = "NULL result in a non-nullable column".to_owned();
            return ("100072", "22000", message);
        };
        let length = loaded.and_then(|loaded| loaded.column.stored_type.length);
        if let Some(loaded) = loaded
            && loaded.column.stored_type.tag == "TEXT"
            && job.format.kind() == FileKind::Csv
        {
            let message = format!(
                "User character length limit ({}) exceeded by string '{value}'",
                length.unwrap_or_default()
            );
            return ("100078", "22000", message);
        }
        // The conversion itself says what it does not like, on a connection that has nothing to lose.
        let conversion = match loaded {
            Some(loaded) if job.format.kind() == FileKind::Csv => {
                loaded.value.replace(&loaded.from, &snowflake_literal(value))
            }
            _ => format!("PARSE_JSON({})", snowflake_literal(value)),
        };
        let source = Source::default();
        let said = self
            .lower_generated(&format!("SELECT {conversion}"), &source, work)
            .and_then(|lowered| {
                let mut connection = self
                    .shared
                    .engine
                    .connect()
                    .map_err(|error| from_engine(&error))?;
                let asked = Catalog::new(connection.as_mut()).rows(&lowered.sql);
                asked.map(|_| ()).map_err(|error| from_engine(&error))
            });
        match said {
            Err(error) => (error.code, error.sql_state, error.message),
            Ok(()) => ("100071", "22000", format!("Failed to cast '{value}'")),
        }
    }

    /// The first fault of a COPY that failed.
    pub(super) fn first_fault(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
    ) -> Result<Option<Fault>, SqlError> {
        if job.query.is_some() || job.format.kind() == FileKind::Parquet {
            return Ok(None);
        }
        Ok(self.all_faults(job, work, 1)?.into_iter().next())
    }

    fn all_faults(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
        faults_max: usize,
    ) -> Result<Vec<Fault>, SqlError> {
        let mut faults = Vec::new();
        for file in &job.files {
            self.control.check()?;
            let raw = self.read_raw(std::slice::from_ref(file), &job.format, shape_of(job))?;
            let facts = FileFacts {
                names: raw.names.as_deref(),
                ..FileFacts::default()
            };
            let columns = columns_for(job, facts)?;
            let (_, wrong) = self.wrong_values(job, work, file, &raw, &columns, faults_max)?;
            let mut all: Vec<Fault> = raw.faults.iter().map(|fault| in_columns(fault, job)).collect();
            all.extend(wrong);
            all.sort_by_key(|fault| fault.row);
            faults.extend(all);
            if faults.len() >= faults_max {
                faults.truncate(faults_max);
                break;
            }
        }
        Ok(faults)
    }

    /// `VALIDATION_MODE = RETURN_ERRORS`.
    pub(super) fn validate_errors(
        &mut self,
        job: &CopyJob<'_>,
        work: &Work<'_>,
    ) -> Result<StatementOutput, SqlError> {
        use ListType::{Number, Text};
        if job.query.is_some() {
            return Err(SqlError::unsupported("VALIDATION_MODE of a COPY with a query"));
        }
        let faults = if job.format.kind() == FileKind::Parquet {
            Vec::new()
        } else {
            self.all_faults(job, work, LISTED_MAX)?
        };
        let columns = [
            ("ERROR", Text),
            ("FILE", Text),
            ("LINE", Number),
            ("CHARACTER", Number),
            ("BYTE_OFFSET", Number),
            ("CATEGORY", Text),
            ("CODE", Number),
            ("SQL_STATE", Text),
            ("COLUMN_NAME", Text),
            ("ROW_NUMBER", Number),
            ("ROW_START_LINE", Number),
        ];
        let rows = faults.into_iter().map(|fault| {
            let category = if fault.code == "100080" || fault.code == "100016" {
                "parsing"
            } else {
                "conversion"
            };
            vec![
                Some(fault.message),
                Some(fault.file),
                Some(fault.line.to_string()),
                Some(fault.character.to_string()),
                Some(fault.byte.to_string()),
                Some(category.to_owned()),
                Some(fault.code.trim_start_matches('0').to_owned()),
                Some(fault.sql_state.to_owned()),
                Some(fault.column),
                Some(fault.row.to_string()),
                Some(fault.line.to_string()),
            ]
        });
        let shaped = list(&columns, rows.collect());
        Ok(self.answer(work, shaped, None))
    }

    /// `VALIDATION_MODE = RETURN_n_ROWS`: the rows that would be loaded.
    pub(super) fn validate_rows(
        &mut self,
        job: &CopyJob<'_>,
        rows_max: u64,
        work: &Work<'_>,
    ) -> Result<StatementOutput, SqlError> {
        if job.query.is_some() || job.format.kind() == FileKind::Parquet {
            return Err(SqlError::unsupported(
                "VALIDATION_MODE = RETURN_n_ROWS of a query or of Parquet",
            ));
        }
        if let Some(fault) = self.first_fault(job, work)? {
            return Err(fault.refusal());
        }
        let raw = self.read_raw(&job.files, &job.format, shape_of(job))?;
        let facts = FileFacts {
            names: raw.names.as_deref(),
            ..FileFacts::default()
        };
        let columns = columns_for(job, facts)?;
        let values: Vec<String> = columns
            .iter()
            .map(|loaded| format!("{} AS {}", loaded.value, quoted(&loaded.column.name)))
            .collect();
        let sql = format!("SELECT {} FROM {FILE} LIMIT {rows_max}", values.join(", "));
        let source = raw.source(job.format.kind());
        let lowered = self.lower_generated(&sql, &source, work)?;
        let query_id = work.query_id;
        match self.query(&lowered, None, query_id, &mut None)? {
            super::worker::Done::Answer(mut output) => {
                output.statement_type = crate::plan::kind::COPY;
                Ok(*output)
            }
            super::worker::Done::Streamed => Err(SqlError::internal("rows streamed to nobody")),
        }
    }

    /// The INSERT of a query over a stage: each value is converted to the type of its column.
    pub(super) fn lowered_query_insert(
        &mut self,
        job: &CopyJob<'_>,
        query: &Statement,
        name: &str,
        source: &Source,
        work: &Work<'_>,
    ) -> Result<Lowered, SqlError> {
        let names: Vec<String> = job.columns.iter().map(|column| quoted(&column.name)).collect();
        let sql = format!(
            "INSERT INTO {} ({}) SELECT 1",
            quoted_path(&job.target),
            names.join(", ")
        );
        let pieces = crate::front::split(&sql)?;
        let Parsed::Sql(mut statement) = crate::front::parse(&pieces[0])? else {
            return Err(SqlError::internal("a generated statement is a command"));
        };
        let (Statement::Insert(insert), Statement::Query(query)) = (statement.as_mut(), query) else {
            return Err(SqlError::internal("a COPY without a query"));
        };
        let mut query = query.clone();
        if let SetExpr::Select(select) = &mut *query.body
            && select.projection.len() == job.columns.len()
        {
            for (item, column) in select.projection.iter_mut().zip(&job.columns) {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                    *expr = converted(expr.clone(), &cast_type(column))?;
                }
            }
        }
        insert.source = Some(query);
        let sources = [(name.to_owned(), source.clone())].into();
        let scope = Scope {
            sources: &sources,
            source: None,
            ..self.scope(work)
        };
        lower(&statement, &scope)
    }
}

/// A conversion to a type that is written out.
fn converted(expr: Expr, declared: &str) -> Result<Expr, SqlError> {
    let sql = format!("SELECT CAST(1 AS {declared})");
    let pieces = crate::front::split(&sql)?;
    let Parsed::Sql(statement) = crate::front::parse(&pieces[0])? else {
        return Err(SqlError::internal("a generated statement is a command"));
    };
    if let Statement::Query(query) = *statement
        && let SetExpr::Select(select) = *query.body
        && let Some(SelectItem::UnnamedExpr(Expr::Cast { data_type, .. })) =
            select.projection.into_iter().next()
    {
        return Ok(Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(expr),
            data_type,
            format: None,
        });
    }
    Err(SqlError::internal("a generated conversion is none"))
}

/// A fault of the reader, with the table's name of the column.
fn in_columns(fault: &Fault, job: &CopyJob<'_>) -> Fault {
    let at = fault.column.parse::<usize>().unwrap_or(1).saturating_sub(1);
    Fault {
        file: job.stage.shown(&fault.file),
        column: column_shown(job, at),
        ..fault.clone()
    }
}

fn column_shown(job: &CopyJob<'_>, at: usize) -> String {
    match job.columns.get(at) {
        Some(column) => format!(
            "\"{}\"[\"{}\":{}]",
            job.target.name.as_str(),
            column.name.as_str(),
            at + 1
        ),
        None => (at + 1).to_string(),
    }
}

/// Where a field stands: character in its line, and byte of its record.
fn character_of(job: &CopyJob<'_>, file: &StageFile, row: u64, at: usize) -> Result<(u64, u64), SqlError> {
    let io = |error: std::io::Error| unreadable(&error);
    let compression = Compression::of(&job.format, &file.path, file.key.as_str())?;
    let input = compression.open(&file.path).map_err(io)?;
    let mut reader = CsvReader::new(input, CsvOptions::of(&job.format)).map_err(io)?;
    while reader.next().map_err(io)?.is_some() {
        if reader.place().number == row {
            return Ok((reader.character(at), reader.place().byte));
        }
    }
    Ok((1, 0))
}
