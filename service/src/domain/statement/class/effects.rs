//! Which functions act when a query calls them.

use super::object::Name;

/// Functions of `SYSTEM$` that only tell something. Every other one is held for acting, also those that
/// Snowflake adds later.
const TELLING: [&str; 43] = [
    "ALLOWLIST",
    "ALLOWLIST_PRIVATELINK",
    "AUTO_REFRESH_STATUS",
    "BEHAVIOR_CHANGE_BUNDLE_STATUS",
    "CLIENT_VERSION_INFO",
    "CLIENT_VULNERABILITY_INFO",
    "CLUSTERING_DEPTH",
    "CLUSTERING_INFORMATION",
    "CLUSTERING_RATIO",
    "CURRENT_USER_TASK_NAME",
    "DATABASE_REFRESH_HISTORY",
    "DATABASE_REFRESH_PROGRESS",
    "DATABASE_REFRESH_PROGRESS_BY_JOB",
    "ESTIMATE_AUTOMATIC_CLUSTERING_COSTS",
    "ESTIMATE_QUERY_ACCELERATION",
    "ESTIMATE_SEARCH_OPTIMIZATION_COSTS",
    "EXPLAIN_JSON_TO_TEXT",
    "EXPLAIN_PLAN_JSON",
    "EXTERNAL_TABLE_PIPE_STATUS",
    "GET_ALL_DEFAULT_COLUMNS_OVERRIDES",
    "GET_COMPUTE_POOL_STATUS",
    "GET_ICEBERG_TABLE_INFORMATION",
    "GET_LOGIN_FAILURE_DETAILS",
    "GET_PREDECESSOR_RETURN_VALUE",
    "GET_PRIVATELINK_CONFIG",
    "GET_SERVICE_LOGS",
    "GET_SERVICE_STATUS",
    "GET_TAG",
    "GET_TAG_ALLOWED_VALUES",
    "GET_TAG_ON_CURRENT_COLUMN",
    "GET_TAG_ON_CURRENT_TABLE",
    "GET_TASK_GRAPH_CONFIG",
    "INTERNAL_STAGES_PUBLIC_ACCESS_STATUS",
    "LAST_CHANGE_COMMIT_TIME",
    "PIPE_STATUS",
    "REGISTRY_LIST_IMAGES",
    "SHOW_ACTIVE_BEHAVIOR_CHANGE_BUNDLES",
    "STREAM_BACKLOG",
    "STREAM_GET_TABLE_TIMESTAMP",
    "STREAM_HAS_DATA",
    "TASK_RUNTIME_INFO",
    "TYPEOF",
    "WHITELIST",
];

/// Functions without that prefix that act, or run SQL or tools that the text does not show.
const ACTING: [&str; 8] = [
    "AGENT_RUN",
    "DATA_AGENT_RUN",
    "EXECUTE_AI_EVALUATION",
    "FINETUNE",
    "GETNEXTVAL",
    "NEXTVAL",
    "START_AI_EVALUATION",
    "TO_QUERY",
];

/// Functions that stand in `TABLE(…)` and are Snowflake's own. Others are users' functions or procedures.
const TABLE_FUNCTIONS: [&str; 14] = [
    "FLATTEN",
    "GENERATOR",
    "GET_OBJECT_REFERENCES",
    "IDENTIFIER",
    "INFER_SCHEMA",
    "RESULT_SCAN",
    "SAP_REFERENCES",
    "SEARCH_TABLE",
    "SPLIT_TO_TABLE",
    "STRTOK_SPLIT_TO_TABLE",
    "TO_QUERY",
    "VALIDATE",
    "GET_QUERY_OPERATOR_STATS",
    "EXPLAIN_JSON",
];

/// True when calling this function, by the last part of its name, may change something. Case does not
/// matter, not even in quotes: whether Snowflake finds its own functions by quoted names in lower case is
/// not documented.
pub(super) fn acts(function: &str) -> bool {
    let function = function.to_ascii_uppercase();
    match function.split_once('$') {
        Some(("SYSTEM", rest)) => TELLING.binary_search(&rest).is_err(),
        _ => ACTING.binary_search(&function.as_str()).is_ok(),
    }
}

/// True when it is worth asking [`acts`] of a plain word: cheap, and never wrong in saying no.
pub(super) fn may_act(word: &str) -> bool {
    let bytes = word.as_bytes();
    match bytes.len() {
        0..=6 => false,
        _ if bytes[..6].eq_ignore_ascii_case(b"SYSTEM") => true,
        _ => ACTING.iter().any(|acting| acting.eq_ignore_ascii_case(word)),
    }
}

/// True when a function of this name is a user's, as far as the name tells. `in_table` is for functions in
/// `TABLE(…)`, where also a procedure may stand.
pub(super) fn is_foreign(name: &Name, in_table: bool) -> bool {
    let parts = name.parts();
    if parts.len() == 1 {
        return in_table && !TABLE_FUNCTIONS.contains(&name.last());
    }
    let of_snowflake = parts[0] == "SNOWFLAKE" || parts.iter().any(|part| part == "INFORMATION_SCHEMA");
    !of_snowflake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_their_search() {
        assert!(TELLING.is_sorted());
        assert!(ACTING.is_sorted());
    }

    #[test]
    fn what_is_not_known_to_tell_acts() {
        for (function, expected) in [
            ("SYSTEM$TYPEOF", false),
            ("SYSTEM$CANCEL_QUERY", true),
            ("SYSTEM$ADDED_NEXT_YEAR", true),
            ("SYSTEM$", true),
            ("NEXTVAL", true),
            ("SUM", false),
            ("TYPEOF", false),
        ] {
            assert_eq!(acts(function), expected, "{function}");
            assert!(!expected || may_act(&function.to_lowercase()), "{function}");
        }
    }
}
