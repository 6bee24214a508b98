//! Stages as tables of a query: `FROM @stage/path (FILE_FORMAT => 'f', PATTERN => 'p')`.
//!
//! `sqlparser` does not know them. In the text that it reads each stands as a quoted name; in the tree that
//! comes of it the name is the stage's again ([`StageTable::name`]), in a spelling that no user writes.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{Ident, Statement, VisitMut, VisitorMut};

use super::cursor::{bound_value, position_of};
use super::lexer::Kind;
use super::location::Location;
use super::split::Piece;
use crate::contract::{Binding, SqlError};

/// How the name of a stage among tables begins.
const MARK: &str = "@[";

/// A stage that a query reads as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTable {
    /// Where its files are.
    pub location: Location,
    /// Name of a file format.
    pub format: Option<String>,
    /// Regular expression that the files' names must fit.
    pub pattern: Option<String>,
}

impl StageTable {
    /// Reads the name under which a stage stands in a tree; none for other names.
    pub fn of_name(name: &str) -> Option<Result<Self, SqlError>> {
        let json = name.strip_prefix('@').filter(|_| name.starts_with(MARK))?;
        let (location, format, pattern): (String, Option<String>, Option<String>) =
            serde_json::from_str(json).ok()?;
        Some(Location::parse(&location).map(|location| Self {
            location,
            format,
            pattern,
        }))
    }

    /// The name under which a stage stands in a tree.
    pub fn name(location: &str, format: Option<&str>, pattern: Option<&str>) -> String {
        format!("@{}", serde_json::json!([location, format, pattern]))
    }
}

/// A text that `sqlparser` can read.
pub(super) struct Replaced {
    pub(super) text: String,
    /// Names of the stages in it.
    pub(super) tables: Vec<String>,
}

/// Puts names in the place of stages and of `IDENTIFIER(?)`; none when there are no such things.
pub(super) fn replace(
    piece: &Piece<'_>,
    bindings: Option<&BTreeMap<String, Binding>>,
) -> Result<Option<Replaced>, SqlError> {
    let source = piece.text;
    let is = |at: usize, word: &str| piece.tokens.get(at).is_some_and(|token| token.is(source, word));
    let sign = |at: usize, sign: char| {
        piece
            .tokens
            .get(at)
            .is_some_and(|token| token.is_sign(source, sign))
    };
    let names_bound =
        |at: usize| is(at, "IDENTIFIER") && sign(at + 1, '(') && sign(at + 2, '?') && sign(at + 3, ')');
    let has_bound_names = (0..piece.tokens.len()).any(names_bound);
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    let mut tables = Vec::new();
    let mut at = 0;
    while at < piece.tokens.len() {
        let token = piece.tokens[at];
        let follows_from = at > 0 && (is(at - 1, "FROM") || is(at - 1, "JOIN") || is(at - 1, "USING"));
        let location = match token.kind {
            Kind::Location => Some(token.text(source).to_owned()),
            Kind::Text if follows_from => token.text_value(source).filter(|text| text.starts_with('@')),
            _ => None,
        };
        if names_bound(at) {
            let name = bound_value(piece, bindings, at + 2)?;
            let text = format!("IDENTIFIER('{}')", name.replace('\\', "\\\\").replace('\'', "''"));
            edits.push((token.start, piece.tokens[at + 3].end, text));
            at += 4;
            continue;
        }
        if has_bound_names && token.is_sign(source, '?') {
            edits.push((token.start, token.end, format!(":{}", position_of(piece, at))));
        }
        let Some(location) = location else {
            at += 1;
            continue;
        };
        let (options, after) = options(piece, bindings, at + 1)?;
        let [format, pattern] = options;
        let end = piece.tokens[after - 1].end;
        edits.push((token.start, end, format!("\"@{}\"", tables.len())));
        tables.push(StageTable::name(&location, format.as_deref(), pattern.as_deref()));
        at = after;
    }
    if edits.is_empty() {
        return Ok(None);
    }
    let mut text = String::with_capacity(source.len() + 32);
    let mut from = 0;
    for (start, end, edit) in edits {
        text.push_str(&source[from..start]);
        text.push_str(&edit);
        from = end;
    }
    text.push_str(&source[from..]);
    Ok(Some(Replaced { text, tables }))
}

/// `(FILE_FORMAT => 'f', PATTERN => 'p')` at a token, and the number of the token after it.
fn options(
    piece: &Piece<'_>,
    bindings: Option<&BTreeMap<String, Binding>>,
    at: usize,
) -> Result<([Option<String>; 2], usize), SqlError> {
    const NAMES: [&str; 2] = ["FILE_FORMAT", "PATTERN"];
    let mut found = [None, None];
    let source = piece.text;
    let token = |at: usize| piece.tokens.get(at);
    let sign = |at: usize, sign: char| token(at).is_some_and(|token| token.is_sign(source, sign));
    let option = |at: usize| {
        NAMES
            .iter()
            .position(|name| token(at).is_some_and(|token| token.is(source, name)))
    };
    if !sign(at, '(') || option(at + 1).is_none() {
        return Ok((found, at));
    }
    let mut at = at + 1;
    loop {
        let unexpected = |at: usize| {
            let (byte, text) =
                token(at).map_or((source.len(), "<EOF>"), |token| (token.start, token.text(source)));
            let (line, position) = piece.place(byte);
            SqlError::syntax(line, position, text)
        };
        let Some(index) = option(at) else {
            return Err(unexpected(at));
        };
        if !(sign(at + 1, '=') && sign(at + 2, '>')) {
            return Err(unexpected(at + 1));
        }
        let value = token(at + 3).ok_or_else(|| unexpected(at + 3))?;
        found[index] = Some(match value.kind {
            Kind::Text => value.text_value(source).unwrap_or_default(),
            Kind::Sign if sign(at + 3, '?') => bound_value(piece, bindings, at + 3)?,
            Kind::Word | Kind::Quoted => {
                // A dotted name.
                let mut end = at + 3;
                while sign(end + 1, '.') {
                    end += 2;
                }
                let last = token(end).ok_or_else(|| unexpected(end))?;
                let text = source[value.start..last.end].to_owned();
                at = end - 3;
                text
            }
            _ => return Err(unexpected(at + 3)),
        });
        at += 4;
        if sign(at, ')') {
            return Ok((found, at + 1));
        }
        if !sign(at, ',') {
            return Err(unexpected(at));
        }
        at += 1;
    }
}

/// Gives the stages in a tree their names.
pub(super) fn restore(statement: &mut Statement, tables: &[String]) {
    let _: ControlFlow<()> = statement.visit(&mut Restore { tables });
}

struct Restore<'a> {
    tables: &'a [String],
}

impl VisitorMut for Restore<'_> {
    type Break = ();

    fn pre_visit_ident(&mut self, ident: &mut Ident) -> ControlFlow<()> {
        let number = ident
            .value
            .strip_prefix('@')
            .filter(|_| ident.quote_style.is_some());
        if let Some(name) = number.and_then(|number| self.tables.get(number.parse::<usize>().ok()?)) {
            ident.value.clone_from(name);
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::split;

    fn replaced(text: &str, bound: &[&str]) -> (String, Vec<String>) {
        let bindings = bound.iter().zip(1..).map(|(value, number)| {
            let binding = Binding {
                type_name: "TEXT".to_owned(),
                values: vec![Some((*value).to_owned())],
                is_array: false,
            };
            (number.to_string(), binding)
        });
        let bindings = bindings.collect();
        let pieces = split(text).unwrap();
        let replaced = replace(&pieces[0], Some(&bindings)).unwrap().unwrap();
        (replaced.text, replaced.tables)
    }

    #[test]
    fn stages_become_names() {
        let (text, tables) = replaced(
            "select t.$1 from @s/a (file_format => d.f, pattern => '.*') t join '@~/x' on true",
            &[],
        );
        assert_eq!(text, "select t.$1 from \"@0\" t join \"@1\" on true");
        assert_eq!(tables, ["@[\"@s/a\",\"d.f\",\".*\"]", "@[\"@~/x\",null,null]"]);
        let table = StageTable::of_name(&tables[0]).unwrap().unwrap();
        assert_eq!(
            (table.location.path.as_str(), table.format.as_deref()),
            ("a", Some("d.f"))
        );
        assert!(StageTable::of_name("T").is_none());
    }

    #[test]
    fn bound_names_become_texts() {
        let (text, _) = replaced("select ? from identifier(?) where a = ?", &["1", "s.\"t\"", "2"]);
        assert_eq!(text, "select :1 from IDENTIFIER('s.\"t\"') where a = :3");
        let pieces = split("select '@x', a from t").unwrap();
        assert!(replace(&pieces[0], None).unwrap().is_none());
    }
}
