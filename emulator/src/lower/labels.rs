//! Names of unaliased columns.
//!
//! Snowflake names a column without alias after its source text, spaces kept, in upper case, quoted
//! literals too: `select count( * ), 'a'` gives `COUNT( * )` and `'A'`. The text is cut from the statement;
//! where it cannot be matched with the tree, the tree's own text serves. Runs first: later steps change the
//! expressions that the names come from.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Select, SelectItem, Statement, VisitMut, VisitorMut};
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::build::exact;
use crate::session::SqlError;

/// Gives an alias to every selected expression that is not a plain column.
pub(super) fn apply(statement: &mut Statement, source: Option<&str>) {
    let texts = source
        .and_then(|source| select_items(source, statement))
        .unwrap_or_default();
    let mut labels = Labels { texts, next: 0 };
    let _: ControlFlow<SqlError> = statement.visit(&mut labels);
}

struct Labels {
    /// Items' texts of each SELECT in the order of the SELECT words; empty when they do not match the tree.
    texts: Vec<Vec<String>>,
    next: usize,
}

impl VisitorMut for Labels {
    type Break = SqlError;

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<SqlError> {
        // The text of the first item would begin with TOP.
        let texts = self
            .texts
            .get(self.next)
            .filter(|texts| texts.len() == select.projection.len() && select.top.is_none());
        for (index, item) in select.projection.iter_mut().enumerate() {
            let SelectItem::UnnamedExpr(expr) = item else {
                continue;
            };
            let label = match expr {
                Expr::CompoundIdentifier(parts)
                    if parts
                        .last()
                        .is_some_and(|last| last.value.eq_ignore_ascii_case("nextval")) =>
                {
                    "NEXTVAL".to_owned()
                }
                Expr::Identifier(_) | Expr::CompoundIdentifier(_) => continue,
                _ => match texts {
                    Some(texts) => texts[index].to_uppercase(),
                    None => expr.to_string().to_uppercase(),
                },
            };
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: exact(label),
            };
        }
        self.next += 1;
        ControlFlow::Continue(())
    }
}

/// One SELECT whose list of items is being read.
struct Open {
    index: usize,
    depth: usize,
    /// Byte range of the item so far; `None` between items and after the list.
    item: Option<(usize, usize)>,
    reading: bool,
}

/// Texts of the items of each SELECT; `None` when the text has another number of SELECTs than the tree.
fn select_items(source: &str, statement: &Statement) -> Option<Vec<Vec<String>>> {
    let tokens = Tokenizer::new(&SnowflakeDialect {}, source)
        .tokenize_with_location()
        .ok()?;
    let lines = line_starts(source);
    let mut lists: Vec<Vec<String>> = Vec::new();
    let mut open: Vec<Open> = Vec::new();
    let mut depth = 0_usize;
    let mut previous: Option<Keyword> = None;
    for TokenWithSpan { token, span } in &tokens {
        if matches!(token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        let keyword = match token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        };
        if matches!(token, Token::RParen | Token::RBracket | Token::RBrace) {
            depth = depth.saturating_sub(1);
            while open.last().is_some_and(|select| select.depth > depth) {
                close(&mut open, &mut lists, source);
            }
        }
        if open
            .last()
            .is_some_and(|select| select.depth == depth && select.reading)
            && ends_list(token, keyword, previous)
        {
            finish_item(open.last_mut()?, &mut lists, source);
            open.last_mut()?.reading = matches!(token, Token::Comma);
            if let Some(select) = open.last_mut().filter(|select| select.reading) {
                select.item = None;
            }
        } else if let Some(select) = open.last_mut().filter(|select| select.reading)
            && !(select.item.is_none() && matches!(keyword, Keyword::DISTINCT | Keyword::ALL))
        {
            let start = offset(&lines, source, span.start.line, span.start.column)?;
            let end = offset(&lines, source, span.end.line, span.end.column)?;
            // An enclosing SELECT's item goes on through the inner one.
            select.item = Some((select.item.map_or(start, |(first, _)| first), end));
        }
        extend_enclosing(&mut open, &lines, source, span)?;
        if keyword == Keyword::SELECT {
            while open.last().is_some_and(|select| select.depth == depth) {
                close(&mut open, &mut lists, source);
            }
            open.push(Open {
                index: lists.len(),
                depth,
                item: None,
                reading: true,
            });
            lists.push(Vec::new());
        }
        if matches!(token, Token::LParen | Token::LBracket | Token::LBrace) {
            depth += 1;
        }
        previous = Some(keyword);
    }
    while !open.is_empty() {
        close(&mut open, &mut lists, source);
    }
    let mut count = Count(0);
    let _: ControlFlow<SqlError> = statement.clone().visit(&mut count);
    (count.0 == lists.len()).then_some(lists)
}

/// Lets the items of the SELECTs around the innermost one reach to the end of this token.
fn extend_enclosing(
    open: &mut [Open],
    lines: &[usize],
    source: &str,
    span: &sqlparser::tokenizer::Span,
) -> Option<()> {
    let end = offset(lines, source, span.end.line, span.end.column)?;
    if let Some((_, enclosing)) = open.split_last_mut() {
        for select in enclosing.iter_mut().filter(|select| select.reading) {
            if let Some((_, item_end)) = &mut select.item {
                *item_end = end;
            }
        }
    }
    Some(())
}

fn ends_list(token: &Token, keyword: Keyword, previous: Option<Keyword>) -> bool {
    match token {
        Token::Comma | Token::SemiColon => true,
        _ => match keyword {
            Keyword::FROM => previous != Some(Keyword::DISTINCT),
            Keyword::GROUP => previous != Some(Keyword::WITHIN),
            Keyword::WHERE
            | Keyword::HAVING
            | Keyword::QUALIFY
            | Keyword::ORDER
            | Keyword::LIMIT
            | Keyword::OFFSET
            | Keyword::FETCH
            | Keyword::UNION
            | Keyword::INTERSECT
            | Keyword::EXCEPT
            | Keyword::MINUS
            | Keyword::INTO => true,
            _ => false,
        },
    }
}

fn finish_item(select: &mut Open, lists: &mut [Vec<String>], source: &str) {
    if let Some((start, end)) = select.item.take() {
        lists[select.index].push(source[start..end].to_owned());
    }
}

fn close(open: &mut Vec<Open>, lists: &mut [Vec<String>], source: &str) {
    if let Some(mut select) = open.pop() {
        finish_item(&mut select, lists, source);
    }
}

fn line_starts(source: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(source.match_indices('\n').map(|(at, _)| at + 1))
        .collect()
}

/// Byte position of a 1-based line and column, which counts characters.
fn offset(lines: &[usize], source: &str, line: u64, column: u64) -> Option<usize> {
    let start = *lines.get(usize::try_from(line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let rest = &source[start..];
    Some(start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at))
}

struct Count(usize);

impl VisitorMut for Count {
    type Break = SqlError;

    fn pre_visit_select(&mut self, _: &mut Select) -> ControlFlow<SqlError> {
        self.0 += 1;
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{check, parse};
    use super::*;

    fn labelled(sql: &str) -> String {
        let mut statement = parse(sql);
        apply(&mut statement, Some(sql));
        statement.to_string()
    }

    #[test]
    fn columns_are_named_after_their_text() {
        check(
            labelled,
            &[
                ("select count( * ), a", r#"SELECT count(*) AS "COUNT( * )", a"#),
                (
                    "select 'a', 1+1 as b, 1",
                    r#"SELECT 'a' AS "'A'", 1 + 1 AS b, 1 AS "1""#,
                ),
                (
                    "select distinct a is distinct from b from t",
                    r#"SELECT DISTINCT a IS DISTINCT FROM b AS "A IS DISTINCT FROM B" FROM t"#,
                ),
                (
                    "select (select max( b ) from u) from t",
                    r#"SELECT (SELECT max(b) AS "MAX( B )" FROM u) AS "(SELECT MAX( B ) FROM U)" FROM t"#,
                ),
                (
                    "select f(a , 'é'),\n  a/ 2 from t union all select 1, 2",
                    "SELECT f(a, 'é') AS \"F(A , 'É')\", a / 2 AS \"A/ 2\" FROM t UNION ALL SELECT 1 AS \"1\", 2 AS \"2\"",
                ),
                (
                    "with x as (select 1 a) select a+a from x;",
                    r#"WITH x AS (SELECT 1 AS a) SELECT a + a AS "A+A" FROM x"#,
                ),
                (
                    "select max(a) within group (order by b) from t",
                    r#"SELECT max(a) WITHIN GROUP (ORDER BY b) AS "MAX(A) WITHIN GROUP (ORDER BY B)" FROM t"#,
                ),
                ("select s.nextval", r#"SELECT s.nextval AS "NEXTVAL""#),
            ],
        );
    }

    #[test]
    fn without_source_the_tree_serves() {
        let mut statement = parse("select max(a)+1");
        apply(&mut statement, None);
        assert_eq!(statement.to_string(), r#"SELECT max(a) + 1 AS "MAX(A) + 1""#);
    }
}
