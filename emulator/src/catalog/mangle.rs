//! Names as the engine may see them: mangled, quoted, and back.

use std::fmt::Write as _;

/// Quotes an identifier for the engine's SQL.
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Quotes a text for the engine's SQL.
///
/// The engine's statements end at a NUL character, so a text with one is put together from its parts.
pub fn literal(text: &str) -> String {
    let quoted = format!("'{}'", text.replace('\'', "''"));
    if quoted.contains('\0') {
        format!("({})", quoted.replace('\0', "' || chr(0) || '"))
    } else {
        quoted
    }
}

/// Mangles one name for the engine; see [`super::names`] for the rules.
pub fn mangle(name: &str) -> String {
    let ordinary = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | '$' | ' ');
    if name.chars().all(ordinary) {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len() + 4);
    let mut lower = false;
    for c in name.chars() {
        let is_letter = c.is_ascii_alphabetic();
        if is_letter && c.is_ascii_lowercase() != lower {
            out.push('~');
            lower = !lower;
        }
        if is_letter || ordinary(c) {
            out.push(c);
        } else {
            let code = u32::from(c);
            // Writing to a String cannot fail.
            let _ = write!(out, "{{{code:X}}}");
        }
    }
    if lower {
        out.push('~');
    }
    out
}

/// Gives the name that [`mangle`] was given; text that was never mangled comes back unchanged.
pub fn unmangle(physical: &str) -> String {
    if !physical.contains(['~', '{']) {
        return physical.to_owned();
    }
    let mut out = String::with_capacity(physical.len());
    let mut rest = physical;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = after;
        match c {
            '~' => {}
            '{' => {
                let decoded = after.split_once('}').and_then(|(digits, tail)| {
                    let number = u32::from_str_radix(digits, 16).ok()?;
                    Some((char::from_u32(number)?, tail))
                });
                match decoded {
                    Some((character, tail)) => {
                        out.push(character);
                        rest = tail;
                    }
                    None => out.push('{'),
                }
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check_mangling(name: &str, mangled: &str) {
        assert_eq!(mangle(name), mangled);
        assert_eq!(unmangle(mangled), name);
    }

    #[test]
    fn mangling_is_reversible() {
        check_mangling("ORDERS", "ORDERS");
        check_mangling("A_1$ B", "A_1$ B");
        check_mangling("orders", "~orders~");
        check_mangling("myTab1e", "~my~T~ab1e~");
        check_mangling("a.B", "~a{2E}~B");
        check_mangling("x\"y", "~x{22}y~");
        check_mangling("~", "{7E}");
        check_mangling("{41}", "{7B}41{7D}");
        check_mangling("é", "{E9}");
        check_mangling("COUNT(*)", "COUNT{28}{2A}{29}");
        check_mangling("", "");
    }

    #[test]
    fn unmangled_text_survives() {
        assert_eq!(unmangle("count_star()"), "count_star()");
        assert_eq!(unmangle("{zz}"), "{zz}");
    }

    #[test]
    fn different_names_stay_different_when_case_is_folded() {
        let names = [
            "AB", "ab", "aB", "Ab", "A.B", "a.b", "A~B", "A{2E}B", "É", "é", "A B", "A_B",
        ];
        let folded: BTreeSet<String> = names.iter().map(|name| mangle(name).to_lowercase()).collect();
        assert_eq!(folded.len(), names.len());
    }
}
