//! CREATE and ALTER of sequences.

use super::command::Command;
use super::cursor::Cursor;
use super::sequence_command::{AlterSequence, CreateSequence, SequenceChange};
use crate::contract::SqlError;

/// `CREATE [OR REPLACE] SEQUENCE …`, after those words.
pub(super) fn create(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Command, SqlError> {
    let if_not_exists = cursor.eat(&["IF", "NOT", "EXISTS"]);
    let path = cursor.path()?;
    let mut made = CreateSequence {
        or_replace,
        if_not_exists,
        path,
        start: 1,
        step: 1,
        is_ordered: false,
        comment: String::new(),
    };
    cursor.eat(&["WITH"]);
    while !cursor.at_end() {
        if cursor.eat(&["START"]) {
            cursor.eat(&["WITH"]);
            cursor.eat_sign('=');
            made.start = cursor.integer()?;
        } else if let Some(step) = increment(cursor)? {
            made.step = step;
        } else if let Some(is_ordered) = order(cursor) {
            made.is_ordered = is_ordered;
        } else if cursor.eat(&["COMMENT"]) {
            cursor.expect_sign('=')?;
            made.comment = cursor.text()?;
        } else if !cursor.eat_sign(',') {
            return Err(cursor.unexpected());
        }
    }
    Ok(Command::CreateSequence(made))
}

/// `ALTER SEQUENCE …`, after those words.
pub(super) fn alter(cursor: &mut Cursor<'_>) -> Result<Command, SqlError> {
    let if_exists = cursor.eat(&["IF", "EXISTS"]);
    let path = cursor.path()?;
    let change = if cursor.eat(&["RENAME", "TO"]) {
        SequenceChange::Rename(cursor.path()?)
    } else if cursor.eat(&["UNSET", "COMMENT"]) {
        SequenceChange::Set {
            step: None,
            is_ordered: None,
            comment: Some(String::new()),
        }
    } else {
        set(cursor)?
    };
    cursor.end()?;
    Ok(Command::AlterSequence(AlterSequence {
        if_exists,
        path,
        change,
    }))
}

/// `[SET] [INCREMENT …] [ORDER | NOORDER] [COMMENT = …]`; without SET an increment only.
fn set(cursor: &mut Cursor<'_>) -> Result<SequenceChange, SqlError> {
    let said = cursor.eat(&["SET"]);
    if cursor.at_end() || !(said || cursor.peek_word(0, "INCREMENT")) {
        return Err(cursor.unexpected());
    }
    let (mut step, mut is_ordered, mut comment) = (None, None, None);
    while !cursor.at_end() {
        if let Some(found) = increment(cursor)? {
            step = Some(found);
        } else if let Some(found) = order(cursor) {
            is_ordered = Some(found);
        } else if said && cursor.eat(&["COMMENT"]) {
            cursor.expect_sign('=')?;
            comment = Some(cursor.text()?);
        } else if !cursor.eat_sign(',') {
            return Err(cursor.unexpected());
        }
    }
    Ok(SequenceChange::Set {
        step,
        is_ordered,
        comment,
    })
}

fn increment(cursor: &mut Cursor<'_>) -> Result<Option<i64>, SqlError> {
    if !cursor.eat(&["INCREMENT"]) {
        return Ok(None);
    }
    cursor.eat(&["BY"]);
    cursor.eat_sign('=');
    match cursor.integer()? {
        0 => Err(SqlError::compilation(
            "002011",
            "22023",
            "Invalid increment value '0' for sequence.",
        )),
        step => Ok(Some(step)),
    }
}

fn order(cursor: &mut Cursor<'_>) -> Option<bool> {
    if cursor.eat(&["ORDER"]) {
        Some(true)
    } else if cursor.eat(&["NOORDER"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{Parsed, parse, split};

    fn change(text: &str) -> Result<SequenceChange, SqlError> {
        let pieces = split(text).unwrap();
        match parse(&pieces[0])? {
            Parsed::Command(Command::AlterSequence(altered)) => Ok(altered.change),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn changes_are_read_in_their_spellings() {
        let set = |step, is_ordered, comment: Option<&str>| SequenceChange::Set {
            step,
            is_ordered,
            comment: comment.map(str::to_owned),
        };
        for text in [
            "alter sequence s increment 5",
            "alter sequence if exists s set increment by = 5",
            "alter sequence a.b.s increment = 5",
        ] {
            assert_eq!(change(text).unwrap(), set(Some(5), None, None), "{text}");
        }
        assert_eq!(
            change("alter sequence s set noorder, comment = 'x'").unwrap(),
            set(None, Some(false), Some("x"))
        );
        assert_eq!(
            change("alter sequence s unset comment").unwrap(),
            set(None, None, Some(""))
        );
        assert!(matches!(
            change("alter sequence s rename to b.t").unwrap(),
            SequenceChange::Rename(path) if path.len() == 2
        ));
        for text in [
            "alter sequence s",
            "alter sequence s set",
            "alter sequence s comment = 'x'",
            "alter sequence s set start = 5",
        ] {
            assert_eq!(change(text).unwrap_err().code, "001003", "{text}");
        }
        assert_eq!(change("alter sequence s increment 0").unwrap_err().code, "002011");
    }
}
