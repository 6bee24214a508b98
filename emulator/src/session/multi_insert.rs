//! INSERT into several tables: `INSERT ALL` and `INSERT FIRST`.
//!
//! The rows of the source are kept in a temporary table first: they are what every clause chooses from, also when the
//! source reads what the statement writes. Each INTO then becomes an INSERT of its own, and all of them one change.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, Insert, MultiTableInsertIntoClause, MultiTableInsertType, MultiTableInsertValue, ObjectName,
    ObjectNamePart, SelectItem, SetExpr, Statement, TableFactor, TableObject, Value, VisitMut, VisitorMut,
};

use super::bulk_binds::generated;
use super::copy_job::FILE;
use super::dml::{Change, apply, is_conflict, refuse_built_in};
use super::query::result_columns;
use super::replay::Replay;
use super::sources::physical;
use super::transaction::Replayer;
use super::worker::{Work, Worker};
use super::{DmlStats, ResultColumn, SqlError, StatementOutput, array_binds, from_engine};
use crate::catalog::names::{ObjectPath, parts};
use crate::front::StageTable;
use crate::lower::{Scope, Source, lower, with_values};
use crate::plan::Failure;
use crate::plan::shape::{self, ListType, Shaped};

/// Most INTO clauses of one statement.
const CLAUSES_MAX: usize = 1_000;

/// The statement as an INSERT into several tables; none when it goes into one.
pub(super) fn of(statement: &Statement) -> Option<&Insert> {
    match statement {
        Statement::Insert(insert) if insert.multi_table_insert_type.is_some() => Some(insert),
        _ => None,
    }
}

/// An INTO clause with the condition under which rows go there.
struct Branch<'a> {
    into: &'a MultiTableInsertIntoClause,
    condition: Option<Expr>,
}

/// The clauses in their order.
fn branches(insert: &Insert) -> Result<Vec<Branch<'_>>, SqlError> {
    let is_first = insert.multi_table_insert_type == Some(MultiTableInsertType::First);
    if is_first && insert.multi_table_when_clauses.is_empty() {
        let detail = "syntax error unexpected 'INTO'.";
        return Err(SqlError::compilation("001003", "42000", detail));
    }
    let plain = insert.multi_table_into_clauses.iter();
    let mut found: Vec<Branch<'_>> = plain
        .map(|into| Branch {
            into,
            condition: None,
        })
        .collect();
    // That none of the conditions so far holds.
    let mut otherwise: Option<Expr> = None;
    let both = |left: Option<Expr>, right: Expr| match left {
        None => right,
        Some(left) => Expr::BinaryOp {
            left: Box::new(left),
            op: sqlparser::ast::BinaryOperator::And,
            right: Box::new(right),
        },
    };
    for clause in &insert.multi_table_when_clauses {
        let holds = Expr::Nested(Box::new(clause.condition.clone()));
        let condition = if is_first {
            both(otherwise.clone(), holds.clone())
        } else {
            holds.clone()
        };
        found.extend(clause.into_clauses.iter().map(|into| Branch {
            into,
            condition: Some(condition.clone()),
        }));
        otherwise = Some(both(otherwise, Expr::IsNotTrue(Box::new(holds))));
    }
    found.extend(
        insert
            .multi_table_else_clause
            .iter()
            .flatten()
            .map(|into| Branch {
                into,
                condition: otherwise.clone(),
            }),
    );
    if found.len() > CLAUSES_MAX {
        return Err(SqlError::unsupported(format!(
            "more than {CLAUSES_MAX} INTO clauses"
        )));
    }
    Ok(found)
}

/// The query of the rows, and of what each condition says of a row: it is asked once, before anything is written. The
/// conditions become those columns.
fn judged(insert: &mut Insert) -> Result<Statement, SqlError> {
    let Some(query) = insert.source.take() else {
        return Err(SqlError::internal("a multi-table INSERT without a query"));
    };
    if insert.multi_table_when_clauses.is_empty() {
        return Ok(Statement::Query(query));
    }
    let mut statement = generated("SELECT * FROM (SELECT 1) AS s")?;
    let Statement::Query(outer) = &mut statement else {
        return Err(SqlError::internal("a generated query is none"));
    };
    let SetExpr::Select(select) = &mut *outer.body else {
        return Err(SqlError::internal("a generated query is none"));
    };
    for (at, clause) in insert.multi_table_when_clauses.iter_mut().enumerate() {
        // No name that is written without quotes has this sign.
        let alias = Ident::with_quote('"', format!("when#{at}"));
        let expr = std::mem::replace(&mut clause.condition, Expr::Identifier(alias.clone()));
        select.projection.push(SelectItem::ExprWithAlias { expr, alias });
    }
    for table in &mut select.from {
        if let TableFactor::Derived { subquery, .. } = &mut table.relation {
            subquery.clone_from(&query);
        }
    }
    Ok(statement)
}

/// The statement with `:1`, `:2` for its `?`: the clauses are written before the source and visited after it.
fn numbered(mut insert: Insert) -> Insert {
    let mut number = Number(0);
    // A visitor without Break always comes to the end.
    let _ = insert.multi_table_into_clauses.visit(&mut number);
    let _ = insert.multi_table_when_clauses.visit(&mut number);
    let _ = insert.multi_table_else_clause.visit(&mut number);
    let _ = insert.source.visit(&mut number);
    insert
}

struct Number(usize);

impl VisitorMut for Number {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(placeholder) = &mut value.value
            && placeholder == "?"
        {
            self.0 += 1;
            *placeholder = format!(":{}", self.0);
        }
        ControlFlow::Continue(())
    }
}

/// The row of counts: a column for each table, in the order in which they are named.
pub(super) fn counts(insert: &Insert, counts: &[u64]) -> Result<Shaped, SqlError> {
    let mut tables: Vec<(String, u64)> = Vec::new();
    for (at, branch) in branches(insert)?.iter().enumerate() {
        let written = parts(&branch.into.table_name)?;
        let name = written
            .last()
            .map(|name| name.as_str().to_owned())
            .unwrap_or_default();
        let count = counts.get(at).copied().unwrap_or_default();
        match tables.iter_mut().find(|(known, _)| *known == name) {
            Some((_, total)) => *total += count,
            None => tables.push((name, count)),
        }
    }
    let named: Vec<(String, ListType)> = tables
        .iter()
        .map(|(name, _)| (format!("number of rows inserted into {name}"), ListType::Number))
        .collect();
    let columns: Vec<(&str, ListType)> = named.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
    let row = tables.iter().map(|(_, count)| Some(count.to_string())).collect();
    Ok(shape::list(&columns, vec![row]))
}

impl Worker {
    /// Runs an INSERT into several tables.
    pub(super) fn insert_several(
        &mut self,
        insert: &Insert,
        work: &Work<'_>,
    ) -> Result<StatementOutput, SqlError> {
        if array_binds::rows(work.bindings)?.is_some() || work.bind_stage.is_some() {
            return Err(SqlError::unsupported("array bindings of a multi-table INSERT"));
        }
        let statement = with_values(&Statement::Insert(numbered(insert.clone())), &self.scope(work))?;
        let Statement::Insert(mut insert) = statement else {
            return Err(SqlError::internal("an INSERT became another statement"));
        };
        let rows = judged(&mut insert)?;
        let insert = &insert;
        let branches = branches(insert)?;
        let lowered = self.lower(&rows, work)?;
        self.prepare(&lowered)?;
        let kept = self
            .keep_query(&lowered.sql)
            .map_err(|error| self.explain_missing(error, &lowered.tables))?;
        let kept = physical(&kept);
        let columns = self.connection.describe(&format!("SELECT * FROM {kept}"));
        let mut columns = result_columns(&columns.map_err(|error| from_engine(&error))?);
        // What the conditions say stands behind the rows' own columns.
        columns.truncate(columns.len() - insert.multi_table_when_clauses.len());
        let source = Source {
            sql: kept,
            fields: None,
            columns: Some(columns.clone().into()),
        };
        let sources = [(StageTable::name(FILE, None, None), source)].into();
        let mut changes: Vec<Change> = Vec::with_capacity(branches.len());
        for branch in &branches {
            let mut one = self.insert_of(branch, &columns)?;
            let target = self.state.names().object(&branch.into.table_name, "INSERT")?;
            if let Statement::Insert(written) = &mut one {
                // A table that is named again keeps what the first clause put there.
                written.overwrite = insert.overwrite && !changes.iter().any(|known| known.target == target);
            }
            changes.push(self.planned_branch(&one, &sources, work)?);
        }
        let targets = changes.iter().map(|change| change.target.clone()).collect();
        let inserted = self.change_several(&changes, work);
        let inserted = inserted.map_err(|error| self.explain_missing(error, &targets))?;
        let stats = DmlStats {
            inserted: inserted.iter().sum(),
            ..DmlStats::default()
        };
        Ok(self.answer(work, counts(insert, &inserted)?, Some(stats)))
    }

    /// Columns of the answer without running the statement.
    pub(super) fn describe_several(
        &mut self,
        statement: &Statement,
        work: &Work<'_>,
    ) -> Result<StatementOutput, SqlError> {
        let Some(insert) = of(statement) else {
            return Err(SqlError::internal("an INSERT into one table"));
        };
        Ok(self.answer(work, counts(insert, &[])?, None))
    }

    fn planned_branch(
        &mut self,
        statement: &Statement,
        sources: &BTreeMap<String, Source>,
        work: &Work<'_>,
    ) -> Result<Change, SqlError> {
        let target = self.changed_columns(statement)?;
        let lowered = {
            let scope = Scope {
                sources,
                source: None,
                target: target.as_deref().unwrap_or_default(),
                ..self.scope(work)
            };
            lower(statement, &scope)?
        };
        self.prepare(&lowered)?;
        self.planned(statement, lowered)
    }

    /// One INTO clause as an INSERT from the rows that are kept.
    fn insert_of(&mut self, branch: &Branch<'_>, source: &[ResultColumn]) -> Result<Statement, SqlError> {
        let sql = format!("INSERT INTO t SELECT 1 FROM {FILE}");
        let mut statement = generated(&sql)?;
        let Statement::Insert(insert) = &mut statement else {
            return Err(SqlError::internal("a generated INSERT is none"));
        };
        insert.table = TableObject::TableName(branch.into.table_name.clone());
        let name = |ident: &Ident| ObjectName(vec![ObjectNamePart::Identifier(ident.clone())]);
        insert.columns = branch.into.columns.iter().map(name).collect();
        let items: Vec<Expr> = match &branch.into.values {
            None => source
                .iter()
                .map(|column| Expr::Identifier(Ident::with_quote('"', column.name.clone())))
                .collect(),
            Some(values) => self.values_of(insert, &values.values)?,
        };
        let Some(SetExpr::Select(select)) = insert.source.as_mut().map(|query| &mut *query.body) else {
            return Err(SqlError::internal("a generated query is none"));
        };
        select.projection = items.into_iter().map(SelectItem::UnnamedExpr).collect();
        select.selection.clone_from(&branch.condition);
        Ok(statement)
    }

    /// The values of a clause; columns that get their default are left out of the INSERT's list.
    fn values_of(
        &mut self,
        insert: &mut Insert,
        values: &[MultiTableInsertValue],
    ) -> Result<Vec<Expr>, SqlError> {
        let defaults = values
            .iter()
            .any(|value| matches!(value, MultiTableInsertValue::Default));
        if defaults && insert.columns.is_empty() {
            let all = self.target_columns(insert)?;
            let quoted =
                |name: &str| ObjectName(vec![ObjectNamePart::Identifier(Ident::with_quote('"', name))]);
            insert.columns = all.iter().map(|column| quoted(column.name.as_str())).collect();
        }
        if !insert.columns.is_empty() && insert.columns.len() != values.len() {
            let detail = format!(
                "Insert value list does not match column list expecting {} but got {}",
                insert.columns.len(),
                values.len()
            );
            return Err(SqlError::compilation("002020", "21S01", detail));
        }
        let mut given = Vec::with_capacity(values.len());
        let mut at = 0;
        for value in values {
            match value {
                MultiTableInsertValue::Expr(expr) => {
                    given.push(expr.clone());
                    at += 1;
                }
                MultiTableInsertValue::Default => {
                    insert.columns.remove(at);
                }
            }
        }
        if given.is_empty() {
            return Err(SqlError::unsupported("INTO with nothing but DEFAULT"));
        }
        Ok(given)
    }

    /// Makes all changes or none; gives the rows that each inserted.
    fn change_several(&mut self, changes: &[Change], work: &Work<'_>) -> Result<Vec<u64>, SqlError> {
        let mut locked: Vec<&ObjectPath> = Vec::new();
        for change in changes {
            refuse_built_in(&change.target)?;
            locked.extend(change.locks.then_some(&change.target));
        }
        // In one order for all, so that no two statements wait for each other.
        locked.sort();
        let locked = locked
            .into_iter()
            .try_for_each(|target| self.lock_table(target, work));
        // What was locked is released also where another table was not to be had.
        let result = locked.and_then(|()| self.in_turn(|worker| worker.change_several_now(changes, work)));
        if self.transaction.is_none() {
            self.shared.locks.release(self.state.id);
        }
        result
    }

    fn change_several_now(&mut self, changes: &[Change], work: &Work<'_>) -> Result<Vec<u64>, SqlError> {
        let is_kept = |change: &&Change| !self.state.temporary_paths.contains(&change.target);
        let Some(first) = changes.iter().find(is_kept).or(changes.first()) else {
            return Err(SqlError::internal("an INSERT into no table"));
        };
        let before = self.before_write(work, &first.target)?;
        let result = if self.transaction.is_some() {
            self.several_inside(changes)
        } else {
            self.several_alone(changes)
        };
        let stats = result.as_ref().ok().map(|_| DmlStats::default());
        self.after_write(before, work.query_id, stats);
        result
    }

    /// In an open transaction: the log learns of the writes when all of them have succeeded.
    fn several_inside(&mut self, changes: &[Change]) -> Result<Vec<u64>, SqlError> {
        let mut writes = Vec::with_capacity(changes.len());
        let mut counts = Vec::with_capacity(changes.len());
        for change in changes {
            match self.apply_logged(change) {
                Ok((stats, write)) => {
                    counts.push(stats.inserted);
                    writes.push(write);
                }
                // The rows that were kept go with the engine's transaction, so there is no second attempt.
                Err(failure) => return Err(self.mend(self.in_words(failure), true)),
            }
        }
        if let Some(transaction) = &mut self.transaction {
            for write in writes {
                transaction.record(write);
            }
        }
        Ok(counts)
    }

    fn several_alone(&mut self, changes: &[Change]) -> Result<Vec<u64>, SqlError> {
        let mut attempts = 0;
        loop {
            let failure = match self.several_whole(changes) {
                Ok(counts) => {
                    let targets = changes.iter().map(|change| &change.target);
                    self.shared.versions.committed(targets);
                    return Ok(counts);
                }
                Err(failure) => failure,
            };
            attempts += 1;
            if !is_conflict(&failure) || attempts >= super::dml::ATTEMPTS_MAX {
                return Err(self.in_words(failure));
            }
            self.pause(attempts)?;
        }
    }

    fn several_whole(&mut self, changes: &[Change]) -> Result<Vec<u64>, Failure> {
        self.connection.execute("BEGIN TRANSACTION")?;
        let connection = self.connection.as_mut();
        let result = changes
            .iter()
            .map(|change| apply(connection, change).map(|stats| stats.inserted))
            .collect::<Result<Vec<u64>, Failure>>()
            .and_then(|counts| {
                connection.execute("COMMIT")?;
                Ok(counts)
            });
        if result.is_err() {
            self.control
                .protected(|| Replay(self.connection.as_mut()).rollback());
        }
        result
    }
}
