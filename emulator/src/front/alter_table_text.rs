//! `ALTER TABLE` in the forms that the parser does not know, written in those that it knows.
//!
//! Several columns are added and altered in one list, `MODIFY` is another word for `ALTER`, and columns are added that
//! may be there.

use super::cursor::Cursor;
use super::lexer::Token;
use super::split::Piece;

/// What a list of added things has besides columns.
const NO_COLUMNS: [&str; 7] = [
    "CONSTRAINT",
    "PRIMARY",
    "UNIQUE",
    "FOREIGN",
    "CHECK",
    "SEARCH",
    "ROW",
];

/// The statement in the parser's forms, and the numbers of its operations that add a column only if it is not there.
pub(super) struct Rewritten {
    pub(super) text: String,
    pub(super) guarded: Vec<usize>,
}

/// Writes the statement anew; none when it is no `ALTER TABLE` of such a form.
pub(super) fn rewrite(piece: &Piece<'_>) -> Option<Rewritten> {
    let mut cursor = Cursor::new(piece);
    if !cursor.eat(&["ALTER", "TABLE"]) {
        return None;
    }
    cursor.eat(&["IF", "EXISTS"]);
    cursor.path().ok()?;
    let verb = cursor.at();
    let head = &piece.text[..piece.tokens.get(verb)?.start];
    let is_added = cursor.eat(&["ADD"]);
    if !is_added && !cursor.eat(&["ALTER"]) && !cursor.eat(&["MODIFY"]) {
        return None;
    }
    let mut tokens = piece.tokens.get(cursor.at()..)?;
    if tokens.first()?.is_sign(piece.text, '(') {
        if !tokens.last()?.is_sign(piece.text, ')') {
            return None;
        }
        tokens = &tokens[1..tokens.len() - 1];
    }
    let mut guarded = Vec::new();
    let mut operations = Vec::new();
    for item in items(piece.text, tokens) {
        let operation = if is_added {
            added(piece.text, item, operations.len(), &mut guarded)?
        } else {
            altered(piece.text, item)?
        };
        operations.push(operation);
    }
    Some(Rewritten {
        text: format!("{head}{}", operations.join(", ")),
        guarded,
    })
}

/// The parts of a list, between commas outside of parentheses.
fn items<'a>(text: &str, tokens: &'a [Token]) -> Vec<&'a [Token]> {
    let mut depth = 0_usize;
    let parts = tokens.split(|token| {
        if token.is_sign(text, '(') {
            depth += 1;
        } else if token.is_sign(text, ')') {
            depth = depth.saturating_sub(1);
        }
        depth == 0 && token.is_sign(text, ',')
    });
    parts.collect()
}

/// The text from a token to the last.
fn rest<'a>(text: &'a str, tokens: &[Token]) -> &'a str {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => &text[first.start..last.end],
        _ => "",
    }
}

/// The tokens behind these words, when they begin with them.
fn behind<'a>(text: &str, tokens: &'a [Token], words: &[&str]) -> Option<&'a [Token]> {
    let begins = words
        .iter()
        .enumerate()
        .all(|(at, word)| tokens.get(at).is_some_and(|token| token.is(text, word)));
    begins.then(|| &tokens[words.len()..])
}

/// True for tokens that are these words and nothing else.
fn are(text: &str, tokens: &[Token], words: &[&str]) -> bool {
    behind(text, tokens, words).is_some_and(<[Token]>::is_empty)
}

fn added(text: &str, item: &[Token], number: usize, guarded: &mut Vec<usize>) -> Option<String> {
    let item = behind(text, item, &["ADD"]).unwrap_or(item);
    if NO_COLUMNS
        .iter()
        .any(|word| behind(text, item, &[word]).is_some())
    {
        return Some(format!("ADD {}", rest(text, item)));
    }
    let item = behind(text, item, &["COLUMN"]).unwrap_or(item);
    let column = match behind(text, item, &["IF", "NOT", "EXISTS"]) {
        Some(column) => {
            guarded.push(number);
            column
        }
        None => item,
    };
    (column.len() > 1).then(|| format!("ADD COLUMN {}", rest(text, column)))
}

fn altered(text: &str, item: &[Token]) -> Option<String> {
    let item = ["ALTER", "MODIFY"]
        .iter()
        .find_map(|word| behind(text, item, &[word]))
        .unwrap_or(item);
    let item = behind(text, item, &["COLUMN"]).unwrap_or(item);
    let (name, change) = item.split_first()?;
    let as_written = ["SET", "DROP", "UNSET", "COMMENT"];
    let change = if are(text, change, &["NOT", "NULL"]) {
        "SET NOT NULL".to_owned()
    } else if are(text, change, &["NULL"]) {
        "DROP NOT NULL".to_owned()
    } else if let Some(written) = behind(text, change, &["TYPE"]) {
        format!("SET DATA TYPE {}", rest(text, written))
    } else if as_written
        .iter()
        .any(|word| behind(text, change, &[word]).is_some())
    {
        rest(text, change).to_owned()
    } else {
        format!("SET DATA TYPE {}", rest(text, change))
    };
    Some(format!("ALTER COLUMN {} {change}", name.text(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::split;

    #[test]
    fn forms_are_written_anew() {
        for (sql, expected, guards) in [
            (
                "alter table if exists a.t add column if not exists x number(3, 1) default 1, y int",
                "alter table if exists a.t ADD COLUMN x number(3, 1) default 1, ADD COLUMN y int",
                &[0][..],
            ),
            (
                "alter table t add x int, column if not exists y int, add column z int",
                "alter table t ADD COLUMN x int, ADD COLUMN y int, ADD COLUMN z int",
                &[1],
            ),
            (
                "alter table t add constraint c primary key (x, y)",
                "alter table t ADD constraint c primary key (x, y)",
                &[],
            ),
            (
                "alter table t modify (column x varchar(3), column \"y\" set not null, z not null)",
                "alter table t ALTER COLUMN x SET DATA TYPE varchar(3), ALTER COLUMN \"y\" set not null, \
                 ALTER COLUMN z SET NOT NULL",
                &[],
            ),
            (
                "alter table t alter x type int, alter column y drop default",
                "alter table t ALTER COLUMN x SET DATA TYPE int, ALTER COLUMN y drop default",
                &[],
            ),
        ] {
            let found = rewrite(&split(sql).unwrap()[0]).unwrap();
            assert_eq!(
                (found.text.as_str(), found.guarded.as_slice()),
                (expected, guards)
            );
        }
        for sql in [
            "alter table t rename to u",
            "alter view v add x int",
            "select 1",
            "alter table t add",
        ] {
            assert!(rewrite(&split(sql).unwrap()[0]).is_none(), "{sql}");
        }
    }
}
