//! What a statement needs beside itself: of interest where every request is a session of its own.

use super::cursor::Cursor;
use super::split::{Piece, split};
use crate::contract::SqlError;

/// What a statement needs to make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Statements after it in the same session; with the statement's name.
    Session(&'static str),
    /// A client that moves files; with the statement's name.
    Client(&'static str),
}

/// What each statement of a text needs. Looks at first words only, so that it is cheap; what is no statement needs
/// nothing.
///
/// Fails as [`split()`] does.
pub fn needs(sql: &str) -> Result<Vec<Needs>, SqlError> {
    Ok(split(sql)?.iter().map(needs_of).collect())
}

fn needs_of(piece: &Piece<'_>) -> Needs {
    let mut cursor = Cursor::new(piece);
    let Ok(first) = cursor.word() else {
        return Needs::Nothing;
    };
    match first.as_str() {
        "PUT" => Needs::Client("PUT"),
        "GET" => Needs::Client("GET"),
        "USE" => Needs::Session("USE"),
        "SET" => Needs::Session("SET"),
        "UNSET" => Needs::Session("UNSET"),
        "BEGIN" => Needs::Session("BEGIN"),
        "START" if cursor.peek_word(0, "TRANSACTION") => Needs::Session("START TRANSACTION"),
        "COMMIT" => Needs::Session("COMMIT"),
        "ROLLBACK" => Needs::Session("ROLLBACK"),
        "ALTER" if cursor.peek_word(0, "SESSION") => Needs::Session("ALTER SESSION"),
        "CREATE" => {
            cursor.eat(&["OR", "REPLACE"]);
            let _ = cursor.eat(&["LOCAL"]) || cursor.eat(&["GLOBAL"]);
            let temporary = ["TEMPORARY", "TEMP", "VOLATILE"];
            if temporary.iter().any(|word| cursor.peek_word(0, word)) {
                Needs::Session("CREATE TEMPORARY")
            } else {
                Needs::Nothing
            }
        }
        _ => Needs::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &[Needs]) {
        assert_eq!(needs(sql).unwrap(), expected, "{sql}");
    }

    #[test]
    fn first_words_tell_what_is_needed() {
        use Needs::{Client, Nothing, Session};
        check("select 1; show tables", &[Nothing, Nothing]);
        check("-- remark\nuse schema s", &[Session("USE")]);
        check(
            "begin; insert into t values (1); commit; rollback",
            &[Session("BEGIN"), Nothing, Session("COMMIT"), Session("ROLLBACK")],
        );
        check("start transaction", &[Session("START TRANSACTION")]);
        check(
            "alter session set timezone = 'UTC'; alter table t add a int",
            &[Session("ALTER SESSION"), Nothing],
        );
        check(
            "create or replace local temp table t (a int); create table temporary (a int)",
            &[Session("CREATE TEMPORARY"), Nothing],
        );
        check("set a = 1; unset a", &[Session("SET"), Session("UNSET")]);
        check(
            "put 'file:///a' @s; get @s 'file:///a'",
            &[Client("PUT"), Client("GET")],
        );
        check("(select 1)", &[Nothing]);
    }
}
