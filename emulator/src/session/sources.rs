//! Tables that are made for one statement: stages, results of earlier statements, past tables.
//!
//! What a statement reads besides tables is brought into temporary tables of the engine before the statement
//! is lowered, or is named where the engine can read it itself (Parquet). They are dropped with the next
//! statement of the session: until then their rows may still be streaming.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlparser::ast::{Expr, SelectItem, SetExpr, Statement};

use super::stage_read::Shape;
use super::worker::{Work, Worker};
use super::{KeptResult, QueryId, ResultColumn, SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{TEMPORARY_SCHEMA, mangle, quote};
use crate::front::{Location, SettingValue, StageTable};
use crate::lower::{
    ColumnKinds, Lowered, Scope, Source, SourceKind, column_count, lower, names_sources, source_requests,
    with_values,
};
use crate::stages::{FileKind, StageFile};

/// Most files that one statement reads.
pub(super) const FILES_MAX: usize = 10_000;

/// Engine schema of a connection's temporary tables, as the engine's appender names it.
pub(super) const TEMPORARY: &str = "temp";

/// A statement with the tables that were made for it.
pub(super) struct Resolved {
    pub(super) statement: Statement,
    pub(super) sources: BTreeMap<String, Source>,
}

impl Resolved {
    /// Adds what is known of the columns of the tables that were made.
    pub(super) fn tell(&self, kinds: &mut ColumnKinds) {
        for source in self.sources.values() {
            if let Some(columns) = &source.columns {
                kinds.add(source.sql.clone(), Arc::clone(columns));
            }
        }
    }
}

impl Worker {
    /// Lowers a statement in the session's scope, with the tables that it needs made.
    pub(super) fn lower(&mut self, statement: &Statement, work: &Work<'_>) -> Result<Lowered, SqlError> {
        self.lower_into(statement, work, &[])
    }

    /// As [`Worker::lower`], for a statement that changes a table with these columns.
    pub(super) fn lower_into(
        &mut self,
        statement: &Statement,
        work: &Work<'_>,
        target: &[ResultColumn],
    ) -> Result<Lowered, SqlError> {
        if let Some(statement) = self.with_ddl_texts(statement, work)? {
            let mut lowered = self.lower_into(&statement, work, target)?;
            // The objects may be others the next time.
            lowered.uses_session_state = true;
            return Ok(lowered);
        }
        if let Some(statement) = self.with_written_columns(statement, work)? {
            let mut lowered = self.lower_into(&statement, work, target)?;
            // Their columns may be others the next time.
            lowered.uses_session_state = true;
            return Ok(lowered);
        }
        let mut columns = self.column_kinds(statement)?;
        let Some(resolved) = self.resolve(statement, work)? else {
            return lower(
                statement,
                &Scope {
                    columns: &columns,
                    target,
                    ..self.scope(work)
                },
            );
        };
        resolved.tell(&mut columns);
        let scope = Scope {
            sources: &resolved.sources,
            columns: &columns,
            target,
            ..self.scope(work)
        };
        let mut lowered = lower(&resolved.statement, &scope)?;
        // What was made for this statement is gone with the next.
        lowered.uses_session_state = true;
        Ok(lowered)
    }

    pub(super) fn scope<'a>(&'a self, work: &'a Work<'_>) -> Scope<'a> {
        let transaction = self.transaction.as_ref().map(|transaction| transaction.id);
        self.state
            .scope(&work.moment, work.piece.text, work.bindings, transaction)
    }

    /// Makes the tables that a statement needs made; none when it needs none.
    pub(super) fn resolve(
        &mut self,
        statement: &Statement,
        work: &Work<'_>,
    ) -> Result<Option<Resolved>, SqlError> {
        if !names_sources(statement) {
            return Ok(None);
        }
        let statement = with_values(statement, &self.scope(work))?;
        let mut sources = BTreeMap::new();
        for request in source_requests(&statement) {
            self.control.check()?;
            let source = match request.kind {
                SourceKind::Stage(name) => {
                    let table = StageTable::of_name(&name)
                        .ok_or_else(|| SqlError::internal("a stage without a name"))??;
                    self.stage_source(&table, column_count(&statement))?
                }
                SourceKind::Result(id) => self.result_source(&id, work)?,
                SourceKind::InferSchema(arguments) => self.schema_source(&arguments, work)?,
                SourceKind::Past {
                    table,
                    before,
                    by,
                    point,
                } => self.past_source(&table, before, &by, &point, work)?,
            };
            sources.insert(request.key, source);
        }
        Ok(Some(Resolved { statement, sources }))
    }

    /// Drops the tables that were made for the statement before.
    pub(super) fn clear_sources(&mut self) {
        for table in std::mem::take(&mut self.made_tables) {
            let sql = format!("DROP TABLE IF EXISTS {TEMPORARY_SCHEMA}.{}", quote(&table));
            if let Err(error) = self.connection.execute(&sql) {
                tracing::debug!(%error, "a temporary table went with its transaction");
            }
        }
    }

    /// A new temporary table with these columns; gives its name, without quotes.
    pub(super) fn make_table(&mut self, columns: &str) -> Result<String, SqlError> {
        self.make_table_of(&format!("({columns})"))
    }

    /// A new temporary table with the rows of a query of the engine's; gives its name, without quotes.
    pub(super) fn keep_query(&mut self, sql: &str) -> Result<String, SqlError> {
        self.make_table_of(&format!("AS {sql}"))
    }

    fn make_table_of(&mut self, content: &str) -> Result<String, SqlError> {
        self.tables_made += 1;
        // A mangled name never holds this sign.
        let name = format!("stage#{}", self.tables_made);
        let sql = format!("CREATE TEMPORARY TABLE {} {content}", physical(&name));
        self.connection
            .execute(&sql)
            .map_err(|error| from_engine(&error))?;
        self.made_tables.push(name.clone());
        Ok(name)
    }

    /// The files of a stage as a table.
    fn stage_source(&mut self, table: &StageTable, columns: usize) -> Result<Source, SqlError> {
        let format = match &table.format {
            Some(name) => {
                let mut scope = self.file_scope();
                let named = SettingValue::One {
                    text: name.clone(),
                    quoted: true,
                };
                let format = scope.format(&named);
                format.map_err(|failure| self.in_words(failure))?
            }
            None => self.format_at(&table.location)?,
        };
        let files = self.files_at(&table.location, table.pattern.as_deref())?;
        if format.kind() == FileKind::Parquet {
            return self.parquet_source(&files, &format);
        }
        let shape = Shape {
            width: columns.max(1),
            is_exact: false,
        };
        let raw = self.read_raw(&files, &format, shape)?;
        if let Some(fault) = raw.faults.first() {
            return Err(fault.refusal());
        }
        Ok(raw.source(format.kind()))
    }

    /// Files at a location, in the order of their names.
    pub(super) fn files_at(
        &mut self,
        location: &Location,
        pattern: Option<&str>,
    ) -> Result<Vec<StageFile>, SqlError> {
        let found = self.stage_at(location)?;
        let pattern = pattern.map(whole_name).transpose()?;
        let files = self.shared.store.list(&found.area, &location.path);
        let mut files = files.map_err(|error| unreadable(&error))?;
        files.retain(|file| {
            pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(file.key.as_str()))
        });
        if files.len() > FILES_MAX {
            let text = format!("The statement would read more than {FILES_MAX} files; name fewer of them.");
            return Err(SqlError::new("100357", "54000", text));
        }
        Ok(files)
    }

    /// An earlier statement's result as a table.
    fn result_source(&mut self, id: &Expr, work: &Work<'_>) -> Result<Source, SqlError> {
        let text = self.value_of(id, work)?.unwrap_or_default();
        let kept = self.kept_result(&text)?;
        let declared: Vec<String> = kept
            .columns
            .iter()
            .map(|column| {
                format!(
                    "{} {}",
                    quote(&mangle(&column.name)),
                    column.sql_type.engine_type()
                )
            })
            .collect();
        let table = self.make_table(&declared.join(", "))?;
        let mut part = 0;
        while let Some(batches) = (kept.batches)(part)? {
            self.control.check()?;
            for batch in &batches {
                let added = self.connection.append(TEMPORARY, &table, batch);
                added.map_err(|error| from_engine(&error))?;
            }
            part += 1;
        }
        Ok(Source {
            sql: physical(&table),
            fields: None,
            columns: Some(kept.columns.into_iter().map(of_no_table).collect()),
        })
    }

    /// The result of an earlier statement of this user, by its id.
    pub(super) fn kept_result(&self, id: &str) -> Result<KeptResult, SqlError> {
        let missing = || SqlError::new("000709", "02000", format!("Statement {id} not found"));
        let query_id = QueryId::try_parse(id).map_err(|_| missing())?;
        let results = self.shared.results.get();
        results
            .and_then(|results| results.result(&self.state.user, query_id))
            .ok_or_else(missing)
    }

    /// The value of an expression that names no table, as text.
    pub(super) fn value_of(&mut self, expr: &Expr, work: &Work<'_>) -> Result<Option<String>, SqlError> {
        let sql = format!("SELECT {expr}");
        let pieces = crate::front::split(&sql)?;
        let parsed = crate::front::parse(&pieces[0])?;
        let crate::front::Parsed::Sql(mut statement) = parsed else {
            return Err(SqlError::internal("a value that is no query"));
        };
        if let Statement::Query(query) = &mut *statement
            && let SetExpr::Select(select) = &mut *query.body
        {
            select.projection = vec![SelectItem::UnnamedExpr(expr.clone())];
        }
        let lowered = lower(&statement, &self.scope(work))?;
        let rows = Catalog::new(self.connection.as_mut())
            .rows(&lowered.sql)
            .map_err(|error| from_engine(&error))?;
        Ok(rows.first().and_then(|row| row.optional(0)))
    }
}

/// A column of a result, which is not the table's any more that it was read from.
fn of_no_table(column: ResultColumn) -> ResultColumn {
    ResultColumn {
        origin: Default::default(),
        ..column
    }
}

/// Engine name of a temporary table, ready to be written into SQL.
pub(super) fn physical(table: &str) -> String {
    format!("{TEMPORARY_SCHEMA}.{}", quote(table))
}

/// A pattern that fits whole names.
pub(super) fn whole_name(pattern: &str) -> Result<regex::Regex, SqlError> {
    regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|_| {
        let text = format!("Invalid regular expression: '{pattern}'");
        SqlError::new("100048", "2201B", text)
    })
}

pub(super) fn unreadable(error: &std::io::Error) -> SqlError {
    SqlError::new(
        "100035",
        "58030",
        format!("A stage's files could not be used: {error}"),
    )
}
