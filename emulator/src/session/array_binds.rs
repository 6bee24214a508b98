//! Array bindings: one statement with a value for each of many rows.

use std::collections::BTreeMap;

use sqlparser::ast::{Expr, Insert, SetExpr, Statement, Value, Visit, Visitor};

use super::{Binding, SqlError};

/// Most values in one engine statement; more rows go into further ones.
const VALUES_MAX: usize = 20_000;

/// Number of rows that the array bindings have; `None` when there is no array.
///
/// Fails when they have different lengths.
pub(super) fn rows(bindings: &BTreeMap<String, Binding>) -> Result<Option<usize>, SqlError> {
    let mut rows = None;
    for (name, binding) in bindings.iter().filter(|(_, binding)| binding.is_array) {
        let count = binding.values.len();
        match rows {
            None => rows = Some(count),
            Some(first) if first != count => {
                let detail = format!(
                    "Batch size of {count} for bind variable {name} not the same as previous size of {first}."
                );
                return Err(SqlError::compilation("002099", "42601", detail));
            }
            Some(_) => {}
        }
    }
    Ok(rows)
}

/// The bindings of one row.
pub(super) fn row(bindings: &BTreeMap<String, Binding>, row: usize) -> BTreeMap<String, Binding> {
    bindings
        .iter()
        .map(|(name, binding)| {
            let at = if binding.is_array { row } else { 0 };
            let values = vec![binding.values.get(at).cloned().flatten()];
            (
                name.clone(),
                Binding {
                    type_name: binding.type_name.clone(),
                    values,
                    is_array: false,
                },
            )
        })
        .collect()
}

/// An INSERT of one row of values with only `?` as INSERTs of many rows; `None` for other statements.
pub(super) fn spread(
    statement: &Statement,
    bindings: &BTreeMap<String, Binding>,
    rows: usize,
) -> Option<Vec<(Statement, BTreeMap<String, Binding>)>> {
    let Statement::Insert(insert) = statement else {
        return None;
    };
    let SetExpr::Values(values) = insert.source.as_ref()?.body.as_ref() else {
        return None;
    };
    let [written] = values.rows.as_slice() else {
        return None;
    };
    let mut placeholders = Placeholders::default();
    // A visitor without Break always comes to the end.
    let _ = insert.visit(&mut placeholders);
    if placeholders.named || placeholders.questions != bindings.len() || bindings.is_empty() {
        return None;
    }
    let width = bindings.len();
    let per_batch = (VALUES_MAX / width).max(1);
    let mut batches = Vec::new();
    let mut start = 0;
    while start < rows {
        let count = per_batch.min(rows - start);
        batches.push((
            repeated(insert, written.clone(), count)?,
            renumbered(bindings, start, count)?,
        ));
        start += count;
    }
    Some(batches)
}

fn repeated(insert: &Insert, written: sqlparser::ast::Parens<Vec<Expr>>, count: usize) -> Option<Statement> {
    let mut insert = insert.clone();
    let SetExpr::Values(values) = insert.source.as_mut()?.body.as_mut() else {
        return None;
    };
    values.rows = vec![written; count];
    Some(Statement::Insert(insert))
}

/// Bindings by position in the repeated statement, row after row.
fn renumbered(
    bindings: &BTreeMap<String, Binding>,
    start: usize,
    count: usize,
) -> Option<BTreeMap<String, Binding>> {
    let width = bindings.len();
    let mut all = BTreeMap::new();
    for position in 1..=width {
        let binding = bindings.get(&position.to_string())?;
        for row in 0..count {
            let at = if binding.is_array { start + row } else { 0 };
            let values = vec![binding.values.get(at).cloned().flatten()];
            let key = (row * width + position).to_string();
            all.insert(
                key,
                Binding {
                    type_name: binding.type_name.clone(),
                    values,
                    is_array: false,
                },
            );
        }
    }
    Some(all)
}

#[derive(Default)]
struct Placeholders {
    questions: usize,
    named: bool,
}

impl Visitor for Placeholders {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> std::ops::ControlFlow<()> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(placeholder) = &value.value
        {
            if placeholder == "?" {
                self.questions += 1;
            } else {
                self.named = true;
            }
        }
        std::ops::ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{Parsed, parse, split};

    fn bindings(columns: &[&[&str]]) -> BTreeMap<String, Binding> {
        let binding = |values: &&[&str]| Binding {
            type_name: "TEXT".to_owned(),
            values: values.iter().map(|value| Some((*value).to_owned())).collect(),
            is_array: true,
        };
        columns
            .iter()
            .enumerate()
            .map(|(at, values)| ((at + 1).to_string(), binding(values)))
            .collect()
    }

    fn statement(text: &str) -> Statement {
        match parse(&split(text).unwrap()[0]).unwrap() {
            Parsed::Sql(statement) => *statement,
            Parsed::Command(command) => panic!("{command:?}"),
        }
    }

    #[test]
    fn an_insert_of_values_becomes_one_statement() {
        let bound = bindings(&[&["a", "b"], &["1", "2"]]);
        let batches = spread(&statement("insert into t values (?, ?::int)"), &bound, 2).unwrap();
        assert_eq!(batches.len(), 1);
        let (text, values) = (batches[0].0.to_string(), &batches[0].1);
        assert_eq!(text, "INSERT INTO t VALUES (?, ?::INT), (?, ?::INT)");
        let value = |key: &str| values[key].values[0].clone().unwrap();
        assert_eq!(
            [value("1"), value("2"), value("3"), value("4")],
            ["a", "1", "b", "2"]
        );
    }

    #[test]
    fn many_rows_are_several_statements() {
        let rows: Vec<String> = (0..=VALUES_MAX).map(|row| row.to_string()).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let batches = spread(
            &statement("insert into t values (?)"),
            &bindings(&[&rows]),
            rows.len(),
        )
        .unwrap();
        assert_eq!(batches.len(), 2);
        assert_eq!(batches[1].1["1"].values[0].as_deref(), Some("20000"));
    }

    #[test]
    fn other_statements_run_row_by_row() {
        let bound = bindings(&[&["a", "b"]]);
        assert!(spread(&statement("update t set a = ?"), &bound, 2).is_none());
        assert!(spread(&statement("insert into t select ?"), &bound, 2).is_none());
        assert_eq!(row(&bound, 1)["1"].values[0].as_deref(), Some("b"));
        assert_eq!(rows(&bound).unwrap(), Some(2));
        assert_eq!(
            rows(&bindings(&[&["a"], &["b", "c"]])).unwrap_err().code,
            "002099"
        );
    }
}
