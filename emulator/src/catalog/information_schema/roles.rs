//! Roles and what they may do: roles are not enforced here, so that all of them may be used.

use super::{time, yes};
use crate::catalog::privileges::{privileges, things};
use crate::catalog::tables::CATALOG_SCHEMA;

/// `ENABLED_ROLES`.
pub(super) fn enabled_roles() -> String {
    format!("SELECT name AS \"ROLE_NAME\", owner AS \"ROLE_OWNER\" FROM {CATALOG_SCHEMA}.roles")
}

/// `APPLICABLE_ROLES`: who was granted which role.
pub(super) fn applicable_roles() -> String {
    format!(
        "SELECT g.grantee AS \"GRANTEE\", g.on_name AS \"ROLE_NAME\", r.owner AS \"ROLE_OWNER\", \
         {} AS \"IS_GRANTABLE\" FROM {CATALOG_SCHEMA}.grants g \
         LEFT JOIN {CATALOG_SCHEMA}.roles r ON r.name = g.on_name WHERE g.on_kind = 'ROLE'",
        yes("g.grant_option"),
    )
}

/// `OBJECT_PRIVILEGES` of what is in a database, and the database.
pub(super) fn object_privileges(database: &str) -> String {
    format!(
        "SELECT p.granted_by AS \"GRANTOR\", p.grantee AS \"GRANTEE\", p.grantee_kind AS \"GRANTED_TO\", \
         t.database_name AS \"OBJECT_CATALOG\", t.schema_name AS \"OBJECT_SCHEMA\", t.object_name AS \"OBJECT_NAME\", \
         t.kind AS \"OBJECT_TYPE\", p.privilege AS \"PRIVILEGE_TYPE\", {} AS \"IS_GRANTABLE\", {} AS \"CREATED\" \
         FROM ({}) p JOIN ({}) t ON t.kind = p.on_kind AND t.name = p.on_name WHERE t.database_name = {database}",
        yes("p.grant_option"),
        time("p.created_ms"),
        privileges(),
        things(),
    )
}

/// `TABLE_PRIVILEGES`.
pub(super) fn table_privileges(database: &str) -> String {
    format!(
        "SELECT p.granted_by AS \"GRANTOR\", p.grantee AS \"GRANTEE\", p.grantee_kind AS \"GRANTED_TO\", \
         t.database_name AS \"TABLE_CATALOG\", t.schema_name AS \"TABLE_SCHEMA\", t.object_name AS \"TABLE_NAME\", \
         p.privilege AS \"PRIVILEGE_TYPE\", {} AS \"IS_GRANTABLE\", 'NO' AS \"WITH_HIERARCHY\", {} AS \"CREATED\" \
         FROM ({}) p JOIN ({}) t ON t.kind = p.on_kind AND t.name = p.on_name \
         WHERE t.database_name = {database} AND t.kind IN ('TABLE', 'VIEW')",
        yes("p.grant_option"),
        time("p.created_ms"),
        privileges(),
        things(),
    )
}
