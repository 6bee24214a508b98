//! Long chains of operators as one call.
//!
//! The engine asks each call whether all calls below it are constant, and again what their types are, so that a chain of
//! calls takes time that grows with its square and worse. One call with all operands does what the chain does: each
//! operator is bound to the type that those before it give, as if it stood alone.

use super::arithmetic::{Operator, binary};
use super::framework::{
    Argument, Bound, Call, FunctionError, FunctionType, Result, ScalarFunction, Settings, Value,
    number_of_pair, rows,
};
use crate::SqlType;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[ScalarFunction::of_session("sf_chain", 3..=1024, chain)];

/// `('+-*', a, b, c, d)` is `((a + b) - c) * d`.
fn chain(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let operators = arguments[0].constant_text("sf_chain", 1)?;
    let mut left = arguments[1].clone();
    let mut links = Vec::with_capacity(operators.len());
    for (sign, right) in operators.chars().zip(&arguments[2..]) {
        let operator = match sign {
            '+' => Operator::Add,
            '-' => Operator::Subtract,
            '*' => Operator::Multiply,
            '/' => Operator::Divide,
            '%' => Operator::Remainder,
            _ => return Err(FunctionError::defect("a chain of unknown operators")),
        };
        let link = Link {
            scales: (scale(&left.sql_type), scale(&right.sql_type)),
            bound: binary(operator, &[left, right.clone()], settings)?,
        };
        left = Argument {
            sql_type: seen(&link.bound.returns),
            constant: None,
        };
        links.push(link);
    }
    let Some(last) = links.last() else {
        return Err(FunctionError::defect("a chain without operators"));
    };
    rows(last.bound.returns.clone(), move |row| {
        let mut value = row[1].clone().into_owned();
        for (link, right) in links.iter().zip(&row[2..]) {
            value = link.apply(value, right)?;
            if value.is_null() {
                break;
            }
        }
        Ok(value)
    })
}

/// The type of a result as the call around it sees it: of whole numbers that fit a machine word the engine does not know
/// how many digits they have.
fn seen(returns: &FunctionType) -> FunctionType {
    match returns {
        FunctionType::Sql(whole @ SqlType::Number { scale: 0, .. }) if whole.engine_type() == "BIGINT" => {
            FunctionType::number(38, 0)
        }
        other => other.clone(),
    }
}

/// One operator of a chain.
struct Link {
    bound: Bound,
    /// Decimals of its operands, where they are exact numbers.
    scales: (u8, u8),
}

impl Link {
    fn apply(&self, left: Value<'static>, right: &Value<'_>) -> Result<Value<'static>> {
        match &self.bound.call {
            Call::Rows(call) => {
                let pair = [left, right.clone().into_owned()];
                call(&pair).map(Value::into_owned)
            }
            Call::Numbers(call) => {
                let left = left.to_number()?.rescaled(self.scales.0)?;
                let right = right.to_number()?.rescaled(self.scales.1)?;
                let scale = scale(&self.bound.returns);
                number_of_pair(call, left, right, scale).map(Value::Number)
            }
            Call::Truths(_) => Err(FunctionError::defect("operators give no truth values")),
        }
    }
}

fn scale(sql_type: &FunctionType) -> u8 {
    match sql_type {
        FunctionType::Sql(SqlType::Number { scale, .. }) => *scale,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn chains_are_what_their_links_are() {
        for (chain, nested) in [
            ("sf_chain('+-', 1, 2.5, 0.25)", "sf_sub(sf_add(1, 2.5), 0.25)"),
            (
                "sf_chain('*/%', 7, 3, 2, 4)",
                "sf_mod(sf_div(sf_mul(7, 3), 2), 4)",
            ),
            (
                "sf_chain('+-', DATE '2024-01-02', 3, 1)",
                "sf_sub(sf_add(DATE '2024-01-02', 3), 1)",
            ),
            (
                "sf_chain('-+', DATE '2024-01-09', DATE '2024-01-02', 1)",
                "sf_add(sf_sub(DATE '2024-01-09', DATE '2024-01-02'), 1)",
            ),
            (
                "sf_chain('++', '1.5', 2, 1::DOUBLE)",
                "sf_add(sf_add('1.5', 2), 1::DOUBLE)",
            ),
            ("sf_chain('++', 1, NULL, 2)", "sf_add(sf_add(1, NULL), 2)"),
            (
                "sf_chain('+*', sf_to_decfloat('1e40'), 1, 2)",
                "sf_mul(sf_add(sf_to_decfloat('1e40'), 1), 2)",
            ),
        ] {
            for of in ["coalesce(CAST({} AS VARCHAR), '?')", "typeof({})"] {
                let same = format!("{} = {}", of.replace("{}", chain), of.replace("{}", nested));
                check(&same, "true");
            }
        }
        check(
            "sum(sf_chain('+-', x, x, 1)) FROM range(5000) AS r(x)",
            "24990000",
        );
        check_error("sf_chain('+/', 1, 2, 0)", 100_051, "Division by zero");
    }
}
