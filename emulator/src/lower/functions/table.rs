//! Plain calls: same arguments, another name.
//!
//! [`Form::Engine`] is the pass-through list: engine functions that behave like Snowflake's of that name
//! for every argument. All others are functions of ours.

use sqlparser::ast::Expr;

use super::super::build::call;
use super::super::refuse::{unknown_function, unsupported};
use super::Call;
use super::refused::is_refused;
use crate::contract::SqlError;

/// What stands for a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One of the engine's own.
    Engine(&'static str),
    /// One of ours, of the same name with `sf_` before it.
    Ours,
    /// One of ours under another name.
    Alias(&'static str),
}

/// A plain call: name, least and most arguments, what stands for it.
pub(crate) type Entry = (&'static str, usize, usize, Form);

/// Any number of arguments.
const MANY: usize = usize::MAX;

/// All plain calls, by subject.
pub(crate) const TABLES: &[&[Entry]] = &[
    NUMBERS,
    TEXTS,
    PATTERNS,
    SEMI_STRUCTURED,
    CONVERSIONS,
    DATES,
    GEOSPATIAL,
    OTHERS,
];

use Form::{Alias, Engine, Ours};

const NUMBERS: &[Entry] = &[
    ("ABS", 1, 1, Ours),
    ("ACOS", 1, 1, Engine("acos")),
    ("ACOSH", 1, 1, Engine("acosh")),
    ("ASIN", 1, 1, Engine("asin")),
    ("ASINH", 1, 1, Engine("asinh")),
    ("ATAN", 1, 1, Engine("atan")),
    ("ATAN2", 2, 2, Engine("atan2")),
    ("ATANH", 1, 1, Engine("atanh")),
    ("BITAND", 2, 2, Ours),
    ("BITMAP_BIT_POSITION", 1, 1, Ours),
    ("BITMAP_BUCKET_NUMBER", 1, 1, Ours),
    ("BITMAP_COUNT", 1, 1, Ours),
    ("BITNOT", 1, 1, Ours),
    ("BITOR", 2, 2, Ours),
    ("BITSHIFTLEFT", 2, 2, Ours),
    ("BITSHIFTRIGHT", 2, 2, Ours),
    ("BITXOR", 2, 2, Ours),
    ("BIT_AND", 2, 2, Alias("sf_bitand")),
    ("BIT_NOT", 1, 1, Alias("sf_bitnot")),
    ("BIT_OR", 2, 2, Alias("sf_bitor")),
    ("BIT_SHIFTLEFT", 2, 2, Alias("sf_bitshiftleft")),
    ("BIT_SHIFTRIGHT", 2, 2, Alias("sf_bitshiftright")),
    ("BIT_XOR", 2, 2, Alias("sf_bitxor")),
    ("CBRT", 1, 1, Engine("cbrt")),
    ("CEIL", 1, 2, Ours),
    ("COS", 1, 1, Engine("cos")),
    ("COSH", 1, 1, Engine("cosh")),
    ("COT", 1, 1, Engine("cot")),
    ("DEGREES", 1, 1, Engine("degrees")),
    ("DIV0", 2, 2, Ours),
    ("DIV0NULL", 2, 2, Ours),
    ("EXP", 1, 1, Engine("exp")),
    ("FACTORIAL", 1, 1, Ours),
    ("FLOOR", 1, 2, Ours),
    ("GETBIT", 2, 2, Ours),
    ("HAVERSINE", 4, 4, Ours),
    ("LN", 1, 1, Ours),
    ("LOG", 2, 2, Ours),
    ("MOD", 2, 2, Ours),
    ("PI", 0, 0, Engine("pi")),
    ("POW", 2, 2, Alias("sf_power")),
    ("POWER", 2, 2, Ours),
    ("RADIANS", 1, 1, Engine("radians")),
    ("ROUND", 1, 3, Ours),
    ("SIGN", 1, 1, Engine("sign")),
    ("SIN", 1, 1, Engine("sin")),
    ("SINH", 1, 1, Engine("sinh")),
    ("SQRT", 1, 1, Ours),
    ("SQUARE", 1, 1, Ours),
    ("TAN", 1, 1, Engine("tan")),
    ("TANH", 1, 1, Engine("tanh")),
    ("TRUNCATE", 1, 2, Alias("sf_trunc")),
    (
        "VECTOR_COSINE_SIMILARITY",
        2,
        2,
        Engine("array_cosine_similarity"),
    ),
    ("VECTOR_INNER_PRODUCT", 2, 2, Engine("array_inner_product")),
    ("VECTOR_L2_DISTANCE", 2, 2, Engine("array_distance")),
    ("WIDTH_BUCKET", 4, 4, Ours),
];

const TEXTS: &[Entry] = &[
    ("ASCII", 1, 1, Ours),
    ("BASE64_DECODE_BINARY", 1, 2, Ours),
    ("BASE64_DECODE_STRING", 1, 2, Ours),
    ("BASE64_ENCODE", 1, 3, Ours),
    ("BIT_LENGTH", 1, 1, Ours),
    ("CHAR", 1, 1, Alias("sf_chr")),
    ("CHARINDEX", 2, 3, Ours),
    ("CHR", 1, 1, Ours),
    ("CONCAT", 1, MANY, Ours),
    ("CONCAT_WS", 2, MANY, Ours),
    ("CONTAINS", 2, 2, Ours),
    ("EDITDISTANCE", 2, 3, Ours),
    ("ENDSWITH", 2, 2, Ours),
    ("HEX_DECODE_BINARY", 1, 1, Ours),
    ("HEX_DECODE_STRING", 1, 1, Ours),
    ("HEX_ENCODE", 1, 2, Ours),
    ("INITCAP", 1, 2, Ours),
    ("INSERT", 4, 4, Ours),
    ("JAROWINKLER_SIMILARITY", 2, 2, Ours),
    ("LEFT", 2, 2, Ours),
    ("LEN", 1, 1, Alias("sf_length")),
    ("LENGTH", 1, 1, Ours),
    ("LOWER", 1, 1, Ours),
    ("LPAD", 2, 3, Ours),
    ("MD5", 1, 1, Ours),
    ("MD5_HEX", 1, 1, Alias("sf_md5")),
    ("MD5_BINARY", 1, 1, Ours),
    ("MD5_NUMBER_LOWER64", 1, 1, Ours),
    ("MD5_NUMBER_UPPER64", 1, 1, Ours),
    ("OCTET_LENGTH", 1, 1, Ours),
    ("PARSE_IP", 2, 3, Ours),
    ("PARSE_URL", 1, 2, Ours),
    ("POSITION", 2, 3, Alias("sf_charindex")),
    ("REPEAT", 2, 2, Ours),
    ("REPLACE", 2, 3, Ours),
    ("REVERSE", 1, 1, Ours),
    ("RIGHT", 2, 2, Ours),
    ("RPAD", 2, 3, Ours),
    ("RTRIMMED_LENGTH", 1, 1, Ours),
    ("SHA1", 1, 1, Ours),
    ("SHA1_BINARY", 1, 1, Ours),
    ("SHA1_HEX", 1, 1, Alias("sf_sha1")),
    ("SHA2", 1, 2, Ours),
    ("SHA2_BINARY", 1, 2, Ours),
    ("SHA2_HEX", 1, 2, Alias("sf_sha2")),
    ("SOUNDEX", 1, 1, Ours),
    ("SPACE", 1, 1, Ours),
    ("SPLIT", 2, 2, Ours),
    ("SPLIT_PART", 3, 3, Ours),
    ("STARTSWITH", 2, 2, Ours),
    ("STRTOK", 1, 3, Ours),
    ("STRTOK_TO_ARRAY", 1, 2, Ours),
    ("TRANSLATE", 3, 3, Ours),
    ("TRY_BASE64_DECODE_BINARY", 1, 2, Ours),
    ("TRY_BASE64_DECODE_STRING", 1, 2, Ours),
    ("TRY_HEX_DECODE_BINARY", 1, 1, Ours),
    ("TRY_HEX_DECODE_STRING", 1, 1, Ours),
    ("UNICODE", 1, 1, Ours),
    ("UPPER", 1, 1, Ours),
];

const PATTERNS: &[Entry] = &[
    ("REGEXP", 2, 3, Alias("sf_regexp_like")),
    ("REGEXP_COUNT", 2, 4, Ours),
    ("REGEXP_INSTR", 2, 7, Ours),
    ("REGEXP_LIKE", 2, 3, Ours),
    ("REGEXP_REPLACE", 2, 6, Ours),
    ("REGEXP_SUBSTR", 2, 6, Ours),
    ("REGEXP_SUBSTR_ALL", 2, 6, Ours),
    ("RLIKE", 2, 3, Alias("sf_regexp_like")),
];

const SEMI_STRUCTURED: &[Entry] = &[
    ("ARRAYS_OVERLAP", 2, 2, Ours),
    ("ARRAYS_TO_OBJECT", 2, 2, Ours),
    ("ARRAYS_ZIP", 1, MANY, Ours),
    ("ARRAY_APPEND", 2, 2, Ours),
    ("ARRAY_CAT", 2, 2, Ours),
    ("ARRAY_COMPACT", 1, 1, Ours),
    ("ARRAY_CONSTRUCT", 0, MANY, Ours),
    ("ARRAY_CONSTRUCT_COMPACT", 0, MANY, Ours),
    ("ARRAY_CONTAINS", 2, 2, Ours),
    ("ARRAY_DISTINCT", 1, 1, Ours),
    ("ARRAY_EXCEPT", 2, 2, Ours),
    ("ARRAY_FLATTEN", 1, 1, Ours),
    ("ARRAY_GENERATE_RANGE", 2, 3, Ours),
    ("ARRAY_INSERT", 3, 3, Ours),
    ("ARRAY_INTERSECTION", 2, 2, Ours),
    ("ARRAY_MAX", 1, 1, Ours),
    ("ARRAY_MIN", 1, 1, Ours),
    ("ARRAY_POSITION", 2, 2, Ours),
    ("ARRAY_PREPEND", 2, 2, Ours),
    ("ARRAY_REMOVE", 2, 2, Ours),
    ("ARRAY_REMOVE_AT", 2, 2, Ours),
    ("ARRAY_REVERSE", 1, 1, Ours),
    ("ARRAY_SIZE", 1, 1, Ours),
    ("ARRAY_SLICE", 3, 3, Ours),
    ("ARRAY_SORT", 1, 3, Ours),
    ("ARRAY_TO_STRING", 2, 2, Ours),
    ("AS_ARRAY", 1, 1, Ours),
    ("AS_BOOLEAN", 1, 1, Ours),
    ("AS_CHAR", 1, 1, Alias("sf_as_varchar")),
    ("AS_DECIMAL", 1, 3, Alias("sf_as_number")),
    ("AS_DOUBLE", 1, 1, Ours),
    ("AS_INTEGER", 1, 1, Ours),
    ("AS_NUMBER", 1, 3, Ours),
    ("AS_OBJECT", 1, 1, Ours),
    ("AS_REAL", 1, 1, Alias("sf_as_double")),
    ("AS_VARCHAR", 1, 1, Ours),
    ("CHECK_JSON", 1, 1, Ours),
    ("GET", 2, 2, Ours),
    ("GET_IGNORE_CASE", 2, 2, Ours),
    ("GET_PATH", 2, 2, Ours),
    ("IS_ARRAY", 1, 1, Ours),
    ("IS_BOOLEAN", 1, 1, Ours),
    ("IS_CHAR", 1, 1, Alias("sf_is_varchar")),
    ("IS_DECIMAL", 1, 1, Ours),
    ("IS_DOUBLE", 1, 1, Ours),
    ("IS_INTEGER", 1, 1, Ours),
    ("IS_NULL_VALUE", 1, 1, Ours),
    ("IS_OBJECT", 1, 1, Ours),
    ("IS_REAL", 1, 1, Alias("sf_is_double")),
    ("IS_VARCHAR", 1, 1, Ours),
    ("OBJECT_CONSTRUCT", 0, MANY, Ours),
    ("OBJECT_CONSTRUCT_KEEP_NULL", 0, MANY, Ours),
    ("OBJECT_DELETE", 2, MANY, Ours),
    ("OBJECT_INSERT", 3, 4, Ours),
    ("OBJECT_KEYS", 1, 1, Ours),
    ("OBJECT_PICK", 2, MANY, Ours),
    ("PARSE_JSON", 1, 2, Ours),
    ("STRIP_NULL_VALUE", 1, 1, Ours),
    ("TO_ARRAY", 1, 1, Ours),
    ("TO_JSON", 1, 1, Ours),
    ("TO_OBJECT", 1, 1, Ours),
    ("TO_VARIANT", 1, 1, Ours),
    ("TRY_PARSE_JSON", 1, 2, Ours),
    ("TYPEOF", 1, 1, Ours),
];

const CONVERSIONS: &[Entry] = &[
    ("TO_BINARY", 1, 2, Ours),
    ("TO_BOOLEAN", 1, 1, Ours),
    ("TO_CHAR", 1, 2, Alias("sf_to_varchar")),
    ("TO_DATE", 1, 2, Ours),
    ("DATE", 1, 2, Alias("sf_to_date")),
    ("TO_DECIMAL", 1, 4, Alias("sf_to_number")),
    ("TO_DECFLOAT", 1, 2, Ours),
    ("TO_DOUBLE", 1, 2, Ours),
    ("TO_NUMBER", 1, 4, Ours),
    ("TO_NUMERIC", 1, 4, Alias("sf_to_number")),
    ("TO_TIME", 1, 2, Ours),
    ("TIME", 1, 2, Alias("sf_to_time")),
    ("TO_TIMESTAMP", 1, 2, Alias("sf_to_timestamp_ntz")),
    ("TO_TIMESTAMP_LTZ", 1, 2, Ours),
    ("TO_TIMESTAMP_NTZ", 1, 2, Ours),
    ("TO_TIMESTAMP_TZ", 1, 2, Ours),
    ("TO_VARCHAR", 1, 2, Ours),
    ("TRY_TO_BINARY", 1, 2, Ours),
    ("TRY_TO_BOOLEAN", 1, 1, Ours),
    ("TRY_TO_DATE", 1, 2, Ours),
    ("TRY_TO_DECIMAL", 1, 4, Alias("sf_try_to_number")),
    ("TRY_TO_DECFLOAT", 1, 2, Ours),
    ("TRY_TO_DOUBLE", 1, 2, Ours),
    ("TRY_TO_NUMBER", 1, 4, Ours),
    ("TRY_TO_NUMERIC", 1, 4, Alias("sf_try_to_number")),
    ("TRY_TO_TIME", 1, 2, Ours),
    ("TRY_TO_TIMESTAMP", 1, 2, Alias("sf_try_to_timestamp_ntz")),
    ("TRY_TO_TIMESTAMP_LTZ", 1, 2, Ours),
    ("TRY_TO_TIMESTAMP_NTZ", 1, 2, Ours),
    ("TRY_TO_TIMESTAMP_TZ", 1, 2, Ours),
];

const DATES: &[Entry] = &[
    ("ADD_MONTHS", 2, 2, Ours),
    ("CONVERT_TIMEZONE", 2, 3, Ours),
    ("DATEFROMPARTS", 3, 3, Alias("sf_date_from_parts")),
    ("DATE_FROM_PARTS", 3, 3, Ours),
    ("DAYNAME", 1, 1, Ours),
    ("MONTHNAME", 1, 1, Ours),
    ("MONTHS_BETWEEN", 2, 2, Ours),
    ("NEXT_DAY", 2, 2, Ours),
    ("PREVIOUS_DAY", 2, 2, Ours),
    ("TIMEFROMPARTS", 3, 4, Alias("sf_time_from_parts")),
    (
        "TIMESTAMPNTZFROMPARTS",
        6,
        7,
        Alias("sf_timestamp_ntz_from_parts"),
    ),
    ("TIMESTAMPFROMPARTS", 2, 7, Alias("sf_timestamp_ntz_from_parts")),
    ("TIMESTAMP_FROM_PARTS", 2, 7, Alias("sf_timestamp_ntz_from_parts")),
    ("TIMESTAMP_NTZ_FROM_PARTS", 2, 7, Ours),
    ("TIMESTAMP_LTZ_FROM_PARTS", 6, 7, Ours),
    ("TIMESTAMP_TZ_FROM_PARTS", 6, 8, Ours),
    ("TIME_FROM_PARTS", 3, 4, Ours),
];

const GEOSPATIAL: &[Entry] = &[
    ("ST_ASBINARY", 1, 1, Alias("sf_st_aswkb")),
    ("ST_ASEWKB", 1, 1, Ours),
    ("ST_ASEWKT", 1, 1, Ours),
    ("ST_ASGEOJSON", 1, 1, Ours),
    ("ST_ASTEXT", 1, 1, Alias("sf_st_aswkt")),
    ("ST_ASWKB", 1, 1, Ours),
    ("ST_ASWKT", 1, 1, Ours),
    ("ST_DIMENSION", 1, 1, Ours),
    ("ST_DISTANCE", 2, 2, Ours),
    ("ST_DWITHIN", 3, 3, Ours),
    ("ST_GEOGFROMTEXT", 1, 2, Alias("sf_to_geography")),
    ("ST_GEOGFROMWKB", 1, 2, Alias("sf_to_geography")),
    ("ST_GEOGRAPHYFROMTEXT", 1, 2, Alias("sf_to_geography")),
    ("ST_GEOGRAPHYFROMWKB", 1, 2, Alias("sf_to_geography")),
    ("ST_GEOGRAPHYFROMWKT", 1, 2, Alias("sf_to_geography")),
    ("ST_GEOMETRYFROMTEXT", 1, 3, Alias("sf_to_geometry")),
    ("ST_GEOMETRYFROMWKB", 1, 3, Alias("sf_to_geometry")),
    ("ST_GEOMETRYFROMWKT", 1, 3, Alias("sf_to_geometry")),
    ("ST_GEOMFROMTEXT", 1, 3, Alias("sf_to_geometry")),
    ("ST_GEOMPOINT", 2, 2, Alias("sf_st_makegeompoint")),
    ("ST_MAKEGEOMPOINT", 2, 2, Ours),
    ("ST_MAKELINE", 2, 2, Ours),
    ("ST_MAKEPOINT", 2, 2, Ours),
    ("ST_NPOINTS", 1, 1, Ours),
    ("ST_NUMPOINTS", 1, 1, Alias("sf_st_npoints")),
    ("ST_POINT", 2, 2, Alias("sf_st_makepoint")),
    ("ST_SETSRID", 2, 2, Ours),
    ("ST_SRID", 1, 1, Ours),
    ("ST_X", 1, 1, Ours),
    ("ST_Y", 1, 1, Ours),
    ("TO_GEOGRAPHY", 1, 2, Ours),
    ("TO_GEOMETRY", 1, 3, Ours),
    ("TRY_TO_GEOGRAPHY", 1, 2, Ours),
    ("TRY_TO_GEOMETRY", 1, 3, Ours),
];

const OTHERS: &[Entry] = &[
    ("COALESCE", 2, MANY, Engine("coalesce")),
    ("HASH", 1, MANY, Ours),
    ("NULLIF", 2, 2, Engine("nullif")),
];

/// Finds the entry of a function.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    TABLES
        .iter()
        .flat_map(|table| table.iter())
        .find(|entry| entry.0 == name)
}

/// Lowers a plain call; refuses what is in no table.
pub(super) fn lower(plain: Call) -> Result<Expr, SqlError> {
    let Some((name, least, most, form)) = find(&plain.name) else {
        return Err(if is_refused(&plain.name) {
            unsupported(&plain.name)
        } else {
            unknown_function(&plain.name)
        });
    };
    plain.expect(*least, *most)?;
    Ok(match form {
        Form::Engine(engine) => call(engine, plain.args),
        Form::Alias(ours) => call(ours, plain.args),
        Form::Ours => call(&format!("sf_{}", name.to_lowercase()), plain.args),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::check::{check, lowered};
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut seen = BTreeSet::new();
        for (name, least, most, _) in TABLES.iter().flat_map(|table| table.iter()) {
            assert!(seen.insert(name), "{name} twice");
            assert!(least <= most, "{name}");
        }
    }

    #[test]
    fn what_exists_is_not_refused() {
        let both = TABLES.iter().flat_map(|table| table.iter());
        let both: Vec<&str> = both
            .map(|entry| entry.0)
            .filter(|name| is_refused(name))
            .collect();
        assert!(both.is_empty(), "{both:?}");
    }

    #[test]
    fn every_function_exists() {
        let ours: BTreeSet<&str> = snowflake_emulator_engine::functions::names().collect();
        let bundled: BTreeSet<&str> = include_str!("../../../engine/bundled_functions.txt")
            .lines()
            .collect();
        // Not functions but syntax that looks like them.
        let syntax = ["coalesce", "nullif"];
        let missing: Vec<String> = TABLES
            .iter()
            .flat_map(|table| table.iter())
            .filter_map(|(name, _, _, form)| match form {
                Form::Engine(engine) => {
                    (!bundled.contains(engine) && !syntax.contains(engine)).then(|| (*engine).to_owned())
                }
                Form::Alias(alias) => (!ours.contains(alias)).then(|| (*alias).to_owned()),
                Form::Ours => {
                    let own = format!("sf_{}", name.to_lowercase());
                    (!ours.contains(own.as_str())).then_some(own)
                }
            })
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn plain_calls() {
        check(
            lowered,
            &[
                ("select upper(a) b", r#"SELECT sf_upper("A") AS "B""#),
                (
                    "select to_char(a, 'YYYY') b",
                    r#"SELECT sf_to_varchar("A", 'YYYY') AS "B""#,
                ),
                (
                    "select frobnicate(a) b",
                    "002140 42601: SQL compilation error: Unknown function FROBNICATE",
                ),
                (
                    "select parse_xml(a) b",
                    "000002 0A000: Unsupported feature 'PARSE_XML'.",
                ),
                (
                    "select upper() b",
                    "000938 22023: SQL compilation error: not enough arguments for function [UPPER] expected 1, got 0",
                ),
            ],
        );
    }
}
