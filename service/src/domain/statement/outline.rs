//! Where statements end, and what the first one does to its session.

use super::lexer::{Lexer, Token};

/// What was seen in an SQL text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Statements in the text; a scripting block is one.
    pub count: usize,
    /// What the first one does to its session when it succeeds.
    pub effect: Effect,
}

/// What a statement does to its session, beyond its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that the session must remember.
    None,
    /// Begins a transaction.
    Begin,
    /// Ends the transaction.
    End,
    /// Makes something that lives only as long as the upstream session.
    Hold(Holding),
    /// Says whether each statement is a transaction of its own.
    SetAutocommit(bool),
}

/// Things that live only as long as an upstream session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Temporary tables, stages and the like.
    TemporaryObject,
    /// Session variables.
    Variable,
    /// Session parameters.
    Parameter,
}

/// Reads an SQL text to its end.
pub fn outline(sql: &str) -> Outline {
    let mut statements = Statements {
        lexer: Lexer::new(sql),
        peeked: None,
    };
    let mut count = 0;
    let mut effect = Effect::None;
    while let Some(first) = statements.skip_statement() {
        if count == 0 {
            effect = first;
        }
        count += 1;
    }
    Outline { count, effect }
}

/// Words after `BEGIN` with which it begins a transaction, not a block.
const TRANSACTION_WORDS: [&str; 3] = ["TRANSACTION", "WORK", "NAME"];

/// Words after `END` that close something other than a block.
const CONTROL_WORDS: [&str; 5] = ["IF", "FOR", "WHILE", "LOOP", "REPEAT"];

struct Statements<'a> {
    lexer: Lexer<'a>,
    peeked: Option<Token<'a>>,
}

impl<'a> Statements<'a> {
    fn next(&mut self) -> Option<Token<'a>> {
        self.peeked.take().or_else(|| self.lexer.next())
    }

    fn peek(&mut self) -> Option<Token<'a>> {
        if self.peeked.is_none() {
            self.peeked = self.lexer.next();
        }
        self.peeked
    }

    /// Goes behind the next statement; `None` at the end of the text.
    fn skip_statement(&mut self) -> Option<Effect> {
        let first = loop {
            match self.next()? {
                Token::Semicolon => {}
                token => break token,
            }
        };
        // A body written without `$$` may follow these words only.
        let may_hold_block = first.is_any(&["CREATE", "ALTER", "EXECUTE"]);
        let mut head = vec![first];
        let mut depth = usize::from(first.is("BEGIN") && !self.begins_transaction());
        // Semicolons between DECLARE and its BEGIN separate declarations.
        let mut declaring = first.is("DECLARE");
        let mut previous = first;
        while let Some(token) = self.next() {
            if head.len() < HEAD_LENGTH {
                head.push(token);
            }
            match token {
                Token::Semicolon if depth == 0 && !declaring => break,
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
        Some(effect(&head))
    }

    /// True when the `BEGIN` just read begins a transaction.
    fn begins_transaction(&mut self) -> bool {
        match self.peek() {
            None | Some(Token::Semicolon) => true,
            Some(token) => token.is_any(&TRANSACTION_WORDS),
        }
    }
}

/// Tokens of a statement that are kept to tell its effect: enough for a list of session parameters.
const HEAD_LENGTH: usize = 64;

fn effect(head: &[Token<'_>]) -> Effect {
    let at = |index: usize| head.get(index).copied().unwrap_or(Token::Semicolon);
    let first = at(0);
    if first.is("BEGIN") {
        let transaction = at(1) == Token::Semicolon || at(1).is_any(&TRANSACTION_WORDS);
        return if transaction { Effect::Begin } else { Effect::None };
    }
    if first.is("START") && at(1).is("TRANSACTION") {
        return Effect::Begin;
    }
    if first.is_any(&["COMMIT", "ROLLBACK"]) {
        return Effect::End;
    }
    if first.is("SET") {
        return Effect::Hold(Holding::Variable);
    }
    if first.is("ALTER") && at(1).is("SESSION") {
        return alter_session(&head[2..]);
    }
    if first.is("CREATE") {
        let is_filler = |token: &Token<'_>| token.is_any(&["OR", "REPLACE", "LOCAL", "GLOBAL"]);
        let kind = head[1..].iter().find(|token| !is_filler(token));
        if kind.is_some_and(|token| token.is_any(&["TEMP", "TEMPORARY", "VOLATILE"])) {
            return Effect::Hold(Holding::TemporaryObject);
        }
    }
    Effect::None
}

/// The effect of `ALTER SESSION`, of which `rest` is what follows.
fn alter_session(rest: &[Token<'_>]) -> Effect {
    let autocommit = rest.iter().position(|token| token.is("AUTOCOMMIT"));
    match rest.first() {
        Some(token) if token.is("SET") => match autocommit.and_then(|at| rest.get(at + 2)) {
            Some(value) => Effect::SetAutocommit(!value.is("FALSE")),
            None => Effect::Hold(Holding::Parameter),
        },
        Some(token) if token.is("UNSET") && autocommit.is_some() => Effect::SetAutocommit(true),
        _ => Effect::None,
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

    #[test]
    fn effects_are_seen() {
        for (effect, sql) in [
            (Effect::Begin, "begin"),
            (Effect::Begin, "/* x */ BEGIN work;"),
            (Effect::Begin, "begin transaction name t"),
            (Effect::Begin, "start transaction"),
            (Effect::None, "begin return 1; end"),
            (Effect::End, "commit work"),
            (Effect::End, "rollback;"),
            (Effect::Hold(Holding::Variable), "set x = 1"),
            (
                Effect::Hold(Holding::Parameter),
                "alter session set timezone = 'UTC'",
            ),
            (Effect::None, "alter session unset timezone"),
            (
                Effect::SetAutocommit(false),
                "alter session set timezone = 'UTC', autocommit = false",
            ),
            (Effect::SetAutocommit(true), "ALTER SESSION SET AUTOCOMMIT=TRUE"),
            (Effect::SetAutocommit(true), "alter session unset autocommit"),
            (
                Effect::Hold(Holding::TemporaryObject),
                "create or replace temp table t(a int)",
            ),
            (
                Effect::Hold(Holding::TemporaryObject),
                "create local temporary stage s",
            ),
            (Effect::None, "create table temp (a int)"),
            (Effect::None, "select 'begin'"),
            (Effect::None, "create"),
        ] {
            assert_eq!(outline(sql).effect, effect, "{sql}");
        }
    }
}
