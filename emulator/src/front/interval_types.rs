//! Interval types, which `sqlparser` reads for other dialects only: `INTERVAL DAY(5) TO SECOND(3)`.
//!
//! Among the tokens of a statement each becomes a type of its own name with the fields as its parameter, which the
//! lowering knows. An interval constant has its value after the word `INTERVAL` and is left alone, and so is a column
//! of that name: a type stands behind `::` or behind a word, a column's name or `AS`, and never where an expression or a
//! table begins.

use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

/// The name under which an interval type comes out of the parser.
pub const INTERVAL_TYPE: &str = "SF_INTERVAL";

/// The words that begin the fields of an interval type.
const FIELDS: [&str; 6] = ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];

/// The words behind which an expression or a table begins.
const BEGINNINGS: [&str; 33] = [
    "ALL", "AND", "ANY", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "EXCEPT", "FROM", "HAVING", "ILIKE",
    "IN", "INTO", "JOIN", "LATERAL", "LIKE", "LIMIT", "NOT", "OFFSET", "ON", "OR", "PRIOR", "QUALIFY",
    "RETURN", "RLIKE", "SELECT", "SET", "THEN", "UPDATE", "USING", "WHEN", "WHERE",
];

/// Gives interval types their name.
pub(super) fn named(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|token| is_word(&token.token, "INTERVAL")) {
        return tokens;
    }
    let mut named = Vec::with_capacity(tokens.len());
    let mut at = 0;
    let mut before = None;
    while at < tokens.len() {
        let token = &tokens[at].token;
        let fields = if is_word(token, "INTERVAL") && takes_type(before) {
            read(&tokens, at + 1)
        } else {
            None
        };
        if !matches!(token, Token::Whitespace(_)) {
            before = Some(token);
        }
        if let Some((fields, end)) = fields {
            let span = tokens[at].span;
            named.extend(
                [
                    Token::make_word(INTERVAL_TYPE, None),
                    Token::LParen,
                    Token::SingleQuotedString(fields),
                    Token::RParen,
                ]
                .map(|token| TokenWithSpan { token, span }),
            );
            at = end;
        } else {
            named.push(tokens[at].clone());
            at += 1;
        }
    }
    named
}

/// True for a token behind which a type may stand.
fn takes_type(before: Option<&Token>) -> bool {
    match before {
        Some(Token::DoubleColon) => true,
        Some(Token::Word(word)) => {
            word.quote_style.is_some()
                || !BEGINNINGS
                    .iter()
                    .any(|known| word.value.eq_ignore_ascii_case(known))
        }
        _ => false,
    }
}

/// The fields that begin at a token, and the first token behind them.
fn read(tokens: &[TokenWithSpan], start: usize) -> Option<(String, usize)> {
    let (mut text, mut at) = field(tokens, start)?;
    let to = skip(tokens, at);
    if tokens.get(to).is_some_and(|token| is_word(&token.token, "TO"))
        && let Some((last, end)) = field(tokens, to + 1)
    {
        text = format!("{text} TO {last}");
        at = end;
    }
    Some((text, at))
}

/// A field with its digits.
fn field(tokens: &[TokenWithSpan], start: usize) -> Option<(String, usize)> {
    let at = skip(tokens, start);
    let Token::Word(Word {
        value,
        quote_style: None,
        ..
    }) = &tokens.get(at)?.token
    else {
        return None;
    };
    let word = value.to_uppercase();
    if !FIELDS.contains(&word.as_str()) {
        return None;
    }
    let open = skip(tokens, at + 1);
    if tokens.get(open).is_none_or(|token| token.token != Token::LParen) {
        return Some((word, at + 1));
    }
    let mut digits = Vec::new();
    let mut next = open + 1;
    loop {
        next = skip(tokens, next);
        match &tokens.get(next)?.token {
            Token::Number(number, _) => digits.push(number.clone()),
            Token::Comma => {}
            Token::RParen => break,
            _ => return None,
        }
        next += 1;
    }
    Some((format!("{word}({})", digits.join(", ")), next + 1))
}

fn skip(tokens: &[TokenWithSpan], mut at: usize) -> usize {
    while matches!(
        tokens.get(at).map(|token| &token.token),
        Some(Token::Whitespace(_))
    ) {
        at += 1;
    }
    at
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use sqlparser::dialect::SnowflakeDialect;
    use sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn written(sql: &str) -> String {
        let tokens = Tokenizer::new(&SnowflakeDialect, sql)
            .tokenize_with_location()
            .unwrap();
        named(tokens)
            .iter()
            .map(|token| token.token.to_string())
            .collect()
    }

    #[test]
    fn only_types_are_named() {
        for (sql, expected) in [
            ("a interval year to month,", "a SF_INTERVAL('YEAR TO MONTH'),"),
            (
                "x::interval day(5) to second(3) y",
                "x::SF_INTERVAL('DAY(5) TO SECOND(3)') y",
            ),
            (
                "cast(x as INTERVAL SECOND(2,3))",
                "cast(x as SF_INTERVAL('SECOND(2, 3)'))",
            ),
            ("interval '1-2' year to month", "interval '1-2' year to month"),
            ("interval 3 day", "interval 3 day"),
            ("select interval from t", "select interval from t"),
            ("select interval day from it", "select interval day from it"),
            ("select a, interval day from it", "select a, interval day from it"),
            ("select 1 from interval day", "select 1 from interval day"),
            ("where interval month > 1", "where interval month > 1"),
            ("(\"by\" interval month)", "(\"by\" SF_INTERVAL('MONTH'))"),
            (
                "alter column a type interval /* */ hour",
                "alter column a type SF_INTERVAL('HOUR')",
            ),
        ] {
            assert_eq!(written(sql), expected);
        }
    }
}
