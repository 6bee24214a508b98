//! Casts between the engine's types and the named types over them.
//!
//! Most keep the stored value. What Snowflake's own conversions do is the business of the `sf_to_*`
//! functions; the lowering uses these casts for literals and for the engine's clock. DECFLOAT has real ones, because
//! the engine casts by itself where values meet (defaults, COALESCE, UNION, MERGE), and would take the letters of a text
//! for the bytes of a key.

use duckdb_neo::{
    cast::{CastFunctionBuilder, CastFunctionCallbacks, CastMode},
    connection::{Connection, Context},
    logical_type::LogicalType,
    types::{BlobValue, TimestampNsValue},
    vector::Vector,
};

use super::type_map::DECFLOAT;
use crate::functions::framework::{FunctionError, Value, engine_error};
use crate::{DECFLOAT_KEY_BYTES, DecFloat};

/// Makes the casts known; for all connections of the database.
pub(super) fn register(connection: &Connection) -> duckdb_neo::Result<()> {
    let plain = LogicalType::from_text(connection, "TIMESTAMP_NS")?;
    let named = LogicalType::from_text(connection, "sf_timestamp_ltz")?;
    CastFunctionBuilder::new(plain.clone(), named.clone(), KeepTimestamp).register(connection)?;
    CastFunctionBuilder::new(named, plain, KeepTimestamp).register(connection)?;
    let decfloat = LogicalType::from_text(connection, DECFLOAT)?;
    let from = |name: &str| LogicalType::from_text(connection, name);
    CastFunctionBuilder::new(from("VARCHAR")?, decfloat.clone(), TextToDecFloat).register(connection)?;
    CastFunctionBuilder::new(from("INTEGER")?, decfloat.clone(), IntegerToDecFloat).register(connection)?;
    CastFunctionBuilder::new(from("BIGINT")?, decfloat.clone(), BigIntToDecFloat).register(connection)?;
    CastFunctionBuilder::new(from("DOUBLE")?, decfloat.clone(), DoubleToDecFloat).register(connection)?;
    CastFunctionBuilder::new(decfloat, from("VARCHAR")?, DecFloatToText).register(connection)
}

/// A cast to or from DECFLOAT, by what becomes of a value.
macro_rules! decfloat_cast {
    ($name:ident, $input:ty, $output:ty, |$value:ident| $convert:expr) => {
        struct $name;

        impl CastFunctionCallbacks for $name {
            type InputType = $input;
            type OutputType = $output;

            fn exec(
                &self,
                _context: &Context,
                mode: CastMode,
                mut input: Vector<'_, $input>,
                mut output: Vector<'_, $output>,
            ) -> duckdb_neo::Result<()> {
                input.flatten()?;
                output.set_size(input.len())?;
                let reader = input.reader()?;
                let mut writer = output.writer()?;
                for (row, $value) in reader.iter().enumerate() {
                    let converted = match $value.map(|$value| $convert).transpose() {
                        Err(_) if mode == CastMode::Try => None,
                        converted => converted.map_err(|error| engine_error(&error))?,
                    };
                    writer.set(row, converted.as_ref().map(|converted| converted.as_ref()))?;
                }
                Ok(())
            }
        }
    };
}

decfloat_cast!(TextToDecFloat, String, BlobValue, |text| key(&Value::text(text)));
decfloat_cast!(IntegerToDecFloat, i32, BlobValue, |number| key(&Value::integer(
    *number
)));
decfloat_cast!(BigIntToDecFloat, i64, BlobValue, |number| key(&Value::integer(
    *number
)));
decfloat_cast!(DoubleToDecFloat, f64, BlobValue, |number| key(&Value::Float(
    *number
)));
decfloat_cast!(DecFloatToText, BlobValue, String, |key| {
    Ok::<_, FunctionError>(DecFloat::from_key(key).unwrap_or_default().to_string())
});

fn key(value: &Value<'_>) -> Result<[u8; DECFLOAT_KEY_BYTES], FunctionError> {
    value.to_decfloat().map(|number| number.key())
}

struct KeepTimestamp;

impl CastFunctionCallbacks for KeepTimestamp {
    type InputType = TimestampNsValue;
    type OutputType = TimestampNsValue;

    fn exec(
        &self,
        _context: &Context,
        _mode: CastMode,
        mut input: Vector<'_, TimestampNsValue>,
        mut output: Vector<'_, TimestampNsValue>,
    ) -> duckdb_neo::Result<()> {
        input.flatten()?;
        output.set_size(input.len())?;
        let reader = input.reader()?;
        let mut writer = output.writer()?;
        for (row, value) in reader.iter().enumerate() {
            writer.set(row, value.copied())?;
        }
        Ok(())
    }
}
