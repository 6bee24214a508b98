//! What a result's columns are besides their types: where they come from, whether they may be NULL, how long.
//!
//! The text says which table's columns they are ([`crate::lower::outline`]), the catalog says what those are. What
//! was read of the catalog is remembered until a definition changes.

use std::sync::Arc;

use snowflake_emulator_engine::{EngineColumn, GeoForm, SqlType};
use sqlparser::ast::Statement;

use super::query::result_columns;
use super::worker::Worker;
use super::{Parameters, ResultColumn, SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::ObjectPath;
use crate::catalog::records::{Column, ObjectKind};
use crate::lower::outline::{Item, Outline, Rows, Source};
use crate::lower::{ColumnKinds, named_tables};

/// Most tables whose columns are remembered.
const REMEMBERED_MAX: usize = 1000;

/// A table's columns as a result has them; none for what is no table.
pub(super) type TableColumns = Option<Arc<[ResultColumn]>>;

/// A table or view.
#[derive(Clone)]
pub(super) struct Relation {
    columns: Arc<[ResultColumn]>,
    is_table: bool,
}

/// What is known of a column: like [`ResultColumn`], with a type only where it is told.
#[derive(Clone)]
pub(super) struct Known {
    name: String,
    sql_type: Option<SqlType>,
    nullable: bool,
    origin: [String; 3],
}

impl Worker {
    /// What is known of a query's columns before it runs; `None` when not even their number is.
    pub(super) fn foreknown(&mut self, outline: Option<&Outline>) -> Result<Option<Vec<Known>>, SqlError> {
        outline.map_or(Ok(None), |outline| self.known(outline))
    }

    fn known(&mut self, outline: &Outline) -> Result<Option<Vec<Known>>, SqlError> {
        let mut sources = Vec::with_capacity(outline.sources.len());
        for source in &outline.sources {
            sources.push((source, self.source(source)?));
        }
        let mut known = Vec::with_capacity(outline.items.len());
        for item in &outline.items {
            match item {
                Item::All(name) => {
                    for (source, columns) in &sources {
                        if name.is_none() || source.name == *name {
                            let Some(columns) = columns else { return Ok(None) };
                            known.extend(columns.iter().cloned());
                        }
                    }
                }
                Item::Column { source, name, label } => {
                    let mut column =
                        find(&sources, source.as_deref(), name).unwrap_or_else(|| unknown(label));
                    column.name.clone_from(label);
                    known.push(column);
                }
                Item::Value {
                    label,
                    sql_type,
                    nullable,
                } => known.push(Known {
                    sql_type: sql_type.clone(),
                    nullable: *nullable,
                    ..unknown(label)
                }),
            }
        }
        Ok(Some(known))
    }

    fn source(&mut self, source: &Source) -> Result<Option<Vec<Known>>, SqlError> {
        let columns = match &source.rows {
            Rows::Table(path) => self
                .table_columns(path)?
                .map(|columns| columns.iter().map(Known::of).collect()),
            Rows::Made(columns) => Some(columns.iter().map(Known::of).collect()),
            Rows::Query(outline) => self.known(outline)?,
            Rows::Open => None,
        };
        Ok(columns.map(|mut columns: Vec<Known>| {
            for column in &mut columns {
                column.nullable |= source.optional;
            }
            columns
        }))
    }

    /// The columns of a table as the catalog has them.
    pub(super) fn table_columns(&mut self, path: &ObjectPath) -> Result<TableColumns, SqlError> {
        let relation = self.relation(path)?;
        Ok(relation
            .filter(|relation| relation.is_table)
            .map(|relation| relation.columns))
    }

    /// Columns of the statement's tables and views, of which some types matter before the engine binds them.
    pub(super) fn column_kinds(&mut self, statement: &Statement) -> Result<ColumnKinds, SqlError> {
        let mut kinds = ColumnKinds::default();
        for path in named_tables(statement, &self.state.names()) {
            if let Some(relation) = self.relation(&path)? {
                kinds.add(self.state.names().physical_of(&path), relation.columns);
            }
        }
        Ok(kinds)
    }

    fn relation(&mut self, path: &ObjectPath) -> Result<Option<Relation>, SqlError> {
        if let Some(temporary) = self.state.temporary.get(path) {
            return Ok(Some(Relation {
                columns: columns_of(path, &temporary.columns),
                is_table: temporary.object.kind == ObjectKind::Table,
            }));
        }
        let definitions = self.definitions_seen();
        if let Some((known, relation)) = self.relations.get(path)
            && *known == definitions
        {
            return Ok(relation.clone());
        }
        let mut catalog = Catalog::new(self.connection.as_mut());
        let object = catalog.object(path).map_err(|error| from_engine(&error))?;
        let relation = match object {
            Some(object) if matches!(object.kind, ObjectKind::Table | ObjectKind::View) => {
                let columns = catalog.columns(object.id).map_err(|error| from_engine(&error))?;
                Some(Relation {
                    columns: columns_of(path, &columns),
                    is_table: object.kind == ObjectKind::Table,
                })
            }
            _ => None,
        };
        if self.relations.len() >= REMEMBERED_MAX {
            self.relations.clear();
        }
        self.relations
            .insert(path.clone(), (definitions, relation.clone()));
        Ok(relation)
    }
}

impl Known {
    fn of(column: &ResultColumn) -> Self {
        Self {
            name: column.name.clone(),
            sql_type: Some(column.sql_type.clone()),
            nullable: column.nullable,
            origin: column.origin.clone(),
        }
    }
}

/// The columns that the engine named, with what is known of them.
pub(super) fn described(
    columns: &[EngineColumn],
    known: Option<Vec<Known>>,
    parameters: &Parameters,
) -> Vec<ResultColumn> {
    let mut result = result_columns(columns);
    let wanted = |name: &str| GeoForm::of_name(&parameters.text(name)).unwrap_or_default();
    for column in &mut result {
        match &mut column.sql_type {
            SqlType::Geography { form } => *form = wanted("GEOGRAPHY_OUTPUT_FORMAT"),
            SqlType::Geometry { form } => *form = wanted("GEOMETRY_OUTPUT_FORMAT"),
            _ => {}
        }
    }
    if let Some(known) = known.filter(|known| known.len() == result.len()) {
        for (column, known) in result.iter_mut().zip(known) {
            if column.name == known.name {
                complete(column, known);
            }
        }
    }
    result
}

/// The column of this name in one source, or in the only one that has it; `None` also when a source that might have
/// it is not known.
fn find(sources: &[(&Source, Option<Vec<Known>>)], source: Option<&str>, name: &str) -> Option<Known> {
    let mut found = None;
    for (candidate, columns) in sources {
        if source.is_some() && candidate.name.as_deref() != source {
            continue;
        }
        let column = columns.as_ref()?.iter().find(|column| column.name == name);
        if let Some(column) = column
            && found.replace(column).is_some()
        {
            return None;
        }
    }
    found.cloned()
}

fn columns_of(path: &ObjectPath, columns: &[Column]) -> Arc<[ResultColumn]> {
    let part = |name: &crate::catalog::names::Name| name.as_str().to_owned();
    let origin = [
        part(&path.schema.database),
        part(&path.schema.schema),
        part(&path.name),
    ];
    columns
        .iter()
        .map(|column| ResultColumn {
            name: part(&column.name),
            sql_type: column.stored_type.sql_type(),
            nullable: column.nullable,
            origin: origin.clone(),
        })
        .collect()
}

fn unknown(label: &str) -> Known {
    Known {
        name: label.to_owned(),
        sql_type: None,
        nullable: true,
        origin: Default::default(),
    }
}

/// Adds what is known; of types only what the batches have as well, digits, lengths and fields. The engine's own have the
/// most there can be.
fn complete(column: &mut ResultColumn, known: Known) {
    column.nullable = known.nullable;
    column.origin = known.origin;
    match (&mut column.sql_type, known.sql_type) {
        (
            SqlType::Number { precision, scale },
            Some(SqlType::Number {
                precision: told,
                scale: same,
            }),
        ) if *scale == same => *precision = told,
        (SqlType::Text { length }, Some(SqlType::Text { length: told })) => *length = told,
        (SqlType::Time { scale }, Some(SqlType::Time { scale: told }))
        | (SqlType::TimestampNtz { scale }, Some(SqlType::TimestampNtz { scale: told }))
        | (SqlType::TimestampLtz { scale }, Some(SqlType::TimestampLtz { scale: told }))
        | (SqlType::TimestampTz { scale }, Some(SqlType::TimestampTz { scale: told })) => *scale = told,
        (found @ SqlType::IntervalYearMonth { .. }, Some(told @ SqlType::IntervalYearMonth { .. }))
        | (found @ SqlType::IntervalDayTime { .. }, Some(told @ SqlType::IntervalDayTime { .. })) => {
            *found = told;
        }
        _ => {}
    }
}
