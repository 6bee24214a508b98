//! Values from outside the text: bindings, session variables, `IDENTIFIER(...)`.
//!
//! `?` and `:1` become the bound value as a typed literal, `$NAME` the session variable, and `$1` the first
//! column of a `VALUES` table. Runs before identifiers get their spelling, because `IDENTIFIER('a.b')`
//! produces some.

use std::ops::ControlFlow;

use snowflake_emulator_engine::SqlType;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, ObjectNamePart, SetExpr,
    Statement, TableAlias, TableFactor, Value, VisitMut, VisitorMut,
};

use super::build::{boolean, exact, null, text};
use super::refuse::{compilation, invalid_identifier, unsupported};
use super::table_functions::template;
use super::{Constant, Scope, casts};
use crate::catalog::names;
use crate::contract::SqlError;

/// Puts the values in. Gives true when there were any.
///
/// Array bindings repeat the one row of an `INSERT .. VALUES` for each of their rows.
pub(super) fn apply(statement: &mut Statement, scope: &Scope<'_>) -> Result<bool, SqlError> {
    let mut values = Values {
        scope,
        row: 0,
        found: false,
        position: 0,
    };
    let rows = scope
        .bindings
        .values()
        .filter(|binding| binding.is_array)
        .map(|binding| binding.values.len())
        .max();
    if let Some(rows) = rows {
        repeat_row(statement, &mut values, rows)?;
    }
    match statement.visit(&mut values) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(values.found),
    }
}

/// A name in which `IDENTIFIER($variable)` is what the variable says.
pub(super) fn name_with_values(name: &ObjectName, scope: &Scope<'_>) -> Result<ObjectName, SqlError> {
    let mut name = name.clone();
    let mut values = Values {
        scope,
        row: 0,
        found: false,
        position: 0,
    };
    values.resolve_name(&mut name)?;
    Ok(name)
}

/// Writes the row of an `INSERT .. VALUES` once for each row of the bindings.
fn repeat_row(statement: &mut Statement, values: &mut Values<'_>, rows: usize) -> Result<(), SqlError> {
    let template = match statement {
        Statement::Insert(insert) => match insert.source.as_mut().map(|source| &mut *source.body) {
            Some(SetExpr::Values(list)) if list.rows.len() == 1 => list,
            _ => {
                return Err(unsupported(
                    "array bindings outside of INSERT with one row of VALUES",
                ));
            }
        },
        _ if rows <= 1 => return Ok(()),
        _ => {
            return Err(unsupported(
                "array bindings outside of INSERT with one row of VALUES",
            ));
        }
    };
    let row = template.rows.remove(0);
    for index in 0..rows {
        (values.row, values.position) = (index, 0);
        let mut copy = row.clone();
        for expr in copy.iter_mut() {
            if let ControlFlow::Break(error) = expr.visit(values) {
                return Err(error);
            }
        }
        template.rows.push(copy);
    }
    Ok(())
}

struct Values<'a> {
    scope: &'a Scope<'a>,
    /// Row of array bindings.
    row: usize,
    found: bool,
    /// `?` seen so far.
    position: usize,
}

impl VisitorMut for Values<'_> {
    type Break = SqlError;

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match self.replacement(expr) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(replacement)) => {
                *expr = replacement;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        let TableFactor::TableFunction {
            expr: named @ Expr::Value(_),
            alias,
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        // `TABLE('t')`: a table by a text.
        match self.dotted(named).and_then(|parts| table(&parts, alias.take())) {
            Ok(table) => {
                *factor = table;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<SqlError> {
        match self.resolve_name(name) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// A plain table of a FROM clause.
fn table(parts: &[names::Name], alias: Option<TableAlias>) -> Result<TableFactor, SqlError> {
    let query = template("SELECT * FROM relation", Vec::new())?;
    let relation = match *query.body {
        SetExpr::Select(mut select) => select.from.pop().map(|from| from.relation),
        _ => None,
    };
    let Some(mut table) = relation else {
        return Err(unsupported("TABLE"));
    };
    if let TableFactor::Table {
        name,
        alias: known_as,
        ..
    } = &mut table
    {
        let parts = parts
            .iter()
            .map(|part| ObjectNamePart::Identifier(exact(part.as_str())));
        *name = ObjectName(parts.collect());
        *known_as = alias;
    }
    Ok(table)
}

impl Values<'_> {
    fn replacement(&mut self, expr: &Expr) -> Result<Option<Expr>, SqlError> {
        match expr {
            Expr::Identifier(ident)
                if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("current_user") =>
            {
                Ok(Some(super::build::call("CURRENT_USER", Vec::new())))
            }
            // `t.$1`: a column of a stage or of VALUES, qualified.
            Expr::CompoundIdentifier(parts) => Ok(parts.split_last().and_then(|(last, before)| {
                let number = last.value.strip_prefix('$')?.parse::<u32>().ok()?;
                let column = exact(format!("COLUMN{number}"));
                Some(Expr::CompoundIdentifier([before, &[column]].concat()))
            })),
            Expr::Value(value) => match &value.value {
                Value::Placeholder(placeholder) => self.placeholder(placeholder).map(Some),
                Value::DollarQuotedString(quoted) => Ok(Some(text(quoted.value.clone()))),
                Value::EscapedStringLiteral(value) | Value::NationalStringLiteral(value) => {
                    Ok(Some(text(value.clone())))
                }
                _ => Ok(None),
            },
            Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("identifier") => {
                let FunctionArguments::List(list) = &function.args else {
                    return Ok(None);
                };
                let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = list.args.as_slice() else {
                    return Ok(None);
                };
                let parts = self.dotted(argument)?;
                let mut idents: Vec<Ident> = parts.iter().map(|part| exact(part.as_str())).collect();
                Ok(Some(match idents.len() {
                    1 => Expr::Identifier(idents.remove(0)),
                    _ => Expr::CompoundIdentifier(idents),
                }))
            }
            _ => Ok(None),
        }
    }

    fn resolve_name(&mut self, name: &mut ObjectName) -> Result<(), SqlError> {
        let mut resolved = Vec::new();
        for part in &name.0 {
            match part {
                ObjectNamePart::Function(function) => {
                    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = function.args.as_slice()
                    else {
                        return Err(invalid_identifier(&name.to_string()));
                    };
                    resolved.extend(
                        self.dotted(argument)?
                            .iter()
                            .map(|part| ObjectNamePart::Identifier(exact(part.as_str()))),
                    );
                }
                identifier @ ObjectNamePart::Identifier(_) => resolved.push(identifier.clone()),
            }
        }
        name.0 = resolved;
        Ok(())
    }

    /// The name that an argument of `IDENTIFIER` gives.
    fn dotted(&mut self, argument: &Expr) -> Result<Vec<names::Name>, SqlError> {
        let value = match argument {
            Expr::Value(value) => match &value.value {
                Value::SingleQuotedString(text) => Some(text.clone()),
                Value::Placeholder(name) => self.constant(name)?.text,
                _ => None,
            },
            _ => None,
        };
        names::parse_dotted(&value.ok_or_else(|| invalid_identifier(&argument.to_string()))?)
    }

    fn placeholder(&mut self, placeholder: &str) -> Result<Expr, SqlError> {
        if let Some(column) = placeholder
            .strip_prefix('$')
            .and_then(|digits| digits.parse::<u32>().ok())
        {
            return Ok(Expr::Identifier(exact(format!("COLUMN{column}"))));
        }
        let constant = self.constant(placeholder)?;
        Ok(literal(&constant))
    }

    fn constant(&mut self, placeholder: &str) -> Result<Constant, SqlError> {
        self.found = true;
        if let Some(name) = placeholder.strip_prefix('$') {
            return self
                .scope
                .variables
                .get(&name.to_uppercase())
                .cloned()
                .ok_or_else(|| {
                    compilation(
                        "000904",
                        "42000",
                        &format!("Session variable '${}' does not exist", name.to_uppercase()),
                    )
                });
        }
        let key = if placeholder == "?" {
            self.position += 1;
            self.position.to_string()
        } else {
            placeholder.trim_start_matches([':', '?']).to_owned()
        };
        let binding = self.scope.bindings.get(&key).ok_or_else(|| SqlError {
            code: "002049",
            sql_state: "42601",
            message: format!("SQL compilation error:\nBind variable {placeholder} not set."),
            position: None,
        })?;
        let value = if binding.is_array {
            binding.values.get(self.row)
        } else {
            binding.values.first()
        };
        casts::bound_constant(&binding.type_name, value.cloned().flatten())
    }
}

/// A constant as a literal that the later steps treat like one that was typed.
pub(super) fn literal(constant: &Constant) -> Expr {
    let Some(value) = &constant.text else {
        return null();
    };
    match &constant.sql_type {
        SqlType::Text { .. } => text(value.clone()),
        SqlType::Boolean => boolean(value.eq_ignore_ascii_case("true") || value == "1"),
        SqlType::Number { .. } if is_number(value) => Expr::Value(Value::Number(value.clone(), false).into()),
        other => Expr::Cast {
            kind: sqlparser::ast::CastKind::Cast,
            expr: Box::new(text(value.clone())),
            data_type: super::types::data_type(other),
            format: None,
        },
    }
}

fn is_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1
        && digits != "."
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::check::{check, facts, parse};
    use super::*;
    use crate::catalog::names::NameScope;
    use crate::contract::Binding;

    fn filled(sql: &str) -> String {
        let temporary = BTreeSet::new();
        let variables = BTreeMap::from([
            (
                "N".to_owned(),
                Constant {
                    sql_type: SqlType::Number {
                        precision: 3,
                        scale: 1,
                    },
                    text: Some("-1.5".into()),
                },
            ),
            (
                "T".to_owned(),
                Constant {
                    sql_type: SqlType::Text { length: None },
                    text: Some("s.\"t\"".into()),
                },
            ),
        ]);
        let binding = |type_name: &str, value: Option<&str>| Binding {
            type_name: type_name.to_owned(),
            values: vec![value.map(str::to_owned)],
            is_array: false,
        };
        let bindings = BTreeMap::from([
            ("1".to_owned(), binding("FIXED", Some("7"))),
            ("2".to_owned(), binding("TEXT", Some("it's"))),
            ("3".to_owned(), binding("DATE", Some("86400000"))),
            ("4".to_owned(), binding("TEXT", None)),
        ]);
        let scope = Scope {
            names: NameScope {
                database: None,
                schema: None,
                temporary: &temporary,
            },
            source: None,
            sources: &crate::lower::NO_SOURCES,
            columns: &crate::lower::NO_COLUMNS,
            facts: facts(),
            variables: &variables,
            bindings: &bindings,
            target: &[],
            random_seed: None,
        };
        let mut statement = parse(sql);
        match apply(&mut statement, &scope) {
            Ok(_) => statement.to_string(),
            Err(error) => error.message,
        }
    }

    #[test]
    fn array_bindings_repeat_the_row() {
        let column = |values: &[&str]| Binding {
            type_name: "FIXED".to_owned(),
            values: values.iter().map(|value| Some((*value).to_owned())).collect(),
            is_array: true,
        };
        let bindings = BTreeMap::from([
            ("1".to_owned(), column(&["1", "2"])),
            ("2".to_owned(), column(&["3", "4"])),
        ]);
        let (temporary, variables) = (BTreeSet::new(), BTreeMap::new());
        let scope = Scope {
            names: NameScope {
                database: None,
                schema: None,
                temporary: &temporary,
            },
            source: None,
            sources: &crate::lower::NO_SOURCES,
            columns: &crate::lower::NO_COLUMNS,
            facts: facts(),
            variables: &variables,
            bindings: &bindings,
            target: &[],
            random_seed: None,
        };
        let mut statement = parse("insert into t values (?, ? + 1)");
        apply(&mut statement, &scope).unwrap();
        assert_eq!(
            statement.to_string(),
            "INSERT INTO t VALUES (1, 3 + 1), (2, 4 + 1)"
        );
        let mut update = parse("update t set a = ?");
        assert_eq!(apply(&mut update, &scope).unwrap_err().code, "000002");
    }

    #[test]
    fn values_take_their_places() {
        check(
            filled,
            &[
                (
                    "select ?, ?, ?, ?",
                    "SELECT 7, 'it''s', CAST('1970-01-02' AS DATE), NULL",
                ),
                (
                    "select :2, $n, $1 from values (1)",
                    "SELECT 'it''s', -1.5, \"COLUMN1\" FROM (VALUES (1))",
                ),
                ("select * from identifier($t)", "SELECT * FROM \"S\".\"t\""),
                ("select $$a'b$$", "SELECT 'a''b'"),
                (
                    "select $nope",
                    "SQL compilation error:\nSession variable '$NOPE' does not exist",
                ),
            ],
        );
    }
}
