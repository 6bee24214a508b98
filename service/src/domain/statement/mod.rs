//! Reads just enough SQL to count statements and to know what one does to its session.
//!
//! This is no parser: Snowflake parses. The `lexer` knows quotes, comments and `$$` strings; the `outline`
//! knows where statements end, also around scripting blocks; `effect` reads what the first one does to its
//! session, and [`Literal`] which values can be set again; [`check`] is the one-statement rule of the service.
//! For policy, [`class`] goes further and says of each statement what it does and to what.
//! The text itself is never edited. What is read only halfway is never taken for something to repeat.

pub mod class;
mod effect;
mod lexer;
mod literal;
mod outline;

pub use effect::{AUTOCOMMIT, Effect, Named};
pub use literal::Literal;

use std::borrow::Cow;

use std::sync::Arc;

use crate::domain::error::Error;

/// A text of one statement, as far as it is understood.
#[derive(Debug, Clone)]
pub struct Understood {
    /// What it does to its session.
    pub effects: Vec<Effect>,
    /// What it does at all. Where it is doubtful how many statements a text has, there are several.
    pub statements: Arc<[class::Statement]>,
}

/// Checks that `sql` is one statement of at most `bytes_max` bytes and understands it.
pub fn understand(sql: &str, bytes_max: usize) -> Result<Understood, Error> {
    let effects = check(sql, bytes_max)?;
    Ok(Understood {
        effects,
        statements: class::classify(sql).into(),
    })
}

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
            Error::invalid(format!("{many} statements in one text; send one at a time")).with_hint(
                "the session keeps context, variables and an open transaction from one call to the next",
            ),
        ),
    }
}

/// A text as it may be shown to people: without the values that it sets variables to, which may be secrets.
pub fn shown(sql: &str) -> Cow<'_, str> {
    let mut lexer = lexer::Lexer::new(sql);
    let Some(first) = lexer.find(|token| *token != lexer::Token::Semicolon) else {
        return Cow::Borrowed(sql);
    };
    if !first.is("SET") {
        return Cow::Borrowed(sql);
    }
    let start = lexer.position() - first.length();
    let set = lexer.any(|token| token == lexer::Token::Mark('='));
    Cow::Owned(if set {
        format!("{} …", &sql[start..lexer.position()])
    } else {
        format!("{} …", &sql[start..start + first.length()])
    })
}

/// Refuses what has no sense when it runs by itself beside the session's other statements: what begins or ends
/// transactions, and what sets or unsets something of the session.
pub fn check_submittable(understood: &Understood) -> Result<(), Error> {
    let links = understood
        .statements
        .iter()
        .flat_map(|statement| &statement.links);
    let is_of_session = links.into_iter().any(|link| {
        matches!(
            link.class,
            class::Class::Use | class::Class::Session | class::Class::Transaction(_)
        )
    }) || understood.effects.iter().any(Effect::is_of_session);
    if !is_of_session {
        return Ok(());
    }
    Err(
        Error::invalid("a statement that changes the session itself cannot be submitted; nothing was run")
            .with_hint(
                "run it and wait for it; what is submitted runs beside the session's other statements",
            ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::error::Reason;

    #[test]
    fn what_changes_the_session_is_not_submitted() {
        for sql in [
            "begin",
            "BEGIN;",
            "begin transaction",
            "start transaction",
            "commit",
            "/* x */ rollback",
            "use database d",
            "set x = 1",
            "unset x",
            "alter session set timezone = 'UTC'",
            "set x = (select system$wait(1))",
            "show tables ->> commit",
        ] {
            assert!(
                check_submittable(&understand(sql, 1000).unwrap()).is_err(),
                "{sql}"
            );
        }
        for sql in [
            "begin return 1; end",
            "select 1",
            "alter table t add column a int",
            "create temporary table t as select 1",
            "call p()",
        ] {
            assert!(
                check_submittable(&understand(sql, 1000).unwrap()).is_ok(),
                "{sql}"
            );
        }
    }

    #[test]
    fn values_of_variables_are_not_shown() {
        for (sql, seen) in [
            ("set x = 'secret'", "set x = …"),
            ("/* 'secret' */ ; SET (a, b)\n= ('secret', 2)", "SET (a, b)\n= …"),
            ("set 'secret", "set …"),
            ("select 'x'", "select 'x'"),
            (
                "alter session set timezone = 'UTC'",
                "alter session set timezone = 'UTC'",
            ),
            ("", ""),
        ] {
            assert_eq!(shown(sql), seen, "{sql}");
        }
    }

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
