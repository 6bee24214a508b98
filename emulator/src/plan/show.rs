//! SHOW: lists of the catalog, in the columns Snowflake gives.

use std::collections::BTreeMap;

use snowflake_emulator_engine::EngineError;

use super::ddl::{Failure, Temporary};
use super::files::TemporaryFiles;
use super::shape::{ListType, Shaped, list};
use crate::catalog::Catalog;
use crate::catalog::names::{Name, NameScope, ObjectPath, SchemaPath, literal};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{Show, ShowKind, ShowScope};

/// What a list may look at.
pub struct Shower<'a> {
    /// The catalog.
    pub catalog: Catalog<'a>,
    /// Current database and schema.
    pub names: NameScope<'a>,
    /// Current warehouse.
    pub warehouse: Option<&'a Name>,
    /// Current role.
    pub role: Option<&'a Name>,
    /// Who asks.
    pub user: &'a str,
    /// Temporary tables of the session.
    pub temporary: &'a BTreeMap<ObjectPath, Temporary>,
    /// Stages and file formats of the session.
    pub files: &'a TemporaryFiles,
}

/// A list to be made: columns, and a query whose columns are the same.
pub(super) struct Listing {
    columns: Vec<(&'static str, ListType)>,
    query: String,
    /// Columns that TERSE leaves.
    terse: &'static [&'static str],
    /// Column that LIKE and STARTS WITH look at.
    name: &'static str,
}

impl Listing {
    pub(super) fn new(
        columns: &[(&'static str, ListType, &str)],
        from: &str,
        terse: &'static [&'static str],
        order: &str,
    ) -> Self {
        let selected: Vec<String> = columns
            .iter()
            .map(|(name, _, expression)| format!("{expression} AS \"{name}\""))
            .collect();
        Self {
            columns: columns
                .iter()
                .map(|(name, list_type, _)| (*name, *list_type))
                .collect(),
            query: format!("SELECT {} FROM {from} ORDER BY {order}", selected.join(", ")),
            terse,
            name: "name",
        }
    }

    pub(super) fn named_by(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

impl Shower<'_> {
    /// The list that a SHOW asks for, of what is in the catalog.
    pub fn show(&mut self, show: &Show) -> Result<Shaped, Failure> {
        let listing = match show.kind {
            ShowKind::Databases => self.databases(show),
            ShowKind::Schemas => self.schemas(show)?,
            ShowKind::Tables | ShowKind::Views | ShowKind::Objects => self.objects(show)?,
            ShowKind::Columns => self.columns(show)?,
            ShowKind::PrimaryKeys | ShowKind::UniqueKeys => self.own_keys(show)?,
            ShowKind::ImportedKeys | ShowKind::ExportedKeys => self.foreign_keys(show)?,
            ShowKind::Sequences => self.sequences(show)?,
            ShowKind::Warehouses => self.warehouses(),
            ShowKind::Roles => self.roles(),
            ShowKind::Grants => self.grants(show)?,
            ShowKind::FutureGrants => self.future_grants(show)?,
            ShowKind::Absent(absent) => self.absent(show, absent)?,
            ShowKind::Stages => self.stages(show)?,
            ShowKind::FileFormats => self.file_formats(show)?,
            ShowKind::Parameters | ShowKind::Variables | ShowKind::Transactions | ShowKind::Users => {
                return Err(SqlError::internal("a list of the session was asked of the catalog").into());
            }
        };
        self.run(show, listing)
    }

    pub(super) fn run(&mut self, show: &Show, listing: Listing) -> Result<Shaped, Failure> {
        let kept: Vec<(&'static str, ListType)> = if show.terse && !listing.terse.is_empty() {
            let find = |name: &str| listing.columns.iter().find(|(known, _)| *known == name).copied();
            listing.terse.iter().filter_map(|name| find(name)).collect()
        } else {
            listing.columns.clone()
        };
        let names: Vec<String> = kept.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let mut query = format!("SELECT {} FROM ({})", names.join(", "), listing.query);
        let conditions = filters(show, listing.name);
        if !conditions.is_empty() {
            query = format!("{query} WHERE {}", conditions.join(" AND "));
        }
        if let Some(limit) = show.limit {
            query = format!("{query} LIMIT {}", limit.max(0));
        }
        let rows = self.catalog.rows(&query)?;
        Ok(list(&kept, rows.into_iter().map(|row| row.0).collect()))
    }

    /// All rows of a list.
    pub(super) fn whole(&mut self, listing: Listing) -> Result<Shaped, EngineError> {
        let rows = self.catalog.rows(&listing.query)?;
        Ok(list(
            &listing.columns,
            rows.into_iter().map(|row| row.0).collect(),
        ))
    }

    fn databases(&self, show: &Show) -> Listing {
        use ListType::{Number, Text, Time};
        let current = current_is("d.name", self.names.database);
        let dropped = if show.history {
            "true"
        } else {
            "d.dropped_ms IS NULL"
        };
        Listing::new(
            &[
                ("created_on", Time, "d.created_ms"),
                ("name", Text, "d.name"),
                ("is_default", Text, "'N'"),
                ("is_current", Text, &current),
                ("origin", Text, "''"),
                ("owner", Text, "d.owner"),
                ("comment", Text, "d.comment"),
                (
                    "options",
                    Text,
                    "CASE WHEN d.is_transient THEN 'TRANSIENT' ELSE '' END",
                ),
                ("retention_time", Text, "d.retention_days"),
                ("kind", Text, "d.kind"),
                ("budget", Text, "NULL"),
                ("owner_role_type", Text, "'ROLE'"),
                ("object_visibility", Text, "NULL"),
                ("dropped_on", Time, "d.dropped_ms"),
                ("database_name", Text, "NULL"),
                ("schema_name", Text, "NULL"),
                ("ordinal", Number, "0"),
            ]
            .into_iter()
            .filter(|(name, ..)| {
                (show.history || *name != "dropped_on")
                    && *name != "ordinal"
                    && (show.terse || !["database_name", "schema_name"].contains(name))
            })
            .collect::<Vec<_>>(),
            &format!("{CATALOG_SCHEMA}.databases d WHERE {dropped}"),
            &["created_on", "name", "kind", "database_name", "schema_name"],
            "d.name",
        )
    }

    fn schemas(&mut self, show: &Show) -> Result<Listing, Failure> {
        use ListType::{Text, Time};
        let condition = match &show.scope {
            ShowScope::Account => "true".to_owned(),
            ShowScope::Database(Some(path)) => {
                let name = super::account::last(path)?;
                if self.catalog.database(&name)?.is_none() {
                    return Err(SqlError::cannot_perform().into());
                }
                format!("s.database_name = {}", literal(name.as_str()))
            }
            _ => self.names.database.map_or_else(
                || "true".to_owned(),
                |name| format!("s.database_name = {}", literal(name.as_str())),
            ),
        };
        let current = match (self.names.database, self.names.schema) {
            (Some(database), Some(schema)) => format!(
                "CASE WHEN s.database_name = {} AND s.name = {} THEN 'Y' ELSE 'N' END",
                literal(database.as_str()),
                literal(schema.as_str())
            ),
            _ => "'N'".to_owned(),
        };
        let dropped = if show.history {
            "true"
        } else {
            "s.dropped_ms IS NULL"
        };
        let mut columns = vec![
            ("created_on", Time, "s.created_ms"),
            ("name", Text, "s.name"),
            ("is_default", Text, "'N'"),
            ("is_current", Text, current.as_str()),
            ("database_name", Text, "s.database_name"),
            ("owner", Text, "s.owner"),
            ("comment", Text, "s.comment"),
            ("options", Text, SCHEMA_OPTIONS),
            ("retention_time", Text, "s.retention_days"),
            (
                "owner_role_type",
                Text,
                "CASE WHEN s.owner = '' THEN '' ELSE 'ROLE' END",
            ),
        ];
        if show.terse {
            columns.extend([("kind", Text, "NULL"), ("schema_name", Text, "NULL")]);
        }
        if show.history {
            columns.push(("dropped_on", Time, "s.dropped_ms"));
        }
        Ok(Listing::new(
            &columns,
            &format!("{CATALOG_SCHEMA}.schemas s WHERE {condition} AND {dropped}"),
            &["created_on", "name", "kind", "database_name", "schema_name"],
            "s.database_name, s.name",
        ))
    }

    fn warehouses(&self) -> Listing {
        use ListType::{Number, Text, Time};
        let current = current_is("w.name", self.warehouse);
        Listing::new(
            &[
                ("name", Text, "w.name"),
                ("state", Text, "w.state"),
                ("type", Text, "'STANDARD'"),
                ("size", Text, "w.size"),
                ("min_cluster_count", Number, "1"),
                ("max_cluster_count", Number, "1"),
                (
                    "started_clusters",
                    Number,
                    "CASE w.state WHEN 'STARTED' THEN 1 ELSE 0 END",
                ),
                ("running", Number, "0"),
                ("queued", Number, "0"),
                ("is_default", Text, "'N'"),
                ("is_current", Text, &current),
                ("auto_suspend", Number, "nullif(w.auto_suspend_seconds, 0)"),
                (
                    "auto_resume",
                    Text,
                    "CASE WHEN w.auto_resume THEN 'true' ELSE 'false' END",
                ),
                (
                    "available",
                    Text,
                    "CASE w.state WHEN 'STARTED' THEN '100' ELSE '' END",
                ),
                (
                    "provisioning",
                    Text,
                    "CASE w.state WHEN 'STARTED' THEN '0' ELSE '' END",
                ),
                (
                    "quiescing",
                    Text,
                    "CASE w.state WHEN 'STARTED' THEN '0' ELSE '' END",
                ),
                ("other", Text, "CASE w.state WHEN 'STARTED' THEN '0' ELSE '' END"),
                ("created_on", Time, "w.created_ms"),
                ("resumed_on", Time, "w.resumed_ms"),
                ("updated_on", Time, "w.resumed_ms"),
                ("owner", Text, "w.owner"),
                ("comment", Text, "w.comment"),
                ("enable_query_acceleration", Text, "'false'"),
                ("query_acceleration_max_scale_factor", Number, "8"),
                ("resource_monitor", Text, "'null'"),
                ("scaling_policy", Text, "'STANDARD'"),
                ("owner_role_type", Text, "'ROLE'"),
            ],
            &format!("{CATALOG_SCHEMA}.warehouses w"),
            &[],
            "w.name",
        )
    }

    fn roles(&self) -> Listing {
        use ListType::{Number, Text, Time};
        let current = current_is("r.name", self.role);
        let granted = |condition: &str| {
            format!(
                "(SELECT count(*) FROM {CATALOG_SCHEMA}.grants g WHERE g.on_kind = 'ROLE' AND {condition})"
            )
        };
        let (users, roles, own) = (
            granted("g.on_name = r.name AND g.grantee_kind = 'USER'"),
            granted("g.on_name = r.name AND g.grantee_kind = 'ROLE'"),
            granted("g.grantee = r.name AND g.grantee_kind = 'ROLE'"),
        );
        Listing::new(
            &[
                ("created_on", Time, "r.created_ms"),
                ("name", Text, "r.name"),
                ("is_default", Text, "'N'"),
                ("is_current", Text, &current),
                ("is_inherited", Text, "'N'"),
                ("assigned_to_users", Number, &users),
                ("granted_to_roles", Number, &roles),
                ("granted_roles", Number, &own),
                ("owner", Text, "r.owner"),
                ("comment", Text, "r.comment"),
            ],
            &format!("{CATALOG_SCHEMA}.roles r"),
            &[],
            "r.name",
        )
    }

    /// Condition on the database and schema columns of a catalog table for the scope of a SHOW.
    pub(super) fn where_scope(&mut self, scope: &ShowScope, alias: &str) -> Result<String, Failure> {
        let in_database = |name: &Name| format!("{alias}.database_name = {}", literal(name.as_str()));
        let in_schema = |path: &SchemaPath| {
            format!(
                "{} AND {alias}.schema_name = {}",
                in_database(&path.database),
                literal(path.schema.as_str())
            )
        };
        Ok(match scope {
            ShowScope::Account => "true".to_owned(),
            ShowScope::Database(Some(path)) => {
                let name = super::account::last(path)?;
                if self.catalog.database(&name)?.is_none() {
                    return Err(SqlError::cannot_perform().into());
                }
                in_database(&name)
            }
            ShowScope::Schema(Some(path)) => {
                let path = self.names.schema_of_parts(path, "SHOW")?;
                if self.catalog.schema(&path)?.is_none() {
                    return Err(SqlError::cannot_perform().into());
                }
                in_schema(&path)
            }
            ShowScope::Database(None) => in_database(&self.names.current_database("SHOW")?),
            ShowScope::Schema(None) => in_schema(&self.names.current_schema("SHOW")?),
            ShowScope::Unsaid | ShowScope::Grants { .. } | ShowScope::Table(_) => {
                match (self.names.database, self.names.schema) {
                    (Some(database), Some(schema)) => {
                        in_schema(&SchemaPath::new(database.clone(), schema.clone()))
                    }
                    (Some(database), None) => in_database(database),
                    (None, _) => "true".to_owned(),
                }
            }
        })
    }
}

const SCHEMA_OPTIONS: &str = "CASE WHEN s.is_transient AND s.is_managed THEN 'TRANSIENT, MANAGED ACCESS' \
     WHEN s.is_transient THEN 'TRANSIENT' WHEN s.is_managed THEN 'MANAGED ACCESS' ELSE '' END";

/// `'Y'` in the row of the current one.
fn current_is(column: &str, current: Option<&Name>) -> String {
    match current {
        Some(name) => format!(
            "CASE WHEN {column} = {} THEN 'Y' ELSE 'N' END",
            literal(name.as_str())
        ),
        None => "'N'".to_owned(),
    }
}

/// LIKE, STARTS WITH and FROM as conditions.
fn filters(show: &Show, name: &str) -> Vec<String> {
    let mut conditions = Vec::new();
    if let Some(pattern) = &show.like {
        conditions.push(format!("\"{name}\" ILIKE {} ESCAPE '\\'", literal(pattern)));
    }
    if let Some(start) = &show.starts_with {
        conditions.push(format!("starts_with(\"{name}\", {})", literal(start)));
    }
    if let Some(from) = &show.from {
        conditions.push(format!("\"{name}\" > {}", literal(from)));
    }
    conditions
}
