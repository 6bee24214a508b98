//! The views of a database's INFORMATION_SCHEMA, over the catalog's tables.

mod absent;
mod files;
mod roles;

use super::names::{INFORMATION_SCHEMA, Name, SchemaPath, literal};
use super::records::{NEXT_VALUE, SEQUENCE_VALUES, where_schema_lives};
use super::tables::CATALOG_SCHEMA;

/// Statements that make the views of a database.
pub fn views(database: &Name) -> Vec<String> {
    let schema = SchemaPath::new(database.clone(), Name::exact(INFORMATION_SCHEMA)).physical();
    let name = literal(database.as_str());
    [
        ("DATABASES", databases()),
        ("SCHEMATA", schemata(&name)),
        ("TABLES", tables(&name)),
        ("VIEWS", view_rows(&name)),
        ("COLUMNS", columns(&name)),
        ("SEQUENCES", sequences(&name)),
        ("STAGES", files::stages(&name)),
        ("FILE_FORMATS", files::file_formats(&name)),
        ("LOAD_HISTORY", files::load_history(&name)),
        ("ENABLED_ROLES", roles::enabled_roles()),
        ("APPLICABLE_ROLES", roles::applicable_roles()),
        ("OBJECT_PRIVILEGES", roles::object_privileges(&name)),
        ("TABLE_PRIVILEGES", roles::table_privileges(&name)),
        ("TABLE_CONSTRAINTS", table_constraints(&name)),
        ("REFERENTIAL_CONSTRAINTS", referential_constraints(&name)),
        (
            "INFORMATION_SCHEMA_CATALOG_NAME",
            format!("SELECT {name} AS \"CATALOG_NAME\""),
        ),
    ]
    .into_iter()
    .chain(absent::views())
    .map(|(view, select)| format!("CREATE OR REPLACE VIEW {schema}.\"{view}\" AS {select}"))
    .collect()
}

/// Milliseconds as a TIMESTAMP_LTZ.
fn time(column: &str) -> String {
    format!("CAST(make_timestamp_ns({column} * 1000000) AS sf_timestamp_ltz)")
}

fn yes(condition: &str) -> String {
    format!("CASE WHEN {condition} THEN 'YES' ELSE 'NO' END")
}

fn comment(column: &str) -> String {
    format!("nullif({column}, '')")
}

fn databases() -> String {
    format!(
        "SELECT name AS \"DATABASE_NAME\", owner AS \"DATABASE_OWNER\", {} AS \"IS_TRANSIENT\", \
         {} AS \"COMMENT\", {} AS \"CREATED\", {} AS \"LAST_ALTERED\", retention_days AS \"RETENTION_TIME\", \
         kind AS \"TYPE\" FROM {CATALOG_SCHEMA}.databases WHERE dropped_ms IS NULL",
        yes("is_transient"),
        comment("comment"),
        time("created_ms"),
        time("created_ms"),
    )
}

fn schemata(database: &str) -> String {
    format!(
        "SELECT database_name AS \"CATALOG_NAME\", name AS \"SCHEMA_NAME\", nullif(owner, '') AS \"SCHEMA_OWNER\", \
         {} AS \"IS_TRANSIENT\", {} AS \"IS_MANAGED_ACCESS\", retention_days AS \"RETENTION_TIME\", \
         CAST(NULL AS VARCHAR) AS \"DEFAULT_CHARACTER_SET_CATALOG\", CAST(NULL AS VARCHAR) AS \"DEFAULT_CHARACTER_SET_SCHEMA\", \
         CAST(NULL AS VARCHAR) AS \"DEFAULT_CHARACTER_SET_NAME\", CAST(NULL AS VARCHAR) AS \"SQL_PATH\", \
         {} AS \"CREATED\", {} AS \"LAST_ALTERED\", {} AS \"COMMENT\" \
         FROM {CATALOG_SCHEMA}.schemas WHERE database_name = {database} AND dropped_ms IS NULL",
        yes("is_transient"),
        yes("is_managed"),
        time("created_ms"),
        time("created_ms"),
        comment("comment"),
    )
}

/// Engine table of a catalog row: how many rows it has, as the engine estimates it.
fn row_counts() -> &'static str {
    "LEFT JOIN (SELECT schema_name AS engine_schema, table_name AS engine_table, estimated_size FROM duckdb_tables()) sizes \
     ON o.kind = 'TABLE' AND sizes.engine_schema = o.engine_schema AND sizes.engine_table = o.engine_name"
}

fn tables(database: &str) -> String {
    format!(
        "SELECT o.database_name AS \"TABLE_CATALOG\", o.schema_name AS \"TABLE_SCHEMA\", o.name AS \"TABLE_NAME\", \
         o.owner AS \"TABLE_OWNER\", CASE o.kind WHEN 'VIEW' THEN 'VIEW' ELSE 'BASE TABLE' END AS \"TABLE_TYPE\", \
         {} AS \"IS_TRANSIENT\", nullif(o.cluster_by, '') AS \"CLUSTERING_KEY\", \
         sizes.estimated_size AS \"ROW_COUNT\", CAST(NULL AS BIGINT) AS \"BYTES\", \
         o.retention_days AS \"RETENTION_TIME\", CAST(NULL AS VARCHAR) AS \"SELF_REFERENCING_COLUMN_NAME\", \
         CAST(NULL AS VARCHAR) AS \"REFERENCE_GENERATION\", CAST(NULL AS VARCHAR) AS \"USER_DEFINED_TYPE_CATALOG\", \
         CAST(NULL AS VARCHAR) AS \"USER_DEFINED_TYPE_SCHEMA\", CAST(NULL AS VARCHAR) AS \"USER_DEFINED_TYPE_NAME\", \
         CASE o.kind WHEN 'VIEW' THEN 'NO' ELSE 'YES' END AS \"IS_INSERTABLE_INTO\", 'YES' AS \"IS_TYPED\", \
         CAST(NULL AS VARCHAR) AS \"COMMIT_ACTION\", {} AS \"CREATED\", {} AS \"LAST_ALTERED\", {} AS \"LAST_DDL\", \
         CAST(NULL AS VARCHAR) AS \"LAST_DDL_BY\", 'NO' AS \"AUTO_CLUSTERING_ON\", {} AS \"COMMENT\", \
         'NO' AS \"IS_TEMPORARY\", 'NO' AS \"IS_ICEBERG\", 'NO' AS \"IS_DYNAMIC\", 'NO' AS \"IS_IMMUTABLE\", \
         'NO' AS \"IS_HYBRID\" \
         FROM {CATALOG_SCHEMA}.objects o {} WHERE o.database_name = {database} AND o.dropped_ms IS NULL",
        yes("o.is_transient"),
        time("o.created_ms"),
        time("o.altered_ms"),
        time("o.altered_ms"),
        comment("o.comment"),
        row_counts(),
    )
}

fn view_rows(database: &str) -> String {
    format!(
        "SELECT database_name AS \"TABLE_CATALOG\", schema_name AS \"TABLE_SCHEMA\", name AS \"TABLE_NAME\", \
         owner AS \"TABLE_OWNER\", definition AS \"VIEW_DEFINITION\", 'NONE' AS \"CHECK_OPTION\", \
         'NO' AS \"IS_UPDATABLE\", 'NO' AS \"INSERTABLE_INTO\", {} AS \"IS_SECURE\", {} AS \"CREATED\", \
         {} AS \"LAST_ALTERED\", {} AS \"LAST_DDL\", CAST(NULL AS VARCHAR) AS \"LAST_DDL_BY\", {} AS \"COMMENT\" \
         FROM {CATALOG_SCHEMA}.objects WHERE kind = 'VIEW' AND database_name = {database} AND dropped_ms IS NULL",
        yes("is_secure"),
        time("created_ms"),
        time("altered_ms"),
        time("altered_ms"),
        comment("comment"),
    )
}

fn columns(database: &str) -> String {
    format!(
        "SELECT o.database_name AS \"TABLE_CATALOG\", o.schema_name AS \"TABLE_SCHEMA\", o.name AS \"TABLE_NAME\", \
         c.name AS \"COLUMN_NAME\", CAST(c.ordinal AS BIGINT) AS \"ORDINAL_POSITION\", c.default_text AS \"COLUMN_DEFAULT\", \
         {} AS \"IS_NULLABLE\", \
         CASE c.type_tag WHEN 'FIXED' THEN 'NUMBER' WHEN 'REAL' THEN 'FLOAT' \
         ELSE regexp_replace(c.type_tag, ' *[(].*', '') END AS \"DATA_TYPE\", \
         c.length AS \"CHARACTER_MAXIMUM_LENGTH\", \
         CASE c.type_tag WHEN 'TEXT' THEN least(c.length * 4, 16777216) ELSE c.length END AS \"CHARACTER_OCTET_LENGTH\", \
         CASE c.type_tag WHEN 'FIXED' THEN CAST(c.numeric_precision AS BIGINT) END AS \"NUMERIC_PRECISION\", \
         CASE c.type_tag WHEN 'FIXED' THEN CAST(10 AS BIGINT) END AS \"NUMERIC_PRECISION_RADIX\", \
         CASE c.type_tag WHEN 'FIXED' THEN CAST(c.scale AS BIGINT) END AS \"NUMERIC_SCALE\", \
         CASE WHEN c.type_tag LIKE 'TIME%' THEN CAST(c.scale AS BIGINT) END AS \"DATETIME_PRECISION\", \
         CAST(NULL AS VARCHAR) AS \"INTERVAL_TYPE\", CAST(NULL AS BIGINT) AS \"INTERVAL_PRECISION\", \
         CAST(NULL AS VARCHAR) AS \"CHARACTER_SET_CATALOG\", CAST(NULL AS VARCHAR) AS \"CHARACTER_SET_SCHEMA\", \
         CAST(NULL AS VARCHAR) AS \"CHARACTER_SET_NAME\", CAST(NULL AS VARCHAR) AS \"COLLATION_CATALOG\", \
         CAST(NULL AS VARCHAR) AS \"COLLATION_SCHEMA\", CAST(NULL AS VARCHAR) AS \"COLLATION_NAME\", \
         CAST(NULL AS VARCHAR) AS \"DOMAIN_CATALOG\", CAST(NULL AS VARCHAR) AS \"DOMAIN_SCHEMA\", \
         CAST(NULL AS VARCHAR) AS \"DOMAIN_NAME\", CAST(NULL AS VARCHAR) AS \"UDT_CATALOG\", \
         CAST(NULL AS VARCHAR) AS \"UDT_SCHEMA\", CAST(NULL AS VARCHAR) AS \"UDT_NAME\", \
         CAST(NULL AS VARCHAR) AS \"SCOPE_CATALOG\", CAST(NULL AS VARCHAR) AS \"SCOPE_SCHEMA\", \
         CAST(NULL AS VARCHAR) AS \"SCOPE_NAME\", CAST(NULL AS BIGINT) AS \"MAXIMUM_CARDINALITY\", \
         CAST(NULL AS VARCHAR) AS \"DTD_IDENTIFIER\", 'NO' AS \"IS_SELF_REFERENCING\", \
         {} AS \"IS_IDENTITY\", {}, c.comment AS \"COMMENT\", CAST(NULL AS VARCHAR) AS \"SCHEMA_EVOLUTION_RECORD\", \
         CASE WHEN c.type_tag LIKE 'VECTOR%' THEN c.type_tag END AS \"DATA_TYPE_ALIAS\" \
         FROM {CATALOG_SCHEMA}.columns c JOIN {CATALOG_SCHEMA}.objects o ON o.id = c.object_id \
         WHERE o.database_name = {database} AND o.dropped_ms IS NULL",
        yes("c.nullable"),
        yes("coalesce(c.default_text, '') LIKE 'IDENTITY%'"),
        identity(),
    )
}

/// What the catalog's text of an identity says, a column for each part.
fn identity() -> String {
    let when = |value: &str| format!("CASE WHEN c.default_text LIKE 'IDENTITY%' THEN {value} END");
    let part = |word: &str| when(&format!("regexp_extract(c.default_text, '{word} (-?[0-9]+)', 1)"));
    format!(
        "{} AS \"IDENTITY_GENERATION\", {} AS \"IDENTITY_START\", {} AS \"IDENTITY_INCREMENT\", \
         CAST(NULL AS VARCHAR) AS \"IDENTITY_MAXIMUM\", CAST(NULL AS VARCHAR) AS \"IDENTITY_MINIMUM\", \
         {} AS \"IDENTITY_CYCLE\", {} AS \"IDENTITY_ORDERED\"",
        when("'BY DEFAULT'"),
        part("START"),
        part("INCREMENT"),
        when("'NO'"),
        when("'NO'"),
    )
}

/// Declared keys, one row for each.
fn table_constraints(database: &str) -> String {
    format!(
        "SELECT DISTINCT o.database_name AS \"CONSTRAINT_CATALOG\", o.schema_name AS \"CONSTRAINT_SCHEMA\", \
         k.name AS \"CONSTRAINT_NAME\", o.database_name AS \"TABLE_CATALOG\", o.schema_name AS \"TABLE_SCHEMA\", \
         o.name AS \"TABLE_NAME\", \
         CASE k.kind WHEN 'UNIQUE' THEN 'UNIQUE' ELSE k.kind || ' KEY' END AS \"CONSTRAINT_TYPE\", \
         'NO' AS \"IS_DEFERRABLE\", 'YES' AS \"INITIALLY_DEFERRED\", 'NO' AS \"ENFORCED\", \
         CAST(NULL AS VARCHAR) AS \"COMMENT\", {0} AS \"CREATED\", {0} AS \"LAST_ALTERED\", 'NO' AS \"RELY\" \
         FROM {CATALOG_SCHEMA}.keys k JOIN {CATALOG_SCHEMA}.objects o ON o.id = k.object_id \
         WHERE o.database_name = {database} AND o.dropped_ms IS NULL",
        time("o.created_ms"),
    )
}

/// Foreign keys with the primary keys that they refer to.
fn referential_constraints(database: &str) -> String {
    format!(
        "SELECT DISTINCT f.database_name AS \"CONSTRAINT_CATALOG\", f.schema_name AS \"CONSTRAINT_SCHEMA\", \
         k.name AS \"CONSTRAINT_NAME\", p.database_name AS \"UNIQUE_CONSTRAINT_CATALOG\", \
         p.schema_name AS \"UNIQUE_CONSTRAINT_SCHEMA\", pk.name AS \"UNIQUE_CONSTRAINT_NAME\", \
         'FULL' AS \"MATCH_OPTION\", 'NO ACTION' AS \"UPDATE_RULE\", 'NO ACTION' AS \"DELETE_RULE\", \
         CAST(NULL AS VARCHAR) AS \"COMMENT\", {0} AS \"CREATED\", {0} AS \"LAST_ALTERED\" \
         FROM {CATALOG_SCHEMA}.keys k JOIN {CATALOG_SCHEMA}.objects f ON f.id = k.object_id \
         JOIN {CATALOG_SCHEMA}.objects p ON p.id = k.other_id \
         LEFT JOIN {CATALOG_SCHEMA}.keys pk ON pk.object_id = k.other_id AND pk.kind = 'PRIMARY' \
         AND pk.column_name = k.other_column \
         WHERE k.kind = 'FOREIGN' AND f.database_name = {database} AND f.dropped_ms IS NULL AND p.dropped_ms IS NULL",
        time("f.created_ms"),
    )
}

fn sequences(database: &str) -> String {
    format!(
        "SELECT q.database_name AS \"SEQUENCE_CATALOG\", q.schema_name AS \"SEQUENCE_SCHEMA\", q.name AS \"SEQUENCE_NAME\", \
         q.owner AS \"SEQUENCE_OWNER\", 'NUMBER' AS \"DATA_TYPE\", CAST(38 AS BIGINT) AS \"NUMERIC_PRECISION\", \
         CAST(10 AS BIGINT) AS \"NUMERIC_PRECISION_RADIX\", CAST(0 AS BIGINT) AS \"NUMERIC_SCALE\", \
         CAST(q.start AS VARCHAR) AS \"START_VALUE\", CAST(NULL AS VARCHAR) AS \"MINIMUM_VALUE\", \
         CAST(NULL AS VARCHAR) AS \"MAXIMUM_VALUE\", CAST({NEXT_VALUE} AS VARCHAR) AS \"NEXT_VALUE\", \
         CAST(q.step AS VARCHAR) AS \"INCREMENT\", 'NO' AS \"CYCLE_OPTION\", {} AS \"CREATED\", {} AS \"LAST_ALTERED\", \
         {} AS \"ORDERED\", {} AS \"COMMENT\" \
         FROM {CATALOG_SCHEMA}.sequences q {SEQUENCE_VALUES} WHERE q.database_name = {database} AND {}",
        time("q.created_ms"),
        time("q.created_ms"),
        yes("q.is_ordered"),
        comment("q.comment"),
        where_schema_lives("q"),
    )
}
