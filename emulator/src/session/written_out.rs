//! What a statement leaves to what it reads: `*` among the arguments of a function, and the values of a pivot.
//!
//! `OBJECT_CONSTRUCT(*)`, `HASH(*)` and `PIVOT(… IN (ANY))` are written out before the statement is lowered. Which
//! columns and values there are the engine is asked: it knows those of subqueries too.

use std::ops::ControlFlow;

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    Cte, Expr, ExprWithAlias, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    ObjectNamePart, PivotValueSource, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    Statement, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions, With,
    visit_expressions_mut,
};

use super::query::result_columns;
use super::worker::{Work, Worker};
use super::{SqlError, from_engine};
use crate::catalog::Catalog;
use crate::lower::pivots::values_query;

/// Most values of a pivot that does not list them.
const PIVOT_VALUES_MAX: usize = 10_000;

/// Functions that make an object of the columns' names and values.
const OF_PAIRS: [&str; 2] = ["OBJECT_CONSTRUCT", "OBJECT_CONSTRUCT_KEEP_NULL"];

impl Worker {
    /// The statement with the columns in the place of each `*`; none when no function is given one.
    pub(super) fn with_written_columns(
        &mut self,
        statement: &Statement,
        work: &Work<'_>,
    ) -> Result<Option<Statement>, SqlError> {
        if Visit::visit(statement, &mut Find).is_continue() {
            return Ok(None);
        }
        let mut statement = statement.clone();
        let mut write = Write {
            worker: self,
            work,
            common: Vec::new(),
            outside: Vec::new(),
        };
        match VisitMut::visit(&mut statement, &mut write) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(Some(statement)),
        }
    }

    /// The values of a pivot's query, as literals.
    fn pivot_values(
        &mut self,
        mut query: Query,
        common: &[Cte],
        work: &Work<'_>,
    ) -> Result<Vec<ExprWithAlias>, SqlError> {
        query.with = with_common(query.with, common);
        let lowered = self.lower(&Statement::Query(Box::new(query)), work)?;
        self.prepare(&lowered)?;
        let columns = self.connection.describe(&lowered.sql);
        let rows = columns.and_then(|columns| {
            let rows = Catalog::new(self.connection.as_mut()).rows_up_to(&lowered.sql, PIVOT_VALUES_MAX)?;
            Ok((columns, rows))
        });
        let (columns, rows) =
            rows.map_err(|error| self.explain_missing(from_engine(&error), &lowered.tables))?;
        if rows.len() > PIVOT_VALUES_MAX {
            let text = format!("A pivot has more than {PIVOT_VALUES_MAX} values.");
            return Err(SqlError::new("100357", "54000", text));
        }
        let is_number = matches!(
            columns.first().map(|column| &column.sql_type),
            Some(SqlType::Number { .. })
        );
        let values = rows.iter().filter_map(|row| row.optional(0)).map(|text| {
            let value = if is_number {
                Value::Number(text, false)
            } else {
                Value::SingleQuotedString(text)
            };
            ExprWithAlias {
                expr: Expr::Value(value.into()),
                alias: None,
            }
        });
        Ok(values.collect())
    }

    /// Names of the columns that a SELECT's `*` stands for.
    fn star_columns(
        &mut self,
        star: &FunctionArgExpr,
        select: &Select,
        common: &[Cte],
        work: &Work<'_>,
    ) -> Result<Vec<String>, SqlError> {
        let none = WildcardAdditionalOptions::default();
        let item = match star {
            FunctionArgExpr::QualifiedWildcard(name) => {
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name.clone()), none)
            }
            FunctionArgExpr::WildcardWithOptions(options) => SelectItem::Wildcard(options.clone()),
            _ => SelectItem::Wildcard(none),
        };
        let all = Select {
            distinct: None,
            top: None,
            projection: vec![item],
            selection: None,
            group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
            having: None,
            qualify: None,
            ..select.clone()
        };
        let query = Query {
            with: with_common(None, common),
            body: Box::new(SetExpr::Select(Box::new(all))),
            order_by: None,
            limit_clause: None,
            fetch: None,
            locks: Vec::new(),
            for_clause: None,
            settings: None,
            format_clause: None,
            pipe_operators: Vec::new(),
        };
        let lowered = self.lower(&Statement::Query(Box::new(query)), work)?;
        self.prepare(&lowered)?;
        let columns = self.connection.describe(&lowered.sql);
        let columns = columns.map_err(|error| self.explain_missing(from_engine(&error), &lowered.tables))?;
        Ok(result_columns(&columns)
            .into_iter()
            .map(|column| column.name)
            .collect())
    }
}

/// The common tables in sight before a query's own.
fn with_common(own: Option<With>, common: &[Cte]) -> Option<With> {
    if common.is_empty() {
        return own;
    }
    let mut with = own.unwrap_or_else(|| With {
        with_token: AttachedToken::empty(),
        recursive: false,
        cte_tables: Vec::new(),
    });
    with.cte_tables.splice(0..0, common.iter().cloned());
    Some(with)
}

/// Finds out whether anything is to be written out.
struct Find;

impl Visitor for Find {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) if first_star(function).is_some() => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match values_query(factor) {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }
}

/// Writes the columns in the place of each `*`, in what is inside first.
struct Write<'a, 'b> {
    worker: &'a mut Worker,
    work: &'a Work<'b>,
    /// The common tables that are in sight, without stars.
    common: Vec<Cte>,
    /// How many there were outside of each query that the walk is in.
    outside: Vec<usize>,
}

impl VisitorMut for Write<'_, '_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        self.outside.push(self.common.len());
        for table in query.with.iter_mut().flat_map(|with| &mut with.cte_tables) {
            // A common table sees those before it.
            VisitMut::visit(&mut table.query, self)?;
            self.common.push(table.clone());
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        if let Some(outside) = self.outside.pop() {
            self.common.truncate(outside);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        let Some(query) = values_query(factor) else {
            return ControlFlow::Continue(());
        };
        match self.worker.pivot_values(query, &self.common, self.work) {
            Ok(values) => {
                if let TableFactor::Pivot { value_source, .. } = factor {
                    *value_source = PivotValueSource::List(values);
                }
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        let read = select.clone();
        visit_expressions_mut(select, |expr| {
            let Expr::Function(function) = expr else {
                return ControlFlow::Continue(());
            };
            while let Some(at) = first_star(function) {
                match self.written(function, at, &read) {
                    Ok(written) => replace(function, at, written),
                    Err(error) => return ControlFlow::Break(error),
                }
            }
            ControlFlow::Continue(())
        })
    }
}

impl Write<'_, '_> {
    /// The arguments that one stands for.
    fn written(
        &mut self,
        function: &Function,
        at: usize,
        read: &Select,
    ) -> Result<Vec<FunctionArg>, SqlError> {
        let FunctionArguments::List(list) = &function.args else {
            return Ok(Vec::new());
        };
        let Some(FunctionArg::Unnamed(star)) = list.args.get(at) else {
            return Ok(Vec::new());
        };
        let names = self.worker.star_columns(star, read, &self.common, self.work)?;
        let with_names = OF_PAIRS.contains(&name_of(function).as_str());
        let mut written = Vec::new();
        for name in names {
            let column = Ident::with_quote('"', name.clone());
            let value = match star {
                FunctionArgExpr::QualifiedWildcard(table) => {
                    let qualifier = table.0.iter().filter_map(ObjectNamePart::as_ident).cloned();
                    Expr::CompoundIdentifier(qualifier.chain([column]).collect())
                }
                _ => Expr::Identifier(column),
            };
            if with_names {
                written.push(Expr::Value(Value::SingleQuotedString(name).into()));
            }
            written.push(value);
        }
        let written = written.into_iter().map(FunctionArgExpr::Expr);
        Ok(written.map(FunctionArg::Unnamed).collect())
    }
}

/// The place of the first star among a function's arguments.
fn first_star(function: &Function) -> Option<usize> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    // Of rows, not of columns.
    let is_count = name_of(function) == "COUNT";
    list.args.iter().position(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => !is_count,
        FunctionArg::Unnamed(
            FunctionArgExpr::QualifiedWildcard(_) | FunctionArgExpr::WildcardWithOptions(_),
        ) => true,
        _ => false,
    })
}

fn replace(function: &mut Function, at: usize, written: Vec<FunctionArg>) {
    if let FunctionArguments::List(list) = &mut function.args {
        list.args.splice(at..=at, written);
    }
}

fn name_of(function: &Function) -> String {
    function.name.to_string().to_uppercase()
}
