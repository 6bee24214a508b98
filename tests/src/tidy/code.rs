//! Rust text without its comments and literals, so that a rule sees names only where code names something.

/// Replaces comments, string and character literals by spaces; line breaks stay, so line numbers do too.
pub(super) fn bare(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_comment(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment(bytes, at),
            b'r' | b'b' if !follows_word(bytes, at) => raw_or_byte_string(bytes, at),
            b'"' => string(bytes, at),
            b'\'' => character(bytes, at),
            _ => at,
        };
        if end > at {
            for byte in &mut out[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
            at = end;
        } else {
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The 1-based line of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Whether this byte can be part of a name.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Offsets at which `needle` stands as a whole word.
pub(super) fn words<'a>(text: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(needle).map(|(at, _)| at).filter(move |at| {
        let end = at + needle.len();
        let ends_word = needle.as_bytes().last().is_some_and(|byte| is_word(*byte));
        let follows = text.as_bytes().get(end).copied().is_some_and(is_word);
        !(follows_word(text.as_bytes(), *at) || ends_word && follows)
    })
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && is_word(bytes[at - 1])
}

fn line_comment(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |length| at + length)
}

fn block_comment(bytes: &[u8], at: usize) -> usize {
    let mut depth = 0;
    let mut here = at;
    while here + 1 < bytes.len() {
        match &bytes[here..here + 2] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                here += 1;
                continue;
            }
        }
        here += 2;
        if depth == 0 {
            return here;
        }
    }
    bytes.len()
}

/// The end of `r"…"`, `r#"…"#`, `b"…"`, `b'…'` or `br#"…"#`; the start itself when it is none of them.
fn raw_or_byte_string(bytes: &[u8], at: usize) -> usize {
    let mut here = at;
    if bytes[here] == b'b' {
        here += 1;
        match bytes.get(here) {
            Some(b'"') => return string(bytes, here),
            Some(b'\'') => return character(bytes, here),
            Some(b'r') => {}
            _ => return at,
        }
    }
    here += 1;
    let hashes = bytes[here..].iter().take_while(|byte| **byte == b'#').count();
    here += hashes;
    if bytes.get(here) != Some(&b'"') {
        return at;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = here + 1;
    bytes[body..]
        .windows(close.len())
        .position(|window| window == close)
        .map_or(bytes.len(), |length| body + length + close.len())
}

fn string(bytes: &[u8], at: usize) -> usize {
    let mut here = at + 1;
    while here < bytes.len() {
        match bytes[here] {
            b'\\' => here += 2,
            b'"' => return here + 1,
            _ => here += 1,
        }
    }
    bytes.len()
}

/// The end of a character literal; the start itself for a lifetime.
fn character(bytes: &[u8], at: usize) -> usize {
    if bytes.get(at + 1) == Some(&b'\\') {
        return bytes[at + 3..]
            .iter()
            .position(|byte| *byte == b'\'')
            .map_or(at, |length| at + 3 + length + 1);
    }
    // One character, of up to four bytes, then the closing quote.
    let width = bytes.get(at + 1).map_or(0, |first| match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    });
    if width > 0 && bytes.get(at + 1 + width) == Some(&b'\'') {
        at + width + 2
    } else {
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let cases = [
            ("a // b\nc", "a     \nc"),
            ("/* a /* b */ c */d", "                 d"),
            (r#"let a = "crate::b\" // no";"#, "let a =                   ;"),
            ("r#\"crate::\"b\"#;x", "              ;x"),
            (
                "fn f<'a>(c: char) { '\\'' == c && '\"' == c }",
                "fn f<'a>(c: char) {      == c &&     == c }",
            ),
            ("for_b\"", "for_b "),
        ];
        for (text, expected) in cases {
            assert_eq!(bare(text), expected, "{text}");
        }
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(words("todo!() my_todo!() todos", "todo").collect::<Vec<_>>(), [0]);
        assert_eq!(
            words("std::env::var(x) std::env::vars()", "env::var").collect::<Vec<_>>(),
            [5]
        );
    }
}
