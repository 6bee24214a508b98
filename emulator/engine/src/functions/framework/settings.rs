//! Session parameters that functions depend on.
//!
//! Each is a setting of the connection: Snowflake's parameter name in lower case with `sf_` before it. The
//! session room keeps them up to date with `SET sf_timezone = 'Europe/Berlin'`; a function reads them when a
//! call is bound, and so a stored view follows the session that queries it.

use duckdb_neo::{
    DuckDBType, ToValue,
    connection::{Connection, Context, SettingScope},
    custom_option::{CustomOptionBuilder, CustomOptionCallbacks},
    value::Value as EngineValue,
};
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::{FunctionError, Result};

/// Settings and their values in a new connection, which are Snowflake's defaults.
pub const SETTINGS: &[(&str, &str)] = &[
    ("sf_timezone", "America/Los_Angeles"),
    ("sf_week_start", "0"),
    ("sf_week_of_year_policy", "0"),
    ("sf_two_digit_century_start", "1970"),
    ("sf_date_input_format", "AUTO"),
    ("sf_time_input_format", "AUTO"),
    ("sf_timestamp_input_format", "AUTO"),
    ("sf_date_output_format", "YYYY-MM-DD"),
    ("sf_time_output_format", "HH24:MI:SS"),
    ("sf_timestamp_output_format", "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM"),
    ("sf_timestamp_ntz_output_format", "YYYY-MM-DD HH24:MI:SS.FF3"),
    ("sf_timestamp_ltz_output_format", ""),
    ("sf_timestamp_tz_output_format", ""),
    ("sf_binary_input_format", "HEX"),
    ("sf_binary_output_format", "HEX"),
    ("sf_geography_output_format", "GeoJSON"),
    ("sf_geometry_output_format", "GeoJSON"),
];

/// Setting that holds what session functions answer: a JSON object, kept up to date like the others.
const SESSION_FACTS: &str = "sf_session_facts";

/// The statement that tells a connection's functions what session functions answer: a JSON object of texts.
pub fn session_facts_statement(facts: &str) -> String {
    format!("SET {SESSION_FACTS} = '{}'", facts.replace('\'', "''"))
}

/// The settings of the connection that binds a call.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'context> {
    context: &'context Context,
}

impl<'context> Settings<'context> {
    pub(super) fn new(context: &'context Context) -> Self {
        Self { context }
    }

    /// A setting's text.
    pub(crate) fn text(self, name: &str) -> Result<String> {
        let read = || self.context.config()?.get_value(name)?.0.get::<String>();
        read()
            .map_err(|error| FunctionError::defect(error.message))
            .map(Option::unwrap_or_default)
    }

    /// What a session function answers; none for NULL.
    pub(crate) fn session_fact(self, name: &str) -> Result<Option<String>> {
        let facts = self.text(SESSION_FACTS)?;
        let facts: Json = serde_json::from_str(&facts).unwrap_or_default();
        Ok(facts.get(name).and_then(Json::as_str).map(str::to_owned))
    }

    /// The session's time zone.
    pub(crate) fn time_zone(self) -> Result<TimeZone> {
        time_zone(&self.text("sf_timezone")?)
    }

    /// The first day of a week: 0 as in ISO (Monday), 1 Monday to 7 Sunday.
    pub(crate) fn week_start(self) -> Result<u32> {
        Ok(self.text("sf_week_start")?.parse().unwrap_or(0))
    }

    /// Whether the first week of a year is the one with January 1st, and not the one with four of its days.
    pub(crate) fn first_week_has_january_1(self) -> Result<bool> {
        Ok(self.text("sf_week_of_year_policy")? == "1")
    }

    /// The first year that two digits can mean.
    pub(crate) fn two_digit_century_start(self) -> Result<i64> {
        Ok(self.text("sf_two_digit_century_start")?.parse().unwrap_or(1970))
    }
}

/// A time zone by its name in the zone database.
pub(crate) fn time_zone(name: &str) -> Result<TimeZone> {
    if name.eq_ignore_ascii_case("utc") {
        return Ok(TimeZone::UTC);
    }
    TimeZone::get(name).map_err(|_| FunctionError::new(1_073, format!("Unknown time zone: '{name}'")))
}

/// Makes the settings known; for all connections of the database.
pub(crate) fn register_settings(connection: &Connection) -> duckdb_neo::Result<()> {
    let all = SETTINGS.iter().chain([&(SESSION_FACTS, "{}")]);
    all.into_iter().try_for_each(|(name, default)| {
        let text = String::logical_type(connection)?;
        CustomOptionBuilder::new(*name, "a session parameter of Snowflake", text, Accept)
            .default_value(default.value(connection)?)
            .default_scope(SettingScope::Session)
            .register(connection)
    })
}

/// Takes every value: the session room has checked it.
struct Accept;

impl CustomOptionCallbacks for Accept {
    fn update(
        &self,
        _context: &Context,
        value: EngineValue,
        _scope: SettingScope,
        _is_reset: bool,
    ) -> duckdb_neo::Result<EngineValue> {
        Ok(value)
    }
}
