//! Whether the condition of a statement depends on the rows at all.

use std::ops::Range;

use super::tokens::{Kind, Text};

/// Parentheses that are looked into. Deeper ones are held for trivial, which is the strict answer.
const DEPTH_MAX: usize = 16;

/// Words that are no columns.
const CONSTANT_WORDS: [&str; 22] = [
    "AND", "BETWEEN", "CASE", "DISTINCT", "ELSE", "END", "EXISTS", "FALSE", "FROM", "ILIKE", "IN", "IS",
    "LIKE", "NOT", "NULL", "OR", "RLIKE", "SELECT", "THEN", "TRUE", "WHEN", "WHERE",
];

/// True when the condition in these tokens is the same for every row, as far as can be seen: it names no
/// column, or compares something with itself, or one of its alternatives does.
///
/// A condition that only happens to be true for all rows (`id > 0`) depends on them and is not trivial.
pub(super) fn is_trivial(text: &Text<'_>, condition: Range<usize>) -> bool {
    trivial(text, condition, 0)
}

fn trivial(text: &Text<'_>, condition: Range<usize>, depth: usize) -> bool {
    if depth > DEPTH_MAX {
        return true;
    }
    let condition = strip(text, condition);
    let alternatives = split(text, &condition, "OR");
    if alternatives.len() > 1 {
        return are_complements(text, &alternatives)
            || alternatives
                .into_iter()
                .any(|part| trivial(text, part, depth + 1));
    }
    let conjuncts = split(text, &condition, "AND");
    if conjuncts.len() > 1 {
        return conjuncts.into_iter().all(|part| trivial(text, part, depth + 1));
    }
    let Range { start, end } = condition;
    if text.is(start, &condition, "NOT") {
        return trivial(text, start + 1..end, depth + 1);
    }
    is_constant(text, &condition)
        || compares_with_itself(text, &condition)
        || matches_anything(text, &condition)
}

/// Without the parentheses around the whole, however many: as many as open at the start, close at the end,
/// and stay open in between.
fn strip(text: &Text<'_>, condition: Range<usize>) -> Range<usize> {
    let is = |at: &usize, mark| text.tokens[*at].kind == Kind::Mark(mark);
    let opening = condition.clone().take_while(|at| is(at, '(')).count();
    let closing = condition.clone().rev().take_while(|at| is(at, ')')).count();
    if opening + closing >= condition.len() {
        return condition;
    }
    let mut depth = opening;
    let mut layers = opening.min(closing);
    for at in condition.start + opening..condition.end - closing {
        if is(&at, '(') {
            depth += 1;
        } else if is(&at, ')') {
            depth = depth.saturating_sub(1);
        }
        layers = layers.min(depth);
    }
    condition.start + layers..condition.end - layers
}

/// The parts between a word that stands outside parentheses and outside `CASE`; the `AND` of a `BETWEEN`
/// separates nothing.
fn split(text: &Text<'_>, condition: &Range<usize>, word: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = condition.start;
    let mut depth = 0_usize;
    let mut between = false;
    for at in condition.clone() {
        match text.tokens[at].kind {
            Kind::Mark('(') => depth += 1,
            Kind::Mark(')') => depth = depth.saturating_sub(1),
            Kind::Word if text.is(at, condition, "CASE") => depth += 1,
            Kind::Word if text.is(at, condition, "END") => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && text.is(at, condition, "BETWEEN") => between = true,
            Kind::Word if depth == 0 && text.is(at, condition, word) => {
                if between && word == "AND" {
                    between = false;
                } else {
                    parts.push(start..at);
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    parts.push(start..condition.end);
    parts
}

/// No token names a column: literals, operators, and calls of functions with such arguments.
fn is_constant(text: &Text<'_>, condition: &Range<usize>) -> bool {
    condition.clone().all(|at| match text.tokens[at].kind {
        Kind::Identifier => false,
        Kind::Word => {
            let word = text.str(text.tokens[at]);
            word.starts_with(|c: char| c.is_ascii_digit())
                || text.is_mark(at + 1, condition, '(')
                || CONSTANT_WORDS.iter().any(|constant| word.eq_ignore_ascii_case(constant))
                // `$limit`, `:limit` are values.
                || at > condition.start && matches!(text.tokens[at - 1].kind, Kind::Mark('$' | ':'))
                    && !is_path(text, at - 1, condition)
        }
        _ => true,
    })
}

/// True when the `:` at a token goes into a value, as in `column:field`.
fn is_path(text: &Text<'_>, at: usize, condition: &Range<usize>) -> bool {
    at > condition.start
        && text.tokens[at].kind == Kind::Mark(':')
        && matches!(
            text.tokens[at - 1].kind,
            Kind::Word | Kind::Identifier | Kind::Mark(')' | ']' | ':')
        )
}

/// `x = x`, `x <= x`: the same on both sides of one comparison.
fn compares_with_itself(text: &Text<'_>, condition: &Range<usize>) -> bool {
    let is_operator = |at: &usize| matches!(text.tokens[*at].kind, Kind::Mark('=' | '<' | '>' | '!'));
    let Some(first) = condition.clone().find(is_operator) else {
        return false;
    };
    let behind = (first..condition.end)
        .find(|at| !is_operator(at))
        .unwrap_or(condition.end);
    is_same(
        text,
        strip(text, condition.start..first),
        strip(text, behind..condition.end),
    )
}

/// `x IS NULL OR x IS NOT NULL`
fn are_complements(text: &Text<'_>, alternatives: &[Range<usize>]) -> bool {
    let [left, right] = alternatives else {
        return false;
    };
    let (short, long) = if left.len() < right.len() {
        (left, right)
    } else {
        (right, left)
    };
    let end = |part: &Range<usize>, words: &[&str]| {
        let start = part
            .len()
            .checked_sub(words.len())
            .map(|length| part.start + length);
        start.filter(|start| {
            words
                .iter()
                .zip(*start..)
                .all(|(word, at)| text.is(at, part, word))
        })
    };
    match (end(short, &["IS", "NULL"]), end(long, &["IS", "NOT", "NULL"])) {
        (Some(short_end), Some(long_end)) => is_same(text, short.start..short_end, long.start..long_end),
        _ => false,
    }
}

/// True when two ranges have the same tokens, but for case.
fn is_same(text: &Text<'_>, left: Range<usize>, right: Range<usize>) -> bool {
    left.len() == right.len()
        && left.zip(right).all(|(left, right)| {
            text.str(text.tokens[left])
                .eq_ignore_ascii_case(text.str(text.tokens[right]))
        })
}

/// `x LIKE '%'`
fn matches_anything(text: &Text<'_>, condition: &Range<usize>) -> bool {
    let Some(last) = condition
        .end
        .checked_sub(1)
        .filter(|last| *last > condition.start)
    else {
        return false;
    };
    let pattern = text.tokens[last];
    text.is_any(last - 1, condition, &["LIKE", "ILIKE"])
        && pattern.kind == Kind::Text
        && text
            .str(pattern)
            .trim_matches('\'')
            .bytes()
            .all(|byte| byte == b'%')
}
