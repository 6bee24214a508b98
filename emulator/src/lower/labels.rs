//! Names of unaliased columns.
//!
//! Snowflake names a column without alias after its source text, spaces kept, in upper case, quoted
//! literals too: `select count( * ), 'a'` gives `COUNT( * )` and `'A'`. The text is cut from the statement;
//! where it cannot be matched with the tree, the tree's own text serves. Runs first: later steps change the
//! expressions that the names come from.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Select, SelectItem, Statement, Visit, VisitMut, Visitor, VisitorMut};
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::build::exact;
use crate::contract::SqlError;

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

/// Texts of the items of each SELECT; `None` when the text has another number of SELECTs than the tree.
fn select_items(source: &str, statement: &Statement) -> Option<Vec<Vec<String>>> {
    let mut count = Count(0);
    let _: ControlFlow<()> = Visit::visit(statement, &mut count);
    if count.0 == 0 {
        return None;
    }
    let tokens = Tokenizer::new(&SnowflakeDialect {}, source)
        .tokenize_with_location()
        .ok()?;
    let mut place = Place {
        source,
        line: 1,
        column: 1,
        byte: 0,
    };
    let mut reader = Reader {
        source,
        lists: Vec::new(),
        open: Vec::new(),
        depth: 0,
        previous: Keyword::NoKeyword,
    };
    for TokenWithSpan { token, span } in &tokens {
        if !matches!(token, Token::Whitespace(_) | Token::EOF) {
            let start = place.advance(span.start);
            reader.read(token, (start, place.advance(span.end)));
        }
    }
    while !reader.open.is_empty() {
        reader.close();
    }
    (count.0 == reader.lists.len()).then_some(reader.lists)
}

/// One SELECT whose list of items is being read.
struct Open {
    index: usize,
    depth: usize,
    /// Byte range of the item so far; `None` between items and after the list.
    item: Option<(usize, usize)>,
    reading: bool,
}

/// Finds the items of all SELECTs while the tokens pass.
struct Reader<'a> {
    source: &'a str,
    lists: Vec<Vec<String>>,
    open: Vec<Open>,
    /// Brackets open.
    depth: usize,
    previous: Keyword,
}

impl Reader<'_> {
    /// Takes the next token and its byte range.
    fn read(&mut self, token: &Token, (start, end): (usize, usize)) {
        let keyword = match token {
            Token::Word(word) if word.quote_style.is_none() => word.keyword,
            _ => Keyword::NoKeyword,
        };
        if matches!(token, Token::RParen | Token::RBracket | Token::RBrace) {
            self.depth = self.depth.saturating_sub(1);
            while self.open.last().is_some_and(|select| select.depth > self.depth) {
                self.close();
            }
        }
        let depth = self.depth;
        if let Some((select, enclosing)) = self.open.split_last_mut() {
            // An enclosing SELECT's item goes on through the inner one.
            for (_, item_end) in enclosing.iter_mut().filter_map(|select| select.item.as_mut()) {
                *item_end = end;
            }
            let before_item = select.item.is_none() && matches!(keyword, Keyword::DISTINCT | Keyword::ALL);
            if select.reading && select.depth == depth && ends_list(token, keyword, self.previous) {
                select.reading = matches!(token, Token::Comma);
                self.finish_item();
            } else if select.reading && !before_item {
                select.item = Some((select.item.map_or(start, |(first, _)| first), end));
            }
        }
        if keyword == Keyword::SELECT {
            while self.open.last().is_some_and(|select| select.depth == depth) {
                self.close();
            }
            self.open.push(Open {
                index: self.lists.len(),
                depth,
                item: None,
                reading: true,
            });
            self.lists.push(Vec::new());
        }
        if matches!(token, Token::LParen | Token::LBracket | Token::LBrace) {
            self.depth += 1;
        }
        self.previous = keyword;
    }

    fn finish_item(&mut self) {
        if let Some(select) = self.open.last_mut()
            && let Some((start, end)) = select.item.take()
        {
            self.lists[select.index].push(self.source[start..end].to_owned());
        }
    }

    fn close(&mut self) {
        self.finish_item();
        self.open.pop();
    }
}

fn ends_list(token: &Token, keyword: Keyword, previous: Keyword) -> bool {
    match token {
        Token::Comma | Token::SemiColon => true,
        _ => match keyword {
            Keyword::FROM => previous != Keyword::DISTINCT,
            Keyword::GROUP => previous != Keyword::WITHIN,
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

/// A place in the text that only moves on; spans come in order, so the text is walked once.
struct Place<'a> {
    source: &'a str,
    line: u64,
    column: u64,
    byte: usize,
}

impl Place<'_> {
    /// Byte position of a 1-based line and column, which counts characters.
    fn advance(&mut self, to: Location) -> usize {
        for sign in self.source[self.byte..].chars() {
            if (self.line, self.column) >= (to.line, to.column) {
                break;
            }
            self.byte += sign.len_utf8();
            if sign == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.byte
    }
}

struct Count(usize);

impl Visitor for Count {
    type Break = ();

    fn pre_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
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
    fn a_long_line_is_read_once() {
        // Quadratic work on this many tokens would not end within the test run.
        let sql = format!("select {} as total, 1 + 1", vec!["1"; 30_000].join(", "));
        let mut statement = parse(&sql);
        apply(&mut statement, Some(&sql));
        assert!(statement.to_string().ends_with(r#"1 + 1 AS "1 + 1""#));
    }

    #[test]
    fn without_source_the_tree_serves() {
        let mut statement = parse("select max(a)+1");
        apply(&mut statement, None);
        assert_eq!(statement.to_string(), r#"SELECT max(a) + 1 AS "MAX(A) + 1""#);
    }
}
