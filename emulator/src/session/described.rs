//! What a result's columns are besides their types: where they come from, whether they may be NULL, how long.
//!
//! The text says which table's columns they are ([`crate::lower::outline`]), the catalog says what those are. What
//! was read of the catalog is remembered until a definition changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use snowflake_emulator_engine::{EngineColumn, GeoForm, SqlType};
use sqlparser::ast::Statement;

use super::query::result_columns;
use super::worker::Worker;
use super::{Parameters, ResultColumn, SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::ObjectPath;
use crate::catalog::records::{Column, ObjectKind};
use crate::front::Parsed;
use crate::lower::outline::{Item, Outline, Rows, Source, Told};
use crate::lower::{ColumnKinds, Lowered, Scope, lower, named_tables};

/// Most tables whose columns are remembered.
const REMEMBERED_MAX: usize = 1000;

/// Digits of a NUMBER.
const NUMBER_DIGITS_MAX: u8 = 38;

/// Most views inside of views whose queries are looked at.
const VIEWS_DEEP_MAX: u32 = 16;

/// A table's columns as a result has them; none for what is no table.
pub(super) type TableColumns = Option<Arc<[ResultColumn]>>;

/// What is known of tables and views.
#[derive(Default)]
pub(super) struct Relations {
    /// Each as of a count of changed definitions; none is neither.
    known: HashMap<ObjectPath, (u64, Option<Relation>)>,
    /// How many views inside of views are being looked at.
    views_deep: u32,
}

/// A table or view.
#[derive(Clone)]
struct Relation {
    columns: Arc<[ResultColumn]>,
    is_table: bool,
    /// The text of a view.
    definition: Option<String>,
    /// What a view's query tells.
    told: ToldColumns,
}

/// What the query of a view tells of its columns.
#[derive(Clone)]
enum ToldColumns {
    /// Nobody has asked yet.
    Unasked,
    /// This, or nothing.
    Asked(Option<Arc<[Known]>>),
}

/// What is known of a column: like [`ResultColumn`], with a type only where it is told.
#[derive(Clone)]
pub(super) struct Known {
    name: String,
    sql_type: KnownType,
    nullable: bool,
    origin: [String; 3],
}

/// What is known of a type.
#[derive(Clone)]
enum KnownType {
    /// Nothing.
    Open,
    /// The one of NULL, which fits everywhere.
    Null,
    /// All of it.
    Is(SqlType),
}

impl Worker {
    /// What is known of a query's columns before it runs; `None` when not even their number is.
    pub(super) fn foreknown(&mut self, outline: Option<&Outline>) -> Result<Option<Vec<Known>>, SqlError> {
        outline.map_or(Ok(None), |outline| self.known(outline))
    }

    fn known(&mut self, outline: &Outline) -> Result<Option<Vec<Known>>, SqlError> {
        let Some(mut known) = self.known_of_select(outline)? else {
            return Ok(None);
        };
        for other in &outline.others {
            match self.known(other)? {
                Some(others) if others.len() == known.len() => {
                    known = known
                        .into_iter()
                        .zip(others)
                        .map(|(one, other)| one.or(other))
                        .collect();
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(known))
    }

    /// What is known of the columns of one SELECT.
    fn known_of_select(&mut self, outline: &Outline) -> Result<Option<Vec<Known>>, SqlError> {
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
                Item::One { label, value } => {
                    let mut column = of_value(value, &sources);
                    column.name.clone_from(label);
                    known.push(column);
                }
            }
        }
        for column in &mut known {
            column.nullable |= outline.has_subtotals;
        }
        Ok(Some(known))
    }

    fn source(&mut self, source: &Source) -> Result<Option<Vec<Known>>, SqlError> {
        let columns = match &source.rows {
            Rows::Table(path) => match self.table_columns(path)? {
                Some(columns) => Some(columns.iter().map(Known::of).collect()),
                None => self.view_columns(path)?.map(|columns| columns.to_vec()),
            },
            Rows::Made(columns) => Some(columns.iter().map(Known::of).collect()),
            Rows::Query(outline) => self.known(outline)?,
            Rows::Open => None,
        };
        Ok(columns.map(|mut columns: Vec<Known>| {
            for column in &mut columns {
                column.nullable |= source.optional;
            }
            rename(columns.iter_mut(), &source.renamed);
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

    /// What the query of a view tells of its columns; none for what is no view.
    ///
    /// Not what the catalog has of them: that is what they were when the view was made.
    fn view_columns(&mut self, path: &ObjectPath) -> Result<Option<Arc<[Known]>>, SqlError> {
        let Some(relation) = self.relation(path)? else {
            return Ok(None);
        };
        if let ToldColumns::Asked(told) = relation.told {
            return Ok(told);
        }
        let Some(definition) = relation.definition else {
            return Ok(None);
        };
        if self.relations.views_deep >= VIEWS_DEEP_MAX {
            return Ok(None);
        }
        self.relations.views_deep += 1;
        let told = self.view_outline(path, &definition);
        self.relations.views_deep -= 1;
        let told: Option<Arc<[Known]>> = told?.map(Arc::from);
        if let Some((_, Some(relation))) = self.relations.known.get_mut(path) {
            relation.told = ToldColumns::Asked(told.clone());
        }
        Ok(told)
    }

    fn view_outline(&mut self, path: &ObjectPath, definition: &str) -> Result<Option<Vec<Known>>, SqlError> {
        let pieces = crate::front::split(definition)?;
        let Some(piece) = pieces.first() else {
            return Ok(None);
        };
        let Parsed::Sql(statement) = crate::front::parse(piece)? else {
            return Ok(None);
        };
        let (moment, no_bindings) = (self.state.moment(), BTreeMap::new());
        let columns = self.column_kinds(&statement)?;
        let scope = self.state.scope(&moment, piece.text, &no_bindings, None);
        let names = scope.names;
        let names = names.in_schema(&path.schema);
        let lowered = lower(
            &statement,
            &Scope {
                names,
                columns: &columns,
                ..scope
            },
        );
        // A view that cannot be lowered any more cannot be read either, which its reader is told by the engine.
        let Ok(Lowered {
            outline: Some(outline),
            names,
            ..
        }) = lowered
        else {
            return Ok(None);
        };
        let mut known = self.known(&outline)?;
        rename(known.iter_mut().flatten(), &names);
        for column in known.iter_mut().flatten() {
            column.origin = Default::default();
        }
        Ok(known)
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
                definition: temporary.object.definition.clone(),
                told: ToldColumns::Unasked,
            }));
        }
        let definitions = self.definitions_seen();
        if let Some((known, relation)) = self.relations.known.get(path)
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
                    definition: object.definition,
                    told: ToldColumns::Unasked,
                })
            }
            _ => None,
        };
        if self.relations.known.len() >= REMEMBERED_MAX {
            self.relations.known.clear();
        }
        self.relations
            .known
            .insert(path.clone(), (definitions, relation.clone()));
        Ok(relation)
    }
}

impl Known {
    fn of(column: &ResultColumn) -> Self {
        Self {
            name: column.name.clone(),
            sql_type: KnownType::Is(column.sql_type.clone()),
            nullable: column.nullable,
            origin: column.origin.clone(),
        }
    }

    fn typed(sql_type: SqlType, nullable: bool) -> Self {
        Self {
            sql_type: KnownType::Is(sql_type),
            nullable,
            ..unknown("")
        }
    }

    /// What is known of a value that is of this or of another column.
    fn or(self, other: Self) -> Self {
        Self {
            name: self.name,
            sql_type: match (self.sql_type, other.sql_type) {
                (KnownType::Null, known) | (known, KnownType::Null) => known,
                (KnownType::Is(one), KnownType::Is(other)) => {
                    common(&one, &other).map_or(KnownType::Open, KnownType::Is)
                }
                _ => KnownType::Open,
            },
            nullable: self.nullable || other.nullable,
            origin: Default::default(),
        }
    }
}

/// The type that holds the values of both, where they are of one kind.
fn common(one: &SqlType, other: &SqlType) -> Option<SqlType> {
    match (one, other) {
        (one, other) if one == other => Some(one.clone()),
        (SqlType::Text { length: Some(one) }, SqlType::Text { length: Some(other) }) => Some(SqlType::Text {
            length: Some(*one.max(other)),
        }),
        (SqlType::Text { .. }, SqlType::Text { .. }) => Some(SqlType::Text { length: None }),
        (SqlType::Binary { length: Some(one) }, SqlType::Binary { length: Some(other) }) => {
            Some(SqlType::Binary {
                length: Some(*one.max(other)),
            })
        }
        (
            SqlType::Number {
                precision: one,
                scale: one_scale,
            },
            SqlType::Number {
                precision: other,
                scale: other_scale,
            },
        ) => {
            let scale = *one_scale.max(other_scale);
            let whole = one
                .saturating_sub(*one_scale)
                .max(other.saturating_sub(*other_scale));
            Some(SqlType::Number {
                precision: (whole + scale).min(NUMBER_DIGITS_MAX),
                scale,
            })
        }
        (SqlType::Time { scale: one }, SqlType::Time { scale: other }) => Some(SqlType::Time {
            scale: *one.max(other),
        }),
        (SqlType::TimestampNtz { scale: one }, SqlType::TimestampNtz { scale: other }) => {
            Some(SqlType::TimestampNtz {
                scale: *one.max(other),
            })
        }
        _ => None,
    }
}

/// What is known of a selected value.
fn of_value(value: &Told, sources: &[(&Source, Option<Vec<Known>>)]) -> Known {
    match value {
        Told::Column { source, name } => {
            find(sources, source.as_deref(), name).unwrap_or_else(|| unknown(name))
        }
        Told::Typed { sql_type, nullable } => Known::typed(sql_type.clone(), *nullable),
        Told::Null => Known {
            sql_type: KnownType::Null,
            ..unknown("")
        },
        Told::OneOf(values) => {
            let values = values.iter().map(|value| of_value(value, sources));
            Known {
                // Snowflake's own judgement is not known: what may be NULL is never wrong.
                nullable: true,
                origin: Default::default(),
                ..values.reduce(Known::or).unwrap_or_else(|| unknown(""))
            }
        }
        Told::Nothing { nullable } => Known {
            nullable: *nullable,
            ..unknown("")
        },
    }
}

/// Gives the first columns other names.
pub(super) fn rename<'a>(columns: impl Iterator<Item = &'a mut Known>, names: &[String]) {
    for (column, name) in columns.zip(names) {
        column.name.clone_from(name);
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
        sql_type: KnownType::Open,
        nullable: true,
        origin: Default::default(),
    }
}

/// Adds what is known; of types only what the batches have as well, digits, lengths and fields. The engine's own have the
/// most there can be.
fn complete(column: &mut ResultColumn, known: Known) {
    column.nullable = known.nullable;
    column.origin = known.origin;
    let KnownType::Is(told) = known.sql_type else {
        return;
    };
    match (&mut column.sql_type, told) {
        (
            SqlType::Number { precision, scale },
            SqlType::Number {
                precision: told,
                scale: same,
            },
        ) if *scale == same => *precision = told,
        // No column holds nothing but empty texts.
        (SqlType::Text { length }, SqlType::Text { length: told }) => *length = told.filter(|told| *told > 0),
        (SqlType::Binary { length }, SqlType::Binary { length: told }) => *length = told,
        (SqlType::Time { scale }, SqlType::Time { scale: told })
        | (SqlType::TimestampNtz { scale }, SqlType::TimestampNtz { scale: told })
        | (SqlType::TimestampLtz { scale }, SqlType::TimestampLtz { scale: told })
        | (SqlType::TimestampTz { scale }, SqlType::TimestampTz { scale: told }) => *scale = told,
        (found @ SqlType::IntervalYearMonth { .. }, told @ SqlType::IntervalYearMonth { .. })
        | (found @ SqlType::IntervalDayTime { .. }, told @ SqlType::IntervalDayTime { .. }) => {
            *found = told;
        }
        _ => {}
    }
}
