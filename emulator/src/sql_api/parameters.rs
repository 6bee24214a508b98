//! The parameters of a request: those of the session, and how its results are written.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::Value;
use serde_json::value::RawValue;
use snowflake_emulator_engine::functions::OutputFormat;

use super::refusal::Refusal;
use crate::protocol::{Parameters as Sent, scalar};
use crate::results::{BinaryForm, JsonStyle};
use crate::session::{ParameterValue, Parameters};

/// A format that means the usual one.
const AUTO: &str = "AUTO";
const DATE_FORMAT: &str = "YYYY-MM-DD";
const TIME_FORMAT: &str = "HH24:MI:SS";
const WALL_FORMAT: &str = "YYYY-MM-DD HH24:MI:SS.FF3";
const INSTANT_FORMAT: &str = "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM";

const MIB: u64 = 1024 * 1024;

/// What a request's parameters ask for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Parameters of the session that runs the statement.
    pub(super) session: BTreeMap<String, ParameterValue>,
    pub(super) style: JsonStyle,
    /// Statements in the text; 0 is any number. A count that is none is among the session's parameters.
    pub(super) statement_count: Option<u32>,
    /// Most rows of a result.
    pub(super) rows_max: Option<u64>,
    /// Most bytes of a partition.
    pub(super) partition_bytes_max: Option<u64>,
}

/// Reads parameters; names in any case, values as text or as number.
pub(super) fn read(parameters: &Sent) -> Result<Asked, Refusal> {
    let mut asked = Asked {
        style: JsonStyle {
            booleans_as_words: true,
            nine_digits: true,
            ..JsonStyle::default()
        },
        ..Asked::default()
    };
    let mut timestamp = None;
    for (name, raw) in &parameters.0 {
        let Some(text) = text(name, raw)? else {
            continue;
        };
        let upper = name.to_ascii_uppercase();
        let formats = &mut asked.style.formats;
        let usual = match upper.as_str() {
            "DATE_OUTPUT_FORMAT" => Some((&mut formats.date, DATE_FORMAT)),
            "TIME_OUTPUT_FORMAT" => Some((&mut formats.time, TIME_FORMAT)),
            "TIMESTAMP_OUTPUT_FORMAT" => Some((&mut timestamp, INSTANT_FORMAT)),
            "TIMESTAMP_NTZ_OUTPUT_FORMAT" => Some((&mut formats.timestamp_ntz, WALL_FORMAT)),
            "TIMESTAMP_LTZ_OUTPUT_FORMAT" => Some((&mut formats.timestamp_ltz, INSTANT_FORMAT)),
            "TIMESTAMP_TZ_OUTPUT_FORMAT" => Some((&mut formats.timestamp_tz, INSTANT_FORMAT)),
            _ => None,
        };
        if let Some((format, usual)) = usual {
            let usual_is_meant = text.is_empty() || text.eq_ignore_ascii_case(AUTO);
            *format = Some(OutputFormat::new(if usual_is_meant { usual } else { &text }));
            if !usual_is_meant {
                asked.session.insert(upper, ParameterValue::Text(text));
            }
            continue;
        }
        asked.take(name, &upper, text)?;
    }
    // The format of the alias is for those that have none of their own.
    let formats = &mut asked.style.formats;
    if let Some(timestamp) = timestamp {
        for format in [
            &mut formats.timestamp_ntz,
            &mut formats.timestamp_ltz,
            &mut formats.timestamp_tz,
        ] {
            format.get_or_insert_with(|| timestamp.clone());
        }
    }
    if formats.zone.is_none() {
        formats.zone = TimeZone::get(&Parameters::default().text("TIMEZONE")).ok();
    }
    Ok(asked)
}

impl Asked {
    /// Takes a parameter that is no format of times.
    fn take(&mut self, name: &str, upper: &str, text: String) -> Result<(), Refusal> {
        match upper {
            "BINARY_OUTPUT_FORMAT" => {
                self.style.binary = match text.to_ascii_uppercase().as_str() {
                    "HEX" => BinaryForm::Hex,
                    "BASE64" => BinaryForm::Base64,
                    "UTF8" | "UTF-8" => BinaryForm::Utf8,
                    _ => return Err(invalid(name)),
                };
                self.session.insert(upper.to_owned(), ParameterValue::Text(text));
            }
            "TIMEZONE" => {
                self.style.formats.zone = TimeZone::get(&text).ok();
                self.session.insert(upper.to_owned(), ParameterValue::Text(text));
            }
            "QUERY_TAG" => {
                self.session.insert(upper.to_owned(), ParameterValue::Text(text));
            }
            // The session refuses a count that is none as it does any other value.
            "MULTI_STATEMENT_COUNT" => match text.trim().parse() {
                Ok(count) => self.statement_count = Some(count),
                Err(_) => {
                    self.session.insert(upper.to_owned(), ParameterValue::Text(text));
                }
            },
            "ROWS_PER_RESULTSET" => {
                self.rows_max = Some(number::<u64>(name, &text)?).filter(|rows| *rows > 0);
            }
            "CLIENT_RESULT_CHUNK_SIZE" => match number::<u64>(name, &text)? {
                0 => return Err(invalid(name)),
                mib => self.partition_bytes_max = Some(mib.saturating_mul(MIB)),
            },
            // There is no cache of results here; to want none, or one, changes nothing that can be seen.
            "USE_CACHED_RESULT" => match text.to_ascii_lowercase().as_str() {
                "true" | "false" => {}
                _ => return Err(invalid(name)),
            },
            _ => {
                return Err(Refusal::payload(&format!(
                    "{} is not a parameter of the SQL API.",
                    shown(name)
                )));
            }
        }
        Ok(())
    }
}

fn text(name: &str, raw: &RawValue) -> Result<Option<String>, Refusal> {
    match scalar(raw) {
        Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(truth)) => Ok(Some(truth.to_string())),
        None | Some(Value::Array(_) | Value::Object(_)) => Err(invalid(name)),
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Refusal> {
    text.trim().parse().map_err(|_| invalid(name))
}

fn invalid(name: &str) -> Refusal {
    Refusal::payload(&format!("The value of parameter {} does not fit.", shown(name)))
}

/// A name in a message: clients may send anything as one.
fn shown(name: &str) -> String {
    /// Longer than every name that there is.
    const CHARACTERS_MAX: usize = 64;
    name.chars().take(CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn asked(parameters: Value) -> Result<Asked, Refusal> {
        read(&serde_json::from_str(&parameters.to_string()).expect("parameters are an object"))
    }

    #[test]
    fn names_come_in_any_case_and_numbers_as_text() {
        let asked = asked(json!({
            "Multi_Statement_Count": "3",
            "rows_per_resultset": 7,
            "client_result_chunk_size": "2",
            "use_cached_result": false,
            "QUERY_TAG": "mine",
            "date_output_format": "MM/DD/YYYY",
        }))
        .unwrap();
        assert_eq!(asked.statement_count, Some(3));
        assert_eq!(asked.rows_max, Some(7));
        assert_eq!(asked.partition_bytes_max, Some(2 * MIB));
        let names: Vec<&str> = asked.session.keys().map(String::as_str).collect();
        assert_eq!(names, ["DATE_OUTPUT_FORMAT", "QUERY_TAG"]);
        assert!(asked.style.formats.date.is_some() && asked.style.formats.time.is_none());
    }

    #[test]
    fn the_alias_formats_what_has_no_format() {
        let asked = asked(json!({
            "timestamp_output_format": "YYYY",
            "timestamp_tz_output_format": "AUTO",
        }))
        .unwrap();
        let formats = asked.style.formats;
        assert_eq!(formats.timestamp_ntz, Some(OutputFormat::new("YYYY")));
        assert_eq!(formats.timestamp_tz, Some(OutputFormat::new(INSTANT_FORMAT)));
        assert!(formats.date.is_none());
    }

    #[test]
    fn what_is_not_a_parameter_is_refused() {
        for parameters in [
            json!({ "autocommit": "false" }),
            json!({ "multi_statement_count": [] }),
            json!({ "binary_output_format": "OCTAL" }),
            json!({ "client_result_chunk_size": 0 }),
            json!({ "use_cached_result": "maybe" }),
        ] {
            assert!(asked(parameters.clone()).is_err(), "{parameters}");
        }
        assert!(asked(json!({ "query_tag": null })).is_ok());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(name in "[a-zA-Z_]{0,32}", text in ".*") {
            let _ = asked(json!({ name: text }));
        }
    }
}
