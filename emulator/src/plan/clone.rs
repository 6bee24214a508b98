//! CLONE of a schema or database: its tables with their rows, views, sequences and file formats, under another schema.
//!
//! What they are in the engine is written anew with the names of their new schemas: a table's default takes its values
//! from the cloned sequence, and a view that names a table without its schema reads the cloned one. A view that names
//! the schema goes on reading the old one, as in Snowflake.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use sqlparser::ast::visit_relations;

use super::ddl::{DdlPlan, Failure, Planner};
use super::namespaces::single;
use crate::catalog::files::Stage;
use crate::catalog::names::{INFORMATION_SCHEMA, Name, ObjectPath, SchemaPath, literal, parts, quote};
use crate::catalog::records::{Database, Object, ObjectKind, Schema, where_in_schema};
use crate::catalog::tables::CATALOG_SCHEMA;
use crate::contract::SqlError;
use crate::front::{Parsed, Path, parse, split};

/// The database that CLONE names, which must be another one than the copy.
pub(super) fn database(planner: &mut Planner<'_>, path: &Path, to: &Name) -> Result<Database, Failure> {
    let name = single(path)?;
    let Some(database) = planner.catalog.database(&name)? else {
        return Err(SqlError::no_such("Database", &name).into());
    };
    refuse_clone_of(&database, name == *to)?;
    Ok(database)
}

/// Makes the schemas of a database in its copy; gives them.
pub(super) fn schemas(
    planner: &mut Planner<'_>,
    from: &Name,
    to: &Name,
    plan: &mut DdlPlan,
) -> Result<Vec<Move>, Failure> {
    let mut moves = Vec::new();
    for name in planner.catalog.schemas_of(from)? {
        let path = SchemaPath::new(from.clone(), name);
        let schema = planner.catalog.schema(&path)?;
        if path.schema.as_str() == INFORMATION_SCHEMA {
            continue;
        }
        let Some(schema) = schema else { continue };
        let moved = Move {
            to: SchemaPath::new(to.clone(), path.schema.clone()),
            from: path,
        };
        let copy = Schema {
            path: moved.to.clone(),
            owner: planner.owner.to_owned(),
            created_ms: planner.now_ms,
            ..schema
        };
        plan.all(copy.create());
        moves.push(moved);
    }
    Ok(moves)
}

/// Fails for what cannot be cloned: what is shared with the account, and a thing that the statement replaces.
fn refuse_clone_of(database: &Database, is_itself: bool) -> Result<(), SqlError> {
    if database.kind != "STANDARD" {
        return Err(SqlError::unsupported(
            "CLONE of an imported database or its schemas",
        ));
    }
    if is_itself {
        return Err(SqlError::unsupported("CREATE OR REPLACE ... CLONE of itself"));
    }
    Ok(())
}

/// The schema that CLONE names, which must be another one than the copy.
pub(super) fn schema(planner: &mut Planner<'_>, written: &Path, to: &SchemaPath) -> Result<Schema, Failure> {
    let path = planner.scope.names.schema_of_parts(written, "CREATE SCHEMA")?;
    let database = planner.catalog.database(&path.database)?;
    let (Some(database), Some(schema)) = (database, planner.catalog.schema(&path)?) else {
        return Err(SqlError::no_such("Schema", &path).into());
    };
    if path.schema.as_str() == INFORMATION_SCHEMA {
        return Err(SqlError::unsupported("CLONE of INFORMATION_SCHEMA").into());
    }
    refuse_clone_of(&database, path == *to)?;
    Ok(schema)
}

/// A schema, and the one that becomes its copy.
pub(super) struct Move {
    pub(super) from: SchemaPath,
    pub(super) to: SchemaPath,
}

/// What is cloned.
pub(super) enum Cloned<'a> {
    Schema(&'a Move),
    /// A database: its name, that of its copy, and its schemas.
    Database(&'a Name, &'a Name, &'a [Move]),
}

/// Adds what fills the copies of schemas, which are made already.
pub(super) fn contents(
    planner: &mut Planner<'_>,
    cloned: &Cloned<'_>,
    with_stages: bool,
    plan: &mut DdlPlan,
) -> Result<(), Failure> {
    let moves = match cloned {
        Cloned::Schema(moved) => std::slice::from_ref(*moved),
        Cloned::Database(_, _, moves) => *moves,
    };
    let mut cloner = Cloner {
        moves,
        is_database: matches!(cloned, Cloned::Database(..)),
        sequences: BTreeSet::new(),
        ids: Vec::new(),
    };
    for moved in moves {
        cloner.sequences(planner, moved, plan)?;
    }
    let mut views = Vec::new();
    for moved in moves {
        let held = format!("{} AND dropped_ms IS NULL", where_in_schema(&moved.from));
        for object in planner.catalog.objects(&held)? {
            let id = planner.catalog.new_id()?;
            cloner.ids.push((object.id, id));
            match object.kind {
                ObjectKind::Table => cloner.table(planner, moved, &object, plan)?,
                ObjectKind::View => views.push(cloner.view(planner, &object)?),
            }
            let path = moved.to.object(object.path.name.clone());
            let copy = Object {
                id,
                path: path.clone(),
                owner: planner.owner.to_owned(),
                created_ms: planner.now_ms,
                ..object
            };
            plan.sql(copy.record());
            plan.touched.push(path);
        }
        files(planner, moved, with_stages, plan)?;
    }
    plan.all(in_order(views));
    cloner.columns_and_keys(plan);
    plan.sql(match cloned {
        Cloned::Schema(moved) => grants(&moved.from.to_string(), &moved.to.to_string()),
        Cloned::Database(from, to, _) => grants(&from.to_string(), &to.to_string()),
    });
    Ok(())
}

/// Statement that gives what is in a schema or database the grants of what it is a copy of.
fn grants(from: &str, to: &str) -> String {
    let (from, to) = (format!("{from}."), format!("{to}."));
    format!(
        "INSERT INTO {CATALOG_SCHEMA}.grants SELECT privilege, on_kind, {} || substr(on_name, {}), grantee_kind, grantee, \
         grant_option, granted_by, created_ms FROM {CATALOG_SCHEMA}.grants WHERE starts_with(on_name, {})",
        literal(&to),
        from.chars().count() + 1,
        literal(&from)
    )
}

struct Cloner<'a> {
    moves: &'a [Move],
    is_database: bool,
    /// Sequences of the engine in the schemas that are cloned, by schema and name.
    sequences: BTreeSet<(String, String)>,
    /// Identities of tables and views, and those of their copies.
    ids: Vec<(i64, i64)>,
}

/// A view of the engine, to be made after those that it reads.
struct View {
    key: (String, String),
    reads: BTreeSet<(String, String)>,
    sql: String,
}

impl Cloner<'_> {
    fn sequences(
        &mut self,
        planner: &mut Planner<'_>,
        moved: &Move,
        plan: &mut DdlPlan,
    ) -> Result<(), Failure> {
        let schema = moved.from.mangled();
        let rows = planner.catalog.rows(&format!(
            "SELECT sequence_name, increment_by, \
             CAST(coalesce(CAST(last_value AS HUGEINT) + increment_by, start_value) AS BIGINT) \
             FROM duckdb_sequences() WHERE schema_name = {}",
            literal(&schema)
        ))?;
        for row in rows {
            let name = row.text(0);
            let physical = format!("{}.{}", moved.to.physical(), quote(&name));
            let (step, next) = (row.integer(1).unwrap_or(1), row.integer(2).unwrap_or(1));
            plan.sql(super::sequences::engine_sequence(&physical, next, step));
            self.sequences.insert((schema.clone(), name));
        }
        let names = planner.catalog.rows(&format!(
            "SELECT name FROM {CATALOG_SCHEMA}.sequences WHERE {}",
            where_in_schema(&moved.from)
        ))?;
        for row in names {
            let path = moved.from.object(Name::exact(row.text(0)));
            if let Some(mut sequence) = planner.catalog.sequence(&path)? {
                sequence.path = moved.to.object(path.name);
                sequence.created_ms = planner.now_ms;
                plan.sql(sequence.record());
            }
        }
        Ok(())
    }

    fn table(
        &self,
        planner: &mut Planner<'_>,
        moved: &Move,
        object: &Object,
        plan: &mut DdlPlan,
    ) -> Result<(), Failure> {
        let text = engine_text(planner, "tables", "table_name", &object.path)?;
        // No engine name holds a parenthesis, so the first one opens the columns.
        let columns = text.find('(').map(|at| &text[at..]).unwrap_or_default();
        let columns = self.moved(columns.trim_end().trim_end_matches(';'), |_, _| true);
        let physical = moved.to.object(object.path.name.clone()).physical();
        plan.sql(format!("CREATE TABLE {physical} {columns}"));
        plan.sql(format!(
            "INSERT INTO {physical} SELECT * FROM {}",
            object.path.physical()
        ));
        plan.reads.insert(object.path.clone());
        Ok(())
    }

    fn view(&self, planner: &mut Planner<'_>, object: &Object) -> Result<View, Failure> {
        let text = engine_text(planner, "views", "view_name", &object.path)?;
        let key = |path: &ObjectPath| (path.schema.mangled(), path.name.mangled());
        let own = key(&object.path);
        let mut reads = self.unqualified(object);
        let sql = self.moved(&text, |schema, name| {
            let named = (schema.to_owned(), name.to_owned());
            named == own || reads.contains(&named) || self.sequences.contains(&named)
        });
        reads.remove(&own);
        Ok(View { key: own, reads, sql })
    }

    /// Tables and views that a view names without saying what is cloned: their schema, or their database.
    fn unqualified(&self, object: &Object) -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        let Some(Ok(pieces)) = object.definition.as_deref().map(split) else {
            return found;
        };
        let Some(Ok(Parsed::Sql(statement))) = pieces.first().map(parse) else {
            return found;
        };
        let _: ControlFlow<()> = visit_relations(statement.as_ref(), |name| {
            let path = match parts(name).as_deref() {
                Ok([name]) => Some(object.path.schema.object(name.clone())),
                Ok([schema, name]) if self.is_database => Some(ObjectPath::new(
                    object.path.schema.database.clone(),
                    schema.clone(),
                    name.clone(),
                )),
                _ => None,
            };
            found.extend(path.map(|path| (path.schema.mangled(), path.name.mangled())));
            ControlFlow::Continue(())
        });
        found
    }

    /// A text of the engine in which names of the schemas that are cloned are those of their copies, as far as `moves`
    /// says so of their schema and name.
    fn moved(&self, text: &str, moves: impl Fn(&str, &str) -> bool) -> String {
        let mut text = text.to_owned();
        for moved in self.moves {
            let from = moved.from.mangled();
            text = renamed(&text, &from, &moved.to.physical(), |name| moves(&from, name));
        }
        text
    }

    fn columns_and_keys(&self, plan: &mut DdlPlan) {
        if self.ids.is_empty() {
            return;
        }
        let ids: Vec<String> = self
            .ids
            .iter()
            .map(|(from, to)| format!("({from}, {to})"))
            .collect();
        let ids = format!("(VALUES {})", ids.join(", "));
        plan.sql(format!(
            "INSERT INTO {CATALOG_SCHEMA}.columns SELECT c.* REPLACE (m.copy AS object_id) \
             FROM {CATALOG_SCHEMA}.columns c JOIN {ids} m(source, copy) ON c.object_id = m.source"
        ));
        plan.sql(format!(
            "INSERT INTO {CATALOG_SCHEMA}.keys SELECT k.* REPLACE (m.copy AS object_id, \
             coalesce(o.copy, k.other_id) AS other_id) FROM {CATALOG_SCHEMA}.keys k \
             JOIN {ids} m(source, copy) ON k.object_id = m.source \
             LEFT JOIN {ids} o(source, copy) ON k.other_id = o.source"
        ));
    }
}

/// File formats, and the stages without their files when they are asked for.
fn files(
    planner: &mut Planner<'_>,
    moved: &Move,
    with_stages: bool,
    plan: &mut DdlPlan,
) -> Result<(), Failure> {
    plan.sql(format!(
        "INSERT INTO {CATALOG_SCHEMA}.file_formats SELECT * REPLACE ({} AS database_name, {} AS schema_name, {} AS owner, \
         {} AS created_ms) FROM {CATALOG_SCHEMA}.file_formats WHERE {}",
        literal(moved.to.database.as_str()),
        literal(moved.to.schema.as_str()),
        literal(planner.owner),
        planner.now_ms,
        where_in_schema(&moved.from)
    ));
    if !with_stages {
        return Ok(());
    }
    for stage in planner.catalog.stages(&where_in_schema(&moved.from))? {
        let copy = Stage {
            id: planner.catalog.new_id()?,
            path: moved.to.object(stage.path.name.clone()),
            owner: planner.owner.to_owned(),
            created_ms: planner.now_ms,
            ..stage
        };
        plan.sql(copy.record());
    }
    Ok(())
}

/// The statement with which the engine would make a table or view.
fn engine_text(
    planner: &mut Planner<'_>,
    list: &str,
    column: &str,
    path: &ObjectPath,
) -> Result<String, Failure> {
    let rows = planner.catalog.rows(&format!(
        "SELECT sql FROM duckdb_{list}() WHERE schema_name = {} AND {column} = {}",
        literal(&path.schema.mangled()),
        literal(&path.name.mangled())
    ))?;
    match rows.first() {
        Some(row) => Ok(row.text(0)),
        None => Err(SqlError::internal(format!("the engine does not know {path}")).into()),
    }
}

/// A place in a text of SQL, and whether quotes are open there.
#[derive(Default)]
struct Place {
    at: usize,
    open: Option<(u8, usize)>,
}

impl Place {
    fn advance(&mut self, text: &str, to: usize) {
        for (at, byte) in text.bytes().enumerate().take(to).skip(self.at) {
            match self.open {
                None if matches!(byte, b'\'' | b'"') => self.open = Some((byte, at)),
                // A doubled quote closes and opens again, which comes to the same.
                Some((quote, _)) if byte == quote => self.open = None,
                _ => {}
            }
        }
        self.at = to;
    }

    /// Whether the place is in a literal that is a value, not the name of a sequence.
    fn is_value(&self, text: &str) -> bool {
        let Some((b'\'', begin)) = self.open else {
            return false;
        };
        let before = text[..begin].trim_end().to_ascii_lowercase();
        !before.ends_with("nextval(")
    }
}

/// A text in which names in an engine schema stand in another one, written as `to`, as far as `moves` says so. What stands
/// in a literal is no name, unless the literal names a sequence.
fn renamed(text: &str, from: &str, to: &str, moves: impl Fn(&str) -> bool) -> String {
    let needle = format!("{}.", quote(from));
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut place = Place::default();
    while let Some(at) = rest.find(&needle) {
        let (before, found) = rest.split_at(at);
        place.advance(text, text.len() - found.len());
        let after = &found[needle.len()..];
        let name = if let Some(quoted) = after.strip_prefix('"') {
            quoted.split('"').next().unwrap_or_default()
        } else {
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'));
            &after[..end.unwrap_or(after.len())]
        };
        out.push_str(before);
        if !place.is_value(text) && moves(name) {
            out.push_str(to);
            out.push('.');
        } else {
            out.push_str(&needle);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The statements of the views, each behind those of the views that it reads.
fn in_order(views: Vec<View>) -> Vec<String> {
    let mut waiting: BTreeMap<(String, String), View> =
        views.into_iter().map(|view| (view.key.clone(), view)).collect();
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let free = waiting
            .values()
            .find(|view| !view.reads.iter().any(|read| waiting.contains_key(read)))
            // None is free only in a circle, of which the engine says that it is one.
            .or_else(|| waiting.values().next());
        let Some(key) = free.map(|view| view.key.clone()) else {
            break;
        };
        ordered.extend(waiting.remove(&key).map(|view| view.sql));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_move_with_their_schema() {
        let text =
            r#"CREATE VIEW "D.S".V AS SELECT nextval('"D.S"."Q"') FROM "D.S".T, "D.S"."T 2", "D.S2".T"#;
        assert_eq!(
            renamed(text, "D.S", "\"E.S\"", |name| name != "T 2"),
            r#"CREATE VIEW "E.S".V AS SELECT nextval('"E.S"."Q"') FROM "E.S".T, "D.S"."T 2", "D.S2".T"#
        );
    }

    #[test]
    fn views_come_behind_what_they_read() {
        let key = |name: &str| ("S".to_owned(), name.to_owned());
        let view = |name: &str, reads: &[&str]| View {
            key: key(name),
            reads: reads.iter().map(|name| key(name)).collect(),
            sql: name.to_owned(),
        };
        let views = vec![view("A", &["C", "T"]), view("B", &["A"]), view("C", &[])];
        assert_eq!(in_order(views), ["C", "A", "B"]);
        assert_eq!(in_order(vec![view("A", &["B"]), view("B", &["A"])]), ["A", "B"]);
    }
}
