//! Escapes in texts between single quotes, as Snowflake reads them.
//!
//! `sqlparser` knows some that Snowflake does not have and lacks those with numbers, so its tokens come raw and are
//! read here.

use sqlparser::tokenizer::{Token, TokenWithSpan};

/// The value of a text, given without the quotes around it: `''` is a quote, a backslash begins an escape. What is no
/// escape stands for the character after the backslash.
pub(super) fn unescape(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find(['\'', '\\']) {
        out.push_str(&rest[..at]);
        let (first, after) = rest[at..].split_at(1);
        let (character, length) = match first {
            // The second quote says only that the first one does not end the text.
            "'" => ('\'', usize::from(after.starts_with('\''))),
            _ => escaped(after),
        };
        out.push(character);
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

/// The character that an escape stands for, and how many bytes after the backslash belong to it.
fn escaped(after: &str) -> (char, usize) {
    let Some(first) = after.chars().next() else {
        return ('\\', 0);
    };
    let number = match first {
        'x' => digits(after, 1, 2, 16),
        'u' => return unicode(after).unwrap_or(('u', 1)),
        '0'..='7' => digits(after, 0, 3, 8),
        _ => None,
    };
    if let Some((character, length)) = number.and_then(|(code, length)| Some((char::from_u32(code)?, length)))
    {
        return (character, length);
    }
    let character = match first {
        '0' => '\0',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        other => other,
    };
    (character, first.len_utf8())
}

/// `uXXXX`; two of them, the second after a backslash, are one character beyond the first 65,536.
fn unicode(after: &str) -> Option<(char, usize)> {
    let (code, length) = digits(after, 1, 4, 16)?;
    if let Some(character) = char::from_u32(code) {
        return Some((character, length));
    }
    let pair = after[length..].strip_prefix("\\u").and_then(|_| {
        let (low, low_length) = digits(&after[length + 1..], 1, 4, 16)?;
        let character = char::decode_utf16([code as u16, low as u16]).next()?.ok()?;
        Some((character, length + 1 + low_length))
    });
    Some(pair.unwrap_or((char::REPLACEMENT_CHARACTER, length)))
}

/// The number of exactly so many digits that begin at a byte, and where they end.
fn digits(text: &str, from: usize, count: usize, radix: u32) -> Option<(u32, usize)> {
    let digits = text.get(from..from + count)?;
    digits
        .chars()
        .all(|digit| digit.is_digit(radix))
        .then(|| u32::from_str_radix(digits, radix).ok())?
        .map(|number| (number, from + count))
}

/// Reads what a tokenizer that was told not to unescape has left raw.
pub(super) fn read(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    for token in &mut tokens {
        match &mut token.token {
            Token::SingleQuotedString(text) | Token::NationalStringLiteral(text)
                if text.contains(['\'', '\\']) =>
            {
                *text = unescape(text);
            }
            Token::Word(word) if word.quote_style == Some('"') && word.value.contains('"') => {
                word.value = word.value.replace("\"\"", "\"");
            }
            _ => {}
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes_are_snowflakes() {
        for (raw, value) in [
            ("", ""),
            ("it''s", "it's"),
            (r#"it\'s \"so\""#, "it's \"so\""),
            (r"a\\b", r"a\b"),
            (r"\0\b\f\n\r\t", "\0\u{8}\u{c}\n\r\t"),
            (r"\x41\x6a\xe9", "Ajé"),
            (r"\101\0601", "A01"),
            (r"\u0041\u26c4", "A⛄"),
            (r"\ud83d\ude00!", "😀!"),
            (r"\ud83dx\ude00", "\u{fffd}x\u{fffd}"),
            // No escapes: the character itself.
            (r"\a\Z\%\é", "aZ%é"),
            (r"\x4\xg1\u004\8\18", "x4xg1u004818"),
            (r"\00", "\u{0}0"),
            ("\\", "\\"),
        ] {
            assert_eq!(unescape(raw), value, "{raw}");
        }
    }
}
