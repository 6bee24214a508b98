//! `CREATE TABLE … USING TEMPLATE`: the columns that a query describes, as the text of a plain `CREATE TABLE`.

use serde_json::Value as Json;

use super::worker::{Work, Worker};
use super::{SqlError, from_engine};
use crate::catalog::Catalog;
use crate::catalog::names::quote;
use crate::front::CreateFromTemplate;

impl Worker {
    /// The statement with the columns in the place of the template.
    ///
    /// The query gives one array of objects. Each has `COLUMN_NAME`, `TYPE` and perhaps `NULLABLE`, as the rows of
    /// `INFER_SCHEMA` have; their other entries do not matter.
    pub(super) fn filled_template(
        &mut self,
        template: &CreateFromTemplate,
        work: &Work<'_>,
    ) -> Result<String, SqlError> {
        let lowered = self.lower(&template.query, work)?;
        self.prepare(&lowered)?;
        let rows = Catalog::new(self.connection.as_mut()).rows_up_to(&lowered.sql, 1);
        let rows = rows.map_err(|error| self.explain_missing(from_engine(&error), &lowered.tables))?;
        let array = match rows.as_slice() {
            [row] if row.0.len() == 1 => row.text(0),
            _ => return Err(wrong("its query does not give one value")),
        };
        let columns = match serde_json::from_str(&array) {
            Ok(Json::Array(columns)) => columns,
            _ if array.is_empty() => Vec::new(),
            _ => return Err(wrong("its query does not give an array")),
        };
        if columns.is_empty() {
            let text = "Expected non-empty set of columns but found empty set";
            return Err(SqlError::compilation("002140", "42601", text));
        }
        let columns: Vec<String> = columns.iter().map(column).collect::<Result<_, _>>()?;
        Ok(format!(
            "{}({}){}",
            template.head,
            columns.join(", "),
            template.tail
        ))
    }
}

/// A column's declaration.
fn column(described: &Json) -> Result<String, SqlError> {
    let text = |key: &str| match described.get(key) {
        Some(Json::String(text)) => Ok(text.as_str()),
        _ => Err(wrong(&format!("a column has no {key}"))),
    };
    // Names are taken as they are, with their case.
    let (name, sql_type) = (quote(text("COLUMN_NAME")?), text("TYPE")?);
    let is_type = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '(' | ')' | ',' | '_');
    if !sql_type.chars().all(is_type) || sql_type.split('(').next().is_some_and(|word| word.contains(',')) {
        return Err(wrong(&format!("'{sql_type}' is no type")));
    }
    let not_null = match described.get("NULLABLE") {
        Some(Json::Bool(false)) => " NOT NULL",
        _ => "",
    };
    Ok(format!("{name} {sql_type}{not_null}"))
}

fn wrong(why: &str) -> SqlError {
    SqlError::compilation("002140", "42601", format!("Invalid template: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_declared() {
        let declared = |text: &str| column(&serde_json::from_str(text).unwrap());
        for (text, expected) in [
            (
                r#"{"COLUMN_NAME": "a \"b\"", "TYPE": "NUMBER(3, 1)", "NULLABLE": false, "ORDER_ID": 0}"#,
                "\"a \"\"b\"\"\" NUMBER(3, 1) NOT NULL",
            ),
            (
                r#"{"COLUMN_NAME": "A", "TYPE": "TEXT", "NULLABLE": true}"#,
                "\"A\" TEXT",
            ),
        ] {
            assert_eq!(declared(text).unwrap(), expected);
        }
        for text in [
            r#"{"TYPE": "TEXT"}"#,
            r#"{"COLUMN_NAME": "A"}"#,
            r#"{"COLUMN_NAME": "A", "TYPE": "INT, B INT"}"#,
            r#"{"COLUMN_NAME": "A", "TYPE": "INT --"}"#,
            "1",
        ] {
            assert_eq!(declared(text).unwrap_err().code, "002140", "{text}");
        }
    }
}
