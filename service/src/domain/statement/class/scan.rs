//! Goes through the tokens of a query, or of the queries in another statement, once, without recursion.
//!
//! It finds the tables that are read, the functions that are called, the words that no read contains, and
//! where the list of a `WITH` ends. One frame is kept for each open parenthesis; what a name or a comma means
//! depends on the frame alone.

use std::collections::HashMap;
use std::ops::Range;

use super::effects;
use super::frame::{Frame, Keyword, With, keyword};
use super::object::{self, Name, Object};
use super::tokens::{Kind, Text};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Tables, views and stages that are read.
    pub sources: Vec<Object>,
    /// Calls that may act.
    pub effects: Vec<Name>,
    /// Functions that are users'.
    pub functions: Vec<Name>,
    /// Those of them in `TABLE(…)`.
    pub table_functions: Vec<Name>,
    /// The first word that no read contains.
    pub writing: Option<usize>,
    /// Where the main statement behind a `WITH` begins, if it is no query.
    pub main: Option<usize>,
    /// A `WITH` brings a procedure along.
    pub procedure: bool,
    /// Parentheses do not match.
    pub unbalanced: bool,
    /// Something stands where no query has it.
    pub odd: bool,
}

/// Where the first frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At a query, or at a statement that reads with `FROM`.
    Query,
    /// In a statement in which a `USING` names what is read.
    Using,
    /// Where tables are listed.
    Tables,
}

struct Scan<'t, 'a> {
    text: &'t Text<'a>,
    within: Range<usize>,
    frames: Vec<Frame>,
    /// Names that `WITH` defined and that can be seen, in order.
    names: Vec<String>,
    /// How often each of them can be seen.
    visible: HashMap<String, usize>,
    /// The parenthesis that ended the last `IDENTIFIER(…)`.
    identifier_end: Option<usize>,
    /// Where the query behind the last `UNION` or the like begins.
    joined: Option<usize>,
    found: Found,
}

/// Scans the tokens `from` to the end of `within`.
pub(super) fn scan(text: &Text<'_>, from: usize, within: &Range<usize>, start: Start) -> Found {
    let mut first = Frame::new('\0');
    first.query = true;
    first.using = start == Start::Using;
    first.from = start == Start::Tables;
    first.expect = start == Start::Tables;
    let mut scan = Scan {
        text,
        within: from..within.end,
        frames: vec![first],
        names: Vec::new(),
        visible: HashMap::new(),
        identifier_end: None,
        joined: None,
        found: Found::default(),
    };
    let mut at = from;
    while at < within.end {
        at = scan.token(at);
    }
    scan.found.unbalanced |= scan.frames.len() != 1;
    scan.found.odd |= scan.frames.last().is_some_and(|frame| frame.with != With::No);
    scan.found
}

impl Scan<'_, '_> {
    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().expect("the first frame is never popped")
    }

    /// Takes the token at `at`; says which comes next.
    fn token(&mut self, at: usize) -> usize {
        let kind = self.text.tokens[at].kind;
        if self.frame().with != With::No && self.with(at, kind) {
            return at + 1;
        }
        match kind {
            Kind::Word => return self.word(at),
            Kind::Identifier if self.frame().expect => return self.table(at),
            Kind::Identifier => self.sequence(at),
            Kind::Stage => self.source(at),
            Kind::Text | Kind::Dollars if self.frame().expect => self.source(at),
            Kind::Mark(mark) => return self.mark(at, mark),
            // Nothing of this kind stands in a query.
            Kind::Path | Kind::Semicolon | Kind::Flow => self.found.odd = true,
            Kind::Text | Kind::Dollars => {}
        }
        at + 1
    }

    /// Goes on in the list of a `WITH`. False when the list is over and the token is the query's.
    fn with(&mut self, at: usize, kind: Kind) -> bool {
        let (text, within) = (self.text, self.within.clone());
        let is = |word: &str| text.is(at, &within, word);
        let next = match (self.frame().with, kind) {
            (With::Name, Kind::Word) if is("RECURSIVE") && !self.heads(at + 1) => With::Name,
            (With::Name, Kind::Word | Kind::Identifier) => {
                if kind == Kind::Word && keyword(text.str(text.tokens[at])) == Keyword::Writing {
                    self.writing(at);
                }
                With::Head(at)
            }
            (With::Head(name), Kind::Mark('(')) => {
                // The columns; `AS` comes behind them.
                self.frame().with = With::Head(name);
                self.open(at, ')');
                return true;
            }
            (With::Head(name), Kind::Word) if is("AS") => With::Body(name),
            (With::Body(name), Kind::Mark('(')) => {
                self.frame().with = With::Next;
                self.open(at, ')');
                self.frame().defines = Some(name);
                return true;
            }
            (With::Body(_), Kind::Word) if is("PROCEDURE") => {
                self.found.procedure = true;
                With::No
            }
            (With::Next, Kind::Mark(',')) => With::Name,
            (With::Next, _) => {
                if !(is("SELECT") || kind == Kind::Mark('(')) {
                    self.found.odd = true;
                    self.found.main.get_or_insert(at);
                }
                self.frame().with = With::No;
                return false;
            }
            _ => {
                self.found.odd = true;
                With::No
            }
        };
        self.frame().with = next;
        true
    }

    /// True when the token can follow the name that a `WITH` defines.
    fn heads(&self, at: usize) -> bool {
        self.text.is(at, &self.within, "AS") || self.text.is_mark(at, &self.within, '(')
    }

    fn word(&mut self, at: usize) -> usize {
        let word = self.text.str(self.text.tokens[at]);
        let keyword = keyword(word);
        match keyword {
            Keyword::Writing => self.writing(at),
            Keyword::Verb if self.begins(at) && self.is_statement(at) => self.found.odd = true,
            Keyword::Select | Keyword::Values => {
                let frame = self.frame();
                frame.query |= keyword == Keyword::Select;
                frame.from = false;
                frame.expect = false;
            }
            Keyword::With if self.begins(at) => {
                let frame = self.frame();
                frame.with = With::Name;
                frame.from = false;
                frame.expect = false;
            }
            // `a IS DISTINCT FROM b`
            Keyword::From if self.frame().query && !self.follows(at, "DISTINCT") => {
                let frame = self.frame();
                frame.from = true;
                frame.expect = true;
            }
            Keyword::Join if self.frame().query || self.frame().from => {
                let frame = self.frame();
                frame.from = true;
                frame.expect = true;
            }
            Keyword::Using if self.frame().using => {
                let frame = self.frame();
                frame.using = false;
                frame.from = true;
                frame.expect = true;
            }
            Keyword::Lateral if self.frame().expect => {}
            Keyword::Table if self.frame().expect && self.text.is_mark(at + 1, &self.within, '(') => {
                return self.table_call(at);
            }
            _ if self.frame().expect => return self.table(at),
            Keyword::Clause => self.frame().from = false,
            Keyword::SetOperator => {
                self.frame().from = false;
                self.joins_queries(at);
            }
            Keyword::NextVal => self.sequence(at),
            _ => {}
        }
        at + 1
    }

    /// True at the first token of the scan, of a parenthesis, or behind a `UNION`.
    fn begins(&self, at: usize) -> bool {
        at == self.within.start || self.joined == Some(at) || self.text.tokens[at - 1].kind == Kind::Mark('(')
    }

    /// True when the word before `at` is this one.
    fn follows(&self, at: usize, word: &str) -> bool {
        at > self.within.start && self.text.is(at - 1, &self.within, word)
    }

    /// Sees to it that a query follows the `UNION` or the like at `at`.
    fn joins_queries(&mut self, at: usize) {
        let mut next = at + 1;
        while self
            .text
            .is_any(next, &self.within, &["ALL", "DISTINCT", "BY", "NAME"])
        {
            next += 1;
        }
        let is_query = self.text.is_mark(next, &self.within, '(')
            || self
                .text
                .is_any(next, &self.within, &["SELECT", "WITH", "VALUES"]);
        self.found.odd |= !is_query;
        self.joined = Some(next);
    }

    /// True when the verb at `at` goes on as a statement would, not as an expression that begins with a
    /// column of that name.
    fn is_statement(&self, at: usize) -> bool {
        const OPERATORS: [&str; 12] = [
            "IS", "IN", "NOT", "LIKE", "ILIKE", "RLIKE", "REGEXP", "BETWEEN", "AND", "OR", "AS", "ORDER",
        ];
        let next = at + 1;
        self.text
            .at(next, &self.within)
            .is_some_and(|token| match token.kind {
                Kind::Word => !self.text.is_any(next, &self.within, &OPERATORS),
                Kind::Identifier | Kind::Text | Kind::Dollars | Kind::Stage | Kind::Path => true,
                _ => false,
            })
    }

    /// A word that is reserved for statements that change something. `INSERT` is also a function, `BACKUP
    /// SET` a kind of object; behind a `.` or `:` any word is a part of a path.
    fn writing(&mut self, at: usize) {
        let is_part = self.is_part(at);
        let is_function =
            self.text.is(at, &self.within, "INSERT") && self.text.is_mark(at + 1, &self.within, '(');
        let is_kind = self.text.is(at, &self.within, "SET")
            && (self.follows(at, "BACKUP") || self.follows(at, "SNAPSHOT"));
        if !is_part && !is_function && !is_kind {
            self.found.writing.get_or_insert(at);
        }
    }

    /// True for a word that is joined to what is before it: `table.word`, `value:word`, `:word`. Behind a
    /// number the dot is the number's.
    fn is_part(&self, at: usize) -> bool {
        if at < self.within.start + 2 || !self.text.tokens[at].glued {
            return false;
        }
        match self.text.tokens[at - 1].kind {
            Kind::Mark(':') => true,
            Kind::Mark('.') => self
                .text
                .word(at - 2, &self.within)
                .is_none_or(|word| !word.starts_with(|c: char| c.is_ascii_digit())),
            _ => false,
        }
    }

    /// `sequence.NEXTVAL`, where this is the last part.
    fn sequence(&mut self, at: usize) {
        let is_part = at > self.within.start && self.text.tokens[at - 1].kind == Kind::Mark('.');
        let called = self.text.is_mark(at + 1, &self.within, '(');
        if is_part && !called {
            let name = self.name_ending(at);
            if name.last().eq_ignore_ascii_case("NEXTVAL") {
                self.found.effects.push(name);
            }
        }
    }

    /// The name whose last part is at `at`. Snowflake's have four parts at most; what is longer is cut, so
    /// that a text of nothing but dots costs no more than any other.
    fn name_ending(&self, at: usize) -> Name {
        const PARTS_MAX: usize = 8;
        let mut start = at;
        while start >= self.within.start + 2
            && at - start < 2 * PARTS_MAX
            && self.text.tokens[start - 1].kind == Kind::Mark('.')
            && matches!(self.text.tokens[start - 2].kind, Kind::Word | Kind::Identifier)
        {
            start -= 2;
        }
        let (name, _) = object::name_at(self.text, start, &(start..at + 1))
            .expect("a word or quoted identifier is a name");
        name
    }

    fn mark(&mut self, at: usize, mark: char) -> usize {
        match mark {
            '(' => self.open(at, ')'),
            '[' => self.open(at, ']'),
            '{' => self.open(at, '}'),
            ')' | ']' | '}' => self.close(at, mark),
            ',' => {
                let frame = self.frame();
                frame.expect = frame.from;
            }
            // `instance!METHOD(…)`
            '!' if !self.text.is_mark(at + 1, &self.within, '=') => self.method(at),
            '$' if self.is_result(at) => self.frame().expect = false,
            '$' | ':' | '?' if self.frame().expect => self.source(at),
            _ => {}
        }
        at + 1
    }

    /// True for `$1`, a result of the chain; `$name` is a variable.
    fn is_result(&self, at: usize) -> bool {
        self.text
            .word(at + 1, &self.within)
            .is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()))
    }

    fn method(&mut self, at: usize) {
        let name = object::name_at(self.text, at + 1, &self.within);
        self.found.odd |= name.is_none();
        self.found.effects.extend(name.map(|(name, _)| name));
    }

    fn open(&mut self, at: usize, close: char) {
        let names = self.names.len();
        let outer = self.frame();
        let expect = outer.expect && close == ')';
        outer.expect = false;
        let mut frame = Frame {
            // `FROM (a JOIN b)`; a query or values in the parenthesis end this again.
            from: expect,
            expect,
            names,
            ..Frame::new(close)
        };
        if close == ')' && at > self.within.start {
            match self.text.tokens[at - 1].kind {
                Kind::Word | Kind::Identifier => self.call(at - 1, &mut frame),
                // The name of the function is computed.
                Kind::Mark(')') if self.identifier_end == Some(at - 1) => {
                    self.found.effects.extend(Name::parse("IDENTIFIER"));
                }
                _ => {}
            }
        }
        self.frames.push(frame);
    }

    /// A parenthesis behind a name: a call, or a keyword with its arguments.
    fn call(&mut self, at: usize, frame: &mut Frame) {
        let token = self.text.tokens[at];
        let word = self.text.str(token);
        let qualified = at > self.within.start && self.text.tokens[at - 1].kind == Kind::Mark('.');
        // Only the first name in `TABLE(…)` is the function.
        let in_table = self.frame().table && (qualified || self.begins(at));
        if token.kind == Kind::Word {
            frame.identifier = word.eq_ignore_ascii_case("IDENTIFIER");
            frame.table = word.eq_ignore_ascii_case("TABLE");
            frame.expect |= word.eq_ignore_ascii_case("SEMANTIC_VIEW");
            if !qualified && !in_table && !effects::may_act(word) {
                return;
            }
        }
        let name = self.name_ending(at);
        if effects::acts(name.last()) {
            self.found.effects.push(name);
        } else if effects::is_foreign(&name, in_table) {
            if in_table {
                self.found.table_functions.push(name.clone());
            }
            self.found.functions.push(name);
        }
    }

    fn close(&mut self, at: usize, mark: char) {
        if self.frames.len() == 1 || self.frame().close != mark {
            self.found.unbalanced = true;
            return;
        }
        let frame = self.frames.pop().expect("there were two");
        self.found.odd |= frame.with != With::No;
        for name in self.names.drain(frame.names..) {
            if let Some(seen) = self.visible.get_mut(&name) {
                *seen -= 1;
            }
        }
        if frame.identifier {
            self.identifier_end = Some(at);
        }
        if let Some(name) = frame
            .defines
            .and_then(|at| object::name_at(self.text, at, &(at..at + 1)))
        {
            let name = name.0.last().to_owned();
            *self.visible.entry(name.clone()).or_default() += 1;
            self.names.push(name);
        }
    }

    /// `TABLE(…)` where a table is expected: a function, or a name made at run time.
    fn table_call(&mut self, at: usize) -> usize {
        let is_function = self
            .text
            .at(at + 2, &self.within)
            .is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Identifier));
        if is_function {
            self.frame().expect = false;
            return at + 1;
        }
        self.table(at)
    }

    /// A name where a table is expected. What computes a name is not skipped: it is an expression.
    fn table(&mut self, at: usize) -> usize {
        self.frame().expect = false;
        let Some((object, end)) = object::object_at(self.text, at, &self.within) else {
            self.found.odd = true;
            return at + 1;
        };
        let name_end = self.name_end(at);
        match object {
            Object::Name(_) if end == name_end && self.text.is_mark(end, &self.within, '(') => {}
            Object::Name(ref name)
                if name.parts().len() == 1 && self.visible.get(name.last()).is_some_and(|seen| *seen > 0) => {
            }
            object => self.found.sources.push(object),
        }
        name_end.max(at + 1)
    }

    /// The token behind the name at `at`, if there is one.
    fn name_end(&self, at: usize) -> usize {
        object::name_end(self.text, at, &self.within).unwrap_or(at)
    }

    /// Something other than a name where a table is expected.
    fn source(&mut self, at: usize) {
        self.frame().expect = false;
        match object::object_at(self.text, at, &self.within) {
            Some((object, _)) => self.found.sources.push(object),
            None => self.found.sources.push(Object::Dynamic),
        }
    }
}
