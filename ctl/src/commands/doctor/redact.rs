//! Takes secrets out of text. It is the last door before a bundle leaves the machine, not the only one: what is put in
//! is without secrets by itself as far as its writers know.

/// Parts of a name after which a value is a secret.
const SECRET_NAMES: [&str; 12] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "private_key",
    "credential",
    "apikey",
    "api_key",
    "authorization",
];

/// What stands where a secret was.
const STARS: &str = "****";

/// Words that introduce a secret.
const INTRODUCING: [&str; 2] = ["bearer ", "snowflake token=\""];

/// A text without what looks like a secret: values of telling names, passwords in addresses, keys, tokens.
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_key = false;
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        // A key in PEM goes as a whole.
        if in_key || line.contains("-----BEGIN ") {
            in_key = !line.contains("-----END ");
            out.push_str(STARS);
        } else {
            out.push_str(&words(&of_names(&of_addresses(&introduced(line)))));
        }
    }
    out
}

/// Values behind `NAME=`, `NAME: ` and `"NAME": `.
fn of_names(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, value) = rest.split_at(at + 1);
        out.push_str(before);
        rest = value;
        let name = before[..at]
            .trim_end()
            .trim_end_matches(['"', '\'', '\\'])
            .rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        // Where a file lies, when something ends or how much there is of it is no secret.
        let is_about = ["_file", "_path", "_timeout", "_count", "_bytes", "_max"];
        let is_secret = SECRET_NAMES.iter().any(|part| name.contains(part))
            && !is_about.iter().any(|end| name.ends_with(end));
        if !is_secret {
            continue;
        }
        let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        out.push_str(&rest[..blank]);
        rest = &rest[blank..];
        let escaped = rest.strip_prefix("\\\"");
        let (open, inner, close) = if let Some(inner) = escaped {
            ("\\\"", inner, inner.find("\\\""))
        } else if let Some(inner) = rest.strip_prefix('"') {
            ("\"", inner, closing(inner))
        } else if let Some(inner) = rest.strip_prefix('\'') {
            ("'", inner, inner.find('\''))
        } else {
            let end = rest.find([' ', '\t', ',', '}', ']', ';']);
            ("", rest, end.or(Some(rest.len())))
        };
        let end = close.unwrap_or(inner.len());
        out.push_str(open);
        if end > 0 {
            out.push_str(STARS);
        }
        rest = &inner[end..];
    }
    out.push_str(rest);
    out
}

/// Where a quoted text ends.
fn closing(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

/// User and password in `SCHEME://USER:PASSWORD@HOST`.
fn of_addresses(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '<' | '>'))
            .unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(sign) => {
                out.push_str(STARS);
                &after[sign..]
            }
            None => after,
        };
    }
    out.push_str(rest);
    out
}

/// What follows `Bearer ` and the like.
fn introduced(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let found = INTRODUCING
        .iter()
        .filter_map(|word| Some(lower.find(word)? + word.len()))
        .min();
    match found {
        Some(at) => {
            let end = line[at..]
                .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | '\\'))
                .map_or(line.len(), |end| at + end);
            let rest = introduced(&line[end..]);
            format!("{}{STARS}{rest}", &line[..at])
        }
        None => line.to_owned(),
    }
}

/// Words that look like a token by themselves: a JSON web token, or a long word of mixed letters and digits.
fn words(line: &str) -> String {
    /// Shorter ones are query ids, hashes and paths.
    const TOKEN_CHARACTERS: usize = 65;
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '=' | '.');
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_word) {
        out.push_str(&rest[..start]);
        let length = rest[start..].find(|c| !is_word(c)).unwrap_or(rest.len() - start);
        let word = &rest[start..start + length];
        let has = |test: fn(&char) -> bool| word.chars().any(|c| test(&c));
        let is_mixed =
            has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase) && has(char::is_ascii_digit);
        let is_web_token = word.starts_with("eyJ") && word.matches('.').count() == 2;
        if is_web_token || word.len() >= TOKEN_CHARACTERS && is_mixed {
            out.push_str(STARS);
        } else {
            out.push_str(word);
        }
        rest = &rest[start + length..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out() {
        for (text, left) in [
            ("password = \"s3same\"", "password = \"****\""),
            ("PASSWORD=s3same next=1", "PASSWORD=**** next=1"),
            (
                r#"{"session_token":"a\"b","a":1}"#,
                r#"{"session_token":"****","a":1}"#,
            ),
            (
                r#"{"m":"{\"token\":\"abc\"}"}"#,
                r#"{"m":"{\"token\":\"****\"}"}"#,
            ),
            ("private_key_passphrase: 'x y'", "private_key_passphrase: '****'"),
            (
                "Authorization: Snowflake Token=\"ver:1-hint:2-ETM\"",
                "Authorization: **** Token=\"****\"",
            ),
            ("got Bearer abc.def", "got Bearer ****"),
            (
                "http://u:pw@proxy.example.com:1/x",
                "http://****@proxy.example.com:1/x",
            ),
            ("jwt eyJhbGciOi.eyJzdWIi.c2ln end", "jwt **** end"),
            (
                "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nx",
                "****\n****\n****\nx",
            ),
        ] {
            assert_eq!(redact(text), left, "{text}");
        }
        let long = "Ab1".repeat(30);
        assert_eq!(redact(&format!("x {long} y")), "x **** y");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "query_id=01b0c2d4-0000-1234-0000-000000000001 rows=3",
            "private_key_file = \"/home/me/key.p8\"",
            "ExecStart={ path=/usr/bin/snowflake-session ; argv[]=snowflake-session run }",
            "https://acme.example.com/session",
            "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "a password is asked for",
            "",
        ] {
            assert_eq!(redact(text), text);
        }
    }
}
