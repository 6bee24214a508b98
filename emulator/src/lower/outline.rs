//! Where a query's columns come from, as far as its text tells.
//!
//! Snowflake describes a result's column with the table that it is taken from, and says whether it may be NULL. The
//! engine says neither. An [`Outline`] keeps what the text says of each column; the session, which can look into the
//! catalog, makes descriptions of it. Read after tables are resolved and before expressions are lowered. Whatever is
//! not plainly a column, a literal, a cast, a count or one of several of these is left open: an outline never guesses.

mod told;

pub use told::Told;

pub(super) use told::NUMBER_PRECISION_MAX;

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlparser::ast::{
    CreateTable, CreateView, Expr, GroupByExpr, JoinConstraint, JoinOperator, ObjectNamePart, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableAlias, TableFactor, TableWithJoins,
    WildcardAdditionalOptions,
};

use crate::catalog::names::ObjectPath;
use crate::contract::ResultColumn;

/// The columns of one SELECT and the tables that it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// What is selected, in order.
    pub items: Vec<Item>,
    /// What it is selected from.
    pub sources: Vec<Source>,
    /// It makes subtotals, which put NULL where a column has none.
    pub has_subtotals: bool,
    /// The other SELECTs of a set operation, which have as many columns.
    pub others: Vec<Outline>,
}

/// One selected thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `*` or `t.*`: all columns of all sources, or of the one with this name.
    All(Option<String>),
    /// Anything else.
    One {
        /// Name in the result.
        label: String,
        /// What the text tells of it.
        value: Told,
    },
}

/// One table of a FROM clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Name by which columns are qualified.
    pub name: Option<String>,
    /// Other names of its first columns.
    pub renamed: Vec<String>,
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
    let (Statement::Query(query)
    | Statement::CreateView(CreateView { query, .. })
    | Statement::CreateTable(CreateTable {
        query: Some(query), ..
    })) = statement
    else {
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
    common: Vec<(String, Vec<String>, Option<Outline>)>,
}

impl Reader<'_> {
    fn query(&mut self, query: &Query) -> Option<Outline> {
        let outside = self.common.len();
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            let outline = self.query(&table.query);
            let renamed = other_names(Some(&table.alias));
            self.common
                .push((table.alias.name.value.clone(), renamed, outline));
        }
        let outline = self.body(&query.body);
        self.common.truncate(outside);
        outline
    }

    fn body(&mut self, body: &SetExpr) -> Option<Outline> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(inner) => self.query(inner),
            SetExpr::SetOperation { left, right, .. } => {
                let mut outline = self.body(left)?;
                outline.others.push(self.body(right)?);
                Some(outline)
            }
            _ => None,
        }
    }

    fn select(&mut self, select: &Select) -> Option<Outline> {
        let mut outline = Outline::default();
        let mut is_joined_by_name = false;
        for table in &select.from {
            is_joined_by_name |= self.tables(table, &mut outline.sources)?;
        }
        if let GroupByExpr::Expressions(expressions, modifiers) = &select.group_by {
            let is_subtotal =
                |expr: &Expr| matches!(expr, Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_));
            outline.has_subtotals = !modifiers.is_empty() || expressions.iter().any(is_subtotal);
        }
        for item in &select.projection {
            let item = selected(item)?;
            // Columns that are joined by name are one column of two tables.
            if is_joined_by_name && item == Item::All(None) {
                return None;
            }
            outline.items.push(item);
        }
        Some(outline)
    }

    /// Adds the sources of one item of a FROM clause; true when some are joined by the names of columns.
    fn tables(&mut self, table: &TableWithJoins, sources: &mut Vec<Source>) -> Option<bool> {
        let first = sources.len();
        let mut by_name = self.table(&table.relation, sources)?;
        for join in &table.joins {
            let right = sources.len();
            by_name |= self.table(&join.relation, sources)?;
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
            by_name |= matches!(constraint, JoinConstraint::Using(_) | JoinConstraint::Natural);
            for source in &mut sources[first..right] {
                source.optional |= left_optional;
            }
            for source in &mut sources[right..] {
                source.optional |= right_optional;
            }
        }
        Some(by_name)
    }

    fn table(&mut self, factor: &TableFactor, sources: &mut Vec<Source>) -> Option<bool> {
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
                let (mut renamed, rows) = match self.tables.get(&ident.value) {
                    Some(rows) => (Vec::new(), rows.clone()),
                    None => self.common(&ident.value),
                };
                for (at, name) in other_names(alias.as_ref()).into_iter().enumerate() {
                    if let Some(known) = renamed.get_mut(at) {
                        *known = name;
                    } else {
                        renamed.push(name);
                    }
                }
                let named = alias.as_ref().map_or(&ident.value, |alias| &alias.name.value);
                sources.push(Source {
                    name: Some(named.clone()),
                    renamed,
                    rows,
                    optional: false,
                });
                return Some(false);
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
            renamed: other_names(alias.as_ref()),
            rows,
            optional: false,
        });
        Some(false)
    }

    fn common(&self, name: &str) -> (Vec<String>, Rows) {
        let found = self.common.iter().rev().find(|(known, ..)| known == name);
        match found {
            Some((_, renamed, Some(outline))) => (renamed.clone(), Rows::Query(outline.clone())),
            _ => (Vec::new(), Rows::Open),
        }
    }
}

/// The names that an alias gives to the first columns.
fn other_names(alias: Option<&TableAlias>) -> Vec<String> {
    let columns = alias.iter().flat_map(|alias| &alias.columns);
    columns.map(|column| column.name.value.clone()).collect()
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
            Some(one(expr, label))
        }
        SelectItem::ExprWithAlias { expr, alias } => Some(one(expr, &alias.value)),
        _ => None,
    }
}

fn is_whole(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
}

fn one(expr: &Expr, label: &str) -> Item {
    Item::One {
        label: label.to_owned(),
        value: Told::of(expr),
    }
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
        let mut text = format!("{} < {}", items.join(" "), sources.join(" "));
        for other in &outline.others {
            text.extend([" + ", &self::text(other)]);
        }
        text
    }

    fn item(item: &Item) -> String {
        match item {
            Item::All(None) => "*".to_owned(),
            Item::All(Some(source)) => format!("{source}.*"),
            Item::One { label, value } => match value {
                Told::Column { .. } => format!("{}:{label}", value_text(value)),
                _ => value_text(value),
            },
        }
    }

    fn value_text(value: &Told) -> String {
        match value {
            Told::Column { source: None, name } => name.clone(),
            Told::Column {
                source: Some(source),
                name,
            } => format!("{source}.{name}"),
            Told::Typed { sql_type, nullable } => {
                format!("{sql_type:?}{}", if *nullable { "" } else { "!" })
            }
            Told::Null => "null".to_owned(),
            Told::OneOf(values) => {
                let values: Vec<String> = values.iter().map(value_text).collect();
                format!("[{}]", values.join(" "))
            }
            Told::Nothing { nullable } => if *nullable { "?" } else { "?!" }.to_owned(),
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
        let mut text = format!("{name}={rows}{}", if source.optional { "?" } else { "" });
        if !source.renamed.is_empty() {
            text.extend(["(", &source.renamed.join(" "), ")"]);
        }
        text
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
                (
                    "with c (x) as (select a from t) select * from c",
                    "* < C=(A:A < T=T)(X)",
                ),
                (
                    "with c (x) as (select a from t) select * from c as d (y)",
                    "* < D=(A:A < T=T)(Y)",
                ),
                ("select t.b from t join u using (a)", "T.B:B < T=T U=U"),
                ("select * from t join u using (a)", "open"),
                (
                    "select a from t union all select a from u",
                    "A:A < T=T + A:A < U=U",
                ),
                ("create view v as select a from t", "A:A < T=T"),
                ("create table v as select a from t", "A:A < T=T"),
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
                    "select 12, 1.50, 'abc', null, true, 'x'::varchar(7), count(*), a + 1 from t",
                    "Number { precision: 2, scale: 0 }! Number { precision: 3, scale: 2 }! \
                     Text { length: Some(3) }! null ? Text { length: Some(7) }! \
                     Number { precision: 18, scale: 0 }! ? < T=T",
                ),
                (
                    "select a::number(5, 1), 15e-1 from t",
                    "Number { precision: 5, scale: 1 } ?! < T=T",
                ),
                (
                    "select max(a), coalesce(t.a, null), case when a = 1 then 'x' else b end, iff(true, a, b) from t",
                    "[A] [T.A null] [Text { length: Some(1) }! B] [A B] < T=T",
                ),
            ],
        );
    }
}
