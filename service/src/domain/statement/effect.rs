//! What a statement does to its session.

use super::lexer::{Lexer, Token, quoted_length};
use super::literal::Literal;
use super::outline::{Head, Piece};

/// What a statement does to its session when it succeeds, beyond its result.
///
/// Names are in the form in which Snowflake stores them: upper case unless they were quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Begins a transaction.
    Begin,
    /// Commits the transaction.
    Commit,
    /// Rolls the transaction back.
    Rollback,
    /// Sets a session variable.
    SetVariable {
        /// Its name.
        name: String,
        /// The value to set it to again; `None` when it was computed.
        value: Option<Literal>,
    },
    /// Removes a session variable.
    UnsetVariable(String),
    /// Sets a session parameter.
    SetParameter {
        /// Its name.
        name: String,
        /// The value to set it to again; `None` when the text was not understood.
        value: Option<Literal>,
    },
    /// Gives a session parameter its default again.
    UnsetParameter(String),
    /// Says which further roles are active: `ALL`, `NONE` or a list.
    UseSecondaryRoles(String),
    /// Makes something that lives as long as the upstream session.
    MakeTemporary(Named),
    /// Drops something, which may have been temporary.
    Drop(Named),
    /// May do anything: a procedure, a scripting block, a text that is put together.
    Scripted,
}

/// The parameter that says whether each statement is a transaction of its own.
pub const AUTOCOMMIT: &str = "AUTOCOMMIT";

impl Effect {
    /// True for what is meant to end a transaction.
    pub fn ends_transaction(&self) -> bool {
        matches!(self, Self::Commit | Self::Rollback)
    }

    /// True for what is meant to begin or end a transaction, or to say when one begins by itself.
    pub fn changes_transaction(&self) -> bool {
        matches!(self, Self::Begin) || self.ends_transaction() || self.sets_autocommit()
    }

    /// True for what only makes sense in the session's own order: it begins or ends a transaction, or sets or unsets
    /// something of the session.
    pub fn is_of_session(&self) -> bool {
        match self {
            Self::Begin
            | Self::Commit
            | Self::Rollback
            | Self::SetVariable { .. }
            | Self::UnsetVariable(_)
            | Self::SetParameter { .. }
            | Self::UnsetParameter(_)
            | Self::UseSecondaryRoles(_) => true,
            Self::MakeTemporary(_) | Self::Drop(_) | Self::Scripted => false,
        }
    }

    /// True for what changes the parameter that says whether each statement is a transaction of its own.
    pub fn sets_autocommit(&self) -> bool {
        matches!(self, Self::SetParameter { name, .. } | Self::UnsetParameter(name) if name == AUTOCOMMIT)
    }
}

/// An object as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// For example `TABLE` or `FILE FORMAT`.
    pub kind: String,
    /// Up to three parts; none when the name is put together at run time.
    pub parts: Vec<String>,
}

/// The effects of a statement, in their order.
pub(super) fn effects(sql: &str, head: &Head<'_>) -> Vec<Effect> {
    if head.is_block {
        return vec![Effect::Scripted];
    }
    let mut reader = Reader {
        sql,
        pieces: &head.pieces,
        at: 0,
    };
    let mut effects = first_effects(&mut reader);
    if head.is_cut || head.flows {
        effects.iter_mut().for_each(forget_value);
    }
    if head.flows {
        effects.push(Effect::Scripted);
    }
    effects
}

/// What was read only in part must not be set again.
fn forget_value(effect: &mut Effect) {
    if let Effect::SetVariable { value, .. } | Effect::SetParameter { value, .. } = effect {
        *value = None;
    }
}

fn first_effects(reader: &mut Reader<'_>) -> Vec<Effect> {
    let Some(first) = reader.next() else {
        return Vec::new();
    };
    if first.is("BEGIN") || (first.is("START") && reader.eat("TRANSACTION")) {
        vec![Effect::Begin]
    } else if first.is("COMMIT") {
        vec![Effect::Commit]
    } else if first.is("ROLLBACK") {
        vec![Effect::Rollback]
    } else if first.is("SET") {
        set(reader)
    } else if first.is("UNSET") {
        reader.names().into_iter().map(Effect::UnsetVariable).collect()
    } else if first.is("ALTER") && reader.eat("SESSION") {
        alter_session(reader)
    } else if first.is("USE") && reader.eat("SECONDARY") && reader.eat("ROLES") {
        secondary_roles(reader).into_iter().collect()
    } else if first.is("CREATE") {
        make_temporary(reader).into_iter().collect()
    } else if first.is("DROP") {
        dropped(reader).into_iter().collect()
    } else if first.is_any(&["CALL", "EXECUTE", "DECLARE"]) {
        vec![Effect::Scripted]
    } else {
        Vec::new()
    }
}

/// `SET name = value` or `SET (name, …) = (value, …)`, after its first word.
fn set(reader: &mut Reader<'_>) -> Vec<Effect> {
    let is_list = reader.peek() == Some(Token::Mark('('));
    let names = reader.names();
    if names.is_empty() || !reader.eat_mark('=') {
        // It sets something that we cannot name.
        return vec![Effect::Scripted];
    }
    let values = if is_list {
        reader.values()
    } else {
        vec![reader.rest()]
    };
    let is_query = Lexer::new(values.first().copied().unwrap_or_default())
        .next()
        .is_some_and(|token| token.is_any(&["SELECT", "WITH"]));
    let understood = values.len() == names.len() && !is_query;
    names
        .into_iter()
        .enumerate()
        .map(|(index, name)| Effect::SetVariable {
            name,
            value: values
                .get(index)
                .filter(|_| understood)
                .and_then(|value| Literal::parse(value)),
        })
        .collect()
}

/// `ALTER SESSION SET name = value …` or `ALTER SESSION UNSET name, …`, after `SESSION`.
fn alter_session(reader: &mut Reader<'_>) -> Vec<Effect> {
    if reader.eat("UNSET") {
        return reader.names().into_iter().map(Effect::UnsetParameter).collect();
    }
    if !reader.eat("SET") {
        return Vec::new();
    }
    let mut set = Vec::new();
    let mut understood = true;
    while reader.peek().is_some() {
        let Some(name) = reader.identifier().filter(|_| reader.eat_mark('=')) else {
            understood = false;
            break;
        };
        let value = Literal::parse_setting(reader.adjacent());
        understood &= value.is_some();
        set.push((name, value));
        reader.eat_mark(',');
    }
    set.into_iter()
        .map(|(name, value)| Effect::SetParameter {
            name,
            value: value.filter(|_| understood),
        })
        .collect()
}

/// `ALL`, `NONE` or a list of roles.
fn secondary_roles(reader: &mut Reader<'_>) -> Option<Effect> {
    let text = reader.rest().to_owned();
    let roles = reader.names();
    (!roles.is_empty() && reader.peek().is_none()).then_some(Effect::UseSecondaryRoles(text))
}

/// Kinds of objects that can be temporary.
const KINDS: [&str; 8] = [
    "TABLE",
    "STAGE",
    "VIEW",
    "FUNCTION",
    "PROCEDURE",
    "SEQUENCE",
    "FORMAT",
    "SCHEMA",
];

/// `CREATE … TEMPORARY kind name`, after its first word.
fn make_temporary(reader: &mut Reader<'_>) -> Option<Effect> {
    while reader.eat_any(&["OR", "REPLACE", "ALTER", "LOCAL", "GLOBAL", "SECURE"]) {}
    if !reader.eat_any(&["TEMP", "TEMPORARY", "VOLATILE"]) {
        return None;
    }
    while reader.eat_any(&["READ", "ONLY", "SECURE", "RECURSIVE", "AGGREGATE", "FILE"]) {}
    let kind = reader.kind().unwrap_or("OBJECT");
    if reader.eat("IF") {
        reader.eat("NOT");
        reader.eat("EXISTS");
    }
    Some(Effect::MakeTemporary(Named {
        kind: kind.to_owned(),
        parts: reader.path(),
    }))
}

/// `DROP kind name`, after its first word.
fn dropped(reader: &mut Reader<'_>) -> Option<Effect> {
    reader.eat("FILE");
    let kind = if reader.eat("DATABASE") {
        "DATABASE"
    } else {
        reader.kind()?
    };
    if reader.eat("IF") {
        reader.eat("EXISTS");
    }
    let parts = reader.path();
    (!parts.is_empty()).then(|| {
        Effect::Drop(Named {
            kind: kind.to_owned(),
            parts,
        })
    })
}

/// Goes through the tokens of a head.
struct Reader<'a> {
    sql: &'a str,
    pieces: &'a [Piece<'a>],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.pieces.get(self.at).map(|piece| piece.token)
    }

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    fn eat_if(&mut self, wanted: impl FnOnce(Token<'a>) -> bool) -> bool {
        let found = self.peek().is_some_and(wanted);
        self.at += usize::from(found);
        found
    }

    fn eat(&mut self, word: &str) -> bool {
        self.eat_if(|token| token.is(word))
    }

    fn eat_any(&mut self, words: &[&str]) -> bool {
        self.eat_if(|token| token.is_any(words))
    }

    fn eat_mark(&mut self, mark: char) -> bool {
        self.eat_if(|token| token == Token::Mark(mark))
    }

    /// One of [`KINDS`], in the words of DROP.
    fn kind(&mut self) -> Option<&'static str> {
        let kind = KINDS
            .into_iter()
            .find(|kind| self.peek().is_some_and(|token| token.is(kind)))?;
        self.at += 1;
        Some(if kind == "FORMAT" { "FILE FORMAT" } else { kind })
    }

    /// An identifier in its stored form.
    fn identifier(&mut self) -> Option<String> {
        let stored = match self.peek()? {
            Token::Word(word) if !word.starts_with(|c: char| c.is_ascii_digit()) => word.to_uppercase(),
            Token::Quoted(quoted) if quoted.starts_with('"') => {
                let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
                if quoted_length(quoted, '"') != Some(quoted.len()) || inner.is_empty() {
                    return None;
                }
                inner.replace("\"\"", "\"")
            }
            _ => return None,
        };
        self.at += 1;
        Some(stored)
    }

    /// A name of up to three parts; empty when there is none, or when it is put together at run time.
    fn path(&mut self) -> Vec<String> {
        if self.peek().is_some_and(|token| token.is("IDENTIFIER"))
            && self.pieces.get(self.at + 1).map(|piece| piece.token) == Some(Token::Mark('('))
        {
            return Vec::new();
        }
        let mut parts = Vec::new();
        while let Some(part) = self.identifier() {
            parts.push(part);
            if !self.eat_mark('.') {
                return parts;
            }
        }
        Vec::new()
    }

    /// Names separated by commas, in parentheses or not; empty when it is anything else.
    fn names(&mut self) -> Vec<String> {
        let is_list = self.eat_mark('(');
        let mut names = Vec::new();
        while let Some(name) = self.identifier() {
            names.push(name);
            if !self.eat_mark(',') {
                break;
            }
        }
        if is_list && !self.eat_mark(')') {
            names.clear();
        }
        names
    }

    /// The text from here to the end of the statement.
    fn rest(&self) -> &'a str {
        match (self.pieces.get(self.at), self.pieces.last()) {
            (Some(first), Some(last)) => &self.sql[first.start..last.end()],
            _ => "",
        }
    }

    /// The text up to a comma, a gap or the end.
    fn adjacent(&mut self) -> &'a str {
        let Some(first) = self.pieces.get(self.at) else {
            return "";
        };
        let mut end = first.start;
        while let Some(piece) = self.pieces.get(self.at)
            && piece.start == end
            && piece.token != Token::Mark(',')
        {
            end = piece.end();
            self.at += 1;
        }
        &self.sql[first.start..end]
    }

    /// The texts between the commas of a list in parentheses that ends the statement; empty when it is anything
    /// else.
    fn values(&mut self) -> Vec<&'a str> {
        let mut values = Vec::new();
        let mut depth = 0;
        let mut start = None;
        let mut end = 0;
        while let Some(piece) = self.pieces.get(self.at) {
            self.at += 1;
            match piece.token {
                Token::Mark('(') => depth += 1,
                Token::Mark(')') => depth -= 1,
                _ => {}
            }
            let opens = depth == 1 && piece.token == Token::Mark('(') && start.is_none() && values.is_empty();
            let closes = depth == 0;
            let separates = closes || (depth == 1 && piece.token == Token::Mark(','));
            if opens {
                continue;
            }
            if separates {
                match start.take() {
                    Some(start) => values.push(&self.sql[start..end]),
                    None => return Vec::new(),
                }
                if closes {
                    return if self.peek().is_none() { values } else { Vec::new() };
                }
            } else {
                start = start.or(Some(piece.start));
                end = piece.end();
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
#[path = "effect_tests.rs"]
mod tests;
