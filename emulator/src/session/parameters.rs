//! Session parameters: which exist, what they are without being set, and what they may be.

use std::collections::BTreeMap;

use snowflake_emulator_engine::GeoForm;

use super::{ParameterValue, SqlError};

/// A parameter as `SHOW PARAMETERS` lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// Value in effect.
    pub value: ParameterValue,
    /// Value without setting it.
    pub default: ParameterValue,
    /// What it does.
    pub description: &'static str,
}

/// Default of a parameter, which also fixes its type.
#[derive(Clone, Copy)]
enum Fallback {
    Bool(bool),
    Integer(i64),
    Text(&'static str),
}

impl Fallback {
    fn value(self) -> ParameterValue {
        match self {
            Self::Bool(value) => ParameterValue::Bool(value),
            Self::Integer(value) => ParameterValue::Integer(value),
            Self::Text(value) => ParameterValue::Text(value.to_owned()),
        }
    }
}

use Fallback::{Bool, Integer, Text};

/// Every parameter a session knows, by name.
const KNOWN: [(&str, Fallback, &str); 50] = [
    (
        "ABORT_DETACHED_QUERY",
        Bool(false),
        "Abort running queries of a client that lost its connection",
    ),
    ("AUTOCOMMIT", Bool(true), "Each statement is committed by itself"),
    ("BINARY_INPUT_FORMAT", Text("HEX"), "How texts are read as BINARY"),
    ("BINARY_OUTPUT_FORMAT", Text("HEX"), "How BINARY is shown"),
    (
        "CLIENT_HONOR_CLIENT_TZ_FOR_TIMESTAMP_NTZ",
        Bool(true),
        "Clients may use their own zone for TIMESTAMP_NTZ",
    ),
    (
        "CLIENT_MEMORY_LIMIT",
        Integer(1536),
        "Megabytes a client may use for results",
    ),
    (
        "CLIENT_METADATA_REQUEST_USE_CONNECTION_CTX",
        Bool(false),
        "Clients look for metadata in the current database only",
    ),
    (
        "CLIENT_PREFETCH_THREADS",
        Integer(4),
        "Threads with which a client fetches results",
    ),
    (
        "CLIENT_RESULT_CHUNK_SIZE",
        Integer(160),
        "Largest result chunk in megabytes",
    ),
    (
        "CLIENT_RESULT_COLUMN_CASE_INSENSITIVE",
        Bool(false),
        "Clients compare column names without regard to case",
    ),
    (
        "CLIENT_SESSION_KEEP_ALIVE",
        Bool(false),
        "Clients keep idle sessions alive",
    ),
    (
        "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY",
        Integer(3600),
        "Seconds between heartbeats",
    ),
    (
        "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD",
        Integer(65_280),
        "Bound values above which clients upload them; 0 is never",
    ),
    ("CLIENT_TELEMETRY_ENABLED", Bool(false), "Clients send telemetry"),
    (
        "CLIENT_TIMESTAMP_TYPE_MAPPING",
        Text("TIMESTAMP_LTZ"),
        "Type of bound timestamps",
    ),
    ("DATE_INPUT_FORMAT", Text("AUTO"), "How texts are read as DATE"),
    ("DATE_OUTPUT_FORMAT", Text("YYYY-MM-DD"), "How DATE is shown"),
    (
        "ERROR_ON_NONDETERMINISTIC_MERGE",
        Bool(true),
        "A MERGE that could update a row in two ways fails",
    ),
    (
        "ERROR_ON_NONDETERMINISTIC_UPDATE",
        Bool(false),
        "An UPDATE that could update a row in two ways fails",
    ),
    (
        "GEOGRAPHY_OUTPUT_FORMAT",
        Text("GeoJSON"),
        "How GEOGRAPHY is shown",
    ),
    ("GEOMETRY_OUTPUT_FORMAT", Text("GeoJSON"), "How GEOMETRY is shown"),
    (
        "JDBC_TREAT_DECIMAL_AS_INT",
        Bool(true),
        "JDBC gives NUMBER without fraction as an integer",
    ),
    (
        "JDBC_QUERY_RESULT_FORMAT",
        Text("ARROW"),
        "Format of results for JDBC",
    ),
    (
        "GO_QUERY_RESULT_FORMAT",
        Text("ARROW"),
        "Format of results for Go",
    ),
    (
        "ODBC_QUERY_RESULT_FORMAT",
        Text("ARROW"),
        "Format of results for ODBC",
    ),
    (
        "PYTHON_CONNECTOR_QUERY_RESULT_FORMAT",
        Text("ARROW"),
        "Format of results for Python",
    ),
    ("JSON_INDENT", Integer(2), "Blanks with which JSON is indented"),
    (
        "LOCK_TIMEOUT",
        Integer(43200),
        "Seconds a statement waits for a locked table",
    ),
    (
        "MULTI_STATEMENT_COUNT",
        Integer(1),
        "Statements in one request; 0 is any number",
    ),
    (
        "QUERY_CONTEXT_CACHE_SIZE",
        Integer(5),
        "Query contexts that clients keep",
    ),
    (
        "QUERY_TAG",
        Text(""),
        "Text that marks the session's queries in the history",
    ),
    (
        "QUOTED_IDENTIFIERS_IGNORE_CASE",
        Bool(false),
        "Quoted names are upper-cased too",
    ),
    (
        "ROWS_PER_RESULTSET",
        Integer(0),
        "Most rows of a result; 0 is all",
    ),
    (
        "SERVICE_NAME",
        Text(""),
        "Service that clients name in their requests",
    ),
    (
        "STATEMENT_QUEUED_TIMEOUT_IN_SECONDS",
        Integer(0),
        "Seconds a statement waits for a warehouse; 0 is any",
    ),
    (
        "STATEMENT_TIMEOUT_IN_SECONDS",
        Integer(172_800),
        "Seconds after which a statement is stopped; 0 is never",
    ),
    (
        "STRICT_JSON_OUTPUT",
        Bool(false),
        "JSON is shown strictly by its standard",
    ),
    (
        "TIMESTAMP_INPUT_FORMAT",
        Text("AUTO"),
        "How texts are read as timestamps",
    ),
    (
        "TIMESTAMP_LTZ_OUTPUT_FORMAT",
        Text(""),
        "How TIMESTAMP_LTZ is shown",
    ),
    (
        "TIMESTAMP_NTZ_OUTPUT_FORMAT",
        Text("YYYY-MM-DD HH24:MI:SS.FF3"),
        "How TIMESTAMP_NTZ is shown",
    ),
    (
        "TIMESTAMP_OUTPUT_FORMAT",
        Text("YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM"),
        "How timestamps are shown",
    ),
    (
        "TIMESTAMP_TYPE_MAPPING",
        Text("TIMESTAMP_NTZ"),
        "What TIMESTAMP means",
    ),
    (
        "TIMESTAMP_TZ_OUTPUT_FORMAT",
        Text(""),
        "How TIMESTAMP_TZ is shown",
    ),
    ("TIMEZONE", Text("America/Los_Angeles"), "Zone of the session"),
    ("TIME_INPUT_FORMAT", Text("AUTO"), "How texts are read as TIME"),
    ("TIME_OUTPUT_FORMAT", Text("HH24:MI:SS"), "How TIME is shown"),
    (
        "TRANSACTION_ABORT_ON_ERROR",
        Bool(false),
        "An error ends its transaction",
    ),
    (
        "TWO_DIGIT_CENTURY_START",
        Integer(1970),
        "First year that two digits can mean",
    ),
    (
        "WEEK_OF_YEAR_POLICY",
        Integer(0),
        "First week of the year; 0 is as in ISO",
    ),
    ("WEEK_START", Integer(0), "First day of the week; 0 is as in ISO"),
];

/// Names that Snowflake has and this emulator only keeps: setting them changes nothing here.
const KEPT_ONLY_IF_DEFAULT: [&str; 1] = ["QUOTED_IDENTIFIERS_IGNORE_CASE"];

/// The parameters of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    set: BTreeMap<&'static str, ParameterValue>,
}

impl Parameters {
    /// Sets what a login gives. Names that are unknown are left out: clients send some of their own.
    pub fn from_login(given: &BTreeMap<String, ParameterValue>) -> Result<Self, SqlError> {
        let mut parameters = Self { set: BTreeMap::new() };
        for (name, value) in given {
            if find(name).is_some() {
                parameters.set(name, value)?;
            }
        }
        Ok(parameters)
    }

    /// Sets one; fails for an unknown name and for a value that does not fit.
    pub fn set(&mut self, name: &str, value: &ParameterValue) -> Result<(), SqlError> {
        let (known, default, _) = find(name).ok_or_else(|| unknown(name))?;
        let value = fit(known, *default, value)?;
        check(known, &value)?;
        self.set.insert(known, value);
        Ok(())
    }

    /// Gives one its default back.
    pub fn unset(&mut self, name: &str) -> Result<(), SqlError> {
        let (known, _, _) = find(name).ok_or_else(|| unknown(name))?;
        self.set.remove(known);
        Ok(())
    }

    /// These parameters with a statement's own over them; unknown names are left out.
    pub fn with(&self, statement: &BTreeMap<String, ParameterValue>) -> Result<Self, SqlError> {
        let mut parameters = self.clone();
        for (name, value) in statement {
            if find(name).is_some() {
                parameters.set(name, value)?;
            }
        }
        Ok(parameters)
    }

    /// Ends a statement with parameters of its own: `own` were in force when it began, `before` the session's. Those
    /// that the statement has set or unset itself stay as it left them.
    pub fn give_back(&mut self, own: &Self, before: &Self) {
        for name in own.set.keys() {
            if self.set.get(name) != own.set.get(name) {
                continue;
            }
            match before.set.get(name) {
                Some(value) => self.set.insert(name, value.clone()),
                None => self.set.remove(name),
            };
        }
    }

    /// Every parameter with the value in effect, by name.
    pub fn all(&self) -> Vec<Parameter> {
        KNOWN
            .iter()
            .map(|(name, default, description)| Parameter {
                name,
                value: self.set.get(name).cloned().unwrap_or_else(|| default.value()),
                default: default.value(),
                description,
            })
            .collect()
    }

    /// A switch.
    pub fn truth(&self, name: &str) -> bool {
        matches!(self.value(name), Some(ParameterValue::Bool(true)))
    }

    /// A number.
    pub fn integer(&self, name: &str) -> i64 {
        match self.value(name) {
            Some(ParameterValue::Integer(value)) => value,
            _ => 0,
        }
    }

    /// A text.
    pub fn text(&self, name: &str) -> String {
        match self.value(name) {
            Some(ParameterValue::Text(value)) => value,
            _ => String::new(),
        }
    }

    /// The value in effect; none for an unknown name.
    pub(super) fn value(&self, name: &str) -> Option<ParameterValue> {
        let (known, default, _) = find(name)?;
        Some(self.set.get(known).cloned().unwrap_or_else(|| default.value()))
    }
}

fn find(name: &str) -> Option<&'static (&'static str, Fallback, &'static str)> {
    KNOWN
        .iter()
        .find(|(known, _, _)| known.eq_ignore_ascii_case(name))
}

fn unknown(name: &str) -> SqlError {
    SqlError::compilation(
        "001016",
        "22023",
        format!("invalid parameter '{}'", name.to_uppercase()),
    )
}

/// The value in the parameter's type; clients send numbers and switches as texts too.
fn fit(name: &str, default: Fallback, value: &ParameterValue) -> Result<ParameterValue, SqlError> {
    let fitted = match (default, value) {
        (Bool(_), ParameterValue::Bool(value)) => Some(ParameterValue::Bool(*value)),
        (Bool(_), ParameterValue::Text(text)) => match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Some(ParameterValue::Bool(true)),
            "false" | "off" | "no" | "0" => Some(ParameterValue::Bool(false)),
            _ => None,
        },
        (Bool(_), ParameterValue::Integer(value @ 0..=1)) => Some(ParameterValue::Bool(*value == 1)),
        (Integer(_), ParameterValue::Integer(value)) => Some(ParameterValue::Integer(*value)),
        (Integer(_), ParameterValue::Text(text)) => text.trim().parse().ok().map(ParameterValue::Integer),
        (Text(_), ParameterValue::Text(text)) => Some(ParameterValue::Text(text.clone())),
        (Text(_), ParameterValue::Integer(value)) => Some(ParameterValue::Text(value.to_string())),
        (Text(_), ParameterValue::Bool(value)) => Some(ParameterValue::Text(value.to_string())),
        _ => None,
    };
    fitted.ok_or_else(|| invalid(name, value))
}

fn check(name: &str, value: &ParameterValue) -> Result<(), SqlError> {
    let fits = match (name, value) {
        ("TIMEZONE", ParameterValue::Text(zone)) => super::facts::zone(zone).is_some(),
        ("GEOGRAPHY_OUTPUT_FORMAT" | "GEOMETRY_OUTPUT_FORMAT", ParameterValue::Text(form)) => {
            GeoForm::of_name(form).is_some()
        }
        ("WEEK_START", ParameterValue::Integer(day)) => (0..=7).contains(day),
        ("TIMESTAMP_TYPE_MAPPING", ParameterValue::Text(text)) => {
            // The lowering reads TIMESTAMP as TIMESTAMP_NTZ.
            if !text.eq_ignore_ascii_case("TIMESTAMP_NTZ") {
                return Err(SqlError::unsupported(format!("{name} = {text}")));
            }
            true
        }
        (_, ParameterValue::Integer(number)) => *number >= 0,
        (name, ParameterValue::Bool(true)) if KEPT_ONLY_IF_DEFAULT.contains(&name) => {
            return Err(SqlError::unsupported(format!("{name} = TRUE")));
        }
        _ => true,
    };
    if fits { Ok(()) } else { Err(invalid(name, value)) }
}

fn invalid(name: &str, value: &ParameterValue) -> SqlError {
    let text = match value {
        ParameterValue::Text(text) => text.clone(),
        ParameterValue::Bool(value) => value.to_string(),
        ParameterValue::Integer(value) => value.to_string(),
    };
    SqlError::compilation(
        "001008",
        "22023",
        format!("invalid value [{text}] for parameter '{name}'"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_effect_until_set() {
        let mut parameters = Parameters::default();
        assert!(parameters.truth("AUTOCOMMIT"));
        parameters
            .set("autocommit", &ParameterValue::Text("false".to_owned()))
            .unwrap();
        assert!(!parameters.truth("AUTOCOMMIT"));
        parameters.unset("AUTOCOMMIT").unwrap();
        assert!(parameters.truth("AUTOCOMMIT"));
        assert_eq!(parameters.all().len(), KNOWN.len());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut parameters = Parameters::default();
        let text = |text: &str| ParameterValue::Text(text.to_owned());
        assert_eq!(parameters.set("NOPE", &text("x")).unwrap_err().code, "001016");
        assert_eq!(
            parameters.set("LOCK_TIMEOUT", &text("x")).unwrap_err().code,
            "001008"
        );
        assert_eq!(
            parameters
                .set("TIMEZONE", &text("Mars/Olympus"))
                .unwrap_err()
                .code,
            "001008"
        );
        assert_eq!(
            parameters
                .set("WEEK_START", &ParameterValue::Integer(8))
                .unwrap_err()
                .code,
            "001008"
        );
        parameters.set("TIMEZONE", &text("Europe/Berlin")).unwrap();
    }

    #[test]
    fn a_login_may_send_names_of_its_client() {
        let given = BTreeMap::from([
            ("CLIENT_FANCY".to_owned(), ParameterValue::Integer(1)),
            ("QUERY_TAG".to_owned(), ParameterValue::Text("t".to_owned())),
        ]);
        assert_eq!(Parameters::from_login(&given).unwrap().text("QUERY_TAG"), "t");
    }
}
