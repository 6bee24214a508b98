//! SHOW of what Snowflake has and the emulator does not: empty lists in Snowflake's columns, so that tools that look
//! for such things find none of them.

use super::ddl::Failure;
use super::shape::ListType;
use super::show::{Listing, Shower};
use crate::front::{Absent, Show};

use ListType::{Number, Text, Time};

/// A column: its name and type.
type Column = (&'static str, ListType);

const CREATED: Column = ("created_on", Time);
const NAME: Column = text("name");
const DATABASE: Column = text("database_name");
const SCHEMA: Column = text("schema_name");
const OWNER: Column = text("owner");
const COMMENT: Column = text("comment");
const OWNER_ROLE_TYPE: Column = text("owner_role_type");

const fn text(name: &'static str) -> Column {
    (name, Text)
}

/// Columns that TERSE leaves of things in schemas.
const TERSE: &[&str] = &["created_on", "name", "kind", "database_name", "schema_name"];

impl Shower<'_> {
    /// An empty list, after a look at whether its scope is there.
    pub(super) fn absent(&mut self, show: &Show, absent: Absent) -> Result<Listing, Failure> {
        if is_in_schemas(absent) {
            self.where_scope(&show.scope, "o")?;
        }
        let (columns, terse) = columns(absent);
        let mut columns: Vec<(&'static str, ListType, &str)> = columns
            .iter()
            .map(|(name, list_type)| (*name, *list_type, "NULL"))
            .collect();
        for name in terse.iter().filter(|_| show.terse) {
            // A few have other names there.
            if !columns.iter().any(|(known, ..)| known == name) {
                columns.push((*name, Text, "NULL"));
            }
        }
        Ok(Listing::new(&columns, "(SELECT 1) WHERE false", terse, "1"))
    }
}

fn is_in_schemas(absent: Absent) -> bool {
    !matches!(
        absent,
        Absent::Integrations | Absent::NetworkPolicies | Absent::Shares
    )
}

/// The columns of a list, and those that TERSE leaves; none where there is no TERSE.
fn columns(absent: Absent) -> (&'static [Column], &'static [&'static str]) {
    match absent {
        Absent::Alerts => (ALERTS, TERSE),
        Absent::DynamicTables => (DYNAMIC_TABLES, TERSE),
        Absent::ExternalTables => (EXTERNAL_TABLES, TERSE),
        Absent::Functions => (FUNCTIONS, &[]),
        Absent::Integrations => (INTEGRATIONS, &[]),
        Absent::Policies => (POLICIES, &[]),
        Absent::MaterializedViews => (MATERIALIZED_VIEWS, &[]),
        Absent::NetworkPolicies => (NETWORK_POLICIES, &[]),
        Absent::Pipes => (PIPES, &[]),
        Absent::Procedures => (PROCEDURES, &[]),
        Absent::Secrets => (SECRETS, &[]),
        Absent::Shares => (SHARES, &[]),
        Absent::Streamlits => (STREAMLITS, &[]),
        Absent::Streams => (
            STREAMS,
            &[
                "created_on",
                "name",
                "kind",
                "database_name",
                "schema_name",
                "tableOn",
            ],
        ),
        Absent::Tags => (TAGS, &[]),
        Absent::Tasks => (
            TASKS,
            &[
                "created_on",
                "name",
                "kind",
                "database_name",
                "schema_name",
                "schedule",
            ],
        ),
    }
}

const ALERTS: &[Column] = &[
    CREATED,
    NAME,
    DATABASE,
    SCHEMA,
    OWNER,
    COMMENT,
    text("warehouse"),
    text("schedule"),
    text("state"),
    text("condition"),
    text("action"),
    OWNER_ROLE_TYPE,
];

const DYNAMIC_TABLES: &[Column] = &[
    CREATED,
    NAME,
    DATABASE,
    SCHEMA,
    text("cluster_by"),
    ("rows", Number),
    ("bytes", Number),
    OWNER,
    text("target_lag"),
    text("refresh_mode"),
    text("refresh_mode_reason"),
    text("warehouse"),
    COMMENT,
    text("text"),
    text("automatic_clustering"),
    text("scheduling_state"),
    ("last_suspended_on", Time),
    text("is_clone"),
    text("is_replica"),
    ("data_timestamp", Time),
    OWNER_ROLE_TYPE,
];

const EXTERNAL_TABLES: &[Column] = &[
    CREATED,
    NAME,
    DATABASE,
    SCHEMA,
    text("invalid"),
    text("invalid_reason"),
    OWNER,
    COMMENT,
    text("stage"),
    text("location"),
    text("file_format_name"),
    text("file_format_type"),
    text("cloud"),
    text("region"),
    text("notification_channel"),
    ("last_refreshed_on", Time),
    text("table_format"),
    text("last_refresh_details"),
    OWNER_ROLE_TYPE,
];

const FUNCTIONS: &[Column] = &[
    CREATED,
    NAME,
    SCHEMA,
    text("is_builtin"),
    text("is_aggregate"),
    text("is_ansi"),
    ("min_num_arguments", Number),
    ("max_num_arguments", Number),
    text("arguments"),
    text("description"),
    text("catalog_name"),
    text("is_table_function"),
    text("valid_for_clustering"),
    text("is_secure"),
    text("secrets"),
    text("external_access_integrations"),
    text("is_external_function"),
    text("language"),
    text("is_memoizable"),
    text("is_data_metric"),
];

const INTEGRATIONS: &[Column] = &[
    NAME,
    text("type"),
    text("category"),
    text("enabled"),
    COMMENT,
    CREATED,
];

const POLICIES: &[Column] = &[
    CREATED,
    NAME,
    DATABASE,
    SCHEMA,
    text("kind"),
    OWNER,
    COMMENT,
    OWNER_ROLE_TYPE,
    text("options"),
];

const MATERIALIZED_VIEWS: &[Column] = &[
    CREATED,
    NAME,
    text("reserved"),
    DATABASE,
    SCHEMA,
    text("cluster_by"),
    ("rows", Number),
    ("bytes", Number),
    text("source_database_name"),
    text("source_schema_name"),
    text("source_table_name"),
    ("refreshed_on", Time),
    ("compacted_on", Time),
    OWNER,
    text("invalid"),
    text("invalid_reason"),
    text("behind_by"),
    COMMENT,
    text("text"),
    text("is_secure"),
    text("automatic_clustering"),
    OWNER_ROLE_TYPE,
    text("budget"),
];

const NETWORK_POLICIES: &[Column] = &[
    CREATED,
    NAME,
    COMMENT,
    ("entries_in_allowed_ip_list", Number),
    ("entries_in_blocked_ip_list", Number),
    ("entries_in_allowed_network_rules", Number),
    ("entries_in_blocked_network_rules", Number),
];

const PIPES: &[Column] = &[
    CREATED,
    NAME,
    DATABASE,
    SCHEMA,
    text("definition"),
    OWNER,
    text("notification_channel"),
    COMMENT,
    text("integration"),
    text("pattern"),
    text("error_integration"),
    OWNER_ROLE_TYPE,
    text("invalid_reason"),
    text("kind"),
];

/// Those of functions without the last ones, from `is_external_function` on.
const PROCEDURES: &[Column] = FUNCTIONS.split_at(FUNCTIONS.len() - 4).0;

const SECRETS: &[Column] = &[
    CREATED,
    NAME,
    SCHEMA,
    DATABASE,
    OWNER,
    COMMENT,
    text("secret_type"),
    text("oauth_scopes"),
    OWNER_ROLE_TYPE,
];

const SHARES: &[Column] = &[
    CREATED,
    text("kind"),
    text("owner_account"),
    NAME,
    DATABASE,
    text("to"),
    OWNER,
    COMMENT,
    text("listing_global_name"),
    text("secure_objects_only"),
];

const STREAMLITS: &[Column] = &[
    CREATED,
    NAME,
    DATABASE,
    SCHEMA,
    text("title"),
    OWNER,
    COMMENT,
    text("query_warehouse"),
    text("url_id"),
    OWNER_ROLE_TYPE,
];

const STREAMS: &[Column] = &[
    CREATED,
    NAME,
    DATABASE,
    SCHEMA,
    OWNER,
    COMMENT,
    text("table_name"),
    text("source_type"),
    text("base_tables"),
    text("type"),
    text("stale"),
    text("mode"),
    ("stale_after", Time),
    text("invalid_reason"),
    OWNER_ROLE_TYPE,
];

const TAGS: &[Column] = &[
    CREATED,
    NAME,
    DATABASE,
    SCHEMA,
    OWNER,
    COMMENT,
    text("allowed_values"),
    OWNER_ROLE_TYPE,
];

const TASKS: &[Column] = &[
    CREATED,
    NAME,
    text("id"),
    DATABASE,
    SCHEMA,
    OWNER,
    COMMENT,
    text("warehouse"),
    text("schedule"),
    text("predecessors"),
    text("state"),
    text("definition"),
    text("condition"),
    text("allow_overlapping_execution"),
    text("error_integration"),
    ("last_committed_on", Time),
    ("last_suspended_on", Time),
    OWNER_ROLE_TYPE,
    text("config"),
    text("budget"),
    text("task_relations"),
    text("last_suspended_reason"),
];
