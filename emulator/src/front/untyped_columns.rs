//! `CREATE TABLE t (a, b) AS …`, whose columns have names and no types.
//!
//! The parser wants a type at each column. So before it reads the tokens, such columns get the one of this name.

use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The name under which a type that is not written comes out of the parser.
pub const UNTYPED: &str = "SF_UNTYPED";

/// Words that may stand between CREATE and TABLE.
const KINDS: [&str; 10] = [
    "OR",
    "REPLACE",
    "LOCAL",
    "GLOBAL",
    "TEMP",
    "TEMPORARY",
    "VOLATILE",
    "TRANSIENT",
    "HYBRID",
    "DYNAMIC",
];

/// Gives columns without types theirs.
pub(super) fn typed(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let Some(columns) = untyped(&tokens) else {
        return tokens;
    };
    for at in columns.into_iter().rev() {
        let span = tokens[at].span;
        let word = [
            Token::Whitespace(sqlparser::tokenizer::Whitespace::Space),
            Token::make_word(UNTYPED, None),
        ];
        tokens.splice((at + 1)..=at, word.map(|token| TokenWithSpan { token, span }));
    }
    tokens
}

/// Where the columns are, when none of them has a type.
fn untyped(tokens: &[TokenWithSpan]) -> Option<Vec<usize>> {
    let mut rest = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| !matches!(token.token, Token::Whitespace(_)))
        .map(|(at, token)| (at, &token.token));
    let (_, first) = rest.next()?;
    if !is_word(first, "CREATE") {
        return None;
    }
    let (_, table) = rest.find(|(_, token)| !KINDS.iter().any(|kind| is_word(token, kind)))?;
    if !is_word(table, "TABLE") {
        return None;
    }
    // The name, which may be several words with points or a call of IDENTIFIER.
    let mut before = table;
    let mut depth = 0_usize;
    for (_, token) in rest.by_ref() {
        let begins = *before == Token::Period
            || ["TABLE", "IF", "NOT", "EXISTS"]
                .iter()
                .any(|word| is_word(before, word));
        match token {
            Token::LParen if is_word(before, "IDENTIFIER") => depth += 1,
            Token::LParen if !begins => break,
            Token::RParen if depth > 0 => depth -= 1,
            Token::Word(_) if begins || depth > 0 => {}
            Token::Period | Token::SingleQuotedString(_) | Token::Placeholder(_) => {}
            _ => return None,
        }
        before = token;
    }
    let mut columns = Vec::new();
    loop {
        match rest.next()? {
            (at, Token::Word(_)) => columns.push(at),
            _ => return None,
        }
        match rest.next()? {
            (_, Token::Comma) => {}
            (_, Token::RParen) => return Some(columns),
            _ => return None,
        }
    }
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::SnowflakeDialect;
    use sqlparser::tokenizer::Tokenizer;

    use super::*;

    #[test]
    fn only_columns_without_types_get_one() {
        for (sql, expected) in [
            (
                "create or replace temp table if not exists d.\"s\".t (a, \"b\") as select",
                "create or replace temp table if not exists d.\"s\".t (a SF_UNTYPED, \"b\" SF_UNTYPED) as select",
            ),
            (
                "create table identifier('t')(a)",
                "create table identifier('t')(a SF_UNTYPED)",
            ),
            ("create table t (a int, b)", "create table t (a int, b)"),
            (
                "create table t as select (a) from u",
                "create table t as select (a) from u",
            ),
            ("create view v (a, b) as", "create view v (a, b) as"),
            ("select f(a, b)", "select f(a, b)"),
        ] {
            let tokens = Tokenizer::new(&SnowflakeDialect, sql)
                .tokenize_with_location()
                .unwrap();
            let typed: String = typed(tokens)
                .iter()
                .map(|token| token.token.to_string())
                .collect();
            assert_eq!(typed, expected);
        }
    }
}
