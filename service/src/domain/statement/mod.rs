//! Reads just enough SQL to count statements and to know what one does to its session.
//!
//! This is no parser: Snowflake parses. The `lexer` knows quotes, comments and `$$` strings; the `outline`
//! knows where statements end, also around scripting blocks; `effect` reads what the first one does to its
//! session, and [`Literal`] which values can be set again; [`check`] is the one-statement rule of the service.
//! The text itself is never edited. What is read only halfway is never taken for something to repeat.

mod effect;
mod lexer;
mod literal;
mod outline;

pub use effect::{Effect, Named};
pub use literal::Literal;

use crate::domain::error::Error;

/// Checks that `sql` is one statement of at most `bytes_max` bytes and says what it does to its session.
pub fn check(sql: &str, bytes_max: usize) -> Result<Vec<Effect>, Error> {
    if sql.len() > bytes_max {
        return Err(Error::invalid(format!(
            "SQL text of {} bytes is longer than the limit of {bytes_max} bytes",
            sql.len()
        ))
        .with_hint("load data with a stage and COPY INTO, or bind values instead of writing them into the text; the limit is `query.sql_bytes_max`"));
    }
    let outline = outline::outline(sql);
    match outline.count {
        0 => Err(Error::invalid("empty statement: there is nothing to run")
            .with_hint("the text has no SQL outside comments and ';'")),
        1 => Ok(effect::effects(sql, &outline.first)),
        many => Err(
            Error::invalid(format!("{many} statements in one text; send one at a time"))
                .with_hint("wrap them in a block (BEGIN … END) to run them as one statement"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::Reason;

    #[test]
    fn one_statement_is_the_rule() {
        assert_eq!(check("select 1;", 100).unwrap(), []);
        assert_eq!(check("begin;", 100).unwrap(), [Effect::Begin]);
        for (sql, message) in [
            ("", "empty statement: there is nothing to run"),
            (
                " ;; -- nothing\n/* at all */ ",
                "empty statement: there is nothing to run",
            ),
            (
                "select 1; select 2; select 3",
                "3 statements in one text; send one at a time",
            ),
            (
                "select 'too long'",
                "SQL text of 17 bytes is longer than the limit of 16 bytes",
            ),
        ] {
            let error = check(sql, 16.max(sql.len() - usize::from(sql.ends_with("long'")))).unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.reason()),
                (message, Reason::InvalidRequest),
                "{sql}"
            );
        }
    }
}
