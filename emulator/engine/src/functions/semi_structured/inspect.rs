//! What a VARIANT holds: `TYPEOF`, `IS_*`, `AS_*`.

use serde_json::Value as Json;

use super::json::{read, require, value};
use crate::functions::framework::{
    Argument, Bound, FunctionType, Number, Result, ScalarFunction, Value, rows,
};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_typeof", 1..=1, type_of),
    ScalarFunction::new("sf_is_null_value", 1..=1, |arguments| is(arguments, Held::Null)),
    ScalarFunction::new("sf_is_boolean", 1..=1, |arguments| is(arguments, Held::Boolean)),
    ScalarFunction::new("sf_is_integer", 1..=1, |arguments| is(arguments, Held::Integer)),
    ScalarFunction::new("sf_is_decimal", 1..=1, |arguments| is(arguments, Held::Decimal)),
    ScalarFunction::new("sf_is_double", 1..=1, |arguments| is(arguments, Held::Double)),
    ScalarFunction::new("sf_is_varchar", 1..=1, |arguments| is(arguments, Held::Text)),
    ScalarFunction::new("sf_is_array", 1..=1, |arguments| is(arguments, Held::Array)),
    ScalarFunction::new("sf_is_object", 1..=1, |arguments| is(arguments, Held::Object)),
    ScalarFunction::new("sf_as_boolean", 1..=1, as_boolean),
    ScalarFunction::new("sf_as_integer", 1..=1, as_integer),
    ScalarFunction::new("sf_as_number", 1..=3, as_number),
    ScalarFunction::new("sf_as_double", 1..=1, as_double),
    ScalarFunction::new("sf_as_varchar", 1..=1, as_varchar),
    ScalarFunction::new("sf_as_array", 1..=1, |arguments| {
        as_is(arguments, FunctionType::array(), Held::Array)
    }),
    ScalarFunction::new("sf_as_object", 1..=1, |arguments| {
        as_is(arguments, FunctionType::object(), Held::Object)
    }),
];

/// What a VARIANT holds; each number kind is also the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Held {
    Integer,
    Decimal,
    Double,
    Null,
    Boolean,
    Text,
    Array,
    Object,
}

fn held(json: &Json) -> Held {
    match json {
        Json::Null => Held::Null,
        Json::Bool(_) => Held::Boolean,
        Json::String(_) => Held::Text,
        Json::Array(_) => Held::Array,
        Json::Object(_) => Held::Object,
        Json::Number(number) if number.as_str().contains(['e', 'E']) => Held::Double,
        Json::Number(number) if number.as_str().contains('.') => Held::Decimal,
        Json::Number(_) => Held::Integer,
    }
}

fn type_of(arguments: &[Argument]) -> Result<Bound> {
    require("sf_typeof", arguments, 0)?;
    rows(FunctionType::text(), |row| {
        Ok(Value::text(match held(&read(&row[0].to_text()?)?) {
            Held::Null => "NULL_VALUE",
            Held::Boolean => "BOOLEAN",
            Held::Integer => "INTEGER",
            Held::Decimal => "DECIMAL",
            Held::Double => "DOUBLE",
            Held::Text => "VARCHAR",
            Held::Array => "ARRAY",
            Held::Object => "OBJECT",
        }))
    })
}

fn is(arguments: &[Argument], wanted: Held) -> Result<Bound> {
    require("sf_is", arguments, 0)?;
    rows(FunctionType::boolean(), move |row| {
        let found = held(&read(&row[0].to_text()?)?);
        Ok(Value::Boolean(match wanted {
            Held::Decimal | Held::Double => found <= wanted,
            wanted => found == wanted,
        }))
    })
}

fn as_boolean(arguments: &[Argument]) -> Result<Bound> {
    require("sf_as_boolean", arguments, 0)?;
    rows(FunctionType::boolean(), |row| {
        Ok(read(&row[0].to_text()?)?.as_bool().into())
    })
}

fn as_integer(arguments: &[Argument]) -> Result<Bound> {
    require("sf_as_integer", arguments, 0)?;
    rows(FunctionType::number(38, 0), |row| numeric(row, 38, 0))
}

/// `AS_NUMBER(value[, precision[, scale]])`.
fn as_number(arguments: &[Argument]) -> Result<Bound> {
    require("sf_as_number", arguments, 0)?;
    let constant = |position: usize, usual: i64| {
        if arguments.len() > position {
            arguments[position].constant_integer("sf_as_number", position + 1)
        } else {
            Ok(usual)
        }
    };
    let precision = u8::try_from(constant(1, 38)?).unwrap_or(38);
    let scale = u8::try_from(constant(2, 0)?).unwrap_or(0);
    rows(FunctionType::number(precision, scale), move |row| {
        numeric(row, precision, scale)
    })
}

fn numeric<'a>(row: &[Value<'a>], precision: u8, scale: u8) -> Result<Value<'a>> {
    let number = match read(&row[0].to_text()?)? {
        Json::Number(number) => Number::parse(number.as_str()),
        _ => None,
    };
    number.map_or(Ok(Value::Null), |number| {
        number.fitted(precision, scale).map(Value::Number)
    })
}

fn as_double(arguments: &[Argument]) -> Result<Bound> {
    require("sf_as_double", arguments, 0)?;
    rows(FunctionType::float(), |row| {
        Ok(match read(&row[0].to_text()?)? {
            Json::Number(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::Float),
            _ => Value::Null,
        })
    })
}

fn as_varchar(arguments: &[Argument]) -> Result<Bound> {
    require("sf_as_varchar", arguments, 0)?;
    rows(FunctionType::text(), |row| {
        Ok(match read(&row[0].to_text()?)? {
            Json::String(text) => Value::owned_text(text),
            _ => Value::Null,
        })
    })
}

fn as_is(arguments: &[Argument], returns: FunctionType, wanted: Held) -> Result<Bound> {
    require("sf_as", arguments, 0)?;
    rows(returns, move |row| {
        let json = read(&row[0].to_text()?)?;
        Ok(if held(&json) == wanted {
            value(&json)
        } else {
            Value::Null
        })
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn inspecting() {
        for (expression, expected) in [
            ("sf_typeof(sf_parse_json('1'))", "INTEGER"),
            ("sf_typeof(sf_parse_json('1.5'))", "DECIMAL"),
            ("sf_typeof(sf_parse_json('1e20'))", "DOUBLE"),
            ("sf_typeof(sf_parse_json('null'))", "NULL_VALUE"),
            ("sf_typeof(sf_array_construct())", "ARRAY"),
            ("sf_typeof(NULL::sf_variant)", "NULL"),
            ("sf_is_integer(sf_parse_json('1.5'))", "false"),
            ("sf_is_decimal(sf_parse_json('1'))", "true"),
            ("sf_is_varchar(sf_to_variant('a'))", "true"),
            ("sf_as_integer(sf_parse_json('15'))", "15"),
            ("sf_as_number(sf_parse_json('1.55'), 6, 1)", "1.6"),
            ("sf_as_varchar(sf_parse_json('15'))", "NULL"),
            ("sf_as_array(sf_parse_json('[1]'))", "[1]"),
        ] {
            check(expression, expected);
        }
    }
}
