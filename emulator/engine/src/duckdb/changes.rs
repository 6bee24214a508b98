//! The aggregate behind `CONDITIONAL_CHANGE_EVENT`: how often a value is another than in the row before.
//!
//! The engine has nothing that compares neighbours and counts at once. As an aggregate over a window that ends with the
//! current row it takes each row once, because the parts of a window can be put together: what counts between two parts
//! is the last value of one and the first of the other.

use duckdb_neo::{
    DuckDBType, Result,
    aggregate::{AggregateCallbacks, AggregateFunctionBuilder, ReturnTypeHandle, States},
    bind_arguments::BindArguments,
    connection::{Connection, Context},
    data_chunk::VectorCollection,
    signature::{FunctionParameter, SignatureBuilder},
    vector::{StorageKind, Unknown, Vector},
};

/// Makes the aggregate known; for all connections of the database.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let signature = SignatureBuilder::new()
        .param(FunctionParameter::new::<String>("value"))
        .return_type(i64::logical_type(connection)?);
    AggregateFunctionBuilder::new("sf_changes", signature, Changes).register(connection)
}

struct Changes;

/// What is known of consecutive rows; nothing of none.
#[derive(Clone, Default)]
struct Run(Option<Ends>);

#[derive(Clone)]
struct Ends {
    first: Option<String>,
    last: Option<String>,
    changes: i64,
}

impl Run {
    fn follow(&mut self, next: &Ends) {
        match &mut self.0 {
            None => self.0 = Some(next.clone()),
            Some(ends) => {
                ends.changes += next.changes + i64::from(ends.last != next.first);
                ends.last.clone_from(&next.last);
            }
        }
    }

    fn follow_row(&mut self, value: Option<&str>) {
        match &mut self.0 {
            // Most rows are like the one before.
            Some(ends) if ends.last.as_deref() == value => {}
            Some(ends) => {
                ends.changes += 1;
                ends.last = value.map(str::to_owned);
            }
            None => {
                let value = value.map(str::to_owned);
                self.0 = Some(Ends {
                    first: value.clone(),
                    last: value,
                    changes: 0,
                });
            }
        }
    }
}

impl AggregateCallbacks for Changes {
    type BindData = ();
    type StateItem = Run;

    fn bind(&self, _: &Context, _: BindArguments<'_>, _: ReturnTypeHandle<'_>) -> Result<()> {
        Ok(())
    }

    fn init(&self, _: Option<&()>) -> Run {
        Run::default()
    }

    fn update(&self, _: Option<&()>, data: &mut VectorCollection, mut states: States<'_, Run>) -> Result<()> {
        if data.get_untyped_vector_at(0)?.storage_kind() == StorageKind::Other {
            data.get_untyped_vector_at_mut(0)?.flatten()?;
        }
        let values = data.get_vector_at::<String>(0)?;
        for (row, value) in values.reader()?.iter().enumerate() {
            states[row].follow_row(value);
        }
        Ok(())
    }

    fn combine(&self, _: Option<&()>, source: &States<'_, Run>, mut target: States<'_, Run>) -> Result<()> {
        for at in 0..target.len() {
            if let Some(ends) = &source[at].0 {
                target[at].follow(ends);
            }
        }
        Ok(())
    }

    fn finalize(
        &self,
        _: Option<&()>,
        states: &[&Run],
        result: Vector<'_, Unknown>,
        result_offset: usize,
    ) -> Result<()> {
        let mut result = result.cast::<i64>()?;
        let mut writer = result.writer()?;
        for (at, run) in states.iter().enumerate() {
            let changes = run.0.as_ref().map_or(0, |ends| ends.changes);
            writer.set(result_offset + at, Some(changes))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn changes_are_counted_across_parts_of_a_window() {
        // More rows than the engine puts together at once, and a change every seven of them.
        check(
            "bool_and(n = (i // 7)) FROM (SELECT i, sf_changes(CAST(i // 7 AS VARCHAR)) OVER (ORDER BY i ROWS BETWEEN \
             UNBOUNDED PRECEDING AND CURRENT ROW) AS n FROM range(20000) AS r(i))",
            "true",
        );
        check(
            "string_agg(CAST(n AS VARCHAR), ' ' ORDER BY i) FROM (SELECT i, sf_changes(x) OVER (ORDER BY i ROWS BETWEEN UNBOUNDED \
             PRECEDING AND CURRENT ROW) AS n FROM (VALUES (1, 'a'), (2, 'a'), (3, NULL), (4, NULL), (5, 'a')) AS t(i, x))",
            "0 0 1 1 2",
        );
    }
}
