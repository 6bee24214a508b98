//! Kinds of objects, as they stand behind `CREATE`, `ALTER`, `DROP` and the like.

use std::ops::Range;

use super::tokens::Text;

/// All kinds, in singular, upper case, one blank between words. Kinds that Snowflake adds later are not
/// known here, which leaves a statement its verb but not its kind and names.
const KINDS: [&str; 140] = [
    "ACCOUNT",
    "AGENT",
    "AGGREGATE FUNCTION",
    "AGGREGATION POLICY",
    "ALERT",
    "API INTEGRATION",
    "APPLICATION",
    "APPLICATION INSTANCE",
    "APPLICATION PACKAGE",
    "APPLICATION ROLE",
    "APPLICATION SERVICE",
    "ARTIFACT REPOSITORY",
    "AUTHENTICATION POLICY",
    "BACKUP POLICY",
    "BACKUP SET",
    "BUDGET",
    "CATALOG INTEGRATION",
    "CLASS",
    "CLASSIFICATION",
    "CLASSIFICATION_PROFILE",
    "COLUMN",
    "COMPUTE POOL",
    "CONNECTION",
    "CONSTRAINT",
    "CONTACT",
    "CORTEX AGENT",
    "CORTEX SEARCH SERVICE",
    "CUSTOM_CLASSIFIER",
    "DATA EXCHANGE",
    "DATA METRIC FUNCTION",
    "DATABASE",
    "DATABASE ROLE",
    "DATASET",
    "DBT PROJECT",
    "DCM PROJECT",
    "DYNAMIC TABLE",
    "EVALUATION",
    "EVENT TABLE",
    "EXPERIMENT",
    "EXTERNAL ACCESS INTEGRATION",
    "EXTERNAL AGENT",
    "EXTERNAL FUNCTION",
    "EXTERNAL TABLE",
    "EXTERNAL VOLUME",
    "FAILOVER GROUP",
    "FEATURE POLICY",
    "FILE FORMAT",
    "FUNCTION",
    "GATEWAY",
    "GIT REPOSITORY",
    "HYBRID TABLE",
    "ICEBERG TABLE",
    "IMAGE REPOSITORY",
    "INDEX",
    "INGRESS POLICY",
    "INSTANCE",
    "INTEGRATION",
    "INTERACTIVE TABLE",
    "INTERACTIVE WAREHOUSE",
    "JOIN POLICY",
    "LINEAGE",
    "LISTING",
    "MAINTENANCE POLICY",
    "MANAGED ACCOUNT",
    "MASKING POLICY",
    "MATERIALIZED VIEW",
    "MCP SERVER",
    "MODEL",
    "MODEL MONITOR",
    "NETWORK POLICY",
    "NETWORK RULE",
    "NOTEBOOK",
    "NOTEBOOK PROJECT",
    "NOTIFICATION INTEGRATION",
    "OFFER",
    "ONLINE FEATURE TABLE",
    "OPENFLOW DATA PLANE INTEGRATION",
    "ORGANIZATION ACCOUNT",
    "ORGANIZATION LISTING",
    "ORGANIZATION PROFILE",
    "ORGANIZATION USER",
    "ORGANIZATION USER GROUP",
    "PACKAGES POLICY",
    "PASSWORD POLICY",
    "PIPE",
    "POSTGRES INSTANCE",
    "PRICING PLAN",
    "PRIVACY POLICY",
    "PROCEDURE",
    "PROFILE",
    "PROJECTION POLICY",
    "PROVISIONED THROUGHPUT",
    "RELEASE CHANNEL",
    "REPLICATION GROUP",
    "RESOURCE GROUP",
    "RESOURCE MONITOR",
    "ROLE",
    "ROW ACCESS POLICY",
    "SCHEMA",
    "SECRET",
    "SECURITY INTEGRATION",
    "SEMANTIC VIEW",
    "SEQUENCE",
    "SERVICE",
    "SERVICE ROLE",
    "SESSION",
    "SESSION POLICY",
    "SHARE",
    "SNAPSHOT",
    "SNAPSHOT POLICY",
    "SNAPSHOT SET",
    "STAGE",
    "STORAGE INTEGRATION",
    "STORAGE LIFECYCLE POLICY",
    "STREAM",
    "STREAMLIT",
    "TABLE",
    "TAG",
    "TASK",
    "TYPE",
    "USER",
    "VIEW",
    "WAREHOUSE",
    "WORKLOAD IDENTITY",
    "WORKSPACE",
    // Names of several words for what has a shorter one above.
    "AGGREGATE SECURE FUNCTION",
    "APPLICATION CONFIGURATION",
    "CATALOG",
    "CORTEX SEARCH",
    "DATA PRODUCT",
    "DIRECTORY TABLE",
    "DYNAMIC ICEBERG TABLE",
    "EXTERNAL ICEBERG TABLE",
    "IMAGE",
    "MODEL REGISTRY",
    "NETWORK",
    "POLICY",
    "PRIVATELINK ENDPOINT",
    "SPECIFICATION",
    "TRUST CENTER EXTENSION",
];

/// The longest kind whose words begin at token `at`, and the token behind it.
pub(super) fn kind_at(text: &Text<'_>, at: usize, within: &Range<usize>) -> Option<(&'static str, usize)> {
    let first = text.word(at, within)?;
    KINDS
        .iter()
        .filter(|kind| {
            // Cheap before thorough: most kinds differ in the first letter.
            kind.as_bytes()[0].eq_ignore_ascii_case(&first.as_bytes()[0])
        })
        .filter_map(|kind| {
            let mut next = at;
            for word in kind.split(' ') {
                if !text.is(next, within, word) {
                    return None;
                }
                next += 1;
            }
            Some((*kind, next))
        })
        .max_by_key(|(_, next)| *next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_kind_wins() {
        for (sql, kind) in [
            ("table t", Some("TABLE")),
            ("Row  Access /* x */ Policy p", Some("ROW ACCESS POLICY")),
            ("application package p", Some("APPLICATION PACKAGE")),
            ("application p", Some("APPLICATION")),
            ("gizmo g", None),
            ("\"TABLE\" t", None),
        ] {
            let text = Text::read(sql);
            let found = kind_at(&text, 0, &(0..text.tokens.len())).map(|(kind, _)| kind);
            assert_eq!(found, kind, "{sql}");
        }
    }

    #[test]
    fn kinds_are_written_once() {
        let mut kinds = KINDS.to_vec();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), KINDS.len());
    }
}
