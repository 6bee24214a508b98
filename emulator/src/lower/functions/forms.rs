//! Calls that become expressions of another form: conditions, generators of values.

use sqlparser::ast::{BinaryOperator, Expr};

use super::super::build::{binary, call, case, either, engine_cast, integer, is_null, nested, null, raw};
use super::super::expressions::Work;
use super::super::kinds::{Kind, kind};
use super::super::operators;
use super::super::refuse::argument_count;
use super::Call;
use crate::contract::SqlError;

/// Lowers a function with a form of its own; `None` when it has none.
pub(super) fn lower(function: &mut Call, work: &mut Work<'_>) -> Result<Option<Expr>, SqlError> {
    meet(function, work);
    Ok(Some(match function.name.as_str() {
        "IFF" => {
            let [condition, yes, no] = function.exactly()?;
            either(condition, yes, no)
        }
        "NVL" | "IFNULL" => {
            let [value, other] = function.exactly()?;
            call("coalesce", vec![value, other])
        }
        "NVL2" => {
            let [value, present, absent] = function.exactly()?;
            either(Expr::IsNotNull(Box::new(nested(value))), present, absent)
        }
        "ZEROIFNULL" => {
            let [value] = function.exactly()?;
            call("coalesce", vec![value, integer(0)])
        }
        "NULLIFZERO" => {
            let [value] = function.exactly()?;
            call("nullif", vec![value, integer(0)])
        }
        "REGR_VALX" => {
            let [y, x] = function.exactly()?;
            either(is_null(nested(y)), null(), x)
        }
        "REGR_VALY" => {
            let [y, x] = function.exactly()?;
            either(is_null(nested(x)), null(), y)
        }
        "EQUAL_NULL" => {
            let [left, right] = function.exactly()?;
            let (left, right) = operators::comparable(left, right, work);
            Expr::Nested(Box::new(Expr::IsNotDistinctFrom(
                Box::new(nested(left)),
                Box::new(nested(right)),
            )))
        }
        "JSON_EXTRACT_PATH_TEXT" => {
            let [json, path] = function.exactly()?;
            let value = call("sf_get_path", vec![call("sf_parse_json", vec![json]), path]);
            call("sf_to_varchar", vec![value])
        }
        "DECODE" => decode(function)?,
        "GREATEST" | "LEAST" => extreme(function)?,
        "GREATEST_IGNORE_NULLS" => call("greatest", std::mem::take(&mut function.args)),
        "LEAST_IGNORE_NULLS" => call("least", std::mem::take(&mut function.args)),
        "BOOLAND" => logical(function, BinaryOperator::And)?,
        "BOOLOR" => logical(function, BinaryOperator::Or)?,
        "BOOLXOR" => {
            let [left, right] = function.exactly()?;
            binary(truth(left), BinaryOperator::NotEq, truth(right))
        }
        "BOOLNOT" => {
            let [value] = function.exactly()?;
            super::super::build::negate_if(true, truth(value))
        }
        "SEQ1" | "SEQ2" | "SEQ4" | "SEQ8" => {
            function.expect(0, 1)?;
            raw("(row_number() OVER () - 1)")
        }
        "RANDOM" => random(function, work)?,
        "UNIFORM" | "NORMAL" | "RANDSTR" => {
            let count = if function.name == "RANDSTR" { 2 } else { 3 };
            function.expect(count, count)?;
            work.uses_session_state = true;
            call(
                &format!("sf_{}", function.name.to_lowercase()),
                std::mem::take(&mut function.args),
            )
        }
        "UUID_STRING" => {
            function.expect(0, 2)?;
            work.uses_session_state = true;
            call("sf_uuid_string", std::mem::take(&mut function.args))
        }
        "ALL" => call(operators::ALL_PATTERNS, std::mem::take(&mut function.args)),
        "GROUPING_ID" => call("grouping", std::mem::take(&mut function.args)),
        _ => return Ok(None),
    }))
}

/// Brings the arguments of which one is answered, or that are compared, to DECFLOAT when one is.
fn meet(function: &mut Call, work: &Work<'_>) {
    let args = &mut function.args;
    match function.name.as_str() {
        "COALESCE"
        | "NVL"
        | "IFNULL"
        | "NULLIF"
        | "GREATEST"
        | "LEAST"
        | "GREATEST_IGNORE_NULLS"
        | "LEAST_IGNORE_NULLS" => {
            operators::all_decfloat(work, args);
        }
        "IFF" | "NVL2" => {
            operators::all_decfloat(work, args.iter_mut().skip(1));
        }
        "DECODE" => {
            // The value, then what it is compared with and what is answered in turn; a last one alone is answered.
            let last = args.len().saturating_sub(1);
            let is_answer = |at: usize| at > 0 && (at.is_multiple_of(2) || at == last);
            for answers in [false, true] {
                let chosen = args.iter_mut().enumerate();
                let chosen = chosen.filter(|(at, _)| is_answer(*at) == answers);
                operators::all_decfloat(work, chosen.map(|(_, arg)| arg));
            }
        }
        _ => {}
    }
}

/// `DECODE(value, search, result, ..., [default])`, where NULL finds NULL.
fn decode(function: &mut Call) -> Result<Expr, SqlError> {
    let got = function.args.len();
    if got < 3 {
        return Err(argument_count("DECODE", 3, got));
    }
    let mut args = std::mem::take(&mut function.args).into_iter();
    let value = nested(args.next().unwrap_or_else(null));
    let mut branches = Vec::new();
    let mut otherwise = None;
    while let Some(search) = args.next() {
        match args.next() {
            Some(result) => {
                let found = Expr::IsNotDistinctFrom(Box::new(value.clone()), Box::new(nested(search)));
                branches.push((found, result));
            }
            None => otherwise = Some(search),
        }
    }
    Ok(case(branches, otherwise))
}

/// The engine's `greatest` skips NULLs, Snowflake's gives NULL.
fn extreme(function: &mut Call) -> Result<Expr, SqlError> {
    function.expect(1, usize::MAX)?;
    let name = function.name.to_lowercase();
    let args = std::mem::take(&mut function.args);
    let any_null = args
        .iter()
        .filter(|arg| !matches!(kind(arg), Kind::Number | Kind::Text | Kind::Boolean | Kind::Date))
        .map(|arg| is_null(nested(arg.clone())))
        .reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::Or,
            right: Box::new(right),
        });
    let value = call(&name, args);
    Ok(match any_null {
        Some(condition) => either(condition, null(), value),
        None => value,
    })
}

fn logical(function: &mut Call, op: BinaryOperator) -> Result<Expr, SqlError> {
    let [left, right] = function.exactly()?;
    Ok(binary(truth(left), op, truth(right)))
}

/// A number as a truth value: all but zero is true.
fn truth(value: Expr) -> Expr {
    match kind(&value) {
        Kind::Boolean => value,
        Kind::Null => engine_cast(value, "BOOLEAN"),
        _ => call("sf_to_boolean", vec![value]),
    }
}

/// `RANDOM([seed])`: a 64-bit integer, the same for the same seed.
fn random(function: &mut Call, work: &mut Work<'_>) -> Result<Expr, SqlError> {
    function.expect(0, 1)?;
    work.uses_session_state = true;
    let mut args = std::mem::take(&mut function.args);
    if args.is_empty() {
        args.extend(work.scope.random_seed.map(integer));
    }
    Ok(call("sf_random", args))
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered};

    #[test]
    fn conditions() {
        check(
            lowered,
            &[
                (
                    "select iff(a > 1, 'x', b) c",
                    r#"SELECT CASE WHEN "A" > 1 THEN 'x' ELSE "B" END AS "C""#,
                ),
                (
                    "select nvl2(a, 1, 2) b",
                    r#"SELECT CASE WHEN "A" IS NOT NULL THEN 1 ELSE 2 END AS "B""#,
                ),
                (
                    "select decode(a, 1, 'x', null, 'y', 'z') b",
                    r#"SELECT CASE WHEN "A" IS NOT DISTINCT FROM 1 THEN 'x' WHEN "A" IS NOT DISTINCT FROM NULL THEN 'y' ELSE 'z' END AS "B""#,
                ),
                (
                    "select greatest(a, 2) b, least(1, 2) c",
                    r#"SELECT CASE WHEN "A" IS NULL THEN NULL ELSE greatest("A", 2) END AS "B", least(1, 2) AS "C""#,
                ),
                (
                    "select zeroifnull(a) b, equal_null(a, b) c",
                    r#"SELECT coalesce("A", 0) AS "B", ("A" IS NOT DISTINCT FROM "B") AS "C""#,
                ),
                ("select random() b", r#"SELECT sf_random(42) AS "B""#),
            ],
        );
    }
}
