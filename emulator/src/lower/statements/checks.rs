//! Checks of declared lengths and digits, whose failures carry Snowflake's messages.

use snowflake_emulator_engine::SqlType;

use crate::catalog::types::{BINARY_LENGTH_DEFAULT, TEXT_LENGTH_DEFAULT};

/// Whether the values of a column of a type are checked when they are written.
pub fn is_checked(sql_type: &SqlType) -> bool {
    check("", sql_type, true).is_some()
}

/// The check of a column as the engine's text; empty for types without one.
pub(super) fn check_text(column: &str, sql_type: &SqlType, nullable: bool) -> String {
    check(column, sql_type, nullable).map_or_else(String::new, |(condition, message)| {
        format!(" CHECK (CASE WHEN {condition} THEN error({message}) ELSE true END)")
    })
}

/// What no value of a column may be, and what is said of one that is.
///
/// A length that is no shorter than the usual one is not checked. Of numbers those are that the engine stores as
/// machine words, whatever their digits; it looks at the digits of others by itself. The class in their message, such as
/// the `[SB2]` of `FIXED[SB2]`, is put in where the engine's errors become Snowflake's.
fn check(column: &str, sql_type: &SqlType, nullable: bool) -> Option<(String, String)> {
    match sql_type {
        SqlType::Text { length } => {
            let length = length.filter(|length| *length < TEXT_LENGTH_DEFAULT)?;
            Some((format!("length({column}) > {length}"), too_long(column)))
        }
        SqlType::Binary { length } => {
            let length = length.filter(|length| *length < BINARY_LENGTH_DEFAULT)?;
            let condition = format!("octet_length({column}) > {length}");
            Some((condition, too_long(&format!("hex({column})"))))
        }
        SqlType::Number { precision, scale: 0 } if sql_type.engine_type() == "BIGINT" => {
            let largest = 10_i64.pow(u32::from(*precision)) - 1;
            let null = if nullable { "nullable" } else { "not null" };
            Some((
                format!("{column} NOT BETWEEN -{largest} AND {largest}"),
                format!(
                    "'Number out of representable range: type FIXED({precision},0){{{null}}}, value ' || {column}"
                ),
            ))
        }
        _ => None,
    }
}

fn too_long(shown: &str) -> String {
    format!("'String ''' || {shown} || ''' is too long and would be truncated'")
}
