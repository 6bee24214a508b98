//! The catalog's own tables: their shape, their versions, and what a new instance starts with.

use super::names::{Name, SchemaPath, literal, quote};
use super::records::{Database, Schema};
use super::{information_schema, sample};

/// Engine schema of the catalog's tables. It holds no point, so it never clashes with a user's schema.
pub const CATALOG_SCHEMA: &str = "snowflake_catalog";

/// Role that owns what has no other owner.
pub const ACCOUNTADMIN: &str = "ACCOUNTADMIN";

/// Warehouse that every account has.
pub const COMPUTE_WH: &str = "COMPUTE_WH";

/// Database that Snowflake keeps for itself.
pub const SNOWFLAKE: &str = "SNOWFLAKE";

/// Version of the shape below; raised with each change, and a migration is added to [`migrations`].
pub const VERSION: u32 = 4;

/// Roles of a new account, with the comments Snowflake gives them.
const ROLES: [(&str, &str); 6] = [
    (
        ACCOUNTADMIN,
        "Account administrator can manage all aspects of the account.",
    ),
    (
        "ORGADMIN",
        "Organization administrator can manage organization and account in the organization.",
    ),
    (
        "PUBLIC",
        "Public role is automatically available to every user in the account.",
    ),
    (
        "SECURITYADMIN",
        "Security administrator can manage security aspects of the account.",
    ),
    (
        "SYSADMIN",
        "System administrator can create and manage databases and warehouses.",
    ),
    (
        "USERADMIN",
        "User administrator can create and manage users and roles",
    ),
];

/// Statements that bring a catalog of version `from` (0: none yet) to [`VERSION`].
pub fn migrations(from: u32, now_ms: i64) -> Vec<String> {
    let mut statements = Vec::new();
    if from < 1 {
        statements.extend(shape());
    }
    if from < 3 {
        statements.extend(keys());
    }
    if from < 4 {
        statements.extend(sequence_columns());
    }
    if from < 2 {
        statements.extend(super::files::shape());
    }
    // Last, because its views read all tables.
    if from < 1 {
        statements.extend(beginnings(now_ms));
    }
    if from < VERSION {
        statements.push(format!("DELETE FROM {CATALOG_SCHEMA}.version"));
        statements.push(format!("INSERT INTO {CATALOG_SCHEMA}.version VALUES ({VERSION})"));
    }
    statements
}

fn shape() -> Vec<String> {
    let table = |name: &str, columns: &str| format!("CREATE TABLE {CATALOG_SCHEMA}.{name} ({columns})");
    let named = "owner VARCHAR, comment VARCHAR NOT NULL DEFAULT '', created_ms BIGINT NOT NULL";
    vec![
        format!("CREATE SCHEMA {CATALOG_SCHEMA}"),
        format!("CREATE SEQUENCE {CATALOG_SCHEMA}.ids START 1000"),
        table("version", "number INTEGER NOT NULL"),
        table(
            "databases",
            &format!(
                "name VARCHAR NOT NULL, {named}, kind VARCHAR NOT NULL, is_transient BOOLEAN NOT NULL, \
                 retention_days INTEGER NOT NULL, dropped_ms BIGINT"
            ),
        ),
        table(
            "schemas",
            &format!(
                "database_name VARCHAR NOT NULL, name VARCHAR NOT NULL, {named}, is_transient BOOLEAN NOT NULL, \
                 is_managed BOOLEAN NOT NULL, retention_days INTEGER NOT NULL, dropped_ms BIGINT"
            ),
        ),
        table(
            "objects",
            &format!(
                "id BIGINT NOT NULL, database_name VARCHAR NOT NULL, schema_name VARCHAR NOT NULL, \
                 name VARCHAR NOT NULL, {named}, kind VARCHAR NOT NULL, is_transient BOOLEAN NOT NULL, \
                 is_secure BOOLEAN NOT NULL, definition VARCHAR, cluster_by VARCHAR NOT NULL DEFAULT '', \
                 retention_days INTEGER NOT NULL, altered_ms BIGINT NOT NULL, engine_schema VARCHAR NOT NULL, \
                 engine_name VARCHAR NOT NULL, dropped_ms BIGINT"
            ),
        ),
        table(
            "columns",
            "object_id BIGINT NOT NULL, ordinal INTEGER NOT NULL, name VARCHAR NOT NULL, type_tag VARCHAR NOT NULL, \
             length BIGINT, numeric_precision INTEGER, scale INTEGER, nullable BOOLEAN NOT NULL, default_text VARCHAR, \
             primary_key BOOLEAN NOT NULL, unique_key BOOLEAN NOT NULL, comment VARCHAR",
        ),
        table(
            "sequences",
            &format!(
                "database_name VARCHAR NOT NULL, schema_name VARCHAR NOT NULL, name VARCHAR NOT NULL, {named}, \
                 start BIGINT NOT NULL, step BIGINT NOT NULL"
            ),
        ),
        table(
            "warehouses",
            &format!(
                "name VARCHAR PRIMARY KEY, {named}, size VARCHAR NOT NULL, state VARCHAR NOT NULL, \
                 auto_suspend_seconds BIGINT, auto_resume BOOLEAN NOT NULL, resumed_ms BIGINT NOT NULL"
            ),
        ),
        table("roles", &format!("name VARCHAR PRIMARY KEY, {named}")),
        table(
            "grants",
            "privilege VARCHAR NOT NULL, on_kind VARCHAR NOT NULL, on_name VARCHAR NOT NULL, \
             grantee_kind VARCHAR NOT NULL, grantee VARCHAR NOT NULL, grant_option BOOLEAN NOT NULL, \
             granted_by VARCHAR NOT NULL, created_ms BIGINT NOT NULL",
        ),
    ]
}

/// What is known of sequences since version 4; whoever brings an older catalog here fills in the engine's names.
fn sequence_columns() -> Vec<String> {
    [
        "is_ordered BOOLEAN DEFAULT false",
        "engine_schema VARCHAR",
        "engine_name VARCHAR",
    ]
    .map(|column| format!("ALTER TABLE {CATALOG_SCHEMA}.sequences ADD COLUMN {column}"))
    .to_vec()
}

/// Declared keys, one row for each of their columns; what older catalogs know of them is in their columns.
fn keys() -> Vec<String> {
    vec![
        format!(
            "CREATE TABLE {CATALOG_SCHEMA}.keys (object_id BIGINT NOT NULL, number BIGINT NOT NULL, \
             kind VARCHAR NOT NULL, name VARCHAR NOT NULL, ordinal INTEGER NOT NULL, column_name VARCHAR NOT NULL, \
             other_id BIGINT, other_column VARCHAR)"
        ),
        format!(
            "INSERT INTO {CATALOG_SCHEMA}.keys SELECT object_id, object_id, 'PRIMARY', 'SYS_CONSTRAINT_' || object_id, \
             row_number() OVER (PARTITION BY object_id ORDER BY ordinal), name, NULL, NULL \
             FROM {CATALOG_SCHEMA}.columns WHERE primary_key"
        ),
    ]
}

fn beginnings(now_ms: i64) -> Vec<String> {
    let mut statements = Vec::new();
    for (name, comment) in ROLES {
        statements.push(format!(
            "INSERT INTO {CATALOG_SCHEMA}.roles (name, owner, comment, created_ms) VALUES ({}, '', {}, {now_ms})",
            literal(name),
            literal(comment)
        ));
    }
    statements.push(format!(
        "INSERT INTO {CATALOG_SCHEMA}.warehouses (name, owner, comment, created_ms, size, state, \
         auto_suspend_seconds, auto_resume, resumed_ms) \
         VALUES ('{COMPUTE_WH}', '{ACCOUNTADMIN}', '', {now_ms}, 'X-Small', 'STARTED', 600, true, {now_ms})"
    ));
    for (name, kind, comment) in [
        (SNOWFLAKE, "APPLICATION", "The account's own database"),
        (
            sample::DATABASE,
            "IMPORTED DATABASE",
            "Provided by Snowflake during account provisioning",
        ),
    ] {
        let database = Database {
            kind: kind.to_owned(),
            comment: comment.to_owned(),
            owner: ACCOUNTADMIN.to_owned(),
            ..Database::new(Name::exact(name), now_ms)
        };
        statements.extend(database.create());
        statements.extend(create_information_schema(&database.name, now_ms));
    }
    statements.extend(sample::declare(now_ms));
    statements
}

/// Statements that make the INFORMATION_SCHEMA of a new database.
pub fn create_information_schema(database: &Name, now_ms: i64) -> Vec<String> {
    let path = SchemaPath::new(database.clone(), Name::exact(super::names::INFORMATION_SCHEMA));
    let schema = Schema {
        comment: "Views describing the contents of schemas in this database".to_owned(),
        owner: String::new(),
        ..Schema::new(path.clone(), now_ms)
    };
    let mut statements = schema.create();
    statements.extend(information_schema::views(database));
    statements
}

/// Statement that makes an engine schema.
pub fn create_engine_schema(path: &SchemaPath) -> String {
    format!("CREATE SCHEMA {}", quote(&path.mangled()))
}

/// Statement that drops an engine schema with all that is in it.
pub fn drop_engine_schema(path: &SchemaPath) -> String {
    format!("DROP SCHEMA IF EXISTS {} CASCADE", quote(&path.mangled()))
}
