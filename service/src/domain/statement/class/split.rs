//! Cuts a text into statements, and a statement into the links of its chain.

use std::ops::Range;

use super::tokens::{Kind, Text};
use super::{Class, Doubt, Link, Statement, link};

/// Words after `END` that close something other than a block.
const CONTROL_WORDS: [&str; 5] = ["IF", "FOR", "WHILE", "LOOP", "REPEAT"];

/// A statement as a range of tokens.
pub(super) struct Piece {
    tokens: Range<usize>,
    /// It is, or holds, a scripting block written without quotes.
    block: Option<Block>,
}

/// A scripting block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// It has its `END`.
    Closed,
    /// The text ended first.
    Open,
}

/// The statements of a text that are not empty.
pub(super) fn statements<'t>(text: &'t Text<'_>) -> impl Iterator<Item = Piece> + 't {
    let mut next = 0;
    std::iter::from_fn(move || {
        while text.tokens.get(next)?.kind == Kind::Semicolon {
            next += 1;
        }
        let piece = piece(text, next);
        next = piece.tokens.end;
        Some(piece)
    })
}

/// The statement that begins at token `start`.
fn piece(text: &Text<'_>, start: usize) -> Piece {
    let all = 0..text.tokens.len();
    // A body written without `$$` may follow these words only.
    let may_hold_block = text.is_any(start, &all, &["CREATE", "ALTER", "EXECUTE", "WITH"]);
    // Semicolons between DECLARE and its BEGIN separate declarations.
    let mut declaring = text.is(start, &all, "DECLARE");
    let mut depth = usize::from(text.is(start, &all, "BEGIN") && !begins_transaction(text, start));
    let mut block = depth > 0 || declaring;
    let mut at = start + 1;
    while let Some(token) = text.tokens.get(at) {
        match token.kind {
            Kind::Semicolon if depth == 0 && !declaring => break,
            Kind::Word => {
                let after_as = may_hold_block && text.is(at - 1, &all, "AS");
                if text.is(at, &all, "BEGIN") {
                    let opens = depth > 0 || declaring || after_as;
                    if opens && !begins_transaction(text, at) {
                        depth += 1;
                        declaring = false;
                        block = true;
                    }
                } else if after_as && text.is(at, &all, "DECLARE") {
                    declaring = true;
                    block = true;
                } else if depth > 0 && text.is(at, &all, "CASE") && !text.is(at - 1, &all, "END") {
                    depth += 1;
                } else if depth > 0 && text.is(at, &all, "END") && !text.is_any(at + 1, &all, &CONTROL_WORDS)
                {
                    depth -= 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    let closed = depth == 0 && !declaring;
    Piece {
        tokens: start..at,
        block: block.then_some(if closed { Block::Closed } else { Block::Open }),
    }
}

/// True when the `BEGIN` at a token begins a transaction, not a block.
pub(super) fn begins_transaction(text: &Text<'_>, at: usize) -> bool {
    let all = 0..text.tokens.len();
    let ends = |at: usize| {
        text.at(at, &all)
            .is_none_or(|token| matches!(token.kind, Kind::Semicolon | Kind::Flow))
    };
    let mut next = at + 1;
    if text.is_any(next, &all, &["TRANSACTION", "WORK"]) {
        next += 1;
    }
    // `NAME` can also be a variable of a block, which is assigned to.
    if text.is(next, &all, "NAME") && !ends(next + 1) {
        next += 2;
    }
    ends(next)
}

/// Understands one statement.
pub(super) fn understand(text: &Text<'_>, piece: Piece) -> Statement {
    let span = span(text, &piece.tokens);
    let first = piece.tokens.start;
    let is_block = text.is_any(first, &piece.tokens, &["BEGIN", "DECLARE"]) && piece.block.is_some();
    let mut links = Vec::with_capacity(1);
    if is_block {
        links.push(link::block(text, piece.tokens.clone()));
    } else if piece.block.is_some() {
        // The body is not cut: a `->>` in it is the body's.
        links.push(link::understand(text, piece.tokens.clone()));
    } else {
        let mut start = first;
        for at in piece.tokens.clone() {
            if text.tokens[at].kind == Kind::Flow {
                links.push(link::understand(text, start..at));
                start = at + 1;
            }
        }
        links.push(link::understand(text, start..piece.tokens.end));
    }
    if piece.block == Some(Block::Open) {
        give_up(&mut links, Doubt::Unbalanced);
    }
    if let Some((at, doubt)) = text.doubt
        && at < reach(text, piece.tokens.end)
    {
        give_up(&mut links, doubt);
    }
    Statement { span, links }
}

/// A statement that only others see: behind the last one is a comment whose end is doubtful.
pub(super) fn leftover(text: &Text<'_>, statements: &[Statement]) -> Option<Statement> {
    let (at, doubt) = text.doubt?;
    let told = statements
        .last()
        .is_some_and(|statement| statement.links.iter().any(|link| link.doubt.is_some()));
    let span = at..text.sql.len();
    (!told).then(|| Statement {
        span: span.clone(),
        links: vec![Link {
            doubt: Some(doubt),
            ..Link::of(span, Class::Unknown)
        }],
    })
}

/// Where the statement that ends before token `end` stops mattering to what it is: the start of the next
/// token, because a comment between them may have been part of either.
fn reach(text: &Text<'_>, end: usize) -> usize {
    text.tokens.get(end).map_or(usize::MAX, |next| next.start)
}

/// A doubt about the text is one about each of its links.
fn give_up(links: &mut [Link], doubt: Doubt) {
    for link in links {
        link.class = Class::Unknown;
        link.doubt.get_or_insert(doubt);
    }
}

/// The bytes of a range of tokens.
pub(super) fn span(text: &Text<'_>, tokens: &Range<usize>) -> Range<usize> {
    match (text.tokens.get(tokens.start), tokens.end.checked_sub(1)) {
        (Some(first), Some(last)) if last >= tokens.start => first.start..text.tokens[last].end,
        // An empty link, as in `select 1 ->>`: the place where it would stand.
        (Some(next), _) => next.start..next.start,
        (None, _) => text.sql.len()..text.sql.len(),
    }
}
