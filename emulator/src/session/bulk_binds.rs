//! Many rows of bound values at once: from the request's arrays, or from files that the client has put down.
//!
//! The values go into a temporary table as text, and one INSERT reads them from there with the statement's own
//! expressions in which `?` is a column.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{Expr, Insert, SelectItem, SetExpr, Statement, Value, VisitMut, VisitorMut};

use super::copy_columns::cast_type;
use super::sources::TEMPORARY;
use super::stage_read::Shape;
use super::worker::{Work, Worker};
use super::{Binding, DmlStats, SqlError, from_engine};
use crate::catalog::records::Column;
use crate::front::{Location, Parsed};
use crate::lower::{Source, bound_constant, written_type};

/// Rows that are brought in at a time.
const BATCH_ROWS: usize = 16_384;

impl Worker {
    /// Inserts rows of bound values with one statement; none when the statement is not of that form.
    pub(super) fn insert_bound(
        &mut self,
        statement: &Statement,
        rows: usize,
        work: &Work<'_>,
    ) -> Result<Option<DmlStats>, SqlError> {
        let Some(form) = Form::of(statement, work.bindings.len()) else {
            return Ok(None);
        };
        let mut types = Vec::with_capacity(form.width);
        let mut values: Vec<Vec<Option<String>>> = Vec::with_capacity(form.width);
        for position in 1..=form.width {
            let Some(binding) = work.bindings.get(&position.to_string()) else {
                return Ok(None);
            };
            let (sql_type, texts) = texts_of(binding, rows)?;
            types.push(Some(written_type(&sql_type)));
            values.push(texts);
        }
        let columns: Vec<String> = (1..=form.width)
            .map(|number| format!("\"COLUMN{number}\" VARCHAR"))
            .collect();
        let table = self.make_table(&columns.join(", "))?;
        let mut start = 0;
        while start < rows {
            let end = rows.min(start + BATCH_ROWS);
            let batch = batch(&values, start, end);
            let added = self.connection.append(TEMPORARY, &table, &batch);
            added.map_err(|error| from_engine(&error))?;
            start = end;
        }
        let source = Source {
            sql: super::sources::physical(&table),
            fields: None,
            columns: None,
        };
        self.insert_from(&form, &types, source, work).map(Some)
    }

    /// Inserts rows of values that the client has put into a stage as CSV files.
    pub(super) fn insert_staged(
        &mut self,
        statement: &Statement,
        location: &str,
        work: &Work<'_>,
    ) -> Result<DmlStats, SqlError> {
        let width = super::array_binds::question_count(statement);
        let Some(form) = Form::of(statement, width) else {
            return Err(SqlError::unsupported(
                "bound values in a stage for anything but INSERT of one row of VALUES",
            ));
        };
        let mut location = Location::parse(location)?;
        if !location.path.is_empty() && !location.path.ends_with('/') {
            location.path.push('/');
        }
        let format = self.format_at(&location)?;
        let files = self.files_at(&location, None)?;
        let mut files = files;
        // Clients number their files: `9.csv` comes before `10.csv`.
        files.sort_by_key(|file| (file.key.as_str().len(), file.key.clone()));
        let shape = Shape {
            width,
            is_exact: true,
        };
        let raw = self.read_raw(&files, &format, shape)?;
        if let Some(fault) = raw.faults.first() {
            return Err(fault.refusal());
        }
        let types = vec![None; width];
        self.insert_from(&form, &types, raw.source(format.kind()), work)
    }

    fn insert_from(
        &mut self,
        form: &Form<'_>,
        types: &[Option<String>],
        source: Source,
        work: &Work<'_>,
    ) -> Result<DmlStats, SqlError> {
        let columns = self.target_columns(form.insert)?;
        let mut insert = form.insert.clone();
        let mut put = Put {
            types,
            position: 0,
            whole: None,
        };
        let mut items = Vec::with_capacity(form.row.len());
        for (at, expr) in form.row.iter().enumerate() {
            let mut expr = expr.clone();
            put.whole = columns.get(at).map(cast_type);
            if !is_question(&expr) {
                put.whole = None;
            }
            // A visitor without Break always comes to the end.
            let _ = expr.visit(&mut put);
            items.push(SelectItem::UnnamedExpr(expr));
        }
        let query = generated(&format!("SELECT 1 FROM {}", super::copy_job::FILE))?;
        let Statement::Query(mut query) = query else {
            return Err(SqlError::internal("a generated query is none"));
        };
        if let SetExpr::Select(select) = &mut *query.body {
            select.projection = items;
        }
        insert.source = Some(query);
        let statement = Statement::Insert(insert);
        let bindings = BTreeMap::new();
        let work = Work {
            bindings: &bindings,
            moment: work.moment.clone(),
            ..*work
        };
        let sources = [(
            crate::front::StageTable::name(super::copy_job::FILE, None, None),
            source,
        )]
        .into();
        let lowered = {
            let scope = crate::lower::Scope {
                sources: &sources,
                source: None,
                ..self.scope(&work)
            };
            crate::lower::lower(&statement, &scope)?
        };
        self.run_lowered(&statement, lowered, &work)
    }

    /// Columns into which an INSERT's values go, in their order.
    pub(super) fn target_columns(&mut self, insert: &Insert) -> Result<Vec<Column>, SqlError> {
        let sqlparser::ast::TableObject::TableName(name) = &insert.table else {
            return Ok(Vec::new());
        };
        let Ok(path) = self.state.names().object(name, "INSERT") else {
            return Ok(Vec::new());
        };
        let all = if let Some(temporary) = self.state.temporary.get(&path) {
            temporary.columns.clone()
        } else {
            let mut catalog = crate::catalog::Catalog::new(self.connection.as_mut());
            let engine = |error| from_engine(&error);
            match catalog.object(&path).map_err(engine)? {
                Some(object) => catalog.columns(object.id).map_err(engine)?,
                None => return Ok(Vec::new()),
            }
        };
        if insert.columns.is_empty() {
            return Ok(all);
        }
        let written = insert.columns.iter().map(|name| {
            let parts = crate::catalog::names::parts(name).unwrap_or_default();
            let last = parts.last()?;
            all.iter().find(|column| column.name == *last).cloned()
        });
        Ok(written.collect::<Option<Vec<_>>>().unwrap_or_default())
    }
}

pub(super) fn generated(sql: &str) -> Result<Statement, SqlError> {
    let pieces = crate::front::split(sql)?;
    match crate::front::parse(&pieces[0])? {
        Parsed::Sql(statement) => Ok(*statement),
        Parsed::Command(_) => Err(SqlError::internal("a generated statement is a command")),
    }
}

/// An INSERT of one row of values, some of which are `?`.
struct Form<'a> {
    insert: &'a Insert,
    row: &'a [Expr],
    /// Number of `?`.
    width: usize,
}

impl<'a> Form<'a> {
    fn of(statement: &'a Statement, bound: usize) -> Option<Self> {
        let Statement::Insert(insert) = statement else {
            return None;
        };
        let SetExpr::Values(values) = insert.source.as_ref()?.body.as_ref() else {
            return None;
        };
        let [row] = values.rows.as_slice() else {
            return None;
        };
        let width = super::array_binds::question_count(statement);
        (bound > 0 && width == bound && !super::array_binds::has_named(statement)).then_some(Self {
            insert,
            row: row.as_slice(),
            width,
        })
    }
}

/// A binding's type, and its values as text of that type.
fn texts_of(binding: &Binding, rows: usize) -> Result<(SqlType, Vec<Option<String>>), SqlError> {
    let mut sql_type = bound_constant(&binding.type_name, None)?.sql_type;
    let mut texts = Vec::with_capacity(rows);
    let mut scale = 0;
    let as_it_is = matches!(sql_type, SqlType::Text { .. });
    for row in 0..rows {
        let at = if binding.is_array { row } else { 0 };
        let value = binding.values.get(at).and_then(Option::as_deref);
        let text = match value {
            None => None,
            Some(value) if as_it_is => Some(value.to_owned()),
            Some(value) => bound_constant(&binding.type_name, Some(value.to_owned()))?.text,
        };
        if let (SqlType::Number { .. }, Some(text)) = (&sql_type, &text) {
            let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            scale = scale.max(digits);
        }
        texts.push(text);
    }
    if let SqlType::Number { scale: found, .. } = &mut sql_type {
        *found = u8::try_from(scale.min(37)).unwrap_or(0);
    }
    Ok((sql_type, texts))
}

fn batch(values: &[Vec<Option<String>>], start: usize, end: usize) -> RecordBatch {
    let fields: Vec<Field> = (1..=values.len())
        .map(|number| Field::new(format!("c{number}"), DataType::Utf8, true))
        .collect();
    let arrays = values.iter().map(|column| {
        let mut builder = StringBuilder::new();
        column[start..end]
            .iter()
            .for_each(|value| builder.append_option(value.as_deref()));
        Arc::new(builder.finish()) as ArrayRef
    });
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect())
        .expect("every column has a value for each row")
}

fn is_question(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Placeholder(text) if text == "?"))
}

/// Puts columns in the place of `?`.
struct Put<'a> {
    types: &'a [Option<String>],
    position: usize,
    /// Type of the column into which the whole expression goes, when it is nothing but a `?`.
    whole: Option<String>,
}

impl VisitorMut for Put<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> std::ops::ControlFlow<()> {
        if is_question(expr) {
            let bound = self.types.get(self.position).cloned().flatten();
            self.position += 1;
            let column = format!("${}", self.position);
            let text = match (bound, &self.whole) {
                (Some(bound), _) if bound.starts_with("VARCHAR") => match &self.whole {
                    Some(whole) if whole != "VARCHAR" => format!("CAST({column} AS {whole})"),
                    _ => column,
                },
                (Some(bound), _) => format!("CAST({column} AS {bound})"),
                (None, Some(whole)) => format!("CAST({column} AS {whole})"),
                (None, None) => column,
            };
            if let Ok(Statement::Query(query)) = generated(&format!("SELECT {text}"))
                && let SetExpr::Select(select) = *query.body
                && let Some(SelectItem::UnnamedExpr(put)) = select.projection.into_iter().next()
            {
                *expr = put;
            }
            // What was put there holds no `?`.
        }
        std::ops::ControlFlow::Continue(())
    }
}
