//! EXPLAIN.

use std::collections::BTreeMap;

use super::command::{Command, Explain, ExplainForm};
use super::cursor::Cursor;
use super::{Parsed, parse_bound};
use crate::contract::{Binding, SqlError};

/// `EXPLAIN …`, after its first word.
pub(super) fn parse_explain(
    cursor: &mut Cursor<'_>,
    bindings: &BTreeMap<String, Binding>,
) -> Result<Command, SqlError> {
    let form = if cursor.eat(&["USING"]) {
        form(cursor)?
    } else {
        ExplainForm::Tabular
    };
    let first_token = cursor.at();
    let (piece, _) = cursor.piece();
    let Some(inner) = piece.from_token(first_token) else {
        return Err(cursor.unexpected());
    };
    let statement = parse_bound(&inner, bindings)?;
    if !matches!(statement, Parsed::Sql(_)) {
        let kind = cursor.word()?;
        return Err(SqlError::unsupported(format!("EXPLAIN {kind}")));
    }
    Ok(Command::Explain(Explain {
        form,
        statement: Box::new(statement),
        first_token,
    }))
}

fn form(cursor: &mut Cursor<'_>) -> Result<ExplainForm, SqlError> {
    for (word, form) in [
        ("TABULAR", ExplainForm::Tabular),
        ("JSON", ExplainForm::Json),
        ("TEXT", ExplainForm::Text),
    ] {
        if cursor.eat(&[word]) {
            return Ok(form);
        }
    }
    Err(cursor.unexpected())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{parse, split};

    fn explained(text: &str) -> Result<Explain, SqlError> {
        let pieces = split(text).unwrap();
        match parse(&pieces[0])? {
            Parsed::Command(Command::Explain(explain)) => Ok(explain),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_form_and_the_statement_are_read() {
        for (text, form, first_token) in [
            ("explain select 1", ExplainForm::Tabular, 1),
            ("explain using tabular select 1", ExplainForm::Tabular, 3),
            (
                "explain using json insert into t values (1)",
                ExplainForm::Json,
                3,
            ),
            (
                "explain using text with a as (select 1) select * from a",
                ExplainForm::Text,
                3,
            ),
        ] {
            let explain = explained(text).unwrap();
            assert_eq!((explain.form, explain.first_token), (form, first_token), "{text}");
        }
    }

    #[test]
    fn places_count_in_the_whole_text() {
        let error = explained("explain\n  select from where").unwrap_err();
        assert_eq!(error.position.map(|(line, _)| line), Some(2), "{error:?}");
    }

    #[test]
    fn what_has_no_plan_is_refused() {
        for text in [
            "explain show tables",
            "explain explain select 1",
            "explain copy into t from @s",
        ] {
            assert_eq!(explained(text).unwrap_err().code, "000002", "{text}");
        }
        for text in ["explain", "explain using", "explain using xml select 1"] {
            assert_eq!(explained(text).unwrap_err().code, "001003", "{text}");
        }
    }
}
