//! Expressions of the engine's plan in Snowflake's words.
//!
//! The engine writes expressions for people: columns without their tables and without quotes, `#2` for the third
//! column of what comes from below. They are read as what they are, a text of words and signs, and what is not
//! known is left as it stands.

use crate::catalog::names::{Name, unmangle};

/// A column that an operator gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Output {
    /// As the engine calls it.
    pub(super) engine: String,
    /// As Snowflake would write it.
    pub(super) text: String,
    /// The engine keeps it in fewer bytes for a while.
    pub(super) packed: bool,
}

impl Output {
    pub(super) fn new(engine: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            engine: engine.into(),
            text: text.into(),
            packed: false,
        }
    }
}

/// Deepest nesting that is looked into; what is deeper stands as the engine wrote it.
const DEPTH_MAX: usize = 64;

/// Longest text of a column, in bytes. Each holds those of the columns below it, so that they could grow without end; one
/// that is longer stands as the engine wrote it.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// What words of an expression stand for.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    /// Columns from below.
    pub(super) outputs: &'a [Output],
    /// Table whose columns the other words are; none where they are left as they stand.
    pub(super) table: Option<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn of(outputs: &'a [Output]) -> Self {
        Self { outputs, table: None }
    }

    /// A column that an operator gives, from the expression that makes it.
    pub(super) fn output(self, expression: &str) -> Output {
        if let Some(inner) = unpacked(expression) {
            let packed = expression.contains("internal_compress");
            return Output {
                packed,
                ..self.output(inner)
            };
        }
        if let Some((number, type_name)) = cast_of_position(expression)
            && let Some(output) = self.outputs.get(number)
        {
            // The lowering never asks for types that are this small.
            let packs = [
                "TINYINT",
                "SMALLINT",
                "UTINYINT",
                "USMALLINT",
                "UINTEGER",
                "UBIGINT",
            ]
            .contains(&type_name);
            if packs || output.packed {
                return Output {
                    packed: packs,
                    ..output.clone()
                };
            }
        }
        if let Some(output) = position(expression).and_then(|number| self.outputs.get(number)) {
            return output.clone();
        }
        if is_label(expression) {
            return Output::new(expression, unmangle(expression));
        }
        let whole = Output::new(self.engine(expression), self.text(expression));
        if whole.engine.len().max(whole.text.len()) > TEXT_BYTES_MAX {
            return Output::new(expression, expression);
        }
        whole
    }

    /// The expression as the engine would write it without positions.
    fn engine(self, expression: &str) -> String {
        let mut out = String::with_capacity(expression.len());
        for token in tokens(expression) {
            match position(token).and_then(|number| self.outputs.get(number)) {
                Some(output) => out.push_str(&output.engine),
                None => out.push_str(token),
            }
        }
        out
    }

    /// The expression in Snowflake's words.
    pub(super) fn text(self, expression: &str) -> String {
        self.write(expression, 0)
    }

    fn write(self, expression: &str, depth: usize) -> String {
        if depth > DEPTH_MAX {
            return expression.to_owned();
        }
        let tokens: Vec<&str> = tokens(expression).collect();
        let mut out = String::with_capacity(expression.len());
        let mut at = 0;
        while at < tokens.len() {
            let token = tokens[at];
            let call = (is_word(token) && tokens.get(at + 1) == Some(&"("))
                .then(|| closing(&tokens, at + 1))
                .flatten();
            if let Some(end) = call {
                let whole = tokens[at..=end].concat();
                match self.find(&whole) {
                    Some(output) => out.push_str(&output.text),
                    None => out.push_str(&self.call(token, &tokens[at + 2..end], depth)),
                }
                at = end + 1;
                continue;
            }
            let is_type = at >= 2 && tokens[at - 2] == "AS";
            match position(token).and_then(|number| self.outputs.get(number)) {
                Some(output) => out.push_str(&output.text),
                None if is_word(token) && is_type => out.push_str(type_name(token)),
                None if is_word(token) => out.push_str(&self.word(token)),
                None => out.push_str(token),
            }
            at += 1;
        }
        out
    }

    fn find(self, engine: &str) -> Option<&'a Output> {
        self.outputs.iter().find(|output| output.engine == engine)
    }

    fn word(self, word: &str) -> String {
        if let Some(output) = self.find(word) {
            return output.text.clone();
        }
        let bare = word.trim_matches('"');
        match self.table {
            _ if KEYWORDS.contains(&word) => word.to_owned(),
            Some(table) => format!("{table}.{}", Name::exact(unmangle(bare))),
            None => unmangle(bare),
        }
    }

    fn call(self, name: &str, inside: &[&str], depth: usize) -> String {
        let arguments = arguments(inside);
        let written: Vec<String> = arguments
            .iter()
            .map(|argument| self.write(argument.trim(), depth + 1))
            .collect();
        let sign = match (name, written.len()) {
            ("sf_add", 2) => Some("+"),
            ("sf_sub", 2) => Some("-"),
            ("sf_mul", 2) => Some("*"),
            ("sf_div", 2) => Some("/"),
            ("sf_mod", 2) => Some("%"),
            ("sf_concat", 2..) => Some("||"),
            _ => None,
        };
        if let Some(sign) = sign {
            return format!("({})", written.join(&format!(" {sign} ")));
        }
        match name {
            "sf_mod_is" if written.len() == 3 => {
                format!("(({} % {}) = {})", written[0], written[1], written[2])
            }
            "count_star" => "COUNT(*)".to_owned(),
            "DECIMAL" => format!("NUMBER({})", written.join(",")),
            _ => {
                let name = name.strip_prefix("sf_").unwrap_or(name).to_uppercase();
                format!("{name}({})", written.join(", "))
            }
        }
    }
}

/// Words of the engine's expressions that are no columns.
const KEYWORDS: [&str; 35] = [
    "AND",
    "OR",
    "NOT",
    "IS",
    "IN",
    "NULL",
    "LIKE",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "DISTINCT",
    "FROM",
    "AS",
    "ASC",
    "DESC",
    "NULLS",
    "FIRST",
    "LAST",
    "FILTER",
    "WHERE",
    "OVER",
    "PARTITION",
    "ORDER",
    "BY",
    "ROWS",
    "RANGE",
    "UNBOUNDED",
    "PRECEDING",
    "FOLLOWING",
    "true",
    "false",
    "SUBQUERY",
];

fn type_name(engine: &str) -> &str {
    match engine {
        "HUGEINT" => "NUMBER(38,0)",
        "BIGINT" => "NUMBER(19,0)",
        "INTEGER" => "NUMBER(10,0)",
        "DOUBLE" => "FLOAT",
        other => other,
    }
}

/// What the engine packs or unpacks, of an expression that does nothing else.
fn unpacked(expression: &str) -> Option<&str> {
    let (name, inside) = expression.split_once('(')?;
    if !(name.starts_with("__internal_compress") || name.starts_with("__internal_decompress")) {
        return None;
    }
    let tokens: Vec<&str> = tokens(inside.strip_suffix(')')?).collect();
    let first = arguments(&tokens).first()?.trim().len();
    inside.get(..first)
}

/// `#2`, or `#[0.2]` where the engine tells the operator too.
fn position(token: &str) -> Option<usize> {
    let number = token.strip_prefix('#')?;
    let number = match number.strip_prefix('[') {
        Some(binding) => binding.strip_suffix(']')?.split_once('.')?.1,
        None => number,
    };
    number.parse().ok()
}

/// Number and type of `CAST(#2 AS TYPE)`.
fn cast_of_position(expression: &str) -> Option<(usize, &str)> {
    let inside = expression.strip_prefix("CAST(")?.strip_suffix(')')?;
    let (of, type_name) = inside.split_once(" AS ")?;
    Some((position(of)?, type_name))
}

/// True for the name of a column that was cut out of the statement's text: its signs are mangled.
fn is_label(expression: &str) -> bool {
    expression.contains('{')
        && tokens(expression).all(|token| token == " " || token.chars().all(is_word_part))
}

/// True for what stands for a column, a function, a type or a keyword.
fn is_word(token: &str) -> bool {
    token
        .chars()
        .next()
        .is_some_and(|first| first == '"' || is_word_start(first))
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || matches!(c, '_' | '~' | '{' | '$')
}

fn is_word_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '~' | '{' | '}' | '$')
}

/// The number of the parenthesis that closes the one at a number.
fn closing(tokens: &[&str], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match *token {
            "(" => depth += 1,
            ")" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// What commas separate.
fn arguments(tokens: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut depth = 0usize;
    let mut current = String::new();
    for token in tokens {
        match *token {
            "," if depth == 0 => {
                found.push(std::mem::take(&mut current));
                continue;
            }
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        current.push_str(token);
    }
    if !current.is_empty() {
        found.push(current);
    }
    found
}

/// Words, quoted texts and names, positions, numbers; every other character by itself.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = match first {
            '\'' | '"' => quoted_end(rest, first),
            '#' if rest[1..].starts_with('[') => rest.find(']').map_or(1, |at| at + 1),
            '#' => 1 + run(&rest[1..], |c| c.is_ascii_digit()),
            c if c.is_ascii_digit() => run(rest, |c| is_word_part(c) || c == '.'),
            c if is_word_start(c) => run(rest, is_word_part),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        rest = after;
        Some(token)
    })
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

/// Where a quoted text ends; a doubled quote stands for itself.
fn quoted_end(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(found) = text[at..].find(quote) {
        at += found + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below() -> [Output; 3] {
        [
            Output::new("A", "T.A"),
            Output::new("sum(C)", "SUM(U.C)"),
            Output::new("~x~", "T.\"x\""),
        ]
    }

    fn check(expression: &str, text: &str) {
        let below = below();
        assert_eq!(Names::of(&below).text(expression), text, "{expression}");
    }

    #[test]
    fn expressions_are_in_snowflakes_words() {
        check("(A > 1)", "(T.A > 1)");
        check("#1", "SUM(U.C)");
        check("#[0.2]", "T.\"x\"");
        check("(sum(C) > 5.0)", "(SUM(U.C) > 5.0)");
        check("max(#0)", "MAX(T.A)");
        check("count_star()", "COUNT(*)");
        check(
            "sf_add(A, sf_mul(~x~, 'a, ''b'''))",
            "(T.A + (T.\"x\" * 'a, ''b'''))",
        );
        check("CAST(A AS DECIMAL(38,0))", "CAST(T.A AS NUMBER(38,0))");
        check("CAST(A AS DOUBLE)", "CAST(T.A AS FLOAT)");
        check("sf_get_path(DOC, 'a')", "GET_PATH(DOC, 'a')");
        check("(A IS NOT NULL)", "(T.A IS NOT NULL)");
        check("sf_mod_is(A, 50, 7)", "((T.A % 50) = 7)");
        check("'#0 A'", "'#0 A'");
    }

    #[test]
    fn columns_of_a_scan_have_its_table() {
        let names = Names {
            outputs: &[],
            table: Some("D"),
        };
        assert_eq!(
            names.text("((A >= 1) AND (~b~ = 'A'))"),
            "((D.A >= 1) AND (D.\"b\" = 'A'))"
        );
    }

    #[test]
    fn packing_is_not_seen() {
        let below = below();
        let packed = Names::of(&below).output("CAST(#0 AS TINYINT)");
        assert_eq!((packed.text.as_str(), packed.packed), ("T.A", true));
        let again = [packed];
        assert_eq!(Names::of(&again).output("CAST(#0 AS DECIMAL(38,0))"), below[0]);
        let text = Names::of(&below).output("__internal_compress_string_uinteger(#2)");
        assert_eq!(text.text, "T.\"x\"");
        let label = Names::of(&below).output("A {2B} 1");
        assert_eq!(label.text, "A + 1");
        let kept = Names::of(&below).output("CAST(#0 AS DOUBLE)");
        assert_eq!(kept.text, "CAST(T.A AS FLOAT)");
    }

    #[test]
    fn texts_of_columns_upon_columns_end() {
        let mut outputs = vec![Output::new("A", "T.A")];
        let mut longest = 0;
        for _ in 0..40 {
            let names = Names::of(&outputs);
            let next = names.output("sum(sf_add(sf_mul(#0, #0), sf_mul(#0, #0)))");
            longest = longest.max(next.text.len());
            outputs = vec![next];
        }
        assert!((1000..=TEXT_BYTES_MAX).contains(&longest), "{longest}");
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in ["", "'", "\"a", "#", "#[", "f(", "((((", ")", "a,,b", "é'é"] {
            assert_eq!(tokens(text).collect::<String>(), text);
            Names::of(&below()).output(text);
        }
    }
}
