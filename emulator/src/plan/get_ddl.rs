//! `GET_DDL`: statements that make an object again, as Snowflake writes them.

use super::ddl::Failure;
use super::show::Shower;
use super::tables::dotted;
use crate::catalog::names::{Name, ObjectPath, SchemaPath, snowflake_literal};
use crate::catalog::records::{Column, Object, ObjectKind, Sequence, where_in_schema};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{Path, view_query};
use crate::stages::FileFormat;

/// The types that `GET_DDL` knows here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Table,
    View,
    Sequence,
    FileFormat,
    Schema,
    Database,
}

impl Kind {
    fn of(word: &str) -> Result<Self, SqlError> {
        let word = word.trim().to_uppercase().replace('_', " ");
        Ok(match word.as_str() {
            "TABLE" => Self::Table,
            "VIEW" => Self::View,
            "SEQUENCE" => Self::Sequence,
            "FILE FORMAT" => Self::FileFormat,
            "SCHEMA" => Self::Schema,
            "DATABASE" => Self::Database,
            _ => return Err(SqlError::unsupported(format!("GET_DDL of {word}"))),
        })
    }

    fn word(self) -> &'static str {
        match self {
            Self::Table => "Table",
            Self::View => "View",
            Self::Sequence => "Sequence",
            Self::FileFormat => "File format",
            Self::Schema => "Schema",
            Self::Database => "Database",
        }
    }
}

impl Shower<'_> {
    /// The statements of an object of a type; with whole names when `qualified`.
    pub fn ddl(&mut self, kind: &str, path: &Path, qualified: bool) -> Result<String, Failure> {
        let kind = Kind::of(kind)?;
        let missing = || {
            let detail = format!(
                "{} '{}' does not exist or not authorized.",
                kind.word(),
                dotted(path)
            );
            SqlError::compilation("002003", "02000", detail)
        };
        match kind {
            Kind::Database => {
                let [name] = path.as_slice() else {
                    return Err(missing().into());
                };
                let database = self.catalog.database(name)?.ok_or_else(missing)?;
                let word = transient(database.is_transient);
                let mut text = format!("create or replace {word}database {name};");
                for schema in self.catalog.schemas_of(name)? {
                    text.push_str("\n\n");
                    text.push_str(&self.schema_ddl(&SchemaPath::new(name.clone(), schema), qualified)?);
                }
                Ok(text)
            }
            Kind::Schema => {
                let path = self.names.schema_of_parts(path, "GET_DDL")?;
                self.catalog.schema(&path)?.ok_or_else(missing)?;
                self.schema_ddl(&path, qualified)
            }
            Kind::Table | Kind::View => {
                let path = self.names.object_of_parts(path, "GET_DDL")?;
                let (object, columns) = if let Some(temporary) = self.temporary.get(&path) {
                    (temporary.object.clone(), temporary.columns.clone())
                } else {
                    let object = self.catalog.object(&path)?.ok_or_else(missing)?;
                    let columns = self.catalog.columns(object.id)?;
                    (object, columns)
                };
                // As in Snowflake, one word stands for both.
                self.object_ddl(&object, &columns, qualified)
            }
            Kind::Sequence => {
                let path = self.names.object_of_parts(path, "GET_DDL")?;
                let sequence = self.catalog.sequence(&path)?.ok_or_else(missing)?;
                Ok(sequence_ddl(&sequence, qualified))
            }
            Kind::FileFormat => {
                let path = self.names.object_of_parts(path, "GET_DDL")?;
                let format = self.catalog.file_format(&path)?.ok_or_else(missing)?;
                let options = FileFormat::from_json(&format.options)?;
                let mut text = format!(
                    "create or replace file format {}\n\ttype = {}",
                    name_of(&path, qualified),
                    format.kind.to_lowercase()
                );
                for (name, value) in options.written() {
                    text.extend(["\n\t", &name.to_lowercase(), " = ", &value]);
                }
                if !format.comment.is_empty() {
                    text.extend(["\n\tcomment = ", &snowflake_literal(&format.comment)]);
                }
                text.push(';');
                Ok(text)
            }
        }
    }

    fn schema_ddl(&mut self, schema: &SchemaPath, qualified: bool) -> Result<String, Failure> {
        let name = if qualified {
            schema.to_string()
        } else {
            schema.schema.to_string()
        };
        let is_transient = self
            .catalog
            .schema(schema)?
            .is_some_and(|schema| schema.is_transient);
        let word = transient(is_transient);
        let mut parts = vec![format!("create or replace {word}schema {name};")];
        let condition = where_in_schema(schema);
        let sequences = self.catalog.rows(&format!(
            "SELECT name FROM {CATALOG_SCHEMA}.sequences WHERE {condition} ORDER BY name"
        ))?;
        for row in sequences {
            let path = schema.object(Name::exact(row.text(0)));
            if let Some(sequence) = self.catalog.sequence(&path)? {
                parts.push(sequence_ddl(&sequence, qualified));
            }
        }
        let mut objects = self
            .catalog
            .objects(&format!("{condition} AND dropped_ms IS NULL"))?;
        // Tables first: views read them.
        objects.sort_by(|left, right| {
            let order = |object: &Object| (object.kind == ObjectKind::View, object.created_ms, object.id);
            order(left).cmp(&order(right))
        });
        for object in objects {
            let columns = self.catalog.columns(object.id)?;
            parts.push(self.object_ddl(&object, &columns, qualified)?);
        }
        Ok(parts.join("\n\n"))
    }

    fn object_ddl(
        &mut self,
        object: &Object,
        columns: &[Column],
        qualified: bool,
    ) -> Result<String, Failure> {
        let name = name_of(&object.path, qualified);
        // What only a session knows has no identity.
        let is_temporary = object.id == 0;
        let comment = if object.comment.is_empty() {
            String::new()
        } else {
            format!("COMMENT={}\n", snowflake_literal(&object.comment))
        };
        if object.kind == ObjectKind::View {
            let secure = if object.is_secure { "secure " } else { "" };
            let temporary = if is_temporary { "temporary " } else { "" };
            let names: Vec<String> = columns
                .iter()
                .map(|column| format!("\t{}", column.name))
                .collect();
            let definition = object.definition.as_deref().unwrap_or_default();
            let query = view_query(definition).unwrap_or(definition);
            return Ok(format!(
                "create or replace {secure}{temporary}view {name}(\n{}\n) {comment}as {query};",
                names.join(",\n")
            ));
        }
        let word = match (is_temporary, object.is_transient) {
            (true, _) => "TEMPORARY ",
            (false, true) => "TRANSIENT ",
            (false, false) => "",
        };
        let mut lines: Vec<String> = columns.iter().map(column_ddl).collect();
        lines.extend(self.key_lines(object.id)?);
        let cluster = match object.cluster_by.strip_prefix("LINEAR") {
            Some(keys) => format!("cluster by {keys}"),
            None => String::new(),
        };
        Ok(format!(
            "create or replace {word}TABLE {name} {cluster}(\n{}\n){comment};",
            lines.join(",\n")
        ))
    }

    /// The constraints of a table, one a line.
    fn key_lines(&mut self, object_id: i64) -> Result<Vec<String>, Failure> {
        let rows = self.catalog.rows(&format!(
            "SELECT k.kind, k.name, k.column_name, o.name, k.other_column FROM {CATALOG_SCHEMA}.keys k \
             LEFT JOIN {CATALOG_SCHEMA}.objects o ON o.id = k.other_id WHERE k.object_id = {object_id} \
             ORDER BY k.number, k.ordinal"
        ))?;
        let mut keys: Vec<KeyLine> = Vec::new();
        let exact = |text: String| Name::exact(text).to_string();
        for row in rows {
            let (kind, name) = (row.text(0), row.text(1));
            let is_new = keys
                .last()
                .is_none_or(|last| (&last.kind, &last.name) != (&kind, &name));
            if is_new {
                keys.push(KeyLine {
                    kind,
                    name,
                    columns: Vec::new(),
                    other: row.optional(3).map(exact),
                    other_columns: Vec::new(),
                });
            }
            if let Some(key) = keys.last_mut() {
                key.columns.push(exact(row.text(2)));
                key.other_columns.extend(row.optional(4).map(exact));
            }
        }
        let lines = keys.into_iter().map(|key| {
            // Names that nobody gave are made of the letters of a UUID.
            let named = if key.name.starts_with("SYS_CONSTRAINT_") {
                String::new()
            } else {
                format!("constraint {} ", exact(key.name))
            };
            let columns = key.columns.join(", ");
            match (key.kind.as_str(), key.other) {
                ("FOREIGN", Some(other)) => format!(
                    "\t{named}foreign key ({columns}) references {other}({})",
                    key.other_columns.join(", ")
                ),
                ("UNIQUE", _) => format!("\t{named}unique ({columns})"),
                _ => format!("\t{named}primary key ({columns})"),
            }
        });
        Ok(lines.collect())
    }
}

/// A constraint with its columns, in order.
struct KeyLine {
    kind: String,
    name: String,
    columns: Vec<String>,
    /// The table that a foreign key refers to, and its columns.
    other: Option<String>,
    other_columns: Vec<String>,
}

fn column_ddl(column: &Column) -> String {
    let mut line = format!("\t{} {}", column.name, column.stored_type.declared());
    if !column.nullable {
        line.push_str(" NOT NULL");
    }
    match column.default.as_deref() {
        Some(identity) if identity.starts_with("IDENTITY START ") => {
            line.push_str(
                &identity
                    .replacen("IDENTITY START", " autoincrement start", 1)
                    .to_lowercase(),
            );
        }
        Some(default) => line.extend([" DEFAULT ", default]),
        None => {}
    }
    if let Some(comment) = &column.comment {
        line.extend([" COMMENT ", &snowflake_literal(comment)]);
    }
    line
}

fn transient(is_transient: bool) -> &'static str {
    if is_transient { "transient " } else { "" }
}

fn sequence_ddl(sequence: &Sequence, qualified: bool) -> String {
    let comment = if sequence.comment.is_empty() {
        String::new()
    } else {
        format!(" comment={}", snowflake_literal(&sequence.comment))
    };
    format!(
        "create or replace sequence {} start with {} increment by {} {}{comment};",
        name_of(&sequence.path, qualified),
        sequence.start,
        sequence.step,
        if sequence.is_ordered { "order" } else { "noorder" }
    )
}

fn name_of(path: &ObjectPath, qualified: bool) -> String {
    if qualified {
        path.to_string()
    } else {
        path.name.to_string()
    }
}
