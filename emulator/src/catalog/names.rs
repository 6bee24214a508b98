//! Names: Snowflake's, and the physical ones that the engine sees.
//!
//! The engine folds case when it compares identifiers, and has one level of schemas where Snowflake has
//! two. So no name of a user's reaches the engine as it is. Each goes through a reversible mangling
//! that is the identity for ordinary names:
//!
//! * upper-case ASCII letters, digits, `_`, `$` and space stay;
//! * a run of lower-case letters stands between tildes: `myTab` is `~my~T~ab~`;
//! * any other character is its number in hexadecimal between braces: `a.b` is `~a{2E}b~`.
//!
//! Two different names never become equal, even when case is folded. A Snowflake schema `DB.S` is one
//! engine schema of the mangled names with a point between them, so that neither the lowering nor anybody
//! else has to look a name up: `DB.S.T` is `"DB.S"."T"`. Columns and aliases are mangled in the
//! same way ([`Name::physical`]), and [`unmangle`] gives the name of a result column back.
//!
//! Temporary tables are the engine's own temporary tables, which only their connection sees; they all
//! live in one engine schema, so their physical table name carries the path. Which names are temporary
//! is the one thing that depends on the session: [`NameScope`] knows.

use std::collections::BTreeSet;
use std::fmt;

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, Value};

pub use super::mangle::{literal, mangle, quote, unmangle};
use crate::contract::SqlError;
pub use crate::contract::snowflake_literal;

/// Engine schema that holds every temporary table of a connection, ready to be written into SQL.
pub const TEMPORARY_SCHEMA: &str = "temp.main";

/// Schema that every database has and into which `USE DATABASE` goes.
pub const PUBLIC: &str = "PUBLIC";

/// Schema of the views that describe a database.
pub const INFORMATION_SCHEMA: &str = "INFORMATION_SCHEMA";

/// A name as Snowflake holds it: unquoted names in upper case, quoted ones as they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Name from text without quotes, which Snowflake reads in upper case.
    pub fn unquoted(text: &str) -> Self {
        Self(text.to_uppercase())
    }

    /// Name whose exact spelling is known: from a quoted identifier or from the catalog.
    pub fn exact(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Name of a parsed identifier.
    pub fn of(ident: &Ident) -> Self {
        match ident.quote_style {
            Some(_) => Self::exact(ident.value.clone()),
            None => Self::unquoted(&ident.value),
        }
    }

    /// The name as Snowflake holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name mangled for the engine, without quotes: for arguments that are plain text.
    pub fn mangled(&self) -> String {
        mangle(&self.0)
    }

    /// The name mangled and quoted, ready to be written into the engine's SQL.
    pub fn physical(&self) -> String {
        quote(&mangle(&self.0))
    }
}

impl fmt::Display for Name {
    /// As Snowflake writes it: quoted only where it has to be.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        let plain = chars
            .next()
            .is_some_and(|first| first.is_ascii_uppercase() || first == '_')
            && chars.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_' || c == '$');
        if plain {
            out.write_str(&self.0)
        } else {
            write!(out, "\"{}\"", self.0.replace('"', "\"\""))
        }
    }
}

/// A schema in its database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaPath {
    /// Database.
    pub database: Name,
    /// Schema.
    pub schema: Name,
}

impl SchemaPath {
    /// Path of a schema.
    pub fn new(database: Name, schema: Name) -> Self {
        Self { database, schema }
    }

    /// Name of the engine schema, without quotes.
    pub fn mangled(&self) -> String {
        format!("{}.{}", self.database.mangled(), self.schema.mangled())
    }

    /// Name of the engine schema, quoted.
    pub fn physical(&self) -> String {
        quote(&self.mangled())
    }

    /// Path of an object in this schema.
    pub fn object(&self, name: Name) -> ObjectPath {
        ObjectPath {
            schema: self.clone(),
            name,
        }
    }
}

impl fmt::Display for SchemaPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.database, self.schema)
    }
}

/// A table, view or sequence in its schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectPath {
    /// Database and schema.
    pub schema: SchemaPath,
    /// Own name.
    pub name: Name,
}

impl ObjectPath {
    /// Path of an object.
    pub fn new(database: Name, schema: Name, name: Name) -> Self {
        Self {
            schema: SchemaPath::new(database, schema),
            name,
        }
    }

    /// The permanent object's engine name: quoted schema, point, quoted name.
    pub fn physical(&self) -> String {
        format!("{}.{}", self.schema.physical(), self.name.physical())
    }

    /// Engine table name of a temporary table with this path, without schema and quotes.
    pub fn temporary_mangled(&self) -> String {
        format!("{}.{}", self.schema.mangled(), self.name.mangled())
    }

    /// Engine name of a temporary table with this path.
    pub fn physical_temporary(&self) -> String {
        format!("{TEMPORARY_SCHEMA}.{}", quote(&self.temporary_mangled()))
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.schema, self.name)
    }
}

/// Where unqualified names are looked for, and which names are temporary tables of the session.
#[derive(Clone, Copy, Debug)]
pub struct NameScope<'a> {
    /// Current database.
    pub database: Option<&'a Name>,
    /// Current schema.
    pub schema: Option<&'a Name>,
    /// Temporary tables of the session; they hide permanent ones of the same path.
    pub temporary: &'a BTreeSet<ObjectPath>,
}

impl NameScope<'_> {
    /// Full path of a table, view or sequence name.
    ///
    /// `operation` is the verb for the message when no database is current, such as `SELECT`.
    pub fn object(&self, name: &ObjectName, operation: &str) -> Result<ObjectPath, SqlError> {
        self.object_of_parts(&parts(name)?, operation)
    }

    /// Full path of a name given in parts; an empty middle part (`db..t`) means PUBLIC.
    pub fn object_of_parts(&self, parts: &[Name], operation: &str) -> Result<ObjectPath, SqlError> {
        match parts {
            [name] => Ok(self.current_schema(operation)?.object(name.clone())),
            [schema, name] => Ok(ObjectPath::new(
                self.current_database(operation)?,
                schema.clone(),
                name.clone(),
            )),
            [database, schema, name] => {
                let schema = if schema.as_str().is_empty() {
                    Name::exact(PUBLIC)
                } else {
                    schema.clone()
                };
                Ok(ObjectPath::new(database.clone(), schema, name.clone()))
            }
            _ => Err(too_many_parts(parts)),
        }
    }

    /// Full path of a schema name.
    pub fn schema_of_parts(&self, parts: &[Name], operation: &str) -> Result<SchemaPath, SqlError> {
        match parts {
            [schema] => Ok(SchemaPath::new(self.current_database(operation)?, schema.clone())),
            [database, schema] => Ok(SchemaPath::new(database.clone(), schema.clone())),
            _ => Err(too_many_parts(parts)),
        }
    }

    /// The scope of one who is in a schema.
    pub fn in_schema<'b>(&'b self, path: &'b SchemaPath) -> NameScope<'b> {
        NameScope {
            database: Some(&path.database),
            schema: Some(&path.schema),
            temporary: self.temporary,
        }
    }

    /// Engine name of a table or view, ready to be written into SQL; knows temporary tables.
    pub fn physical(&self, name: &ObjectName, operation: &str) -> Result<String, SqlError> {
        Ok(self.physical_of(&self.object(name, operation)?))
    }

    /// Engine name of the table or view at a path; knows temporary tables.
    pub fn physical_of(&self, path: &ObjectPath) -> String {
        if self.temporary.contains(path) {
            path.physical_temporary()
        } else {
            path.physical()
        }
    }

    /// The current schema, or Snowflake's refusal to go on without.
    pub fn current_schema(&self, operation: &str) -> Result<SchemaPath, SqlError> {
        let database = self.current_database(operation)?;
        let schema = self
            .schema
            .ok_or_else(|| no_current("090106", operation, "schema", "USE SCHEMA"))?;
        Ok(SchemaPath::new(database, schema.clone()))
    }

    /// The current database, or Snowflake's refusal to go on without.
    pub fn current_database(&self, operation: &str) -> Result<Name, SqlError> {
        self.database
            .cloned()
            .ok_or_else(|| no_current("090105", operation, "database", "USE DATABASE"))
    }
}

/// Parts of a parsed name; `IDENTIFIER('a.b')` counts as the name in the text.
pub fn parts(name: &ObjectName) -> Result<Vec<Name>, SqlError> {
    let mut names = Vec::with_capacity(name.0.len());
    for part in &name.0 {
        match part {
            ObjectNamePart::Identifier(ident) => names.push(Name::of(ident)),
            ObjectNamePart::Function(function) => {
                let text = match function.args.as_slice() {
                    [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => match &value.value {
                        Value::SingleQuotedString(text) => Some(text.as_str()),
                        _ => None,
                    },
                    _ => None,
                };
                match text {
                    Some(text) => names.extend(parse_dotted(text)?),
                    None => return Err(invalid_identifier(&name.to_string())),
                }
            }
        }
    }
    Ok(names)
}

/// Reads a dotted name from text, as in `IDENTIFIER('db."s".t')` or a login's `database`.
pub fn parse_dotted(text: &str) -> Result<Vec<Name>, SqlError> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut value = String::new();
            let mut chars = quoted.char_indices().peekable();
            let end = loop {
                match chars.next() {
                    Some((_, '"')) if matches!(chars.peek(), Some((_, '"'))) => {
                        chars.next();
                        value.push('"');
                    }
                    Some((at, '"')) => break at + 1,
                    Some((_, c)) => value.push(c),
                    None => return Err(invalid_identifier(text)),
                }
            };
            names.push(Name::exact(value));
            rest = &quoted[end..];
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            let word = rest[..end].trim();
            let plain = word.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
            if !plain || (word.is_empty() && (names.is_empty() || end == rest.len())) {
                return Err(invalid_identifier(text));
            }
            names.push(Name::unquoted(word));
            rest = &rest[end..];
        }
        match rest.strip_prefix('.') {
            Some(after) => rest = after,
            None if rest.is_empty() => return Ok(names),
            None => return Err(invalid_identifier(text)),
        }
    }
}

/// Splits an engine schema name into the path it stands for; `None` for schemas that are not ours.
pub fn schema_of_engine(physical: &str) -> Option<SchemaPath> {
    let (database, schema) = physical.split_once('.')?;
    Some(SchemaPath::new(
        Name::exact(unmangle(database)),
        Name::exact(unmangle(schema)),
    ))
}

fn no_current(code: &'static str, operation: &str, kind: &str, remedy: &str) -> SqlError {
    SqlError {
        code,
        sql_state: "22000",
        message: format!(
            "Cannot perform {operation}. This session does not have a current {kind}. Call '{remedy}', or use a qualified name."
        ),
        position: None,
    }
}

fn too_many_parts(parts: &[Name]) -> SqlError {
    let text: Vec<&str> = parts.iter().map(Name::as_str).collect();
    SqlError {
        code: "001080",
        sql_state: "42601",
        message: format!(
            "SQL compilation error:\nObject name '{}' has too many parts.",
            text.join(".")
        ),
        position: None,
    }
}

fn invalid_identifier(text: &str) -> SqlError {
    SqlError {
        code: "000904",
        sql_state: "42000",
        message: format!("SQL compilation error:\ninvalid identifier '{text}'"),
        position: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_names_split_again() {
        let path = SchemaPath::new(Name::exact("my.db"), Name::exact("S"));
        assert_eq!(path.physical(), "\"~my{2E}db~.S\"");
        assert_eq!(schema_of_engine(&path.mangled()), Some(path));
        assert_eq!(schema_of_engine("main"), None);
    }

    #[test]
    fn names_resolve_against_the_context() {
        let temporary = BTreeSet::from([ObjectPath::new(
            Name::exact("D"),
            Name::exact("S"),
            Name::exact("T"),
        )]);
        let (database, schema) = (Name::exact("D"), Name::exact("S"));
        let scope = NameScope {
            database: Some(&database),
            schema: Some(&schema),
            temporary: &temporary,
        };
        let physical = |text: &str| {
            let parts = parse_dotted(text).unwrap();
            scope.physical_of(&scope.object_of_parts(&parts, "SELECT").unwrap())
        };
        assert_eq!(physical("t"), "temp.main.\"D.S.T\"");
        assert_eq!(physical("\"t\""), "\"D.S\".\"~t~\"");
        assert_eq!(physical("x.t"), "\"D.X\".\"T\"");
        assert_eq!(physical("e..t"), "\"E.PUBLIC\".\"T\"");

        let nowhere = NameScope {
            database: None,
            schema: None,
            temporary: &temporary,
        };
        let error = nowhere
            .object_of_parts(&[Name::exact("T")], "SELECT")
            .unwrap_err();
        assert_eq!((error.code, error.sql_state), ("090105", "22000"));
        assert!(
            error
                .message
                .starts_with("Cannot perform SELECT. This session does not have a current database.")
        );
        let no_schema = NameScope {
            database: Some(&database),
            schema: None,
            temporary: &temporary,
        };
        assert_eq!(
            no_schema
                .object_of_parts(&[Name::exact("T")], "SELECT")
                .unwrap_err()
                .code,
            "090106"
        );
    }

    #[test]
    fn dotted_text_is_read() {
        let read =
            |text: &str| parse_dotted(text).map(|names| names.into_iter().map(|n| n.0).collect::<Vec<_>>());
        assert_eq!(read("db.\"a.\"\"b\".t").unwrap(), ["DB", "a.\"b", "T"]);
        assert_eq!(read(" x ").unwrap(), ["X"]);
        for bad in ["", ".", "a.", "\"a", "a b", "a;b", "\"a\"b"] {
            assert_eq!(read(bad).unwrap_err().code, "000904", "{bad}");
        }
    }

    #[test]
    fn names_are_written_as_snowflake_writes_them() {
        assert_eq!(Name::unquoted("abc").to_string(), "ABC");
        assert_eq!(Name::exact("abc").to_string(), "\"abc\"");
        assert_eq!(Name::exact("1A").to_string(), "\"1A\"");
    }
}
