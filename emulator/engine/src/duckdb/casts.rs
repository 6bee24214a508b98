//! Casts between the engine's types and the named types over them.
//!
//! They keep the stored value. What Snowflake's own conversions do is the business of the `sf_to_*`
//! functions; the lowering uses these casts for literals and for the engine's clock.

use duckdb_neo::{
    cast::{CastFunctionBuilder, CastFunctionCallbacks, CastMode},
    connection::{Connection, Context},
    logical_type::LogicalType,
    types::TimestampNsValue,
    vector::Vector,
};

/// Makes the casts known; for all connections of the database.
pub(super) fn register(connection: &Connection) -> duckdb_neo::Result<()> {
    let plain = LogicalType::from_text(connection, "TIMESTAMP_NS")?;
    let named = LogicalType::from_text(connection, "sf_timestamp_ltz")?;
    CastFunctionBuilder::new(plain.clone(), named.clone(), KeepTimestamp).register(connection)?;
    CastFunctionBuilder::new(named, plain, KeepTimestamp).register(connection)
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
