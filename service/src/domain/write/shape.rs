//! What is known of a table: its columns and its key.

use crate::domain::names::ObjectName;

/// A table as `DESCRIBE TABLE` tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name as Snowflake stores it.
    pub name: String,
    /// Its type as Snowflake writes it, `NUMBER(38,0)`.
    pub data_type: String,
    /// It is part of the primary key.
    pub is_key: bool,
}

/// Rows that were read as text, with the names of their columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The rows; `None` is NULL.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Texts {
    /// Where a column stands, whatever the case of its name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.eq_ignore_ascii_case(name))
    }

    /// The values of one column that are not NULL.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let at = self.column(name);
        self.rows.iter().filter_map(move |row| row.get(at?)?.as_deref())
    }
}

impl Column {
    /// Its name as it stands in SQL.
    pub fn sql(&self) -> String {
        ObjectName::from_stored(&self.name).as_sql().to_owned()
    }

    /// A value of this column as a literal that means exactly this value, for the types for which there is one.
    pub fn literal(&self, value: &str) -> Option<String> {
        let family = self.data_type.split('(').next().unwrap_or_default().trim();
        match family.to_ascii_uppercase().as_str() {
            "NUMBER" | "DECIMAL" | "NUMERIC" | "INT" | "INTEGER" | "BIGINT" | "SMALLINT" | "TINYINT" => {
                let digits = value.strip_prefix('-').unwrap_or(value);
                let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
                    && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
                is_number.then(|| value.to_owned())
            }
            "VARCHAR" | "CHAR" | "STRING" | "TEXT" => Some(text_literal(value)),
            "DATE" => Some(format!("{}::DATE", text_literal(value))),
            _ => None,
        }
    }
}

impl Shape {
    /// Reads the answer of `DESCRIBE TABLE`; `None` when it is not one.
    pub fn read(described: &Texts) -> Option<Self> {
        let (name, data_type) = (described.column("name")?, described.column("type")?);
        let kind = described.column("kind");
        let key = described.column("primary key");
        let cell = |row: &[Option<String>], at: Option<usize>| at.and_then(|at| row.get(at)?.clone());
        let columns: Vec<Column> = described
            .rows
            .iter()
            .filter(|row| cell(row, kind).is_none_or(|kind| kind == "COLUMN"))
            .map(|row| {
                Some(Column {
                    name: cell(row, Some(name))?,
                    data_type: cell(row, Some(data_type))?,
                    is_key: cell(row, key).is_some_and(|key| key == "Y"),
                })
            })
            .collect::<Option<_>>()?;
        (!columns.is_empty()).then_some(Self { columns })
    }

    /// The columns of the primary key; none when there is none.
    pub fn key(&self) -> Vec<&Column> {
        self.columns.iter().filter(|column| column.is_key).collect()
    }

    /// The columns that are not in the key.
    pub fn others(&self) -> Vec<&Column> {
        self.columns.iter().filter(|column| !column.is_key).collect()
    }
}

/// A text as an SQL literal.
pub fn text_literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(columns: &[&str], rows: &[&[&str]]) -> Texts {
        Texts {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: rows
                .iter()
                .map(|row| row.iter().map(|cell| Some((*cell).to_owned())).collect())
                .collect(),
        }
    }

    #[test]
    fn a_description_is_read_by_the_names_of_its_columns() {
        let told = texts(
            &["name", "type", "kind", "null?", "primary key"],
            &[
                &["ID", "NUMBER(38,0)", "COLUMN", "N", "Y"],
                &["my col", "VARCHAR(9)", "COLUMN", "Y", "N"],
                &["V", "NUMBER(38,0)", "VIRTUAL", "Y", "N"],
            ],
        );
        let shape = Shape::read(&told).unwrap();
        assert_eq!(shape.columns.len(), 2);
        assert_eq!(shape.key()[0].sql(), "ID");
        assert_eq!(shape.others()[0].sql(), "\"my col\"");
        assert_eq!(Shape::read(&texts(&["status"], &[&["ok"]])), None);
        assert_eq!(Shape::read(&texts(&["name", "type"], &[])), None);
    }

    #[test]
    fn literals_mean_exactly_their_value_or_are_not_made() {
        let literal = |data_type: &str, value: &str| {
            Column {
                name: "A".into(),
                data_type: data_type.into(),
                is_key: true,
            }
            .literal(value)
        };
        for (data_type, value, expected) in [
            ("NUMBER(38,0)", "-12", Some("-12")),
            ("NUMBER(10,2)", "1.50", Some("1.50")),
            ("NUMBER(38,0)", "1; drop", None),
            ("NUMBER(38,0)", "", None),
            ("VARCHAR(3)", r"it's \", Some(r"'it''s \\'")),
            ("DATE", "2024-01-31", Some("'2024-01-31'::DATE")),
            ("FLOAT", "1.5", None),
            ("TIMESTAMP_LTZ(9)", "2024-01-31", None),
        ] {
            assert_eq!(
                literal(data_type, value).as_deref(),
                expected,
                "{data_type} {value}"
            );
        }
    }
}
