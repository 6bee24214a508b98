//! What a lowered expression surely is, judged by its form.
//!
//! The engine's binder knows the types; the lowering only needs to tell the few forms where Snowflake and
//! the engine part ways before binding: literals, values that come out of a VARIANT, and DECFLOATs. Columns of these
//! types it knows from the session or from the text of the subqueries: [`ColumnKinds`].

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectNamePart,
    Query, Select, SelectItem, Statement, TableAlias, TableFactor, TableWithJoins, TypedString,
    UnaryOperator, Value, VisitMut, VisitorMut,
};

use super::build::called;
use super::types::sql_type;
use crate::contract::ResultColumn;

/// The columns of a statement's tables and subqueries, of which the lowering asks for those whose type matters before
/// the engine binds them.
///
/// A column is looked for where the SELECTs around it read; what they read of subqueries and common tables is known by
/// its name alone. A name that stands for different kinds tells nothing, as if no column were known.
#[derive(Clone, Debug, Default)]
pub struct ColumnKinds {
    /// By the engine's name of the table.
    tables: BTreeMap<String, Arc<[ResultColumn]>>,
    /// Of all tables and subqueries together; empty while no column matters.
    names: BTreeMap<String, Kind>,
    /// What the SELECTs read inside which the lowering is, innermost last.
    selects: Vec<Vec<Relation>>,
}

/// What a SELECT reads.
#[derive(Clone, Debug)]
struct Relation {
    /// The name that qualifies its columns.
    name: Option<String>,
    /// Its columns; none where they are known by their names alone.
    columns: Option<Arc<[ResultColumn]>>,
}

/// No columns.
pub static NO_COLUMNS: ColumnKinds = ColumnKinds {
    tables: BTreeMap::new(),
    names: BTreeMap::new(),
    selects: Vec::new(),
};

impl ColumnKinds {
    /// Lists a table with all its columns, by the engine's name.
    pub fn add(&mut self, table: String, columns: Arc<[ResultColumn]>) {
        self.tables.insert(table, columns);
    }

    /// Lists the columns that a statement's subqueries make, as far as their text tells; nothing is lowered yet.
    pub(super) fn learn(&mut self, statement: &mut Statement) {
        let tables: Vec<_> = self.tables.values().cloned().collect();
        let mut columns = tables.iter().flat_map(|columns| columns.iter());
        let matters = columns.any(|column| of_type(&column.sql_type) != Kind::Unknown);
        if matters {
            self.note_all(&tables);
        }
        let mut learn = Learn {
            kinds: self,
            queries: 0,
        };
        let _: ControlFlow<()> = statement.visit(&mut learn);
        if !matters && self.names.values().any(|kind| *kind != Kind::Unknown) {
            self.note_all(&tables);
        }
    }

    fn note_all(&mut self, tables: &[Arc<[ResultColumn]>]) {
        for column in tables.iter().flat_map(|columns| columns.iter()) {
            self.note(&column.name, of_type(&column.sql_type));
        }
    }

    fn note(&mut self, name: &str, kind: Kind) {
        match self.names.get_mut(name) {
            Some(known) if *known != kind => *known = Kind::Unknown,
            Some(_) => {}
            None => {
                self.names.insert(name.to_owned(), kind);
            }
        }
    }

    /// Goes into a SELECT: columns are those of what it reads.
    pub(super) fn enter(&mut self, select: &Select) {
        let mut relations = Vec::new();
        for table in &select.from {
            self.read(table, &mut relations);
        }
        self.selects.push(relations);
    }

    /// Leaves the SELECT that was entered last.
    pub(super) fn leave(&mut self) {
        self.selects.pop();
    }

    fn read(&self, table: &TableWithJoins, relations: &mut Vec<Relation>) {
        let joined = table.joins.iter().map(|join| &join.relation);
        for factor in std::iter::once(&table.relation).chain(joined) {
            let relation = match factor {
                TableFactor::Table { name, alias, .. } => {
                    let ident = match name.0.as_slice() {
                        [ObjectNamePart::Identifier(ident)] => Some(&ident.value),
                        _ => None,
                    };
                    let columns = ident.and_then(|ident| self.tables.get(ident)).cloned();
                    Relation {
                        name: alias.as_ref().map(|alias| &alias.name.value).or(ident).cloned(),
                        columns: columns
                            .filter(|_| alias.as_ref().is_none_or(|alias| alias.columns.is_empty())),
                    }
                }
                TableFactor::NestedJoin {
                    table_with_joins,
                    alias: None,
                } => {
                    self.read(table_with_joins, relations);
                    continue;
                }
                TableFactor::Derived { alias, .. } => Relation {
                    name: alias.as_ref().map(|alias| alias.name.value.clone()),
                    columns: None,
                },
                _ => Relation {
                    name: None,
                    columns: None,
                },
            };
            relations.push(relation);
        }
    }

    /// The kind of a column that is written by its name, or by a relation's and its own.
    fn column(&self, parts: &[Ident]) -> Kind {
        let Some((name, qualifiers)) = parts.split_last().filter(|_| !self.names.is_empty()) else {
            return Kind::Unknown;
        };
        if name.quote_style.is_none() {
            return Kind::Unknown;
        }
        let relation = qualifiers.last().map(|ident| ident.value.as_str());
        for relations in self.selects.iter().rev() {
            let mut found = None;
            for candidate in relations {
                if relation.is_some() && candidate.name.is_some() && candidate.name.as_deref() != relation {
                    continue;
                }
                let Some(columns) = &candidate.columns else {
                    return self.named(&name.value);
                };
                let column = columns.iter().find(|column| column.name == name.value);
                if let Some(column) = column {
                    let kind = of_type(&column.sql_type);
                    // Of two only what both are, as where they are joined by the name.
                    found = Some(match found {
                        Some(other) if other != kind => Kind::Unknown,
                        _ => kind,
                    });
                }
            }
            if let Some(kind) = found {
                return kind;
            }
        }
        self.named(&name.value)
    }

    fn named(&self, name: &str) -> Kind {
        self.names.get(name).copied().unwrap_or(Kind::Unknown)
    }

    /// The rough type of an expression as it was written, where it is one that matters.
    fn written(&self, expr: &Expr) -> Kind {
        match expr {
            Expr::Nested(inner) => self.written(inner),
            Expr::Cast { data_type, .. } | Expr::TypedString(TypedString { data_type, .. }) => {
                sql_type(data_type).map_or(Kind::Unknown, |sql_type| of_type(&sql_type))
            }
            Expr::JsonAccess { .. } | Expr::Dictionary(_) | Expr::Array(_) => Kind::Variant,
            Expr::BinaryOp {
                left,
                op:
                    BinaryOperator::Plus
                    | BinaryOperator::Minus
                    | BinaryOperator::Multiply
                    | BinaryOperator::Divide
                    | BinaryOperator::Modulo,
                right,
            } if self.written(left) == Kind::DecFloat || self.written(right) == Kind::DecFloat => {
                Kind::DecFloat
            }
            Expr::Function(function) => {
                let name = function.name.to_string().replace('"', "").to_lowercase();
                let of_decfloat = matches!(
                    name.as_str(),
                    "sum"
                        | "avg"
                        | "nvl"
                        | "ifnull"
                        | "nvl2"
                        | "iff"
                        | "decode"
                        | "zeroifnull"
                        | "nullifzero"
                ) || keeps_decfloat(&name)
                    || keeps_decfloat(&format!("sf_{name}"));
                let any = arguments(&function.args).any(|argument| self.written(argument) == Kind::DecFloat);
                let ours = if name.starts_with("sf_") {
                    name
                } else {
                    format!("sf_{name}")
                };
                match of_call(&ours) {
                    _ if of_decfloat && any => Kind::DecFloat,
                    kind @ (Kind::Variant | Kind::DecFloat) => kind,
                    _ => Kind::Unknown,
                }
            }
            Expr::Case {
                conditions,
                else_result,
                ..
            } => of_branches(conditions, else_result.as_deref(), |result| self.written(result)),
            other => self.of(other),
        }
    }

    /// The rough type of a lowered expression.
    pub(super) fn of(&self, expr: &Expr) -> Kind {
        let column = match expr {
            Expr::Identifier(ident) => self.column(std::slice::from_ref(ident)),
            Expr::CompoundIdentifier(parts) => self.column(parts),
            Expr::Nested(inner) => return self.of(inner),
            Expr::UnaryOp {
                op: UnaryOperator::Minus | UnaryOperator::Plus,
                expr,
            } => return self.of(expr),
            Expr::Function(function) if called(expr).is_some_and(keeps_decfloat) => {
                let any = arguments(&function.args).any(|argument| self.of(argument) == Kind::DecFloat);
                return if any { Kind::DecFloat } else { kind(expr) };
            }
            Expr::Case {
                conditions,
                else_result,
                ..
            } => return of_branches(conditions, else_result.as_deref(), |result| self.of(result)),
            _ => Kind::Unknown,
        };
        match column {
            Kind::Unknown => kind(expr),
            known => known,
        }
    }
}

/// The kind of a CASE, where one of its results decides it.
fn of_branches(
    conditions: &[CaseWhen],
    else_result: Option<&Expr>,
    mut kind: impl FnMut(&Expr) -> Kind,
) -> Kind {
    let mut results = conditions.iter().map(|branch| &branch.result).chain(else_result);
    if results.any(|result| kind(result) == Kind::DecFloat) {
        Kind::DecFloat
    } else {
        Kind::Unknown
    }
}

/// Finds the columns that queries make.
struct Learn<'a> {
    kinds: &'a mut ColumnKinds,
    /// How many queries deep the walk is.
    queries: u32,
}

impl VisitorMut for Learn<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        self.queries += 1;
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.renamed(&table.alias);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<()> {
        self.queries -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } = factor
        {
            self.renamed(alias);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        self.kinds.enter(select);
        ControlFlow::Continue(())
    }

    // After what is inside: a query sees the columns of its subqueries.
    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { expr, alias } = item {
                let kind = match self.kinds.written(expr) {
                    kind @ (Kind::Variant | Kind::DecFloat) => kind,
                    _ => Kind::Unknown,
                };
                // No other query reads the columns of the outermost: their names hide nobody's.
                if self.queries > 1 || !self.kinds.names.contains_key(&alias.value) {
                    self.kinds.note(&alias.value, kind);
                }
            }
        }
        self.kinds.leave();
        ControlFlow::Continue(())
    }
}

impl Learn<'_> {
    /// Of columns that an alias names nothing is known.
    fn renamed(&mut self, alias: &TableAlias) {
        for column in &alias.columns {
            self.kinds.note(&column.name.value, Kind::Unknown);
        }
    }
}

fn of_type(sql_type: &SqlType) -> Kind {
    match sql_type {
        SqlType::Variant | SqlType::Object | SqlType::Array => Kind::Variant,
        SqlType::DecFloat => Kind::DecFloat,
        _ => Kind::Unknown,
    }
}

/// Functions that give a DECFLOAT when an argument is one.
fn keeps_decfloat(name: &str) -> bool {
    matches!(
        name,
        "sf_add"
            | "sf_sub"
            | "sf_mul"
            | "sf_div"
            | "sf_mod"
            | "sf_div0"
            | "sf_div0null"
            | "sf_abs"
            | "sf_round"
            | "sf_trunc"
            | "sf_ceil"
            | "sf_floor"
            | "min"
            | "max"
            | "any_value"
            | "coalesce"
            | "nullif"
            | "greatest"
            | "least"
    )
}

/// What a function is called with.
pub(super) fn arguments(arguments: &FunctionArguments) -> impl Iterator<Item = &Expr> {
    let list = match arguments {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

/// A rough type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text.
    Text,
    /// Number.
    Number,
    /// DECFLOAT.
    DecFloat,
    /// Truth.
    Boolean,
    /// Date.
    Date,
    /// VARIANT, OBJECT or ARRAY.
    Variant,
    /// Interval.
    Interval,
    /// NULL literal.
    Null,
    /// Anything.
    Unknown,
}

/// The rough type of a lowered expression.
pub(super) fn kind(expr: &Expr) -> Kind {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(..) => Kind::Number,
            Value::SingleQuotedString(_) => Kind::Text,
            Value::Boolean(_) => Kind::Boolean,
            Value::Null => Kind::Null,
            _ => Kind::Unknown,
        },
        Expr::Nested(inner) => kind(inner),
        Expr::Interval(_) => Kind::Interval,
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => kind(expr),
        Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.starts_with("DATE '") => {
            Kind::Date
        }
        Expr::BinaryOp {
            op: BinaryOperator::StringConcat,
            ..
        } => Kind::Text,
        Expr::BinaryOp {
            left,
            op: BinaryOperator::Plus | BinaryOperator::Minus | BinaryOperator::Multiply,
            right,
        } if kind(left) == Kind::Number && kind(right) == Kind::Number => Kind::Number,
        Expr::Function(_) => called(expr).map_or(Kind::Unknown, of_call),
        _ => Kind::Unknown,
    }
}

fn of_call(name: &str) -> Kind {
    match name {
        "sf_get"
        | "sf_get_path"
        | "sf_flatten_value"
        | "sf_flatten_this"
        | "sf_get_ignore_case"
        | "sf_parse_json"
        | "sf_try_parse_json"
        | "sf_to_variant"
        | "sf_to_object"
        | "sf_to_array"
        | "sf_object_construct"
        | "sf_object_construct_keep_null"
        | "sf_array_construct"
        | "sf_array_construct_compact"
        | "sf_strip_null_value"
        | "sf_object_insert"
        | "sf_object_delete"
        | "sf_object_pick"
        | "sf_st_asgeojson"
        | "sf_array_append"
        | "sf_array_prepend"
        | "sf_array_cat"
        | "sf_array_slice"
        | "sf_array_compact"
        | "sf_array_distinct"
        | "sf_array_insert"
        | "sf_object_keys"
        | "sf_split"
        | "sf_element"
        | "sf_array_of_elements"
        | "sf_array_agg"
        | "sf_object_agg" => Kind::Variant,
        "sf_to_varchar" | "sf_fitted_text" | "sf_left" | "sf_right" | "sf_upper" | "sf_lower" | "left"
        | "right" | "upper" | "lower" | "sf_to_json" | "sf_split_part" | "sf_concat" | "sf_substr"
        | "replace" | "sf_regexp_replace" | "sf_regexp_substr" => Kind::Text,
        "sf_to_decfloat" | "sf_try_to_decfloat" | "sf_decfloat_sum" | "sf_decfloat_avg" => Kind::DecFloat,
        "sf_to_date" => Kind::Date,
        "sf_to_number" | "sf_to_double" | "count" | "length" => Kind::Number,
        "sf_to_boolean" => Kind::Boolean,
        _ => Kind::Unknown,
    }
}
