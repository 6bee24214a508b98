//! `CREATE TABLE … USING TEMPLATE (query)`.

use super::command::{Command, CreateFromTemplate};
use super::cursor::Cursor;
use super::parse_sql;
use crate::contract::SqlError;

/// `CREATE …`, after its first word, when it is one; else `None`, with the cursor where it was.
pub(super) fn parse_template(cursor: &mut Cursor<'_>) -> Result<Option<Command>, SqlError> {
    let start = cursor.at();
    let Some(using) = find_template(cursor) else {
        cursor.go_to(start);
        return Ok(None);
    };
    let (piece, bindings) = cursor.piece();
    cursor.expect_sign('(')?;
    let first = cursor.at();
    let mut depth = 1_usize;
    while depth > 0 {
        let Some(token) = cursor.peek() else {
            return Err(cursor.unexpected());
        };
        if token.is_sign(piece.text, '(') {
            depth += 1;
        } else if token.is_sign(piece.text, ')') {
            depth -= 1;
        }
        cursor.go_to(cursor.at() + 1);
    }
    let end = cursor.at();
    let Some(query) = piece.from_tokens(first, end - 1) else {
        return Err(cursor.unexpected());
    };
    Ok(Some(Command::CreateFromTemplate(CreateFromTemplate {
        head: piece.text[..piece.tokens[using].start].to_owned(),
        query: Box::new(parse_sql(&query, bindings)?),
        tail: piece.text[piece.tokens[end - 1].end..].to_owned(),
    })))
}

/// Goes behind `TABLE name USING TEMPLATE`; gives the number of its `USING`.
fn find_template(cursor: &mut Cursor<'_>) -> Option<usize> {
    cursor.eat(&["OR", "REPLACE"]);
    while ["LOCAL", "GLOBAL", "TEMP", "TEMPORARY", "VOLATILE", "TRANSIENT"]
        .iter()
        .any(|word| cursor.eat(&[word]))
    {}
    if !cursor.eat(&["TABLE"]) {
        return None;
    }
    cursor.eat(&["IF", "NOT", "EXISTS"]);
    cursor.path().ok()?;
    let using = cursor.at();
    cursor.eat(&["USING", "TEMPLATE"]).then_some(using)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::{Parsed, parse, split};

    #[test]
    fn the_query_is_found() {
        let sql = "create or replace transient table if not exists a.b using template (select f((1)) from g) comment = 'x'";
        let Parsed::Command(Command::CreateFromTemplate(template)) = parse(&split(sql).unwrap()[0]).unwrap()
        else {
            panic!("no template");
        };
        assert_eq!(
            template.head,
            "create or replace transient table if not exists a.b "
        );
        assert_eq!(template.query.to_string(), "SELECT f((1)) FROM g");
        assert_eq!(template.tail, " comment = 'x'");
        for (sql, code) in [
            ("create table t using template select 1", "001003"),
            ("create table t using template ()", "001003"),
            ("create table t using template (select 1", "001003"),
        ] {
            assert_eq!(parse(&split(sql).unwrap()[0]).unwrap_err().code, code, "{sql}");
        }
        assert!(matches!(
            parse(&split("create table t as select 1 a").unwrap()[0]).unwrap(),
            Parsed::Sql(_)
        ));
    }
}
