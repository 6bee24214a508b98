//! Where a query's columns come from, as far as its text tells.
//!
//! Snowflake describes a result's column with the table that it is taken from, and says whether it may be NULL. The
//! engine says neither. An [`Outline`] keeps what the text says of each column; the session, which can look into the
//! catalog, makes descriptions of it. Read after tables are resolved and before expressions are lowered. Whatever is
//! not plainly a column, a literal, a cast or a count is left open: an outline never guesses.

use std::collections::BTreeMap;
use std::sync::Arc;

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{
    CastKind, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, JoinConstraint,
    JoinOperator, ObjectNamePart, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    Statement, TableAlias, TableFactor, TableWithJoins, Value, WildcardAdditionalOptions,
};

use super::types::sql_type;
use crate::catalog::names::ObjectPath;
use crate::contract::ResultColumn;

/// Digits of what `COUNT` answers.
const COUNT_PRECISION: u8 = 18;
/// Digits of a NUMBER.
pub(super) const NUMBER_PRECISION_MAX: usize = 38;

/// The columns of one SELECT and the tables that it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// What is selected, in order.
    pub items: Vec<Item>,
    /// What it is selected from.
    pub sources: Vec<Source>,
}

/// One selected thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `*` or `t.*`: all columns of all sources, or of the one with this name.
    All(Option<String>),
    /// A plain column.
    Column {
        /// Name of the source, when it is said.
        source: Option<String>,
        /// Name in the source.
        name: String,
        /// Name in the result.
        label: String,
    },
    /// Anything else.
    Value {
        /// Name in the result.
        label: String,
        /// Its type, where the text alone tells.
        sql_type: Option<SqlType>,
        /// May be NULL.
        nullable: bool,
    },
}

/// One table of a FROM clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name by which columns are qualified.
    pub name: Option<String>,
    /// What its rows are.
    pub rows: Rows,
    /// Stands at the side of an outer join where rows may be missing.
    pub optional: bool,
}

/// Where the rows of a source come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// A table or view.
    Table(ObjectPath),
    /// Another query.
    Query(Outline),
    /// A table that the session has made, of which it knows the columns.
    Made(Arc<[ResultColumn]>),
    /// Something whose columns are not known from the text.
    Open,
}

/// Reads the outline of a query; `None` when it is none, or has no plain outline. `tables` leads from the engine's
/// name of each table to what it is.
pub(super) fn read(statement: &Statement, tables: &BTreeMap<String, Rows>) -> Option<Outline> {
    let Statement::Query(query) = statement else {
        return None;
    };
    let mut reader = Reader {
        tables,
        common: Vec::new(),
    };
    reader.query(query)
}

struct Reader<'a> {
    tables: &'a BTreeMap<String, Rows>,
    /// What the `WITH` clauses define that are in sight, innermost last.
    common: Vec<(String, Option<Outline>)>,
}

impl Reader<'_> {
    fn query(&mut self, query: &Query) -> Option<Outline> {
        let outside = self.common.len();
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let outline = if table.alias.columns.is_empty() {
                self.query(&table.query)
            } else {
                None
            };
            self.common.push((table.alias.name.value.clone(), outline));
        }
        let outline = match &*query.body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(inner) => self.query(inner),
            _ => None,
        };
        self.common.truncate(outside);
        outline
    }

    fn select(&mut self, select: &Select) -> Option<Outline> {
        let mut outline = Outline::default();
        for table in &select.from {
            self.tables(table, &mut outline.sources)?;
        }
        // Subtotals put NULL where a column has none.
        if let GroupByExpr::Expressions(expressions, modifiers) = &select.group_by {
            let is_plain =
                |expr: &Expr| !matches!(expr, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_));
            if !modifiers.is_empty() || !expressions.iter().all(is_plain) {
                return None;
            }
        }
        for item in &select.projection {
            outline.items.push(selected(item)?);
        }
        Some(outline)
    }

    /// Adds the sources of one item of a FROM clause.
    fn tables(&mut self, table: &TableWithJoins, sources: &mut Vec<Source>) -> Option<()> {
        let first = sources.len();
        self.table(&table.relation, sources)?;
        for join in &table.joins {
            let right = sources.len();
            self.table(&join.relation, sources)?;
            let (constraint, left_optional, right_optional) = match &join.join_operator {
                JoinOperator::Join(constraint)
                | JoinOperator::Inner(constraint)
                | JoinOperator::CrossJoin(constraint) => (constraint, false, false),
                JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                    (constraint, false, true)
                }
                JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                    (constraint, true, false)
                }
                JoinOperator::FullOuter(constraint) => (constraint, true, true),
                _ => return None,
            };
            // Columns that are joined by name are one column of two tables.
            if matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural) {
                return None;
            }
            for source in &mut sources[first..right] {
                source.optional |= left_optional;
            }
            for source in &mut sources[right..] {
                source.optional |= right_optional;
            }
        }
        Some(())
    }

    fn table(&mut self, factor: &TableFactor, sources: &mut Vec<Source>) -> Option<()> {
        let (alias, rows) = match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                ..
            } => {
                let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else {
                    return None;
                };
                let rows = match self.tables.get(&ident.value) {
                    Some(rows) => rows.clone(),
                    None => self.common(&ident.value),
                };
                let named = alias.as_ref().map_or(&ident.value, |alias| &alias.name.value);
                sources.push(Source {
                    name: Some(named.clone()),
                    rows: renamed(alias.as_ref(), rows),
                    optional: false,
                });
                return Some(());
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let outline = self.query(subquery);
                (alias, outline.map_or(Rows::Open, Rows::Query))
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => return self.tables(table_with_joins, sources),
            _ => return None,
        };
        sources.push(Source {
            name: alias.as_ref().map(|alias| alias.name.value.clone()),
            rows: renamed(alias.as_ref(), rows),
            optional: false,
        });
        Some(())
    }

    fn common(&self, name: &str) -> Rows {
        let found = self.common.iter().rev().find(|(known, _)| known == name);
        match found {
            Some((_, Some(outline))) => Rows::Query(outline.clone()),
            _ => Rows::Open,
        }
    }
}

/// Rows under an alias; one that renames columns hides where they come from.
fn renamed(alias: Option<&TableAlias>, rows: Rows) -> Rows {
    match alias {
        Some(alias) if !alias.columns.is_empty() => Rows::Open,
        _ => rows,
    }
}

fn selected(item: &SelectItem) -> Option<Item> {
    match item {
        SelectItem::Wildcard(options) => is_whole(options).then_some(Item::All(None)),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
            let source = super::identifiers::simple(name)?;
            is_whole(options).then(|| Item::All(Some(source.to_owned())))
        }
        SelectItem::UnnamedExpr(expr) => {
            let label = match expr {
                Expr::Identifier(ident) => &ident.value,
                Expr::CompoundIdentifier(parts) => &parts.last()?.value,
                _ => return None,
            };
            Some(value(expr, label))
        }
        SelectItem::ExprWithAlias { expr, alias } => Some(value(expr, &alias.value)),
        _ => None,
    }
}

fn is_whole(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

fn value(expr: &Expr, label: &str) -> Item {
    let (source, name) = match expr {
        Expr::Identifier(ident) => (None, ident),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [source, name] => (Some(source.value.clone()), name),
            _ => return open(label),
        },
        _ => {
            let (sql_type, nullable) = told(expr);
            return Item::Value {
                label: label.to_owned(),
                sql_type,
                nullable,
            };
        }
    };
    Item::Column {
        source,
        name: name.value.clone(),
        label: label.to_owned(),
    }
}

fn open(label: &str) -> Item {
    Item::Value {
        label: label.to_owned(),
        sql_type: None,
        nullable: true,
    }
}

/// The type of an expression and whether it may be NULL, as far as its form tells.
fn told(expr: &Expr) -> (Option<SqlType>, bool) {
    match expr {
        Expr::Nested(inner) => told(inner),
        Expr::Value(value) => literal(&value.value),
        Expr::Cast {
            kind: CastKind::Cast | CastKind::DoubleColon,
            expr,
            data_type,
            ..
        } => (sql_type(data_type).ok(), told(expr).1),
        Expr::TypedString(typed) => (sql_type(&typed.data_type).ok(), false),
        Expr::Function(function) => {
            let is_count = super::identifiers::simple(&function.name) == Some("COUNT")
                && counts(&function.args)
                && function.over.is_none();
            if is_count {
                let sql_type = SqlType::Number {
                    precision: COUNT_PRECISION,
                    scale: 0,
                };
                (Some(sql_type), false)
            } else {
                (None, true)
            }
        }
        _ => (None, true),
    }
}

/// True for the arguments of a plain `COUNT`.
fn counts(arguments: &FunctionArguments) -> bool {
    let FunctionArguments::List(list) = arguments else {
        return false;
    };
    list.clauses.is_empty()
        && list.args.iter().all(|argument| {
            matches!(
                argument,
                FunctionArg::Unnamed(FunctionArgExpr::Expr(_) | FunctionArgExpr::Wildcard)
            )
        })
}

fn literal(value: &Value) -> (Option<SqlType>, bool) {
    match value {
        Value::Number(digits, _) if digits.len() <= NUMBER_PRECISION_MAX && is_digits(digits) => {
            let precision = digits.trim_start_matches('0').len().max(1) as u8;
            (Some(SqlType::Number { precision, scale: 0 }), false)
        }
        Value::SingleQuotedString(text)
        | Value::DollarQuotedString(sqlparser::ast::DollarQuotedString { value: text, .. }) => {
            let length = u32::try_from(text.chars().count())
                .ok()
                .filter(|length| *length > 0);
            (length.map(|length| SqlType::Text { length: Some(length) }), false)
        }
        Value::Null | Value::Placeholder(_) => (None, true),
        _ => (None, false),
    }
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowering};
    use super::*;

    /// One word for each item and source.
    fn outlined(sql: &str) -> String {
        match lowering(sql).expect("the query is lowered").outline {
            Some(outline) => text(&outline),
            None => "open".to_owned(),
        }
    }

    fn text(outline: &Outline) -> String {
        let items: Vec<String> = outline.items.iter().map(item).collect();
        let sources: Vec<String> = outline.sources.iter().map(source).collect();
        format!("{} < {}", items.join(" "), sources.join(" "))
    }

    fn item(item: &Item) -> String {
        let part = |source: &Option<String>| {
            source
                .as_ref()
                .map_or_else(String::new, |name| format!("{name}."))
        };
        match item {
            Item::All(source) => format!("{}*", part(source)),
            Item::Column { source, name, label } => format!("{}{name}:{label}", part(source)),
            Item::Value {
                sql_type, nullable, ..
            } => {
                let sql_type = sql_type
                    .as_ref()
                    .map_or("?".to_owned(), |known| format!("{known:?}"));
                format!("{sql_type}{}", if *nullable { "" } else { "!" })
            }
        }
    }

    fn source(source: &Source) -> String {
        let name = source.name.as_deref().unwrap_or("-");
        let rows = match &source.rows {
            Rows::Table(path) => path.name.as_str().to_owned(),
            Rows::Query(outline) => format!("({})", text(outline)),
            Rows::Made(columns) => format!("{} columns", columns.len()),
            Rows::Open => "?".to_owned(),
        };
        format!("{name}={rows}{}", if source.optional { "?" } else { "" })
    }

    #[test]
    fn columns_are_followed() {
        check(
            outlined,
            &[
                ("select a, x.b as c, * from t as x", "A:A X.B:C * < X=T"),
                ("select t.* from t join u on t.a = u.a", "T.* < T=T U=U"),
                ("select a from t left join \"u\" on true", "A:A < T=T u=u?"),
                ("select a from t right join u on true", "A:A < T=T? U=U"),
                ("select x.a from (select a from t) x", "X.A:A < X=(A:A < T=T)"),
                ("with c as (select a from t) select * from c", "* < C=(A:A < T=T)"),
                ("with c (x) as (select a from t) select * from c", "* < C=?"),
                ("select a from t join u using (a)", "open"),
                ("select a, count(*) from t group by rollup(a)", "open"),
                ("select a from t union all select a from u", "open"),
                ("select * exclude a from t", "open"),
            ],
        );
    }

    #[test]
    fn forms_tell_types() {
        check(
            outlined,
            &[
                (
                    "select 12, 'abc', null, 'x'::varchar(7), count(*), a + 1 from t",
                    "Number { precision: 2, scale: 0 }! Text { length: Some(3) }! ? Text { length: Some(7) }! \
                     Number { precision: 18, scale: 0 }! ? < T=T",
                ),
                (
                    "select a::number(5, 1), 1.5 from t",
                    "Number { precision: 5, scale: 1 } ?! < T=T",
                ),
            ],
        );
    }
}
