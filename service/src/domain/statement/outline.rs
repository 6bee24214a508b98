//! Where statements end, and the beginning of the first one.

use super::lexer::{Lexer, Token};

/// What was seen in an SQL text.
#[derive(Debug)]
pub(super) struct Outline<'a> {
    /// Statements in the text; a scripting block is one.
    pub(super) count: usize,
    /// The first one.
    pub(super) first: Head<'a>,
}

/// The beginning of a statement, as much as tells what it does to its session.
#[derive(Debug, Default)]
pub(super) struct Head<'a> {
    /// Its tokens, up to a limit.
    pub(super) pieces: Vec<Piece<'a>>,
    /// There are more than that.
    pub(super) is_cut: bool,
    /// It is a scripting block.
    pub(super) is_block: bool,
    /// Its result flows into another statement by `->>`.
    pub(super) flows: bool,
}

/// A token and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) token: Token<'a>,
    /// Offset in bytes of its start.
    pub(super) start: usize,
}

impl Piece<'_> {
    /// Offset in bytes behind it.
    pub(super) fn end(&self) -> usize {
        self.start + self.token.length()
    }
}

/// Reads an SQL text to its end.
pub(super) fn outline(sql: &str) -> Outline<'_> {
    let mut statements = Statements {
        lexer: Lexer::new(sql),
        peeked: None,
    };
    let mut count = 0;
    let mut first = Head::default();
    while let Some(head) = statements.skip_statement() {
        if count == 0 {
            first = head;
        }
        count += 1;
    }
    Outline { count, first }
}

/// Words after `BEGIN` with which it begins a transaction, not a block.
const TRANSACTION_WORDS: [&str; 3] = ["TRANSACTION", "WORK", "NAME"];

/// Words after `END` that close something other than a block.
const CONTROL_WORDS: [&str; 5] = ["IF", "FOR", "WHILE", "LOOP", "REPEAT"];

/// Most tokens of a head: enough for the longest list of variables that anybody writes.
const HEAD_LENGTH_MAX: usize = 4096;

/// Most tokens of the head of a statement that may be long for other reasons.
const HEAD_LENGTH_USUAL: usize = 64;

struct Statements<'a> {
    lexer: Lexer<'a>,
    peeked: Option<Piece<'a>>,
}

impl<'a> Statements<'a> {
    fn next(&mut self) -> Option<Piece<'a>> {
        self.peeked.take().or_else(|| self.read())
    }

    fn peek(&mut self) -> Option<Token<'a>> {
        if self.peeked.is_none() {
            self.peeked = self.read();
        }
        self.peeked.map(|piece| piece.token)
    }

    fn read(&mut self) -> Option<Piece<'a>> {
        let token = self.lexer.next()?;
        Some(Piece {
            token,
            start: self.lexer.position() - token.length(),
        })
    }

    /// Goes behind the next statement; `None` at the end of the text.
    fn skip_statement(&mut self) -> Option<Head<'a>> {
        let first = loop {
            match self.next()? {
                Piece {
                    token: Token::Semicolon,
                    ..
                } => {}
                piece => break piece,
            }
        };
        let mut head = Head::default();
        head.pieces.push(first);
        let first = first.token;
        let length_max = if first.is_any(&["SET", "UNSET", "ALTER", "USE"]) {
            HEAD_LENGTH_MAX
        } else {
            HEAD_LENGTH_USUAL
        };
        // A body written without `$$` may follow these words only.
        let may_hold_block = first.is_any(&["CREATE", "ALTER", "EXECUTE"]);
        let mut depth = usize::from(first.is("BEGIN") && !self.begins_transaction());
        // Semicolons between DECLARE and its BEGIN separate declarations.
        let mut declaring = first.is("DECLARE");
        head.is_block = depth > 0 || declaring;
        let mut previous = first;
        let mut arrow = 0;
        while let Some(piece) = self.next() {
            let token = piece.token;
            if token == Token::Semicolon && depth == 0 && !declaring {
                break;
            }
            if head.pieces.len() < length_max {
                head.pieces.push(piece);
            } else {
                head.is_cut = true;
            }
            arrow = match (arrow, token) {
                (_, Token::Mark('-')) => 1,
                (1, Token::Mark('>')) => 2,
                (2, Token::Mark('>')) => {
                    head.flows = true;
                    0
                }
                _ => 0,
            };
            match token {
                _ if token.is("DECLARE") && may_hold_block && previous.is("AS") => declaring = true,
                _ if token.is("BEGIN") => {
                    let opens = depth > 0 || declaring || (may_hold_block && previous.is("AS"));
                    if opens && !self.begins_transaction() {
                        depth += 1;
                        declaring = false;
                    }
                }
                _ if depth > 0 && token.is("CASE") && !previous.is("END") => depth += 1,
                _ if depth > 0
                    && token.is("END")
                    && !self.peek().is_some_and(|next| next.is_any(&CONTROL_WORDS)) =>
                {
                    depth -= 1;
                }
                _ => {}
            }
            previous = token;
        }
        Some(head)
    }

    /// True when the `BEGIN` just read begins a transaction.
    fn begins_transaction(&mut self) -> bool {
        match self.peek() {
            None | Some(Token::Semicolon) => true,
            // `begin ->> …` is a transaction whose result flows on.
            Some(token) => token.is_any(&TRANSACTION_WORDS) || token == Token::Mark('-'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_counted() {
        for (count, sql) in [
            (0, ""),
            (0, " ; ;; "),
            (0, "-- only\n// comments\n/* here */"),
            (1, "select 1"),
            (1, "select 1;;-- end\n"),
            (2, "select 1; select 2"),
            (3, "select ';'; select \";\"; select $$;$$"),
            (2, "begin; select 1"),
            (3, "begin transaction; insert into t values (1); commit"),
            (2, "begin name x; select 1"),
            (1, "begin let x := 1; return x; end;"),
            (1, "begin if (true) then return 1; end if; return 2; end"),
            (1, "begin case when a then b; else c; end case; return 1; end"),
            (1, "begin return case when true then 1 else 2 end; end;"),
            (2, "begin return 1; end; select 2"),
            (1, "begin begin return 1; end; return 2; end"),
            (1, "begin begin transaction; commit; end"),
            (1, "declare x int; y int; begin x := 1; return x; end"),
            (
                1,
                "create procedure p() returns int language sql as begin return 1; end;",
            ),
            (
                1,
                "create procedure p() returns int language sql as declare x int; begin return 1; end;",
            ),
            (2, "create table begin_log as select 1 as begin; select 2"),
            (2, "select case when true then 1 end; select 2"),
            (
                1,
                "create procedure p() returns int as $$ begin return 1; end; $$",
            ),
            (1, "begin return 1;"),
            (1, "execute immediate $$ select 1; select 2 $$"),
            (
                1,
                "begin for i in 1 to 3 do null; end for; while (x) do null; end while; return 1; end",
            ),
        ] {
            assert_eq!(outline(sql).count, count, "{sql}");
        }
    }
}
