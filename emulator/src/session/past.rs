//! Tables as they were: `AT` and `BEFORE`.

use std::sync::PoisonError;

use sqlparser::ast::{Expr, ObjectName};

use super::history::{Before, Found, Past, Point};
use super::sources::{TEMPORARY, physical};
use super::worker::{Work, Worker};
use super::{DmlStats, QueryId, SqlError, facts, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::{ObjectPath, parts, quote};
use crate::catalog::records::{Object, ObjectKind};
use crate::lower::Source;

/// Rows that are read at a time.
const BATCH_ROWS: usize = 16_384;

impl Worker {
    /// Keeps the state before a write. Inside a transaction the state before its commit is kept instead.
    pub(super) fn before_write(
        &mut self,
        work: &Work<'_>,
        target: &ObjectPath,
    ) -> Result<Option<Before>, SqlError> {
        self.control.check()?;
        if self.state.temporary_paths.contains(target) {
            return Ok(None);
        }
        if self.transaction.is_some() {
            self.open_statements.push(work.query_id);
            return Ok(None);
        }
        Ok(self
            .shared
            .history
            .keep(self.shared.engine.as_ref(), facts::now_ns()))
    }

    /// Notes what came of a write.
    pub(super) fn after_write(&mut self, before: Option<Before>, query_id: QueryId, stats: Option<DmlStats>) {
        let Some(before) = before else { return };
        match stats {
            Some(stats) => {
                let rows = stats.updated + stats.deleted;
                self.shared
                    .history
                    .written(before, &[query_id], rows, facts::now_ns());
            }
            None => self.shared.history.withdrawn(before),
        }
    }

    /// A table as it was.
    pub(super) fn past_source(
        &mut self,
        name: &ObjectName,
        before: bool,
        by: &str,
        point: &Expr,
        work: &Work<'_>,
    ) -> Result<Source, SqlError> {
        let path = self.state.names().object_of_parts(&parts(name)?, "SELECT")?;
        let point = self.point(before, by, point, work)?;
        let gone = || unavailable(&path);
        if self.state.temporary_paths.contains(&path) {
            return Err(gone());
        }
        let object = Catalog::new(self.connection.as_mut()).object(&path);
        let object = object.map_err(|error| from_engine(&error))?;
        let Some(object) = object else {
            return Err(SqlError::no_object(&path));
        };
        if object.kind != ObjectKind::Table {
            return Err(SqlError::unsupported("time travel of a view"));
        }
        if object.retention_days == 0 {
            return Err(gone());
        }
        match self.shared.history.find(point) {
            Found::Now => Ok(Source {
                sql: path.physical(),
                fields: None,
                columns: None,
            }),
            Found::Past(past) => self.copy_past(&past, &object)?.ok_or_else(gone),
            Found::Gone => Err(gone()),
        }
    }

    fn point(&mut self, before: bool, by: &str, point: &Expr, work: &Work<'_>) -> Result<Point, SqlError> {
        let invalid = |value: &str| {
            let detail = format!("invalid value [{value}] for parameter '{by}'");
            SqlError::compilation("001008", "22023", detail)
        };
        match by {
            "STATEMENT" => {
                let text = self.value_of(point, work)?.unwrap_or_default();
                let query_id = QueryId::try_parse(text.trim())
                    .map_err(|_| SqlError::new("000709", "02000", format!("Statement {text} not found")))?;
                Ok(if before {
                    Point::Before(query_id)
                } else {
                    Point::After(query_id)
                })
            }
            "OFFSET" => {
                let text = self.value_of(point, work)?.unwrap_or_default();
                let seconds: f64 = text.parse().map_err(|_| invalid(&text))?;
                if seconds > 0.0 {
                    return Err(invalid(&text));
                }
                Ok(Point::At(work.moment.ns.saturating_add((seconds * 1e9) as i64)))
            }
            "TIMESTAMP" => {
                let asked = Expr::Cast {
                    kind: sqlparser::ast::CastKind::Cast,
                    expr: Box::new(point.clone()),
                    data_type: sqlparser::ast::DataType::Custom(
                        ObjectName::from(vec![sqlparser::ast::Ident::new("TIMESTAMP_LTZ")]),
                        Vec::new(),
                    ),
                    format: None,
                };
                let sql = Expr::Function(sqlparser::ast::Function {
                    args: sqlparser::ast::FunctionArguments::List(sqlparser::ast::FunctionArgumentList {
                        duplicate_treatment: None,
                        args: vec![
                            sqlparser::ast::FunctionArg::Unnamed(sqlparser::ast::FunctionArgExpr::Expr(
                                Expr::Identifier(sqlparser::ast::Ident::new("EPOCH_NANOSECOND")),
                            )),
                            sqlparser::ast::FunctionArg::Unnamed(sqlparser::ast::FunctionArgExpr::Expr(
                                asked,
                            )),
                        ],
                        clauses: Vec::new(),
                    }),
                    name: ObjectName::from(vec![sqlparser::ast::Ident::new("DATE_PART")]),
                    uses_odbc_syntax: false,
                    parameters: sqlparser::ast::FunctionArguments::None,
                    filter: None,
                    null_treatment: None,
                    over: None,
                    within_group: Vec::new(),
                });
                let text = self.value_of(&sql, work)?.unwrap_or_default();
                text.parse().map(Point::At).map_err(|_| invalid(&text))
            }
            other => Err(SqlError::unsupported(format!("time travel by {other}"))),
        }
    }

    /// Copies a table out of a state; none when it was not there.
    fn copy_past(&mut self, past: &Past, object: &Object) -> Result<Option<Source>, SqlError> {
        let mut past = past.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = |error| from_engine(&error);
        let condition = format!("id = {} AND dropped_ms IS NULL", object.id);
        let then = Catalog::new(past.as_mut()).objects(&condition).map_err(engine)?;
        let Some(then) = then.into_iter().next() else {
            return Ok(None);
        };
        let query = format!("SELECT * FROM {}", then.path.physical());
        let columns: Vec<String> = past
            .describe(&query)
            .map_err(engine)?
            .iter()
            .map(|column| format!("{} {}", quote(&column.name), column.sql_type.engine_type()))
            .collect();
        let table = self.make_table(&columns.join(", "))?;
        let mut reader = past.query(&query, BATCH_ROWS).map_err(engine)?;
        while let Some(batch) = reader.next_batch().map_err(engine)? {
            self.control.check()?;
            self.connection
                .append(TEMPORARY, &table, &batch)
                .map_err(engine)?;
        }
        Ok(Some(Source {
            sql: physical(&table),
            fields: None,
            columns: None,
        }))
    }
}

/// Snowflake's words for a state that is not there.
fn unavailable(path: &ObjectPath) -> SqlError {
    SqlError::new(
        "000707",
        "02000",
        format!(
            "Time travel data is not available for table {}. The requested time is either beyond the allowed time travel \
             period or before the object creation time.",
            path.name.as_str()
        ),
    )
}
