//! Names and queries inside of texts.

use super::command::Path;
use super::cursor::Cursor;
use super::split::split;
use crate::contract::SqlError;

/// Reads a text as a dotted name.
pub fn path_of(text: &str) -> Result<Path, SqlError> {
    let pieces = split(text)?;
    let [piece] = pieces.as_slice() else {
        return Err(SqlError::syntax(1, 0, text));
    };
    let mut cursor = Cursor::new(piece);
    let path = cursor.path()?;
    cursor.end()?;
    Ok(path)
}

/// The query of a `CREATE VIEW`: what is behind its first `AS` outside of parentheses.
pub fn view_query(text: &str) -> Option<&str> {
    let pieces = split(text).ok()?;
    let piece = pieces.first()?;
    let mut depth = 0_usize;
    for token in &piece.tokens {
        if token.is_sign(piece.text, '(') {
            depth += 1;
        } else if token.is_sign(piece.text, ')') {
            depth = depth.saturating_sub(1);
        } else if depth == 0 && token.is(piece.text, "AS") {
            return Some(piece.text[token.end..].trim());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_queries_are_found() {
        let path = path_of("d.\"s p\".t").unwrap();
        let parts: Vec<&str> = path.iter().map(crate::catalog::names::Name::as_str).collect();
        assert_eq!(parts, ["D", "s p", "T"]);
        assert!(path_of("a b").is_err());
        assert!(path_of("").is_err());
        assert_eq!(
            view_query("create view v (a comment 'as') comment = 'as' as select 1 as a"),
            Some("select 1 as a")
        );
        assert_eq!(view_query("create table t (a int)"), None);
    }
}
