//! Table functions: `FLATTEN`, `GENERATOR`, `SPLIT_TO_TABLE`.
//!
//! Each becomes a lateral query over a scalar function that gives a list.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Query, Statement, TableAlias,
    TableFactor, visit_expressions_mut,
};
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;

use super::build::{boolean, exact, null, text};
use super::refuse::{compilation, unknown_function, unsupported};
use super::relations::table_alias;
use super::tables::GENERATED;
use crate::contract::SqlError;

const FLATTEN: &str = "sf_flatten";
const SPLIT: &str = "sf_split_rows";
const STRTOK: &str = "sf_strtok_rows";

/// True for engine SQL with a function that numbers its inputs from 1 each time it is bound.
pub fn numbers_inputs(sql: &str) -> bool {
    [FLATTEN, SPLIT, STRTOK]
        .iter()
        .any(|name| sql.contains(&format!("{name}(")))
}

/// Arguments of a table function by name or position.
struct Arguments {
    function: String,
    positional: Vec<Expr>,
    named: Vec<(String, Expr)>,
}

impl Arguments {
    fn read(function: &str, args: Vec<FunctionArg>) -> Result<Self, SqlError> {
        let mut read = Self {
            function: function.to_owned(),
            positional: Vec::new(),
            named: Vec::new(),
        };
        for argument in args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => read.positional.push(expr),
                FunctionArg::Named {
                    name,
                    arg: FunctionArgExpr::Expr(expr),
                    ..
                } => {
                    read.named.push((name.value.to_uppercase(), expr));
                }
                other => return Err(unsupported(&format!("argument {other} of {function}"))),
            }
        }
        Ok(read)
    }

    fn take(&mut self, name: &str, position: usize) -> Option<Expr> {
        if let Some(found) = self.named.iter().position(|(given, _)| given == name) {
            return Some(self.named.remove(found).1);
        }
        match self.positional.get_mut(position) {
            Some(slot) => Some(std::mem::replace(slot, null())),
            None => None,
        }
    }

    fn required(&mut self, name: &str, position: usize) -> Result<Expr, SqlError> {
        let function = self.function.clone();
        self.take(name, position).ok_or_else(|| {
            compilation(
                "000938",
                "22023",
                &format!(
                    "not enough arguments for function [{function}] expected {}, got {position}",
                    position + 1
                ),
            )
        })
    }
}

/// The lateral query that stands for a call of a table function.
pub(super) fn lower(
    name: &ObjectName,
    args: Vec<FunctionArg>,
    alias: Option<TableAlias>,
) -> Result<TableFactor, SqlError> {
    let function = match name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident.value.clone(),
        _ => return Err(unknown_function(&name.to_string().replace('"', ""))),
    };
    let mut arguments = Arguments::read(&function, args)?;
    let query = match function.as_str() {
        "FLATTEN" => flatten(&mut arguments)?,
        "GENERATOR" => {
            if arguments.take("TIMELIMIT", usize::MAX).is_some() {
                return Err(unsupported("GENERATOR with TIMELIMIT"));
            }
            let count = arguments.required("ROWCOUNT", 0)?;
            template(
                &format!("SELECT range AS \"{GENERATED}\" FROM range(placeholder_1)"),
                vec![count],
            )?
        }
        "SPLIT_TO_TABLE" | "STRTOK_SPLIT_TO_TABLE" => {
            let value = arguments.required("STRING", 0)?;
            let delimiter = arguments.take("DELIMITER", 1).unwrap_or_else(|| text(" "));
            let list = if function == "SPLIT_TO_TABLE" {
                SPLIT
            } else {
                STRTOK
            };
            template(
                &format!(
                    "SELECT sf_piece_seq(piece) AS \"SEQ\", sf_piece_index(piece) AS \"INDEX\", \
                     sf_piece_value(piece) AS \"VALUE\" FROM \
                     (SELECT unnest({list}(placeholder_1, placeholder_2)) AS piece)"
                ),
                vec![value, delimiter],
            )?
        }
        _ => return Err(unknown_function(&function)),
    };
    let alias = alias.unwrap_or_else(|| table_alias(exact(function)));
    Ok(TableFactor::Derived {
        lateral: true,
        subquery: Box::new(query),
        alias: Some(alias),
        sample: None,
    })
}

/// `FLATTEN(INPUT => .., PATH => .., OUTER => .., RECURSIVE => .., MODE => ..)`.
fn flatten(arguments: &mut Arguments) -> Result<Query, SqlError> {
    let input = arguments.required("INPUT", 0)?;
    let path = arguments.take("PATH", 1).unwrap_or_else(|| text(""));
    let outer = arguments.take("OUTER", 2).unwrap_or_else(|| boolean(false));
    let recursive = arguments.take("RECURSIVE", 3).unwrap_or_else(|| boolean(false));
    let mode = arguments.take("MODE", 4).unwrap_or_else(|| text("BOTH"));
    template(
        &format!(
            "SELECT sf_flatten_seq(element) AS \"SEQ\", sf_flatten_key(element) AS \"KEY\", \
             sf_flatten_path(element) AS \"PATH\", sf_flatten_index(element) AS \"INDEX\", \
             sf_flatten_value(element) AS \"VALUE\", sf_flatten_this(placeholder_1, element) AS \"THIS\" \
             FROM (SELECT unnest({FLATTEN}(placeholder_1, placeholder_2, placeholder_3, placeholder_4, \
             placeholder_5)) AS element)"
        ),
        vec![input, path, outer, recursive, mode],
    )
}

/// A query from engine text; `placeholder_N` stands for the Nth expression.
///
/// Names without quotes are the engine's, as everywhere after the identifiers have their spelling.
pub(super) fn template(sql: &str, values: Vec<Expr>) -> Result<Query, SqlError> {
    let parsed = Parser::parse_sql(&SnowflakeDialect {}, sql)
        .ok()
        .and_then(|mut statements| statements.pop());
    let Some(Statement::Query(mut query)) = parsed else {
        return Err(unsupported("table function"));
    };
    let _: ControlFlow<()> = visit_expressions_mut(&mut query, |expr| {
        if let Expr::Identifier(Ident {
            value,
            quote_style: None,
            ..
        }) = expr
            && let Some(number) = value.strip_prefix("placeholder_")
            && let Some(replacement) = number
                .parse::<usize>()
                .ok()
                .and_then(|number| values.get(number - 1))
        {
            *expr = replacement.clone();
        }
        ControlFlow::Continue(())
    });
    Ok(*query)
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn flatten_is_lateral() {
        check(
            lowered,
            &[(
                "select f.value:a b from t, lateral flatten(input => t.v:items, outer => true) f",
                r#"SELECT sf_get_path("F"."VALUE", 'a') AS "B" FROM "D.S"."T" AS "T", LATERAL (SELECT sf_flatten_seq(element) AS "SEQ", sf_flatten_key(element) AS "KEY", sf_flatten_path(element) AS "PATH", sf_flatten_index(element) AS "INDEX", sf_flatten_value(element) AS "VALUE", sf_flatten_this(sf_get_path("T"."V", 'items'), element) AS "THIS" FROM (SELECT unnest(sf_flatten(sf_get_path("T"."V", 'items'), '', true, false, 'BOTH')) AS element)) "F""#,
            )],
        );
    }
}
