//! Tables that the session makes for one statement: stages, results of earlier statements, past tables.
//!
//! [`source_requests`] finds them in a statement; the session provides each as a [`Source`], which [`apply`] puts
//! in the place of the table. A source of Parquet has a column for each field: `$1:"a"` becomes that column,
//! so that its type is not lost on the way through a VARIANT.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, JsonPathElem, ObjectName, ObjectNamePart,
    Select, Statement, TableFactor, TableVersion, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use super::build::{call, exact, null};
use super::relations::table_alias;
use crate::contract::ResultColumn;
use crate::front::StageTable;

/// No sources.
pub static NO_SOURCES: BTreeMap<String, Source> = BTreeMap::new();

/// A table that the session has made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Engine SQL that stands for the table: a name, or a query in brackets.
    pub sql: String,
    /// Columns for the fields of `$1`; none when `$1` is a column like others.
    pub fields: Option<BTreeSet<String>>,
    /// Its columns, where more is known of them than the engine knows.
    pub columns: Option<Arc<[ResultColumn]>>,
}

/// A table that the session is to make.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceRequest {
    /// What the source will be known by.
    pub key: String,
    /// What is wanted.
    pub kind: SourceKind,
}

/// What a [`SourceRequest`] wants.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// The files of a stage, under the name that it has in the tree.
    Stage(String),
    /// `RESULT_SCAN(…)`, with its argument.
    Result(Box<Expr>),
    /// `INFER_SCHEMA(…)`, with its arguments by upper-case name.
    InferSchema(Vec<(String, Expr)>),
    /// A table as it was.
    Past {
        /// The table.
        table: ObjectName,
        /// `BEFORE`, not `AT`.
        before: bool,
        /// `STATEMENT`, `TIMESTAMP` or `OFFSET`.
        by: String,
        /// Its value.
        point: Box<Expr>,
    },
}

/// True when a statement names tables that the session has to make.
pub fn names_sources(statement: &Statement) -> bool {
    let mut find = Find { requests: Vec::new() };
    let _: ControlFlow<()> = statement.visit(&mut find);
    !find.requests.is_empty()
}

/// The tables that the session has to make for a statement, each once.
pub fn source_requests(statement: &Statement) -> Vec<SourceRequest> {
    let mut find = Find { requests: Vec::new() };
    let _: ControlFlow<()> = statement.visit(&mut find);
    let mut seen = BTreeSet::new();
    find.requests.retain(|request| seen.insert(request.key.clone()));
    find.requests
}

/// The highest number of a column written `$n`.
pub fn column_count(statement: &Statement) -> usize {
    let mut columns = Columns(0);
    let _: ControlFlow<()> = statement.visit(&mut columns);
    columns.0
}

/// Puts the sources in their places.
pub(super) fn apply(statement: &mut Statement, sources: &BTreeMap<String, Source>) {
    if !sources.is_empty() {
        let _: ControlFlow<()> = statement.visit(&mut Put { sources });
    }
}

/// The source that a name stands for since [`apply`].
pub(super) fn placed<'a>(name: &str, sources: &'a BTreeMap<String, Source>) -> Option<&'a Source> {
    sources.get(name.strip_prefix(PLACE)?)
}

/// How a name begins that stands for a source until tables are resolved.
const PLACE: &str = "@source ";

struct Find {
    requests: Vec<SourceRequest>,
}

impl Visitor for Find {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        self.requests.extend(request(factor));
        ControlFlow::Continue(())
    }
}

/// What a table asks of the session, if anything.
fn request(factor: &TableFactor) -> Option<SourceRequest> {
    let (name, args): (&ObjectName, &[FunctionArg]) = match factor {
        TableFactor::Table {
            name,
            args: None,
            version,
            ..
        } => {
            if let Some(stage) = stage_name(name) {
                return Some(SourceRequest {
                    key: stage.to_owned(),
                    kind: SourceKind::Stage(stage.to_owned()),
                });
            }
            let Some(TableVersion::Function(function)) = version else {
                return None;
            };
            return past(name, function);
        }
        TableFactor::Table {
            name,
            args: Some(args),
            ..
        } => (name, &args.args),
        TableFactor::Function { name, args, .. } => (name, args),
        TableFactor::TableFunction {
            expr: Expr::Function(function),
            ..
        } => match &function.args {
            FunctionArguments::List(list) => (&function.name, &list.args),
            _ => return None,
        },
        _ => return None,
    };
    let function = match name.0.as_slice() {
        [.., ObjectNamePart::Identifier(ident)] => ident.value.to_uppercase(),
        _ => return None,
    };
    let kind = match (function.as_str(), args) {
        ("RESULT_SCAN", [FunctionArg::Unnamed(FunctionArgExpr::Expr(id))]) => {
            SourceKind::Result(Box::new(id.clone()))
        }
        ("INFER_SCHEMA", args) => SourceKind::InferSchema(args.iter().filter_map(named).collect()),
        _ => return None,
    };
    let texts: Vec<String> = args.iter().map(ToString::to_string).collect();
    Some(SourceRequest {
        key: format!("{function}({})", texts.join(", ")),
        kind,
    })
}

fn past(table: &ObjectName, function: &Expr) -> Option<SourceRequest> {
    let Expr::Function(function) = function else {
        return None;
    };
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let [argument] = list.args.as_slice() else {
        return None;
    };
    let (by, point) = named(argument)?;
    Some(SourceRequest {
        key: format!("{table} {function}"),
        kind: SourceKind::Past {
            table: table.clone(),
            before: function.name.to_string().eq_ignore_ascii_case("BEFORE"),
            by,
            point: Box::new(point),
        },
    })
}

fn named(argument: &FunctionArg) -> Option<(String, Expr)> {
    match argument {
        FunctionArg::Named {
            name,
            arg: FunctionArgExpr::Expr(expr),
            ..
        } => Some((name.value.to_uppercase(), expr.clone())),
        FunctionArg::ExprNamed {
            name: Expr::Identifier(name),
            arg: FunctionArgExpr::Expr(expr),
            ..
        } => Some((name.value.to_uppercase(), expr.clone())),
        _ => None,
    }
}

fn stage_name(name: &ObjectName) -> Option<&str> {
    match name.0.as_slice() {
        [ObjectNamePart::Identifier(Ident { value, .. })] => {
            StageTable::of_name(value).map(|_| value.as_str())
        }
        _ => None,
    }
}

struct Put<'a> {
    sources: &'a BTreeMap<String, Source>,
}

impl VisitorMut for Put<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let tables = select.from.iter().flat_map(|table| {
            let joined = table.joins.iter().map(|join| &join.relation);
            std::iter::once(&table.relation).chain(joined)
        });
        let fields = tables
            .filter_map(request)
            .find_map(|request| self.sources.get(&request.key)?.fields.clone());
        if let Some(fields) = fields {
            let mut access = Access { fields };
            for item in &mut select.projection {
                let _: ControlFlow<()> = VisitMut::visit(item, &mut access);
            }
            if let Some(selection) = &mut select.selection {
                let _: ControlFlow<()> = VisitMut::visit(selection, &mut access);
            }
            let _: ControlFlow<()> = VisitMut::visit(&mut select.group_by, &mut access);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let Some(SourceRequest { key, .. }) = request(factor) else {
            return ControlFlow::Continue(());
        };
        if !self.sources.contains_key(&key) {
            return ControlFlow::Continue(());
        }
        let alias = match factor {
            TableFactor::Table {
                name,
                alias,
                version: Some(_),
                ..
            } => alias.take().or_else(|| match name.0.last() {
                Some(ObjectNamePart::Identifier(ident)) => Some(table_alias(ident.clone())),
                _ => None,
            }),
            TableFactor::Table { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::TableFunction { alias, .. } => alias.take(),
            _ => None,
        };
        *factor = TableFactor::Table {
            name: ObjectName(vec![ObjectNamePart::Identifier(exact(format!("{PLACE}{key}")))]),
            alias,
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        };
        ControlFlow::Continue(())
    }
}

/// Turns `$1:"a"` into the column of the field.
struct Access {
    fields: BTreeSet<String>,
}

impl Access {
    /// The column of the field that an expression names, and what is left of its path.
    fn field(&self, expr: &Expr) -> Option<(Expr, Vec<JsonPathElem>)> {
        let Expr::JsonAccess { value, path } = expr else {
            return None;
        };
        let before = match value.as_ref() {
            Expr::Identifier(ident) if ident.value == "COLUMN1" => Vec::new(),
            Expr::CompoundIdentifier(parts) => {
                let (last, before) = parts.split_last()?;
                (last.value == "COLUMN1").then(|| before.to_vec())?
            }
            _ => return None,
        };
        let (first, rest) = path.path.split_first()?;
        let key = match first {
            JsonPathElem::Dot { key, .. } => key.clone(),
            JsonPathElem::Bracket {
                key: Expr::Value(value),
            }
            | JsonPathElem::ColonBracket {
                key: Expr::Value(value),
            } => match &value.value {
                Value::SingleQuotedString(key) => key.clone(),
                _ => return None,
            },
            _ => return None,
        };
        if !self.fields.contains(&key) {
            return Some((null(), Vec::new()));
        }
        let column = if before.is_empty() {
            Expr::Identifier(exact(key))
        } else {
            Expr::CompoundIdentifier([before, vec![exact(key)]].concat())
        };
        Some((column, rest.to_vec()))
    }
}

impl VisitorMut for Access {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Cast { expr: inner, .. } = expr
            && let Some((column, rest)) = self.field(inner)
            && rest.is_empty()
        {
            **inner = column;
            return ControlFlow::Continue(());
        }
        if let Some((column, rest)) = self.field(expr) {
            let value = call("TO_VARIANT", vec![column]);
            *expr = if rest.is_empty() {
                value
            } else {
                Expr::JsonAccess {
                    value: Box::new(value),
                    path: sqlparser::ast::JsonPath { path: rest },
                }
            };
        }
        ControlFlow::Continue(())
    }
}

struct Columns(usize);

impl Visitor for Columns {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let number = |text: &str, mark: &str| text.strip_prefix(mark).and_then(|text| text.parse().ok());
        let found = match expr {
            Expr::Identifier(ident) => number(&ident.value, "COLUMN"),
            Expr::CompoundIdentifier(parts) => parts
                .last()
                .and_then(|last| number(&last.value, "COLUMN").or_else(|| number(&last.value, "$"))),
            Expr::Value(value) => match &value.value {
                Value::Placeholder(text) => number(text, "$"),
                _ => None,
            },
            _ => None,
        };
        self.0 = self.0.max(found.unwrap_or(0));
        ControlFlow::Continue(())
    }
}
