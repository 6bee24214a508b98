//! What session functions answer, for expressions that are kept: views and defaults of columns.
//!
//! Elsewhere the lowering writes the answer down. A kept expression is bound for each statement that uses it, and so
//! answers what the session of that statement is told.

use super::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Settings, Value, rows};

pub(super) const FUNCTIONS: &[ScalarFunction] =
    &[ScalarFunction::of_session("sf_session_fact", 1..=1, session_fact)];

/// `('database')`.
fn session_fact(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let name = arguments[0].constant_text("sf_session_fact", 1)?;
    let fact = settings.session_fact(&name)?;
    rows(FunctionType::text(), move |_| {
        Ok(fact.clone().map_or(Value::Null, Value::owned_text))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::session_facts_statement;
    use crate::{EngineConfig, open};

    #[test]
    fn kept_expressions_answer_for_the_session_that_asks() {
        let engine = open(&EngineConfig::in_memory()).unwrap();
        let mut maker = engine.connect().unwrap();
        maker
            .execute(&session_facts_statement(r#"{"user": "MAKER"}"#))
            .unwrap();
        maker
            .execute("CREATE VIEW v AS SELECT coalesce(sf_session_fact('user'), '-') AS a")
            .unwrap();
        let mut reader = engine.connect().unwrap();
        for (facts, answer) in [
            (r#"{"user": "O'NEIL"}"#, "O'NEIL"),
            (r#"{"user": null}"#, "-"),
            ("{}", "-"),
        ] {
            reader.execute(&session_facts_statement(facts)).unwrap();
            let mut rows = reader.query("SELECT a FROM v", 1).unwrap();
            let batch = rows.next_batch().unwrap().unwrap();
            let texts = arrow_array::cast::AsArray::as_string::<i32>(batch.column(0));
            assert_eq!(texts.value(0), answer, "{facts}");
        }
    }
}
