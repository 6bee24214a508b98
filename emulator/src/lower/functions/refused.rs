//! Functions that Snowflake has and this emulator does not, so that they are not taken for misspelled.

/// Whether a function is one of Snowflake's that is refused by its name.
pub(super) fn is_refused(name: &str) -> bool {
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Families of functions.
const PREFIXES: &[&str] = &[
    "AI_",
    "APPROX_PERCENTILE_",
    "APPROX_TOP_K_",
    "FL_",
    "H3_",
    "HLL_",
    "MAP_",
];

const NAMES: &[&str] = &[
    "APPROXIMATE_JACCARD_INDEX",
    "APPROXIMATE_SIMILARITY",
    "AS_BINARY",
    "AS_DATE",
    "AS_TIME",
    "AS_TIMESTAMP_LTZ",
    "AS_TIMESTAMP_NTZ",
    "AS_TIMESTAMP_TZ",
    "CHECK_XML",
    "COLLATION",
    "COMPRESS",
    "DECOMPRESS_BINARY",
    "DECOMPRESS_STRING",
    "DECRYPT",
    "DECRYPT_RAW",
    "ENCRYPT",
    "ENCRYPT_RAW",
    "INTERPOLATE_BFILL",
    "INTERPOLATE_FFILL",
    "INTERPOLATE_LINEAR",
    "IS_BINARY",
    "IS_DATE",
    "IS_DATE_VALUE",
    "IS_TIME",
    "IS_TIMESTAMP_LTZ",
    "IS_TIMESTAMP_NTZ",
    "IS_TIMESTAMP_TZ",
    "MINHASH",
    "MINHASH_COMBINE",
    "PARSE_XML",
    "SOUNDEX_P123",
    "TO_QUERY",
    "TO_XML",
    "TRY_DECRYPT",
    "TRY_DECRYPT_RAW",
    "VECTOR_AVG",
    "VECTOR_L1_DISTANCE",
    "VECTOR_MAX",
    "VECTOR_MIN",
    "VECTOR_SUM",
    "XMLGET",
    "ZIPF",
];
