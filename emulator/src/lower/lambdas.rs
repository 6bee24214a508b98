//! FILTER, TRANSFORM and REDUCE: functions that take functions.
//!
//! The engine runs lambdas over lists. An ARRAY becomes a list of the JSON of its elements, a parameter of the lambda a
//! VARIANT made of that (or of the type that is written behind its name), and what the lambda gives JSON again. A
//! lambda is prepared before its body is lowered, because what a parameter is decides how the body is.

use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident,
    LambdaFunction, LambdaFunctionParameter, LambdaSyntax, ObjectNamePart, OneOrManyWithParens, VisitMut,
    VisitorMut, visit_expressions,
};

use snowflake_emulator_engine::SqlType;

use super::build::{call, either, integer, is_null, nested, null};
use super::refuse::{argument_count, compilation, unsupported};
use super::types;
use crate::contract::SqlError;

/// The functions that take a lambda, with the number of its parameters and of their arguments.
const FUNCTIONS: [(&str, usize, usize); 3] = [("FILTER", 1, 2), ("TRANSFORM", 1, 2), ("REDUCE", 2, 3)];

/// Most parts of the expression that REDUCE begins with.
const INITIAL_PARTS_MAX: usize = 100;

/// Decimals that are not known, of what is made of VARIANTs.
const UNKNOWN_SCALE: i64 = -1;

/// True for a call that takes a lambda and is not lowered yet.
pub(super) fn takes_lambda(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if taking(function).is_some())
}

/// Gives the parameters of a call's lambda their types, before the lambda's body is lowered; false when it has none.
pub(super) fn prepare(expr: &mut Expr) -> Result<bool, SqlError> {
    let Expr::Function(function) = expr else {
        return Ok(false);
    };
    let Some((name, parameters, arguments)) = taking(function) else {
        return Ok(false);
    };
    let FunctionArguments::List(list) = &mut function.args else {
        return Err(argument_count(name, arguments, 0));
    };
    if list.args.len() != arguments {
        return Err(argument_count(name, arguments, list.args.len()));
    }
    // What the accumulator of REDUCE begins with, as it is written.
    let initial = match list.args.get(1) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(initial))) if parameters == 2 => {
            Some(initial.clone())
        }
        _ => None,
    };
    let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Lambda(lambda)))) = list.args.last_mut() else {
        let text = format!("Invalid argument types for function '{name}'");
        return Err(compilation("001044", "42P13", &text));
    };
    let given = lambda.params.iter().count();
    if given != parameters {
        let text = format!("Lambda function of {name} expects {parameters} parameters, got {given}");
        return Err(compilation("001044", "42P13", &text));
    }
    let declared: Vec<LambdaFunctionParameter> = lambda.params.iter().cloned().collect();
    if let Some(initial) = &initial {
        refuse_initial(initial, &declared)?;
    }
    let mut bindings = Vec::with_capacity(declared.len());
    for (at, parameter) in declared.iter().enumerate() {
        let plain = Expr::Identifier(parameter.name.clone());
        let element = call("sf_element", vec![plain.clone()]);
        let value = match (&parameter.data_type, &initial) {
            (Some(data_type), _) => cast(element, data_type.clone()),
            (None, Some(initial)) if at == 0 => {
                let decimals = element_scale(declared.get(1))?;
                call("sf_accumulator", vec![initial.clone(), plain, integer(decimals)])
            }
            (None, _) => element,
        };
        bindings.push((parameter.name.clone(), value));
    }
    let mut substitute = Substitute {
        bindings: &bindings,
        shadowed: Vec::new(),
    };
    let _: ControlFlow<()> = lambda.body.visit(&mut substitute);
    Ok(true)
}

/// Refuses what REDUCE cannot begin with. The value stands wherever the lambda names its accumulator, as its type is found
/// that way: a large one would grow with each REDUCE around it, and a column would become the parameter of its name.
fn refuse_initial(initial: &Expr, parameters: &[LambdaFunctionParameter]) -> Result<(), SqlError> {
    let mut size = 0;
    let fault = visit_expressions(initial, |expr| {
        size += 1;
        let is_parameter = |ident: &Ident| parameters.iter().any(|known| known.name.value == ident.value);
        match expr {
            _ if size > INITIAL_PARTS_MAX => {
                ControlFlow::Break("REDUCE with a long expression for its initial value")
            }
            Expr::Lambda(_) => ControlFlow::Break("a lambda in the initial value of REDUCE"),
            Expr::Identifier(ident) if ident.quote_style.is_some() && is_parameter(ident) => {
                ControlFlow::Break("an initial value of REDUCE with a column that a parameter hides")
            }
            _ => ControlFlow::Continue(()),
        }
    });
    match fault {
        ControlFlow::Break(feature) => Err(unsupported(feature)),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Decimals of the elements of REDUCE, when their type is an exact number.
fn element_scale(element: Option<&LambdaFunctionParameter>) -> Result<i64, SqlError> {
    let Some(data_type) = element.and_then(|element| element.data_type.as_ref()) else {
        return Ok(UNKNOWN_SCALE);
    };
    Ok(match types::sql_type(data_type)? {
        SqlType::Number { scale, .. } => i64::from(scale),
        _ => UNKNOWN_SCALE,
    })
}

fn cast(value: Expr, data_type: DataType) -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(value),
        data_type,
        format: None,
    }
}

/// The function that a call is of, when it takes a lambda.
fn taking(function: &Function) -> Option<(&'static str, usize, usize)> {
    let [ObjectNamePart::Identifier(ident)] = function.name.0.as_slice() else {
        return None;
    };
    ident.quote_style?;
    FUNCTIONS.into_iter().find(|(name, ..)| *name == ident.value)
}

/// Puts values in the places of a lambda's parameters.
struct Substitute<'a> {
    bindings: &'a [(Ident, Expr)],
    /// Parameters of the lambdas inside which the visitor is.
    shadowed: Vec<Vec<String>>,
}

impl VisitorMut for Substitute<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Lambda(inner) = expr {
            self.shadowed.push(
                inner
                    .params
                    .iter()
                    .map(|parameter| parameter.name.value.clone())
                    .collect(),
            );
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Lambda(_) => {
                self.shadowed.pop();
            }
            Expr::Identifier(ident) if ident.quote_style.is_some() => {
                let is_shadowed = self.shadowed.iter().flatten().any(|name| *name == ident.value);
                let bound = self.bindings.iter().find(|(name, _)| name.value == ident.value);
                if let (false, Some((_, value))) = (is_shadowed, bound) {
                    *expr = value.clone();
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Lowers a call whose arguments are lowered; `None` when it takes no lambda.
pub(super) fn lower(name: &str, args: &mut Vec<Expr>) -> Result<Option<Expr>, SqlError> {
    if !FUNCTIONS.iter().any(|(known, ..)| *known == name) {
        return Ok(None);
    }
    let Some(Expr::Lambda(lambda)) = args.pop() else {
        return Err(unsupported(name));
    };
    let mut args = std::mem::take(args).into_iter();
    let array = call("sf_elements", args.next().into_iter().collect());
    Ok(Some(match (name, args.next()) {
        ("FILTER", _) => {
            let kept = engine_lambda(lambda, |body| call("sf_to_boolean", vec![body]));
            call(
                "sf_array_of_elements",
                vec![call("list_filter", vec![array, kept])],
            )
        }
        ("TRANSFORM", _) => {
            let made = engine_lambda(lambda, json);
            call(
                "sf_array_of_elements",
                vec![call("list_transform", vec![array, made])],
            )
        }
        (_, Some(initial)) => {
            let parameters: Vec<LambdaFunctionParameter> = lambda.params.iter().cloned().collect();
            let declared = parameters
                .first()
                .and_then(|parameter| parameter.data_type.clone());
            let scale = element_scale(parameters.get(1))?;
            let step = engine_lambda(lambda, json);
            let reduced = call("list_reduce", vec![array, step, json(initial.clone())]);
            let result = match declared {
                Some(data_type) => {
                    let element = call("sf_element", vec![reduced]);
                    super::casts::convert(element, &types::sql_type(&data_type)?, false)
                }
                None => call("sf_accumulator", vec![initial.clone(), reduced, integer(scale)]),
            };
            either(is_null(nested(initial)), null(), result)
        }
        (_, None) => return Err(argument_count(name, 3, 2)),
    }))
}

fn json(value: Expr) -> Expr {
    call("sf_to_json", vec![value])
}

/// The lambda in the engine's spelling, with what is made of its body.
fn engine_lambda(lambda: LambdaFunction, make: impl FnOnce(Expr) -> Expr) -> Expr {
    let parameters = lambda.params.iter().map(|parameter| LambdaFunctionParameter {
        name: parameter.name.clone(),
        data_type: None,
    });
    Expr::Lambda(LambdaFunction {
        params: OneOrManyWithParens::Many(parameters.collect()),
        body: Box::new(make(*lambda.body)),
        syntax: LambdaSyntax::LambdaKeyword,
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, lowered};

    #[test]
    fn lambdas() {
        check(
            lowered,
            &[
                (
                    "select filter(a, x -> x:v > b) c",
                    r#"SELECT sf_array_of_elements(list_filter(sf_elements("A"), lambda "X" : sf_to_boolean(sf_variant_compare(sf_get_path(sf_element("X"), 'v'), sf_to_variant("B")) > 0))) AS "C""#,
                ),
                (
                    "select transform(a, x int -> x * 2) c",
                    r#"SELECT sf_array_of_elements(list_transform(sf_elements("A"), lambda "X" : sf_to_json(sf_mul(sf_to_number(sf_element("X"), 38, 0), 2)))) AS "C""#,
                ),
                (
                    "select reduce(a, 0, (acc, x) -> acc + x) c",
                    r#"SELECT CASE WHEN 0 IS NULL THEN NULL ELSE sf_accumulator(0, list_reduce(sf_elements("A"), lambda "ACC", "X" : sf_to_json(sf_add(sf_accumulator(0, "ACC", -1), sf_element("X"))), sf_to_json(0)), -1) END AS "C""#,
                ),
                (
                    "select filter(a, 1) c",
                    "001044 42P13: SQL compilation error: Invalid argument types for function 'FILTER'",
                ),
                (
                    "select transform(a, (x, y) -> x) c",
                    "001044 42P13: SQL compilation error: Lambda function of TRANSFORM expects 1 parameters, got 2",
                ),
                (
                    "select x -> x",
                    "000002 0A000: Unsupported feature 'lambda functions outside of FILTER, TRANSFORM and REDUCE'.",
                ),
            ],
        );
    }
}
