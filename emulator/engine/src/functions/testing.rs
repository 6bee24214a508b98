//! Functions as statements see them: an expression of the engine in, text out.

use std::sync::{Mutex, OnceLock};

use crate::{EngineConfig, EngineConnection, EngineError, open};

/// One engine for all tests of functions; they change nothing in it.
fn connection() -> &'static Mutex<Box<dyn EngineConnection>> {
    static CONNECTION: OnceLock<Mutex<Box<dyn EngineConnection>>> = OnceLock::new();
    CONNECTION.get_or_init(|| {
        let engine = open(&EngineConfig::in_memory()).expect("the engine opens");
        let connection = engine.connect().expect("a connection opens");
        // Connections keep the database open.
        Mutex::new(connection)
    })
}

/// The value of an expression as the engine casts it to text; `NULL` for NULL.
pub(crate) fn evaluate(expression: &str) -> Result<String, EngineError> {
    let (value, rest) = match expression.find(" FROM ") {
        Some(at) => expression.split_at(at),
        None => (expression, ""),
    };
    let sql = format!("SELECT coalesce(CAST({value} AS VARCHAR), 'NULL'){rest}");
    let mut connection = connection()
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut reader = connection.query(&sql, 1024)?;
    let batch = reader.next_batch()?.expect("an expression has one row");
    let texts = arrow_array::cast::AsArray::as_string::<i32>(batch.column(0));
    Ok(texts.value(0).to_owned())
}

/// Asserts an expression's value.
#[track_caller]
pub(crate) fn check(expression: &str, expected: &str) {
    assert_eq!(evaluate(expression).as_deref(), Ok(expected), "{expression}");
}

/// Asserts Snowflake's code and text of an expression that fails.
#[track_caller]
pub(crate) fn check_error(expression: &str, code: u32, message: &str) {
    let error = evaluate(expression).expect_err(expression);
    let found = error.code.map(|code| code.code);
    let text = error.message.as_str();
    assert_eq!(
        (found, text),
        (Some(format!("{code:06}").as_str()), message),
        "{expression}"
    );
}
