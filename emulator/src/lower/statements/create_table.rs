//! `CREATE TABLE`, with columns, `AS`, `LIKE` and `CLONE`.
//!
//! The engine's table gets the stored types, NOT NULL and defaults. Keys are not enforced in Snowflake:
//! they are only declared, for the catalog.

use sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateTableLikeKind, DataType, Expr, IdentityPropertyFormatKind,
    IdentityPropertyKind, ObjectName, TableConstraint,
};

use super::super::build::literal_integer;
use super::super::expressions::Work;
use super::super::identifiers::simple;
use super::super::refuse::{compilation, unsupported};
use super::super::relations::target;
use super::super::{Answer, DeclaredColumn, Lowered, physical, types};
use super::assign::{self, assign};
use super::checks::check_text;
use crate::catalog::names::{self, Name, NameScope, ObjectPath};
use crate::contract::{ResultColumn, SqlError};
use crate::front::UNTYPED;

pub(super) fn finish(table: CreateTable, work: &mut Work<'_>) -> Result<Lowered, SqlError> {
    refuse_kinds(&table)?;
    let operation = "CREATE TABLE";
    let path = work.scope.names.object(&table.name, operation)?;
    let place = Place {
        temporary: table.temporary,
        path,
    };
    let physical_name = place.physical();
    let mut lowered = Lowered {
        answer: Answer::Nothing,
        ..Lowered::default()
    };
    if table.or_replace {
        lowered
            .before
            .push(format!("DROP TABLE IF EXISTS {physical_name}"));
    }
    let create = |columns: &str| {
        let word = if table.temporary { "TEMPORARY " } else { "" };
        let exists = if table.if_not_exists { "IF NOT EXISTS " } else { "" };
        format!("CREATE {word}TABLE {exists}{physical_name}{columns}")
    };
    if let Some(source) = source_table(&table) {
        let (source_path, source_name) = target(source, &work.scope.names, operation)?;
        lowered.tables.insert(source_path);
        let rows = if table.clone.is_some() { "" } else { " LIMIT 0" };
        lowered.sql = create(&format!(" AS SELECT * FROM {source_name}{rows}"));
    } else if let Some(names) = untyped(&table.columns) {
        let Some(mut query) = table.query.clone() else {
            return Err(compilation("001003", "42000", "syntax error unexpected '<EOF>'."));
        };
        lowered.sql = physical::part_text(&mut query);
        lowered.names = names;
    } else {
        let mut columns = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let (mut text, mut declared) = self::column(column, &place, work, &mut lowered.before)?;
            if declared.nullable && is_in_primary_key(&declared.name, &table.constraints) {
                declared.nullable = false;
                text.push_str(" NOT NULL");
            }
            columns.push(text);
            lowered.columns.push(declared);
        }
        let nullable: Vec<bool> = lowered.columns.iter().map(|column| column.nullable).collect();
        declare_keys(&table.constraints, &mut lowered.columns)?;
        for ((text, was_nullable), column) in columns.iter_mut().zip(nullable).zip(&lowered.columns) {
            if was_nullable && !column.nullable {
                text.push_str(" NOT NULL");
            }
        }
        let create = create(&format!(" ({})", columns.join(", ")));
        match table.query.clone() {
            None => lowered.sql = create,
            Some(mut query) => {
                lowered.before.push(create);
                let declared = lowered.columns.iter().map(as_target).collect::<Vec<_>>();
                assign::source(&mut query.body, &declared.iter().collect::<Vec<_>>(), work);
                lowered.sql = format!("INSERT INTO {physical_name} {}", physical::part_text(&mut query));
            }
        }
    }
    lowered.tables.insert(place.path);
    Ok(lowered)
}

/// The names of columns that are declared without types; `None` when they have types.
fn untyped(columns: &[ColumnDef]) -> Option<Vec<String>> {
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        match &column.data_type {
            DataType::Custom(name, _) if simple(name) == Some(UNTYPED) => {
                names.push(column.name.value.clone());
            }
            _ => return None,
        }
    }
    Some(names)
}

/// A declared column as values are converted for it.
fn as_target(column: &DeclaredColumn) -> ResultColumn {
    ResultColumn {
        name: column.name.clone(),
        sql_type: column.sql_type.clone(),
        nullable: column.nullable,
        origin: Default::default(),
    }
}

/// The engine's text of a column that has a type and nothing else.
pub fn plain_column(column: &ResultColumn) -> String {
    let physical_name = Name::exact(column.name.clone()).physical();
    let not_null = if column.nullable { "" } else { " NOT NULL" };
    let engine_type = column.sql_type.engine_type();
    let check = check_text(&physical_name, &column.sql_type, column.nullable);
    format!("{physical_name} {engine_type}{not_null}{check}")
}

/// Where the table goes.
pub(super) struct Place {
    /// In the session's temporary schema.
    pub(super) temporary: bool,
    /// Snowflake's path.
    pub(super) path: ObjectPath,
}

impl Place {
    /// The place of an existing table.
    pub(super) fn of(path: ObjectPath, scope: &NameScope<'_>) -> Self {
        Self {
            temporary: scope.temporary.contains(&path),
            path,
        }
    }

    fn physical(&self) -> String {
        if self.temporary {
            self.path.physical_temporary()
        } else {
            self.path.physical()
        }
    }

    /// Name of the sequence behind a column; the time makes it new for each table of that name.
    fn sequence(&self, column: &str, created_ns: i64) -> String {
        let name = format!(
            "{}.{}.{created_ns:x}",
            self.path.name.mangled(),
            names::mangle(column)
        );
        if self.temporary {
            let name = format!("{}.{name}", self.path.schema.mangled());
            format!("{}.{}", names::TEMPORARY_SCHEMA, names::quote(&name))
        } else {
            format!("{}.{}", self.path.schema.physical(), names::quote(&name))
        }
    }
}

fn refuse_kinds(table: &CreateTable) -> Result<(), SqlError> {
    let kind = match table {
        CreateTable { external: true, .. } => "EXTERNAL TABLE",
        CreateTable { dynamic: true, .. } => "DYNAMIC TABLE",
        CreateTable { iceberg: true, .. } => "ICEBERG TABLE",
        CreateTable { version: Some(_), .. } => "time travel",
        CreateTable {
            with_aggregation_policy: Some(_),
            ..
        } => "AGGREGATION POLICY",
        CreateTable {
            with_row_access_policy: Some(_),
            ..
        } => "ROW ACCESS POLICY",
        CreateTable {
            enable_schema_evolution: Some(true),
            ..
        } => "ENABLE_SCHEMA_EVOLUTION = TRUE",
        _ => return Ok(()),
    };
    Err(unsupported(kind))
}

fn source_table(table: &CreateTable) -> Option<&ObjectName> {
    match (&table.clone, &table.like) {
        (Some(source), _) => Some(source),
        (None, Some(CreateTableLikeKind::Plain(like) | CreateTableLikeKind::Parenthesized(like))) => {
            Some(&like.name)
        }
        (None, None) => None,
    }
}

/// A column's engine text and its declaration; sequences it needs go to `before`.
pub(super) fn column(
    column: &ColumnDef,
    place: &Place,
    work: &Work<'_>,
    before: &mut Vec<String>,
) -> Result<(String, DeclaredColumn), SqlError> {
    let sql_type = types::sql_type(&column.data_type)?;
    let name = column.name.value.clone();
    let physical_name = Name::exact(name.clone()).physical();
    let mut text = format!("{physical_name} {}", sql_type.engine_type());
    let mut declared = DeclaredColumn {
        name,
        sql_type,
        nullable: true,
        default: None,
        engine_default: None,
        primary_key: false,
        unique: false,
        comment: None,
    };
    for option in &column.options {
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => declared.nullable = false,
            ColumnOption::PrimaryKey(_) => {
                declared.primary_key = true;
                declared.nullable = false;
            }
            ColumnOption::Unique(_) => declared.unique = true,
            ColumnOption::ForeignKey(_) | ColumnOption::Tags(_) => {}
            ColumnOption::Comment(comment) => declared.comment = Some(comment.clone()),
            ColumnOption::Default(value) => {
                let written = work.defaults.get(&declared.name).cloned();
                declared.default = Some(written.unwrap_or_else(|| physical::text_of(value.clone())));
                let mut value = value.clone();
                assign(&mut value, &declared.sql_type, work);
                declared.engine_default = Some(physical::text_of(value));
            }
            ColumnOption::Identity(kind) => {
                let (start, step) = identity(kind)?;
                let sequence = place.sequence(&declared.name, work.scope.facts.statement_time_ns);
                let word = if place.temporary { "TEMPORARY " } else { "" };
                before.push(format!(
                    "CREATE {word}SEQUENCE {sequence} START {start} INCREMENT {step}"
                ));
                declared.engine_default = Some(format!("nextval({})", names::literal(&sequence)));
                declared.default = Some(format!("IDENTITY START {start} INCREMENT {step} NOORDER"));
            }
            ColumnOption::Collation(_) => return Err(unsupported("COLLATE")),
            ColumnOption::Check(_) => return Err(unsupported("CHECK")),
            ColumnOption::Policy(_) => return Err(unsupported("column policies")),
            other => return Err(unsupported(&format!("column option {other}"))),
        }
    }
    if let Some(default) = &declared.engine_default {
        text.extend([" DEFAULT ", default]);
    }
    if !declared.nullable {
        text.push_str(" NOT NULL");
    }
    text.push_str(&check_text(&physical_name, &declared.sql_type, declared.nullable));
    Ok((text, declared))
}

fn identity(kind: &IdentityPropertyKind) -> Result<(i64, i64), SqlError> {
    let (IdentityPropertyKind::Autoincrement(property) | IdentityPropertyKind::Identity(property)) = kind;
    let Some(
        IdentityPropertyFormatKind::FunctionCall(parameters)
        | IdentityPropertyFormatKind::StartAndIncrement(parameters),
    ) = &property.parameters
    else {
        return Ok((1, 1));
    };
    let number = |expr: &Expr| {
        literal_integer(expr)
            .ok_or_else(|| compilation("001003", "42000", &format!("syntax error unexpected '{expr}'.")))
    };
    Ok((number(&parameters.seed)?, number(&parameters.increment)?))
}

/// True for a column of the primary key that is declared behind the columns: it holds no NULL.
fn is_in_primary_key(column: &str, constraints: &[TableConstraint]) -> bool {
    let keys = constraints.iter().filter_map(|constraint| match constraint {
        TableConstraint::PrimaryKey(key) => Some(&key.columns),
        _ => None,
    });
    keys.flatten()
        .any(|part| matches!(&part.column.expr, Expr::Identifier(ident) if ident.value == column))
}

fn declare_keys(constraints: &[TableConstraint], columns: &mut [DeclaredColumn]) -> Result<(), SqlError> {
    for constraint in constraints {
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                for key_column in &key.columns {
                    let Expr::Identifier(ident) = &key_column.column.expr else {
                        continue;
                    };
                    let found = columns.iter_mut().find(|column| column.name == ident.value);
                    let Some(column) = found else {
                        return Err(compilation(
                            "000904",
                            "42000",
                            &format!("invalid identifier '{}'", ident.value),
                        ));
                    };
                    column.primary_key = true;
                    column.nullable = false;
                }
            }
            TableConstraint::Unique(key) => {
                if let [only] = key.columns.as_slice()
                    && let Expr::Identifier(ident) = &only.column.expr
                    && let Some(column) = columns.iter_mut().find(|column| column.name == ident.value)
                {
                    column.unique = true;
                }
            }
            TableConstraint::ForeignKey(_) => {}
            _ => return Err(unsupported("table constraint")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::check::{check, lowered, lowering};

    #[test]
    fn tables_are_created() {
        check(
            lowered,
            &[
                (
                    "create table t (a int, b number(10,2) not null, c varchar)",
                    r#"CREATE TABLE "D.S"."T" ("A" DECIMAL(38,0), "B" DECIMAL(10,2) NOT NULL, "C" VARCHAR)"#,
                ),
                (
                    "create table if not exists e.s.t (a date default current_date())",
                    r#"CREATE TABLE IF NOT EXISTS "E.S"."T" ("A" DATE DEFAULT sf_to_date(CAST(sf_to_timestamp_ntz(CAST(CAST(CAST(now() AS TIMESTAMP) AS TIMESTAMP_NS) AS sf_timestamp_ltz)) AS DATE)))"#,
                ),
                (
                    "create temp table t (v variant)",
                    r#"CREATE TEMPORARY TABLE temp.main."D.S.T" ("V" sf_variant)"#,
                ),
                (
                    "create table t as select a from u",
                    r#"SELECT "A" FROM "D.S"."U" AS "U""#,
                ),
                (
                    "create table t (b binary(2))",
                    r#"CREATE TABLE "D.S"."T" ("B" BLOB CHECK (CASE WHEN octet_length("B") > 2 THEN error('String ''' || hex("B") || ''' is too long and would be truncated') ELSE true END))"#,
                ),
                (
                    "create table t clone u",
                    r#"CREATE TABLE "D.S"."T" AS SELECT * FROM "D.S"."U""#,
                ),
                (
                    "create table t like u",
                    r#"CREATE TABLE "D.S"."T" AS SELECT * FROM "D.S"."U" LIMIT 0"#,
                ),
                (
                    "create table t (a varchar(3))",
                    r#"CREATE TABLE "D.S"."T" ("A" VARCHAR CHECK (CASE WHEN length("A") > 3 THEN error('String ''' || "A" || ''' is too long and would be truncated') ELSE true END))"#,
                ),
            ],
        );
    }

    #[test]
    fn keys_and_identities_are_declared() {
        let table = lowering(
            "create or replace table t (id int autoincrement start 10 increment 5, k int, primary key (k))",
        )
        .unwrap();
        assert_eq!(
            table.before,
            [
                r#"DROP TABLE IF EXISTS "D.S"."T""#,
                r#"CREATE SEQUENCE "D.S"."T.ID.17a685f5db5b8000" START 10 INCREMENT 5"#
            ]
        );
        assert_eq!(
            table.sql,
            r#"CREATE TABLE "D.S"."T" ("ID" DECIMAL(38,0) DEFAULT nextval('"D.S"."T.ID.17a685f5db5b8000"'), "K" DECIMAL(38,0) NOT NULL)"#
        );
        assert!(table.columns[1].primary_key && !table.columns[0].primary_key);
        assert!(!table.columns[1].nullable && table.columns[0].nullable);
    }
}
