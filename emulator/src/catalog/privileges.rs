//! Who may do what, as SQL over the catalog: what was granted, and what comes with owning a thing.

use super::records::where_schema_lives;
use super::tables::CATALOG_SCHEMA;

/// All that has an owner: `created_ms`, `kind`, `database_name`, `schema_name` and `object_name` as far as it has them,
/// `name` with all of them as Snowflake writes it, and `owner`.
pub fn things() -> String {
    let lives = "dropped_ms IS NULL";
    let within = |table: &str| where_schema_lives(table);
    let database = ["name", "NULL", "name"];
    let schema = ["database_name", "name", "name"];
    let object = ["database_name", "schema_name", "name"];
    let parts = [
        ("databases", "'DATABASE'", database, lives.to_owned()),
        ("schemas", "'SCHEMA'", schema, lives.to_owned()),
        ("objects", "kind", object, lives.to_owned()),
        ("sequences", "'SEQUENCE'", object, within("sequences")),
        ("stages", "'STAGE'", object, within("stages")),
        ("file_formats", "'FILE FORMAT'", object, within("file_formats")),
        (
            "warehouses",
            "'WAREHOUSE'",
            ["NULL", "NULL", "name"],
            "true".to_owned(),
        ),
        ("roles", "'ROLE'", ["NULL", "NULL", "name"], "true".to_owned()),
    ];
    let parts = parts.map(|(table, kind, columns, condition)| {
        let [database, schema, object] = columns;
        let names = match table {
            "schemas" => vec![database, object],
            _ if schema == "NULL" => vec![object],
            _ => vec![database, schema, object],
        };
        let names: Vec<String> = names.into_iter().map(shown_name).collect();
        format!(
            "SELECT created_ms, {kind} AS kind, CAST({database} AS VARCHAR) AS database_name, \
             CAST({schema} AS VARCHAR) AS schema_name, {object} AS object_name, {} AS name, owner \
             FROM {CATALOG_SCHEMA}.{table} WHERE {condition}",
            names.join(" || '.' || ")
        )
    });
    parts.join(" UNION ALL ")
}

/// All privileges but future ones, in the columns of the catalog's grants.
pub fn privileges() -> String {
    format!(
        "SELECT created_ms, privilege, on_kind, on_name, grantee_kind, grantee, grant_option, granted_by \
         FROM {CATALOG_SCHEMA}.grants WHERE on_kind NOT LIKE 'FUTURE %' \
         UNION ALL SELECT created_ms, 'OWNERSHIP', kind, name, 'ROLE', owner, true, owner FROM ({}) WHERE owner <> ''",
        things()
    )
}

/// A name as Snowflake writes it, in quotes only where it has to be.
fn shown_name(column: &str) -> String {
    format!(
        "CASE WHEN regexp_full_match({column}, '[A-Z_][A-Z0-9_$]*') THEN {column} \
         ELSE '\"' || replace({column}, '\"', '\"\"') || '\"' END"
    )
}
