//! Results that the emulator makes itself: one status line, counts of changed rows, lists.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampNanosecondArray,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use snowflake_emulator_engine::SqlType;

use crate::contract::{DmlStats, ResultColumn};

/// A result that is all there.
#[derive(Clone, Debug)]
pub struct Shaped {
    /// Columns.
    pub columns: Vec<ResultColumn>,
    /// Rows.
    pub rows: RecordBatch,
}

/// Type of a column of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// Text.
    Text,
    /// Whole number.
    Number,
    /// TIMESTAMP_LTZ(3), from milliseconds since 1970.
    Time,
}

/// One column with its name, which is a row's only text.
pub fn status(text: &str) -> Shaped {
    list(&[("status", ListType::Text)], vec![vec![Some(text.to_owned())]])
}

/// The row that stands for the results of several statements.
pub fn multiple() -> Shaped {
    let text = "Multiple statements executed successfully.".to_owned();
    list(
        &[("multiple statement execution", ListType::Text)],
        vec![vec![Some(text)]],
    )
}

/// Which counts a DML statement answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// `INSERT`.
    Inserted,
    /// `UPDATE`, with the number of rows that several source rows matched.
    Updated,
    /// `DELETE`.
    Deleted,
    /// `MERGE`: which of inserting, updating and deleting its clauses do.
    Merged {
        /// Has a clause that inserts.
        inserts: bool,
        /// Has a clause that updates.
        updates: bool,
        /// Has a clause that deletes.
        deletes: bool,
    },
}

/// The row of counts of a DML statement, with Snowflake's names.
pub fn counts(kind: Counts, stats: DmlStats) -> Shaped {
    let inserted = ("number of rows inserted", stats.inserted);
    let updated = ("number of rows updated", stats.updated);
    let deleted = ("number of rows deleted", stats.deleted);
    let row: Vec<(&str, u64)> = match kind {
        Counts::Inserted => vec![inserted],
        Counts::Updated => vec![updated, ("number of multi-joined rows updated", 0)],
        Counts::Deleted => vec![deleted],
        Counts::Merged {
            inserts,
            updates,
            deletes,
        } => [(inserts, inserted), (updates, updated), (deletes, deleted)]
            .into_iter()
            .filter_map(|(has, column)| has.then_some(column))
            .collect(),
    };
    let columns: Vec<(&str, ListType)> = row.iter().map(|(name, _)| (*name, ListType::Number)).collect();
    list(
        &columns,
        vec![row.iter().map(|(_, count)| Some(count.to_string())).collect()],
    )
}

/// A list with typed columns from rows of texts; a text that does not fit its type is NULL.
pub fn list(columns: &[(&str, ListType)], rows: Vec<Vec<Option<String>>>) -> Shaped {
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays: Vec<ArrayRef> = Vec::with_capacity(columns.len());
    let mut described = Vec::with_capacity(columns.len());
    for (at, (name, list_type)) in columns.iter().enumerate() {
        let values = rows.iter().map(|row| row.get(at).and_then(Option::as_deref));
        let numbers = || {
            rows.iter()
                .map(|row| row.get(at)?.as_deref()?.parse::<i64>().ok())
        };
        let (sql_type, array): (SqlType, ArrayRef) = match list_type {
            ListType::Text => (
                SqlType::Text { length: None },
                Arc::new(values.collect::<StringArray>()),
            ),
            ListType::Number => (
                SqlType::Number {
                    precision: 19,
                    scale: 0,
                },
                Arc::new(numbers().collect::<Int64Array>()),
            ),
            ListType::Time => (
                SqlType::TimestampLtz { scale: 3 },
                Arc::new(
                    numbers()
                        .map(|ms| ms.and_then(|ms| ms.checked_mul(1_000_000)))
                        .collect::<TimestampNanosecondArray>(),
                ),
            ),
        };
        let data_type = match list_type {
            ListType::Text => DataType::Utf8,
            ListType::Number => DataType::Int64,
            ListType::Time => DataType::Timestamp(TimeUnit::Nanosecond, None),
        };
        fields.push(Field::new(*name, data_type, true));
        arrays.push(array);
        described.push(ResultColumn {
            name: (*name).to_owned(),
            sql_type,
            nullable: true,
            origin: [String::new(), String::new(), String::new()],
        });
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .expect("the arrays were made for these fields and have a value for each row");
    Shaped {
        columns: described,
        rows,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;

    use super::*;

    fn names(shaped: &Shaped) -> Vec<&str> {
        shaped.columns.iter().map(|column| column.name.as_str()).collect()
    }

    #[test]
    fn dml_answers_with_snowflakes_columns() {
        let stats = DmlStats {
            inserted: 1,
            updated: 2,
            deleted: 3,
        };
        assert_eq!(
            names(&counts(Counts::Inserted, stats)),
            ["number of rows inserted"]
        );
        let updated = counts(Counts::Updated, stats);
        assert_eq!(
            names(&updated),
            ["number of rows updated", "number of multi-joined rows updated"]
        );
        assert_eq!(updated.rows.column(0).as_primitive::<Int64Type>().value(0), 2);
        let merged = Counts::Merged {
            inserts: true,
            updates: false,
            deletes: true,
        };
        assert_eq!(
            names(&counts(merged, stats)),
            ["number of rows inserted", "number of rows deleted"]
        );
    }

    #[test]
    fn lists_are_typed() {
        let shaped = list(
            &[
                ("name", ListType::Text),
                ("rows", ListType::Number),
                ("created_on", ListType::Time),
            ],
            vec![vec![Some("T".to_owned()), None, Some("1500".to_owned())]],
        );
        assert_eq!(shaped.rows.num_rows(), 1);
        assert!(shaped.rows.column(1).is_null(0));
        assert_eq!(shaped.columns[2].sql_type, SqlType::TimestampLtz { scale: 3 });
        assert_eq!(list(&[("a", ListType::Text)], Vec::new()).rows.num_rows(), 0);
    }
}
