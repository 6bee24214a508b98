//! Array bindings: one statement with a value for each of many rows.

use std::collections::BTreeMap;

use sqlparser::ast::{Expr, Statement, Value, Visit, Visitor};

use super::{Binding, SqlError};

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

/// Number of `?` in a statement.
pub(super) fn question_count(statement: &Statement) -> usize {
    placeholders(statement).questions
}

/// True when a statement has bound values by name.
pub(super) fn has_named(statement: &Statement) -> bool {
    placeholders(statement).named
}

fn placeholders(statement: &Statement) -> Placeholders {
    let mut found = Placeholders::default();
    // A visitor without Break always comes to the end.
    let _ = statement.visit(&mut found);
    found
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
    fn other_statements_run_row_by_row() {
        let bound = bindings(&[&["a", "b"]]);
        assert_eq!(
            question_count(&statement("update t set a = ?, b = 'x?' where c = ?")),
            2
        );
        assert!(!has_named(&statement("select ?")) && has_named(&statement("select :1")));
        assert_eq!(row(&bound, 1)["1"].values[0].as_deref(), Some("b"));
        assert_eq!(rows(&bound).unwrap(), Some(2));
        assert_eq!(
            rows(&bindings(&[&["a"], &["b", "c"]])).unwrap_err().code,
            "002099"
        );
    }
}
