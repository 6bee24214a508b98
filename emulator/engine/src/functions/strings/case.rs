//! Case, length, and order of characters.

use super::plain;
use crate::functions::framework::{Argument, Bound, FunctionType, Result, ScalarFunction, Value};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_upper", 1..=1, |arguments| text(arguments, str::to_uppercase)),
    ScalarFunction::new("sf_lower", 1..=1, |arguments| text(arguments, str::to_lowercase)),
    ScalarFunction::new("sf_initcap", 1..=2, initcap),
    ScalarFunction::new("sf_reverse", 1..=1, |arguments| {
        text(arguments, |text| text.chars().rev().collect())
    }),
    ScalarFunction::new("sf_length", 1..=1, length),
    ScalarFunction::new("sf_octet_length", 1..=1, |arguments| octets(arguments, 1)),
    ScalarFunction::new("sf_bit_length", 1..=1, |arguments| octets(arguments, 8)),
    ScalarFunction::new("sf_rtrimmed_length", 1..=1, rtrimmed_length),
    ScalarFunction::new("sf_ascii", 1..=1, |arguments| first_code(arguments, true)),
    ScalarFunction::new("sf_unicode", 1..=1, |arguments| first_code(arguments, false)),
    ScalarFunction::new("sf_soundex", 1..=1, |arguments| text(arguments, soundex)),
];

/// Characters after which INITCAP begins a new word.
const WORD_DELIMITERS: &str = " \t\n\r\u{b}\u{c}!?@\"^#$&~_,.:;+-*%/|\\[](){}<>";

fn text(arguments: &[Argument], change: impl Fn(&str) -> String + Send + Sync + 'static) -> Result<Bound> {
    plain(arguments, FunctionType::text(), move |row| {
        Ok(Value::owned_text(change(&row[0].to_text()?)))
    })
}

fn initcap(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::text(), |row| {
        let text = row[0].to_text()?;
        let delimiters = match row.get(1) {
            Some(given) => given.to_text()?.into_owned(),
            None => WORD_DELIMITERS.to_owned(),
        };
        let mut out = String::with_capacity(text.len());
        let mut at_start = true;
        for character in text.chars() {
            if at_start {
                out.extend(character.to_uppercase());
            } else {
                out.extend(character.to_lowercase());
            }
            at_start = delimiters.contains(character);
        }
        Ok(Value::owned_text(out))
    })
}

fn length(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::number(18, 0), |row| {
        Ok(Value::integer(match &row[0] {
            Value::Binary(bytes) => bytes.len() as i64,
            other => other.to_text()?.chars().count() as i64,
        }))
    })
}

fn octets(arguments: &[Argument], factor: i64) -> Result<Bound> {
    plain(arguments, FunctionType::number(18, 0), move |row| {
        Ok(Value::integer(row[0].to_bytes()?.len() as i64 * factor))
    })
}

fn rtrimmed_length(arguments: &[Argument]) -> Result<Bound> {
    plain(arguments, FunctionType::number(18, 0), |row| {
        let text = row[0].to_text()?;
        Ok(Value::integer(text.trim_end_matches(' ').chars().count() as i64))
    })
}

/// ASCII gives the first byte, UNICODE the first code point; both 0 for the empty text.
fn first_code(arguments: &[Argument], byte: bool) -> Result<Bound> {
    plain(arguments, FunctionType::number(18, 0), move |row| {
        let text = row[0].to_text()?;
        let code = if byte {
            text.bytes().next().map_or(0, u32::from)
        } else {
            text.chars().next().map_or(0, u32::from)
        };
        Ok(Value::integer(code))
    })
}

/// A letter and three digits; letters of one sound in a row count once, also across H and W.
fn soundex(text: &str) -> String {
    let code = |letter: char| match letter {
        'B' | 'F' | 'P' | 'V' => Some('1'),
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => Some('2'),
        'D' | 'T' => Some('3'),
        'L' => Some('4'),
        'M' | 'N' => Some('5'),
        'R' => Some('6'),
        _ => None,
    };
    let mut letters = text
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_uppercase());
    let Some(first) = letters.next() else {
        return String::new();
    };
    let mut out = String::from(first);
    let mut previous = code(first);
    for letter in letters {
        let current = code(letter);
        if let Some(digit) = current
            && current != previous
        {
            out.push(digit);
            if out.len() == 4 {
                break;
            }
        }
        if !matches!(letter, 'H' | 'W') {
            previous = current;
        }
    }
    while out.len() < 4 {
        out.push('0');
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::check;

    #[test]
    fn case_and_length() {
        for (expression, expected) in [
            ("sf_upper('aé')", "AÉ"),
            ("sf_lower(NULL)", "NULL"),
            ("sf_initcap('the qUICK_brown fox')", "The Quick_Brown Fox"),
            ("sf_initcap('the quick', '')", "The quick"),
            ("sf_reverse('añb')", "bña"),
            ("sf_length('añb')", "3"),
            ("sf_length('\\xAA\\xBB'::BLOB)", "2"),
            ("sf_octet_length('añb')", "4"),
            ("sf_bit_length('ab')", "16"),
            ("sf_rtrimmed_length(' ab  ')", "3"),
            ("sf_ascii('')", "0"),
            ("sf_unicode('❄')", "10052"),
            ("sf_soundex('Robert')", "R163"),
            ("sf_soundex('Ashcraft')", "A261"),
            ("sf_length(12.50)", "5"),
        ] {
            check(expression, expected);
        }
    }
}
