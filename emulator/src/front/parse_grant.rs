//! GRANT and REVOKE.

use super::command::{Command, Grant, Path};
use super::cursor::Cursor;
use crate::contract::SqlError;

/// `GRANT …` or `REVOKE …`, after its first word.
pub(super) fn parse_grant(cursor: &mut Cursor<'_>, revoke: bool) -> Result<Command, SqlError> {
    let direction = if revoke { "FROM" } else { "TO" };
    if revoke {
        cursor.eat(&["GRANT", "OPTION", "FOR"]);
    }
    let (privileges, on_kind, on) = if cursor.eat(&["ROLE"]) || cursor.eat(&["DATABASE", "ROLE"]) {
        (vec!["USAGE".to_owned()], "ROLE".to_owned(), cursor.path()?)
    } else {
        let privileges = privileges(cursor)?;
        cursor.expect(&["ON"])?;
        let (kind, on) = object(cursor, direction)?;
        (privileges, kind, on)
    };
    cursor.expect(&[direction])?;
    let grantee_kind = if cursor.eat(&["DATABASE", "ROLE"]) {
        "DATABASE ROLE"
    } else if cursor.eat(&["USER"]) {
        "USER"
    } else if cursor.eat(&["SHARE"]) {
        return Err(SqlError::unsupported("GRANT TO SHARE"));
    } else {
        cursor.eat(&["ROLE"]);
        "ROLE"
    };
    let grantee = cursor.path()?;
    let grant_option = cursor.eat(&["WITH", "GRANT", "OPTION"]);
    for words in [["COPY", "CURRENT", "GRANTS"], ["REVOKE", "CURRENT", "GRANTS"]] {
        cursor.eat(&words);
    }
    if !cursor.eat(&["CASCADE"]) {
        cursor.eat(&["RESTRICT"]);
    }
    cursor.end()?;
    Ok(Command::Grant(Grant {
        revoke,
        privileges,
        on_kind,
        on,
        grantee_kind: grantee_kind.to_owned(),
        grantee,
        grant_option,
    }))
}

fn privileges(cursor: &mut Cursor<'_>) -> Result<Vec<String>, SqlError> {
    cursor.list(|cursor| {
        let mut words = vec![cursor.word()?];
        while !cursor.peek_word(0, "ON")
            && cursor
                .peek()
                .is_some_and(|token| token.kind == super::lexer::Kind::Word)
        {
            words.push(cursor.word()?);
        }
        Ok(words.join(" "))
    })
}

/// The words of the kind, then the name: all words but the last before the direction.
fn object(cursor: &mut Cursor<'_>, direction: &str) -> Result<(String, Path), SqlError> {
    if cursor.eat(&["ACCOUNT"]) {
        return Ok(("ACCOUNT".to_owned(), Path::new()));
    }
    let mut kind = vec![cursor.word()?];
    // A word that is followed by neither a point nor the direction still belongs to the kind.
    while !cursor.peek_word(1, direction) && !cursor.sign_follows(&['.', '(']) {
        kind.push(cursor.word()?);
    }
    let path = cursor.path()?;
    if cursor.eat_sign('(') {
        return Err(SqlError::unsupported(format!("GRANT ON {}", kind.join(" "))));
    }
    Ok((kind.join(" "), path))
}
