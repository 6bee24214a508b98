//! What the scan of a query knows of each open parenthesis, and which words tell it something.

/// How far the list of a `WITH` was read; the numbers are the tokens of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum With {
    /// There is none, or it is over.
    No,
    /// A name comes next.
    Name,
    /// Columns or `AS` come next.
    Head(usize),
    /// The query in its parentheses comes next.
    Body(usize),
    /// A comma or the main statement comes next.
    Next,
}

/// What is known of an open parenthesis, and of the query in it.
#[derive(Debug)]
pub(super) struct Frame {
    /// What closes it.
    pub close: char,
    /// `FROM` means a table here.
    pub query: bool,
    /// A comma means another table.
    pub from: bool,
    /// The next name is a table.
    pub expect: bool,
    /// `USING` means a table here.
    pub using: bool,
    /// It is what stands in `IDENTIFIER(…)`.
    pub identifier: bool,
    /// It is what stands in `TABLE(…)`.
    pub table: bool,
    pub with: With,
    /// The name that this parenthesis defines.
    pub defines: Option<usize>,
    /// Names defined outside it.
    pub names: usize,
}

impl Frame {
    /// A parenthesis of which nothing is known.
    pub(super) fn new(close: char) -> Self {
        Self {
            close,
            query: false,
            from: false,
            expect: false,
            using: false,
            identifier: false,
            table: false,
            with: With::No,
            defines: None,
            names: 0,
        }
    }
}

/// What a plain word means to the scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Writing,
    Select,
    With,
    Values,
    From,
    Join,
    Using,
    Lateral,
    Table,
    /// Joins two queries.
    SetOperator,
    /// Ends the list of tables.
    Clause,
    NextVal,
    /// Begins a statement, but may also be a name.
    Verb,
    Other,
}

/// What a word means.
pub(super) fn keyword(word: &str) -> Keyword {
    const LONGEST: usize = 9;
    let mut upper = [0; LONGEST];
    let Some(upper) = upper.get_mut(..word.len()) else {
        return Keyword::Other;
    };
    upper.copy_from_slice(word.as_bytes());
    upper.make_ascii_uppercase();
    match &*upper {
        b"INSERT" | b"UPDATE" | b"DELETE" | b"CREATE" | b"ALTER" | b"DROP" | b"GRANT" | b"REVOKE"
        | b"SET" | b"INTO" => Keyword::Writing,
        b"SELECT" => Keyword::Select,
        b"WITH" => Keyword::With,
        b"VALUES" => Keyword::Values,
        b"FROM" => Keyword::From,
        b"JOIN" => Keyword::Join,
        b"USING" => Keyword::Using,
        b"LATERAL" => Keyword::Lateral,
        b"TABLE" => Keyword::Table,
        b"WHERE" | b"GROUP" | b"HAVING" | b"QUALIFY" | b"ORDER" | b"LIMIT" | b"OFFSET" | b"FETCH"
        | b"CONNECT" | b"WHEN" => Keyword::Clause,
        b"UNION" | b"INTERSECT" | b"EXCEPT" | b"MINUS" => Keyword::SetOperator,
        b"NEXTVAL" => Keyword::NextVal,
        b"BEGIN" | b"CALL" | b"COMMENT" | b"COMMIT" | b"COPY" | b"DECLARE" | b"EXECUTE" | b"GET"
        | b"MERGE" | b"PUT" | b"REMOVE" | b"RM" | b"ROLLBACK" | b"START" | b"TRUNCATE" | b"UNDROP"
        | b"UNSET" | b"USE" => Keyword::Verb,
        _ => Keyword::Other,
    }
}
