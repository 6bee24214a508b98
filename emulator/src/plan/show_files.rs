//! SHOW and DESCRIBE of stages and file formats.

use super::ddl::Failure;
use super::files::{FileScope, stored_copy_options};
use super::shape::{ListType, Shaped, list};
use super::show::{Listing, Shower};
use super::tables::dotted;
use crate::catalog::Catalog;
use crate::catalog::names::{ObjectPath, literal};
use crate::catalog::records::where_schema_lives;
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{Path, SettingValue, Show};
use crate::stages::FileFormat;

/// Copy options of a stage, with the type and default that DESCRIBE shows.
const COPY_OPTIONS: [[&str; 3]; 7] = [
    ["ON_ERROR", "String", "ABORT_STATEMENT"],
    ["SIZE_LIMIT", "Long", ""],
    ["PURGE", "Boolean", "false"],
    ["RETURN_FAILED_ONLY", "Boolean", "false"],
    ["ENFORCE_LENGTH", "Boolean", "true"],
    ["TRUNCATECOLUMNS", "Boolean", "false"],
    ["FORCE", "Boolean", "false"],
];

impl Shower<'_> {
    /// `SHOW STAGES`.
    pub(super) fn stages(&mut self, show: &Show) -> Result<Listing, Failure> {
        use ListType::{Text, Time};
        let scope = self.where_scope(&show.scope, "s")?;
        let mut all = format!(
            "SELECT created_ms, name, database_name, schema_name, owner, comment, 'INTERNAL' AS kind \
             FROM {CATALOG_SCHEMA}.stages"
        );
        for stage in self.files.stages.values() {
            all = format!(
                "{all} UNION ALL SELECT {}, {}, {}, {}, 'INTERNAL TEMPORARY'",
                stage.created_ms,
                named(&stage.path),
                literal(&stage.owner),
                literal(&stage.comment)
            );
        }
        Ok(Listing::new(
            &[
                ("created_on", Time, "s.created_ms"),
                ("name", Text, "s.name"),
                ("database_name", Text, "s.database_name"),
                ("schema_name", Text, "s.schema_name"),
                ("url", Text, "''"),
                ("has_credentials", Text, "'N'"),
                ("has_encryption_key", Text, "'N'"),
                ("owner", Text, "s.owner"),
                ("comment", Text, "s.comment"),
                ("region", Text, "NULL"),
                ("type", Text, "s.kind"),
                ("cloud", Text, "NULL"),
                ("notification_channel", Text, "NULL"),
                ("storage_integration", Text, "NULL"),
                ("endpoint", Text, "NULL"),
                ("owner_role_type", Text, "'ROLE'"),
                ("directory_enabled", Text, "'N'"),
            ],
            &format!("({all}) s WHERE {scope} AND {}", where_schema_lives("s")),
            &["created_on", "name", "database_name", "schema_name"],
            "s.database_name, s.schema_name, s.name",
        ))
    }

    /// `SHOW FILE FORMATS`.
    pub(super) fn file_formats(&mut self, show: &Show) -> Result<Listing, Failure> {
        use ListType::{Text, Time};
        let scope = self.where_scope(&show.scope, "f")?;
        let mut all = format!(
            "SELECT created_ms, name, database_name, schema_name, owner, comment, kind, options \
             FROM {CATALOG_SCHEMA}.file_formats"
        );
        for format in self.files.formats.values() {
            all = format!(
                "{all} UNION ALL SELECT {}, {}, {}, {}, {}, {}",
                format.created_ms,
                named(&format.path),
                literal(&format.owner),
                literal(&format.comment),
                literal(&format.kind),
                literal(&format.options)
            );
        }
        Ok(Listing::new(
            &[
                ("created_on", Time, "f.created_ms"),
                ("name", Text, "f.name"),
                ("database_name", Text, "f.database_name"),
                ("schema_name", Text, "f.schema_name"),
                ("type", Text, "f.kind"),
                ("owner", Text, "f.owner"),
                ("comment", Text, "f.comment"),
                ("format_options", Text, "f.options"),
                ("owner_role_type", Text, "'ROLE'"),
            ],
            &format!("({all}) f WHERE {scope} AND {}", where_schema_lives("f")),
            &["created_on", "name", "database_name", "schema_name"],
            "f.database_name, f.schema_name, f.name",
        ))
    }

    fn file_scope(&mut self) -> FileScope<'_> {
        FileScope {
            catalog: Catalog::new(self.catalog.connection()),
            names: self.names,
            temporary: self.files,
        }
    }

    /// `DESCRIBE FILE FORMAT`.
    pub fn describe_format(&mut self, path: &Path) -> Result<Shaped, Failure> {
        let format = self.file_scope().named_format(&quoted(path))?;
        let columns = ["property", "property_type", "property_value", "property_default"];
        let rows = listed(format.described());
        Ok(list(&columns.map(|name| (name, ListType::Text)), rows))
    }

    /// `DESCRIBE STAGE`.
    pub fn describe_stage(&mut self, path: &Path) -> Result<Shaped, Failure> {
        let full = self.names.object_of_parts(path, "DESCRIBE STAGE")?;
        let mut scope = self.file_scope();
        let Some(stage) = scope.stage(&full)? else {
            return Err(SqlError::no_such("Stage", dotted(path)).into());
        };
        let format = scope.format_of(Some(&stage))?;
        let own = stored_copy_options(&stage.copy_options);
        let mut rows = stage_rows("STAGE_FILE_FORMAT", &format);
        for [name, kind, default] in COPY_OPTIONS {
            let set = own.iter().find(|setting| setting.name == name);
            let value = match set.map(|setting| &setting.value) {
                Some(SettingValue::One { text, .. }) => text.clone(),
                _ => default.to_owned(),
            };
            rows.push(["STAGE_COPY_OPTIONS", name, kind, &value, default].map(str::to_owned));
        }
        rows.push(["STAGE_LOCATION", "URL", "String", "", ""].map(str::to_owned));
        rows.push(["DIRECTORY", "ENABLE", "Boolean", "false", "false"].map(str::to_owned));
        let columns = [
            "parent_property",
            "property",
            "property_type",
            "property_value",
            "property_default",
        ];
        let rows = listed(rows);
        Ok(list(&columns.map(|name| (name, ListType::Text)), rows))
    }
}

fn stage_rows(parent: &str, format: &FileFormat) -> Vec<[String; 5]> {
    let described = format.described().into_iter();
    described
        .map(|[name, kind, value, default]| [parent.to_owned(), name, kind, value, default])
        .collect()
}

/// Rows of fixed width as a list has them.
fn listed<const N: usize>(rows: Vec<[String; N]>) -> Vec<Vec<Option<String>>> {
    rows.into_iter()
        .map(|row| row.into_iter().map(Some).collect())
        .collect()
}

fn named(path: &ObjectPath) -> String {
    format!(
        "{}, {}, {}",
        literal(path.name.as_str()),
        literal(path.schema.database.as_str()),
        literal(path.schema.schema.as_str())
    )
}

fn quoted(path: &Path) -> String {
    let parts: Vec<String> = path.iter().map(ToString::to_string).collect();
    parts.join(".")
}
