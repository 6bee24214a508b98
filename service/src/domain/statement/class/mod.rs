//! Understands SQL before it runs: which statements a text holds, what each one does, and to what.
//!
//! **The safety property.** A text that can change anything is never called a read. The other direction is
//! best effort: ordinary reads are recognised, and what is not recognised is [`Class::Unknown`], which
//! policy must treat as the worst there is.
//!
//! **Why it holds.** This is no parser of Snowflake's SQL, which nobody outside Snowflake has. It does not
//! show that a text *is* some write; it shows that a text *cannot be* one, from facts that hold for every
//! version of the grammar:
//!
//! 1. *Same tokens.* Whoever cuts the text into other tokens than Snowflake does sees another text. Wherever
//!    that could happen (quotes or comments left open, comments inside comments, characters that some readers
//!    fold or skip, paths that look like comments) there is a [`Doubt`], and a statement at or behind it is
//!    unknown. [`tokens`] lists them.
//! 2. *A statement is what its first word says.* In Snowflake the verb comes first; the one prefix before it
//!    is `WITH`, whose list is read exactly, to the word behind it ([`scan`]). A first word that is not known
//!    makes the statement unknown. Statements are separated by `;` and `->>`, and each piece is judged for
//!    itself, so cutting too often is harmless; cutting too seldom happens only in scripting blocks, which
//!    are never reads.
//! 3. *Writing words are reserved.* `INSERT`, `UPDATE`, `DELETE`, `CREATE`, `ALTER`, `DROP`, `GRANT`,
//!    `REVOKE`, `SET` and `INTO` cannot be the plain name of a column or table, so in a read they do not occur
//!    at all, at any depth, but for the function `INSERT(…)` and parts of a longer name (`t.update`,
//!    `v:delete`). No token of a read is passed over, and one of these words makes it no read. This does not
//!    depend on knowing where in the statement we are; `UNION`s and parentheses are watched besides.
//! 4. *What a query calls can act.* Functions of `SYSTEM$` are held for acting unless they are known not to;
//!    so are sequences, methods of instances, and functions whose name is computed. Such a query is a
//!    [`Call::Function`]. Functions that users wrote cannot change the database when called in a query, but
//!    may reach outside; they are listed in [`Link::functions`] for policy to judge.
//!
//! What the property does not cover: a read can cost money and time, and it can show what should stay hidden.
//! `GET` and `PUT` touch the client's files, which is why they are no reads.
//!
//! The server's own word, where there is one, is added by [`strictest`]: the stricter of both holds.
//!
//! Texts are read in one pass over bytes and a few passes over tokens, without recursion that follows the
//! nesting of the text; time and memory are linear in its length. Names are as written: resolving them needs
//! the session. Nothing here knows policy, sessions or how a text is sent.

mod condition;
mod ddl;
mod effects;
mod frame;
mod kinds;
mod link;
mod object;
mod parts;
mod scan;
mod server;
mod show;
mod split;
mod tokens;
mod write;

use std::ops::Range;

pub use ddl::{Ddl, Verb};
pub use object::{Name, Object, Place, Stage};
pub use parts::{Assignment, Parts, parts};
pub use server::strictest;

/// What a statement does, in increasing order of how much it may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Reads; changes nothing in Snowflake, the session or the client.
    Read(Read),
    /// `USE …`: changes the session's context.
    Use,
    /// `SET`, `UNSET`, `ALTER SESSION`: changes the session's variables or parameters.
    Session,
    /// Begins or ends a transaction.
    Transaction(Transaction),
    /// Moves or removes files between the client and stages.
    File(File),
    /// Changes rows or files.
    Write(Write),
    /// Changes objects or grants.
    Ddl(Ddl),
    /// Runs code whose effect is not visible in the text.
    Call(Call),
    /// Not understood, or the text can be read in two ways. Anything may happen.
    Unknown,
}

/// Ways to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// `SELECT`, `WITH`, `VALUES`.
    Query,
    /// `SHOW`.
    Show,
    /// `DESCRIBE`.
    Describe,
    /// `EXPLAIN` of any statement: it is planned, not run.
    Explain,
    /// `LIST` of a stage.
    List,
}

/// What happens to the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transaction {
    /// `BEGIN`, `START TRANSACTION`.
    Begin,
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
}

/// What happens to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum File {
    /// `PUT`: from the client to a stage.
    Put,
    /// `GET`: from a stage to the client.
    Get,
    /// `REMOVE` from a stage.
    Remove,
}

/// What happens to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// `INSERT` into one table.
    Insert,
    /// `INSERT ALL` or `INSERT FIRST` into several tables.
    InsertMulti,
    /// `UPDATE`.
    Update,
    /// `DELETE`.
    Delete,
    /// `MERGE`.
    Merge,
    /// `COPY INTO` a table: loads.
    Load,
    /// `COPY INTO` a stage or another location: unloads.
    Unload,
    /// `COPY FILES` from stage to stage.
    CopyFiles,
    /// `TRUNCATE`.
    Truncate,
}

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// A query, or another statement that would be harmless, that calls functions which may act.
    Function,
    /// `CALL`, also of a procedure that the text itself brings along.
    Procedure,
    /// `EXECUTE IMMEDIATE`.
    Immediate,
    /// `EXECUTE` of a task, alert, notebook, job or project.
    Execute,
    /// A scripting block.
    Block,
}

/// Why it is not certain that Snowflake reads the text as it is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// A quote or comment without its end.
    Unclosed,
    /// Quotes whose end depends on who reads.
    Quotes,
    /// A comment whose end depends on who reads.
    Comment,
    /// Characters that some readers skip, fold or take for blank.
    Characters,
    /// A stage path whose end depends on who reads.
    Stage,
    /// `://` outside quotes, which is a comment or a URL.
    Url,
    /// Parentheses or blocks that do not match.
    Unbalanced,
}

/// One statement of a text: a chain of one or more links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Where it stands in the text, in bytes, without the `;`.
    pub span: Range<usize>,
    /// What `->>` separates, in order; never empty. A statement without `->>` is its own only link.
    pub links: Vec<Link>,
}

/// What was understood of one link of a chain.
///
/// Lists are in the order of the text and without repetitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// What it does.
    pub class: Class,
    /// It takes away what a transaction cannot give back, or replaces what may exist: `DROP`, `TRUNCATE`,
    /// `CREATE OR REPLACE`, `ALTER … DROP`, `INSERT OVERWRITE` and the like.
    pub destroys: bool,
    /// It updates, deletes or merges without a condition that depends on the rows.
    pub unconditional: bool,
    /// What it changes, as far as the text says.
    pub targets: Vec<Object>,
    /// What it reads, as far as the text says.
    pub sources: Vec<Object>,
    /// Functions and sequences called in it that are held for acting.
    pub effects: Vec<Name>,
    /// Functions and procedures called in it that are users' own, as far as their names tell: all with a
    /// schema, and those in `TABLE(…)` that are not Snowflake's. A function without a schema outside
    /// `TABLE(…)` may be a user's too and is not listed.
    pub functions: Vec<Name>,
    /// Those of [`functions`](Self::functions) in `TABLE(…)`: they may be procedures, which can do anything.
    pub table_functions: Vec<Name>,
    /// The procedure of a `CALL`, where the text names it and does not bring it along.
    pub procedure: Option<Name>,
    /// Why it was given up, where it was understood but cannot be trusted.
    pub doubt: Option<Doubt>,
}

impl Class {
    /// How much it may do: larger is stricter to handle. Classes of one family rank the same.
    pub fn rank(self) -> u8 {
        match self {
            Self::Read(_) => 0,
            Self::Use => 1,
            Self::Session => 2,
            Self::Transaction(_) => 3,
            Self::File(_) => 4,
            Self::Write(_) => 5,
            Self::Ddl(_) => 6,
            Self::Call(_) => 7,
            Self::Unknown => 8,
        }
    }

    /// True when it certainly changes nothing.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Read(_))
    }
}

impl Statement {
    /// The class of the strictest link; of several, the first.
    pub fn class(&self) -> Class {
        let first = self.links.first().map_or(Class::Unknown, |link| link.class);
        self.links
            .iter()
            .map(|link| link.class)
            .fold(first, |strictest, class| {
                if class.rank() > strictest.rank() {
                    class
                } else {
                    strictest
                }
            })
    }

    /// True when every link certainly changes nothing.
    pub fn is_read(&self) -> bool {
        !self.links.is_empty() && self.links.iter().all(|link| link.class.is_read())
    }
}

/// The kind of objects that a text names, in singular, upper case, one blank between words: `TABLE`.
pub fn object_kind(text: &str) -> Option<&'static str> {
    let text = tokens::Text::read(text);
    let within = 0..text.tokens.len();
    kinds::kind_at(&text, 0, &within)
        .filter(|(_, end)| *end == within.end && text.doubt.is_none())
        .map(|(kind, _)| kind)
}

/// Understands each statement of a text, in order. Empty statements are left out.
///
/// Never fails, whatever the text is.
pub fn classify(sql: &str) -> Vec<Statement> {
    let text = tokens::Text::read(sql);
    let mut statements: Vec<Statement> = split::statements(&text)
        .map(|piece| split::understand(&text, piece))
        .collect();
    statements.extend(split::leftover(&text, &statements));
    statements
}
