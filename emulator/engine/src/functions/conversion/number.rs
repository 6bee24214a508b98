//! Conversions to NUMBER, FLOAT and BOOLEAN.

use super::{attempt, number_format::NumberFormat, of_content};
use crate::SqlType;
use crate::functions::framework::{
    Argument, Bound, FunctionError, FunctionType, Number, Result, ScalarFunction, Value,
};

pub(in crate::functions) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_to_number", 1..=4, to_number),
    ScalarFunction::new("sf_try_to_number", 1..=4, |arguments| {
        attempt(to_number(arguments))
    }),
    ScalarFunction::new("sf_to_double", 1..=2, to_double),
    ScalarFunction::new("sf_try_to_double", 1..=2, |arguments| {
        attempt(to_double(arguments))
    }),
    ScalarFunction::new("sf_to_decfloat", 1..=2, to_decfloat),
    ScalarFunction::new("sf_try_to_decfloat", 1..=2, |arguments| {
        attempt(to_decfloat(arguments))
    }),
    ScalarFunction::new("sf_to_boolean", 1..=1, to_boolean),
    ScalarFunction::new("sf_try_to_boolean", 1..=1, |arguments| {
        attempt(to_boolean(arguments))
    }),
];

/// The code of a number that its type has no room for.
const NOT_REPRESENTABLE: u32 = 100_046;

/// A format that is a constant, or one that every row brings.
enum Model {
    None,
    Constant(NumberFormat),
    OfRow,
}

impl Model {
    fn of(argument: Option<&Argument>) -> Self {
        match argument {
            Some(Argument {
                sql_type: FunctionType::Sql(SqlType::Text { .. }),
                constant,
            }) => match constant {
                Some(Value::Text(format)) => Self::Constant(NumberFormat::new(format)),
                _ => Self::OfRow,
            },
            _ => Self::None,
        }
    }

    fn read(&self, value: &Value<'_>, format: Option<&Value<'_>>) -> Result<Option<Number>> {
        let read = |format: &NumberFormat| -> Result<Option<Number>> {
            let text = value.to_text()?;
            let wrong = || FunctionError::cannot_parse(&text, "number");
            format.read(&text).map(Some).ok_or_else(wrong)
        };
        match (self, format) {
            (Self::None, _) | (Self::OfRow, None) => Ok(None),
            (Self::Constant(format), _) => read(format),
            (Self::OfRow, Some(format)) => read(&NumberFormat::new(&format.to_text()?)),
        }
    }
}

/// `(value[, format][, precision[, scale]])`; NUMBER(38, 0) where nothing is said.
fn to_number(arguments: &[Argument]) -> Result<Bound> {
    let model = Model::of(arguments.get(1));
    let digits = &arguments[if matches!(model, Model::None) { 1 } else { 2 }..];
    let precision = digit_argument(digits.first(), 2, 38)?;
    let scale = digit_argument(digits.get(1), 3, 0)?;
    if precision == 0 || precision > 38 || scale > 37 || scale > precision {
        let message = format!("Invalid precision or scale for function TO_NUMBER: ({precision},{scale})");
        return Err(FunctionError::new(1_082, message));
    }
    refuse_no_numbers("sf_to_number", &arguments[0])?;
    let of_variant = arguments[0].sql_type.is_semi_structured();
    let is_constant = arguments[0].constant.is_some();
    of_content(
        &arguments[0],
        FunctionType::number(precision, scale),
        move |value, more| {
            let number = match model.read(value, more.first())? {
                Some(number) => Ok(number),
                None => match value {
                    Value::Float(float) => Number::from_f64(*float, scale),
                    other => other.to_number(),
                },
            };
            let fitted = number.and_then(|number| number.fitted(precision, scale));
            fitted.map(Value::Number).map_err(|error| {
                let refusal = too_large(error, value, of_variant, (precision, scale));
                if is_constant {
                    refusal.of_constant()
                } else {
                    refusal
                }
            })
        },
    )
}

/// What is said of a number that has no room, by what it was: text is told as it is written, a float by the target's
/// type, what was in a VARIANT by no type.
fn too_large(
    error: FunctionError,
    value: &Value<'_>,
    of_variant: bool,
    (precision, scale): (u8, u8),
) -> FunctionError {
    if error.code != NOT_REPRESENTABLE {
        return error;
    }
    match value {
        Value::Text(text) => FunctionError::out_of_range(text),
        Value::Number(number) if of_variant => FunctionError::variant_not_representable(number.trimmed()),
        Value::Float(float) if of_variant => FunctionError::variant_not_representable(float),
        Value::Float(float) => FunctionError::float_not_representable(*float, precision, scale),
        _ => error,
    }
}

/// Refuses what is never a number, by its type.
fn refuse_no_numbers(function: &str, argument: &Argument) -> Result<()> {
    match &argument.sql_type {
        FunctionType::Sql(
            SqlType::Date
            | SqlType::Time { .. }
            | SqlType::TimestampNtz { .. }
            | SqlType::TimestampLtz { .. }
            | SqlType::TimestampTz { .. }
            | SqlType::Binary { .. }
            | SqlType::Geography { .. }
            | SqlType::Geometry { .. }
            | SqlType::IntervalYearMonth { .. }
            | SqlType::IntervalDayTime { .. },
        ) => Err(FunctionError::argument_types(function, &[&argument.sql_type])),
        _ => Ok(()),
    }
}

fn digit_argument(argument: Option<&Argument>, position: usize, default: u8) -> Result<u8> {
    match argument {
        None => Ok(default),
        Some(argument) => Ok(argument.constant_integer("sf_to_number", position)?.clamp(0, 99) as u8),
    }
}

fn to_double(arguments: &[Argument]) -> Result<Bound> {
    let model = Model::of(arguments.get(1));
    of_content(&arguments[0], FunctionType::float(), move |value, more| {
        let float = match model.read(value, more.first())? {
            Some(number) => number.to_f64(),
            None => value.to_float()?,
        };
        Ok(Value::Float(float))
    })
}

/// `(value[, format])`; the text of a VARIANT's number is read as it is, which may have more digits than a NUMBER.
fn to_decfloat(arguments: &[Argument]) -> Result<Bound> {
    refuse_no_numbers("sf_to_decfloat", &arguments[0])?;
    let model = Model::of(arguments.get(1));
    of_content(&arguments[0], FunctionType::decfloat(), move |value, more| {
        match model.read(value, more.first())? {
            Some(number) => Value::Number(number).to_decfloat(),
            None => value.to_decfloat(),
        }
        .map(Value::DecFloat)
    })
}

fn to_boolean(arguments: &[Argument]) -> Result<Bound> {
    of_content(&arguments[0], FunctionType::boolean(), |value, _| {
        value.to_boolean().map(Value::Boolean)
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn numbers() {
        check("sf_to_number('12.3456')", "12");
        check("sf_to_number('98.76546', 10, 1)", "98.8");
        check("sf_to_number('98.76546', 10, 8)", "98.76546000");
        check("sf_to_number(12.5)", "13");
        check("sf_to_number(-12.5, 3)", "-13");
        check("sf_to_number(true)", "1");
        check("sf_to_number(1e15::DOUBLE)", "1000000000000000");
        check("sf_to_number(0.1::DOUBLE, 10, 2)", "0.10");
        check("sf_to_number(NULL)", "NULL");
        check("sf_to_number('$12,345.67', '$99,999.99', 10, 2)", "12345.67");
        check("sf_to_number('-1,234', '9,999')", "-1234");
        check("sf_to_number('5.0-', '9.0MI', 10, 1)", "-5.0");
        check("sf_to_number('ae5', 'XXX')", "2789");
        check("sf_to_number('\"12.5\"'::sf_variant, 10, 1)", "12.5");
        check("sf_to_number('12'::sf_variant)", "12");
        check("sf_to_number('null'::sf_variant)", "NULL");
        check_error(
            "sf_to_number('x')",
            100_038,
            "Numeric value 'x' is not recognized",
        );
        check_error(
            "sf_to_number('1234', 3, 0)",
            100_039,
            "Numeric value '1234' is out of range",
        );
        check_error(
            "sf_to_number(DATE '2024-01-01')",
            1_044,
            "Invalid argument types for function 'TO_NUMBER': (DATE)",
        );
        check("sf_try_to_number('x')", "NULL");
        check("sf_try_to_number('12.5', 4, 1)", "12.5");
    }

    #[test]
    fn decimal_floats() {
        let text = |argument: &str| format!("sf_to_varchar(sf_to_decfloat({argument}))");
        check(&text("'1e400'"), "1E400");
        check(&text("1.50"), "1.5");
        check(&text("0.1::DOUBLE"), "0.1");
        check(&text("true"), "1");
        check(&text("'\"12.5\"'::sf_variant"), "12.5");
        check(&text("'$1,234.5', '$9,999.9'"), "1234.5");
        check("sf_to_number(sf_to_decfloat('12.345'), 10, 2)", "12.35");
        check("sf_to_double(sf_to_decfloat('1e3'))", "1000.0");
        check("sf_try_to_decfloat('x')", "NULL");
        check("sf_to_json(sf_to_variant(sf_to_decfloat('1.50')))", "1.5");
        check_error(
            "sf_to_decfloat('x')",
            100_038,
            "Numeric value 'x' is not recognized",
        );
        check_error(
            "sf_to_decfloat('1e20000')",
            100_039,
            "Numeric value '1e20000' is out of range",
        );
        check_error(
            "sf_to_number(sf_to_decfloat('1e40'))",
            100_039,
            "Numeric value '1E40' is out of range",
        );
    }

    #[test]
    fn floats_and_booleans() {
        check("sf_to_double('1.5e3')", "1500.0");
        check("sf_to_double(1.25)", "1.25");
        check("sf_to_double('$1.5', '$9.9')", "1.5");
        check("sf_try_to_double('one')", "NULL");
        check_error(
            "sf_to_double('one')",
            100_038,
            "Numeric value 'one' is not recognized",
        );
        check("sf_to_boolean('yes')", "true");
        check("sf_to_boolean(0)", "false");
        check("sf_to_boolean('\"on\"'::sf_variant)", "true");
        check("sf_try_to_boolean('maybe')", "NULL");
        check_error(
            "sf_to_boolean('maybe')",
            100_037,
            "Boolean value 'maybe' is not recognized",
        );
    }
}
