//! SHOW of what is in schemas.

use super::ddl::{Failure, Temporary};
use super::shape::ListType;
use super::show::{Listing, Shower};
use crate::catalog::names::literal;
use crate::catalog::records::{NEXT_VALUE, SEQUENCE_VALUES, optional, where_schema_lives};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::front::{Show, ShowKind};

/// Row counts of the engine's tables, next to the objects `o`.
const SIZES: &str = "LEFT JOIN (SELECT schema_name AS engine_schema, table_name AS engine_table, estimated_size \
     FROM duckdb_tables()) sizes ON o.kind = 'TABLE' AND sizes.engine_schema = o.engine_schema \
     AND sizes.engine_table = o.engine_name";

impl Shower<'_> {
    /// Tables, views, or both.
    pub(super) fn objects(&mut self, show: &Show) -> Result<Listing, Failure> {
        let scope = self.where_scope(&show.scope, "o")?;
        let kind = match show.kind {
            ShowKind::Tables => " AND o.kind = 'TABLE'",
            ShowKind::Views => " AND o.kind = 'VIEW'",
            _ => "",
        };
        let dropped = if show.history {
            ""
        } else {
            " AND o.dropped_ms IS NULL"
        };
        let from = format!("({}) o {SIZES} WHERE {scope}{kind}{dropped}", self.all_objects());
        let mut columns = if show.kind == ShowKind::Views {
            let mut columns = view_columns();
            if show.terse {
                columns.push(("kind", ListType::Text, "'VIEW'"));
            }
            columns
        } else {
            table_columns(show.kind)
        };
        if show.history {
            columns.push(("dropped_on", ListType::Time, "o.dropped_ms"));
        }
        let terse: &'static [&'static str] = &["created_on", "name", "kind", "database_name", "schema_name"];
        Ok(Listing::new(
            &columns,
            &from,
            terse,
            "o.database_name, o.schema_name, o.name",
        ))
    }

    /// The catalog's objects and the session's temporary tables and views.
    fn all_objects(&self) -> String {
        let mut query = format!(
            "SELECT created_ms, name, database_name, schema_name, kind, comment, cluster_by, owner, retention_days, \
             is_transient, is_secure, definition, engine_schema, engine_name, dropped_ms, \
             CASE WHEN is_transient THEN 'TRANSIENT' ELSE 'TABLE' END AS table_kind FROM {CATALOG_SCHEMA}.objects"
        );
        for Temporary { object, .. } in self.temporary.values() {
            let path = &object.path;
            query = format!(
                "{query} UNION ALL SELECT {}, {}, {}, {}, '{}', {}, '', {}, 1, false, false, {}, 'main', {}, NULL, 'TEMPORARY'",
                object.created_ms,
                literal(path.name.as_str()),
                literal(path.schema.database.as_str()),
                literal(path.schema.schema.as_str()),
                object.kind.text(),
                literal(&object.comment),
                literal(&object.owner),
                optional(object.definition.as_deref()),
                literal(&path.temporary_mangled()),
            );
        }
        query
    }

    /// Columns of tables and views.
    pub(super) fn columns(&mut self, show: &Show) -> Result<Listing, Failure> {
        use ListType::Text;
        let from = self.columns_from(show)?;
        let json = "'{\"type\":\"' || c.type_tag || '\"' \
             || CASE WHEN c.numeric_precision IS NULL THEN '' ELSE ',\"precision\":' || c.numeric_precision END \
             || CASE WHEN c.scale IS NULL THEN '' ELSE ',\"scale\":' || c.scale END \
             || CASE WHEN c.length IS NULL THEN '' ELSE ',\"length\":' || c.length || ',\"byteLength\":' \
             || CASE c.type_tag WHEN 'TEXT' THEN least(c.length * 4, 16777216) ELSE c.length END END \
             || ',\"nullable\":' || c.nullable \
             || CASE WHEN c.type_tag IN ('TEXT', 'BINARY') THEN ',\"fixed\":false' ELSE '' END || '}'";
        let columns = [
            ("table_name", Text, "o.name"),
            ("schema_name", Text, "o.schema_name"),
            ("column_name", Text, "c.name"),
            ("data_type", Text, json),
            (
                "null?",
                Text,
                "CASE WHEN c.nullable THEN 'true' ELSE 'NOT_NULL' END",
            ),
            (
                "default",
                Text,
                "CASE WHEN c.default_text LIKE 'IDENTITY%' THEN '' ELSE coalesce(c.default_text, '') END",
            ),
            ("kind", Text, "'COLUMN'"),
            ("expression", Text, "''"),
            ("comment", Text, "coalesce(c.comment, '')"),
            ("database_name", Text, "o.database_name"),
            (
                "autoincrement",
                Text,
                "CASE WHEN c.default_text LIKE 'IDENTITY%' THEN c.default_text ELSE '' END",
            ),
            ("schema_evolution_record", Text, "NULL"),
        ];
        let order = "o.database_name, o.schema_name, o.name, c.ordinal";
        Ok(Listing::new(&columns, &from, &[], order).named_by("column_name"))
    }

    fn columns_from(&mut self, show: &Show) -> Result<String, Failure> {
        let condition = self.keys_in(&show.scope, "o")?;
        Ok(format!(
            "{CATALOG_SCHEMA}.columns c JOIN {CATALOG_SCHEMA}.objects o ON o.id = c.object_id \
             WHERE {condition} AND o.dropped_ms IS NULL"
        ))
    }

    /// Sequences.
    pub(super) fn sequences(&mut self, show: &Show) -> Result<Listing, Failure> {
        let scope = self.where_scope(&show.scope, "q")?;
        Ok(sequences(&format!("{scope} AND {}", where_schema_lives("q"))))
    }
}

/// The sequences `q` that a condition picks.
pub(super) fn sequences(condition: &str) -> Listing {
    use ListType::{Number, Text, Time};
    let columns = [
        ("name", Text, "q.name"),
        ("database_name", Text, "q.database_name"),
        ("schema_name", Text, "q.schema_name"),
        ("next_value", Number, NEXT_VALUE),
        ("interval", Number, "q.step"),
        ("created_on", Time, "q.created_ms"),
        ("owner", Text, "q.owner"),
        ("comment", Text, "q.comment"),
        ("owner_role_type", Text, "'ROLE'"),
        ("ordered", Text, "CASE WHEN q.is_ordered THEN 'Y' ELSE 'N' END"),
    ];
    let from = format!("{CATALOG_SCHEMA}.sequences q {SEQUENCE_VALUES} WHERE {condition}");
    Listing::new(&columns, &from, &[], "q.database_name, q.schema_name, q.name")
}

fn table_columns(kind: ShowKind) -> Vec<(&'static str, ListType, &'static str)> {
    use ListType::{Number, Text, Time};
    let mut columns = vec![
        ("created_on", Time, "o.created_ms"),
        ("name", Text, "o.name"),
        ("database_name", Text, "o.database_name"),
        ("schema_name", Text, "o.schema_name"),
        (
            "kind",
            Text,
            // Which kind of table it is, only the list of tables tells.
            if kind == ShowKind::Tables {
                "o.table_kind"
            } else {
                "o.kind"
            },
        ),
        ("comment", Text, "o.comment"),
        ("cluster_by", Text, "o.cluster_by"),
        ("rows", Number, "sizes.estimated_size"),
        ("bytes", Number, "CASE o.kind WHEN 'TABLE' THEN 0 END"),
        ("owner", Text, "o.owner"),
        ("retention_time", Text, "o.retention_days"),
    ];
    if kind == ShowKind::Tables {
        columns.extend([
            ("automatic_clustering", Text, "'OFF'"),
            ("change_tracking", Text, "'OFF'"),
            ("search_optimization", Text, "'OFF'"),
            ("search_optimization_progress", Number, "NULL"),
            ("search_optimization_bytes", Number, "NULL"),
            ("is_external", Text, "'N'"),
            ("enable_schema_evolution", Text, "'N'"),
            ("owner_role_type", Text, "'ROLE'"),
            ("is_event", Text, "'N'"),
            ("budget", Text, "NULL"),
            ("is_hybrid", Text, "'N'"),
            ("is_iceberg", Text, "'N'"),
            ("is_dynamic", Text, "'N'"),
            ("is_immutable", Text, "'N'"),
        ]);
    } else {
        columns.extend([
            ("owner_role_type", Text, "'ROLE'"),
            ("budget", Text, "NULL"),
            ("is_hybrid", Text, "'N'"),
            ("is_dynamic", Text, "'N'"),
            ("is_iceberg", Text, "'N'"),
        ]);
    }
    columns
}

fn view_columns() -> Vec<(&'static str, ListType, &'static str)> {
    use ListType::{Text, Time};
    vec![
        ("created_on", Time, "o.created_ms"),
        ("name", Text, "o.name"),
        ("reserved", Text, "''"),
        ("database_name", Text, "o.database_name"),
        ("schema_name", Text, "o.schema_name"),
        ("owner", Text, "o.owner"),
        ("comment", Text, "o.comment"),
        ("text", Text, "coalesce(o.definition, '')"),
        (
            "is_secure",
            Text,
            "CASE WHEN o.is_secure THEN 'true' ELSE 'false' END",
        ),
        ("is_materialized", Text, "'false'"),
        ("owner_role_type", Text, "'ROLE'"),
        ("change_tracking", Text, "'OFF'"),
    ]
}
