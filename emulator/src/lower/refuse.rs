//! Refusals in Snowflake's words.

use crate::contract::SqlError;

/// A compilation error with Snowflake's first line.
pub(super) fn compilation(code: &'static str, sql_state: &'static str, text: &str) -> SqlError {
    SqlError {
        code,
        sql_state,
        message: format!("SQL compilation error:\n{text}"),
        position: None,
    }
}

/// `Unknown function NAME`; one with a path is taken for a user's.
pub(super) fn unknown_function(name: &str) -> SqlError {
    if name.contains('.') {
        return compilation(
            "002141",
            "42601",
            &format!("Unknown user-defined function {name}"),
        );
    }
    compilation("002140", "42601", &format!("Unknown function {name}"))
}

/// `Unsupported feature 'WHAT'.`, for what Snowflake can and this emulator cannot.
pub(super) fn unsupported(feature: &str) -> SqlError {
    SqlError {
        code: "000002",
        sql_state: "0A000",
        message: format!("Unsupported feature '{feature}'."),
        position: None,
    }
}

/// Wrong number of arguments.
pub(super) fn argument_count(call: &str, expected: usize, got: usize) -> SqlError {
    let (code, amount) = if got < expected {
        ("000938", "not enough")
    } else {
        ("000939", "too many")
    };
    compilation(
        code,
        "22023",
        &format!("{amount} arguments for function [{call}] expected {expected}, got {got}"),
    )
}

/// A call whose arguments have no meaning for the function.
pub(super) fn invalid_argument(call: &str) -> SqlError {
    compilation(
        "001044",
        "42P13",
        &format!("Invalid argument types for function '{call}'"),
    )
}

/// A word that the grammar does not allow there.
pub(super) fn syntax(near: &str) -> SqlError {
    compilation("001003", "42000", &format!("syntax error unexpected '{near}'."))
}

/// An identifier that names nothing.
pub(super) fn invalid_identifier(name: &str) -> SqlError {
    compilation("000904", "42000", &format!("invalid identifier '{name}'"))
}

/// A data type that does not exist.
pub(super) fn unsupported_type(name: &str) -> SqlError {
    compilation("002040", "42601", &format!("Unsupported data type '{name}'."))
}
