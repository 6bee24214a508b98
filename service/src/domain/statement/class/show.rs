//! Names of classes and doubts, for messages, lists of what is allowed, and the corpus.

use std::fmt;

use super::{Call, Class, Ddl, Doubt, File, Read, Transaction, Verb, Write};

impl fmt::Display for Class {
    /// One to four lowercase words, the most general first: `read query`, `write delete`, `ddl drop table`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(read) => write!(formatter, "read {read}"),
            Self::Use => formatter.write_str("use"),
            Self::Session => formatter.write_str("session"),
            Self::Transaction(transaction) => write!(formatter, "transaction {transaction}"),
            Self::File(file) => write!(formatter, "file {file}"),
            Self::Write(write) => write!(formatter, "write {write}"),
            Self::Ddl(ddl) => write!(formatter, "ddl {ddl}"),
            Self::Call(call) => write!(formatter, "call {call}"),
            Self::Unknown => formatter.write_str("unknown"),
        }
    }
}

impl fmt::Display for Ddl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.map_or_else(|| "?".to_owned(), str::to_lowercase);
        write!(formatter, "{} {kind}", self.verb)
    }
}

/// Gives each value of an enum its name.
macro_rules! names {
    ($type:ident: $($value:ident = $name:literal),+ $(,)?) => {
        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(match self {
                    $(Self::$value => $name,)+
                })
            }
        }
    };
}

names!(Read:
    Query = "query",
    Show = "show",
    Describe = "describe",
    Explain = "explain",
    List = "list",
);
names!(Transaction:
    Begin = "begin",
    Commit = "commit",
    Rollback = "rollback",
);
names!(File:
    Put = "put",
    Get = "get",
    Remove = "remove",
);
names!(Write:
    Insert = "insert",
    InsertMulti = "insert-multi",
    Update = "update",
    Delete = "delete",
    Merge = "merge",
    Load = "load",
    Unload = "unload",
    CopyFiles = "copy-files",
    Truncate = "truncate",
);
names!(Verb:
    Create = "create",
    Alter = "alter",
    Drop = "drop",
    Undrop = "undrop",
    Comment = "comment",
    Grant = "grant",
    Revoke = "revoke",
);
names!(Call:
    Function = "function",
    Procedure = "procedure",
    Immediate = "immediate",
    Execute = "execute",
    Block = "block",
);
names!(Doubt:
    Unclosed = "a quote or comment without its end",
    Quotes = "quotes that can be read in two ways",
    Comment = "a comment that can be read in two ways",
    Characters = "characters that can be read in two ways",
    Stage = "a stage path that can be read in two ways",
    Url = "a URL outside quotes",
    Unbalanced = "parentheses or blocks that do not match",
);
