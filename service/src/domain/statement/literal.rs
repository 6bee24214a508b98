//! Values that mean the same whenever and wherever they are written.

use std::fmt;

use super::lexer::{Lexer, Token, quoted_length};

/// A constant as it stands in SQL: a string, a number, a truth value, NULL, or a bare word such as `DEBUG`
/// where a parameter allows one. It may be a secret: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Literal(String);

impl Literal {
    /// Longest literal that is remembered, in bytes.
    pub const BYTES_MAX: usize = 4096;

    /// Reads a text that is one constant and nothing else, as a variable may be set to.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lexer = Lexer::new(text);
        let first = lexer.next()?;
        let whole = first.length() == text.len();
        let constant = match first {
            Token::Quoted(quoted) if whole => match quoted.chars().next() {
                Some(quote @ ('\'' | '$')) => quoted_length(quoted, quote) == Some(quoted.len()),
                _ => false,
            },
            Token::Word(word) if whole && !word.starts_with(|c: char| c.is_ascii_digit()) => {
                first.is_any(&["TRUE", "FALSE", "NULL"])
            }
            _ => is_number(text),
        };
        (constant && text.len() <= Self::BYTES_MAX).then(|| Self(text.to_owned()))
    }

    /// Reads a constant or a bare word, as a parameter may be set to.
    pub fn parse_setting(text: &str) -> Option<Self> {
        let is_bare_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.len() <= Self::BYTES_MAX
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if is_bare_word {
            return Some(Self(text.to_owned()));
        }
        Self::parse(text)
    }

    /// The constant as it stands in SQL.
    pub fn as_sql(&self) -> &str {
        &self.0
    }

    /// The truth value that Snowflake takes it for, if it is one.
    pub fn truth(&self) -> Option<bool> {
        let word = self.0.trim_matches('\'').to_ascii_lowercase();
        match word.as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
            _ => None,
        }
    }
}

impl fmt::Debug for Literal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Literal(…)")
    }
}

/// True for a sign, digits with at most one point, and an exponent.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_is_good = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent_is_good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_constants_are_literals() {
        for good in [
            "1",
            "-1",
            "+1.50",
            ".5",
            "1.",
            "1e5",
            "1.5E-3",
            "'a'",
            "'it''s'",
            r"'a\'b'",
            "''",
            "$$ it's $$",
            "true",
            "NULL",
            "'ü'",
            "'a\nb'",
        ] {
            assert!(Literal::parse(good).is_some(), "{good:?} was refused");
        }
        for bad in [
            "",
            "a",
            "x1",
            "$x",
            "?",
            ":x",
            "1 + 1",
            "1+1",
            "- 1",
            "'a' 'b'",
            "'a'||'b'",
            "'a",
            r"'a\'",
            "'",
            "$$a",
            "\"a\"",
            "(1)",
            "1 -- one",
            "1.2.3",
            ".",
            "e5",
            "1e",
            "current_date",
            "'1'::int",
            "date '2020-01-01'",
            "(select 1)",
            "'a';",
        ] {
            assert!(Literal::parse(bad).is_none(), "{bad:?} was taken");
        }
        assert!(Literal::parse(&format!("'{}'", "x".repeat(Literal::BYTES_MAX))).is_none());
    }

    #[test]
    fn settings_may_be_bare_words() {
        for good in ["DEBUG", "utf_8", "TRUE", "'UTC'", "-1"] {
            assert!(Literal::parse_setting(good).is_some(), "{good:?} was refused");
        }
        for bad in ["a b", "$x", "a.b", "a+b", "'UTC'b='x'", ""] {
            assert!(Literal::parse_setting(bad).is_none(), "{bad:?} was taken");
        }
    }

    #[test]
    fn truth_has_many_spellings() {
        for (text, truth) in [
            ("FALSE", Some(false)),
            ("'off'", Some(false)),
            ("1", Some(true)),
            ("2", None),
        ] {
            assert_eq!(Literal::parse_setting(text).unwrap().truth(), truth, "{text}");
        }
    }

    #[test]
    fn values_are_not_shown() {
        assert!(!format!("{:?}", Literal::parse("'secret'")).contains("secret"));
    }
}
