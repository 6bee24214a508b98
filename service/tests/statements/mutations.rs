//! Whatever is done to a text that acts, it is not called a read; and what is called a read, two other
//! readers of SQL do not call a write.

use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use snowflake_session::domain::statement::class::{Statement, classify};
use snowflake_session::domain::write::sample;
use sqlparser::ast::{SetExpr, Statement as Parsed};
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;

use crate::corpus::{Case, cases};
use crate::pieces::{Piece, pieces};

/// Classes that change something outside the session.
const CHANGING: [&str; 4] = ["write", "ddl", "call", "file"];
/// Classes that change something.
const ACTING: [&str; 7] = ["write", "ddl", "call", "file", "use", "session", "transaction"];

/// Texts of the corpus with a link of one of these classes: what is done to them must not make them reads.
fn texts_of(classes: &[&str]) -> Vec<String> {
    let acts = |case: &Case| {
        case.expected.iter().any(|line| {
            let class = line.split_once(' ').map_or("", |(_, link)| link);
            classes.iter().any(|acting| class.starts_with(acting))
        })
    };
    let texts: Vec<String> = cases().into_iter().filter(acts).map(|case| case.sql).collect();
    assert!(texts.len() > 300, "only {} texts act", texts.len());
    texts
}

/// True when every statement is a read and there is one.
fn is_read(statements: &[Statement]) -> bool {
    !statements.is_empty() && statements.iter().all(Statement::is_read)
}

#[track_caller]
fn assert_no_read(original: &str, mutated: &str) {
    assert!(
        !is_read(&classify(mutated)),
        "called a read:\n{mutated}\nmade of:\n{original}"
    );
}

#[test]
fn what_stands_around_a_write_hides_nothing() {
    for sql in texts_of(&ACTING) {
        let bare = sql.trim_end_matches([';', ' ', '\n']);
        for (before, behind) in [
            ("select 1; ", ""),
            ("", "; select 1"),
            (";;", ";;"),
            ("select 1 ->> ", ""),
            ("", " ->> select * from $1"),
            ("show tables ->> ", " ->> select 1"),
            ("begin ", "; end"),
            ("begin select 1; ", "; end; select 1"),
            ("declare x int; begin ", "; end"),
            ("with x as (select 1) ", ""),
            ("with x as (select 1), y (a) as (select 2) ", "; select 1"),
            ("\u{feff}", ""),
            ("-- select 1\n", "-- select 1"),
            ("/* select 1 */", "/* select 1 */"),
            ("// select 1\n", "\n// select 1"),
            ("select 'x'; ", "; select 'x'"),
            ("explain explain ", ""),
            ("select 1\n;\n", "\n;\n"),
        ] {
            let mutated = format!("{before}{bare}{behind}");
            assert_no_read(&sql, &mutated);
        }
        if !bare.contains("$$") {
            assert_no_read(&sql, &format!("execute immediate $${bare}$$"));
        }
    }
}

#[test]
fn a_write_inside_a_query_is_seen() {
    for sql in texts_of(&CHANGING) {
        let bare = sql.trim_end_matches([';', ' ', '\n']);
        for (before, behind) in [
            ("(", ")"),
            ("select * from (", ") as x"),
            ("select (", ")"),
            ("select 1 where exists (", ")"),
            ("select 1 union all ", ""),
            ("select 1 union all (", ")"),
            ("with x as (", ") select * from x"),
        ] {
            assert_no_read(&sql, &format!("{before}{bare}{behind}"));
        }
    }
}

#[test]
fn blanks_comments_and_case_change_nothing() {
    for sql in texts_of(&ACTING) {
        let pieces = pieces(&sql);
        for filler in [
            " ",
            "\n",
            "\t\r\n",
            " /* x */ ",
            "/**/",
            " -- x\n",
            " // '\n",
            " /* ' \" $$ ; select 1 */ ",
        ] {
            let everywhere: Vec<&str> = pieces.iter().map(|piece| piece.text()).collect();
            assert_no_read(&sql, &everywhere.join(filler));
            for at in 0..pieces.len() {
                let (before, behind) = pieces.split_at(at);
                let text = |pieces: &[Piece<'_>]| pieces.iter().map(|piece| piece.text()).collect::<String>();
                assert_no_read(&sql, &format!("{}{filler}{}", text(before), text(behind)));
            }
        }
        for change in [str::to_uppercase, str::to_lowercase, alternating] {
            let changed: String = pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Word(word) => change(word),
                    other => other.text().to_owned(),
                })
                .collect();
            assert_no_read(&sql, &changed);
        }
    }
}

fn alternating(text: &str) -> String {
    let mut upper = false;
    text.chars()
        .map(|character| {
            upper = !upper;
            if upper {
                character.to_ascii_uppercase()
            } else {
                character.to_ascii_lowercase()
            }
        })
        .collect()
}

/// Pieces that the mutations insert: what has a meaning to somebody.
const DICTIONARY: [&str; 60] = [
    "select",
    "from",
    "where",
    "with",
    "as",
    "delete",
    "insert",
    "into",
    "update",
    "set",
    "merge",
    "using",
    "drop",
    "table",
    "create",
    "or replace",
    "begin",
    "end",
    "declare",
    "let",
    "case",
    "when",
    "call",
    "execute immediate",
    "explain",
    "show",
    "describe",
    "values",
    "->>",
    ";",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "$$",
    "--",
    "//",
    "/*",
    "*/",
    "\n",
    "\r",
    "\\",
    "@",
    "@~/",
    "@st/",
    ".",
    ",",
    ":",
    "$",
    "?",
    "!",
    "system$cancel_query(",
    "nextval",
    "identifier(",
    "\u{0}",
    "\u{feff}",
];

/// A generator of numbers below a limit.
struct Dice(TestRng);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        (self.0.next_u64() % limit.max(1) as u64) as usize
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

fn mutate(dice: &mut Dice, texts: &[String]) -> String {
    let mut text = texts[dice.below(texts.len())].clone();
    for _ in 0..=dice.below(4) {
        let (left, right) = (dice.place(&text), dice.place(&text));
        let range = left.min(right)..left.max(right);
        match dice.below(5) {
            0 => text.replace_range(range, ""),
            1 => text.insert_str(left, &format!(" {} ", DICTIONARY[dice.below(DICTIONARY.len())])),
            2 => text.insert_str(left, DICTIONARY[dice.below(DICTIONARY.len())]),
            3 => {
                let other = &texts[dice.below(texts.len())];
                let (from, to) = (dice.place(other), dice.place(other));
                text.insert_str(left, &other[from.min(to)..from.max(to)]);
            }
            _ => text = text[range].repeat(1 + dice.below(2)),
        }
    }
    text
}

#[test]
fn what_is_sampled_of_a_write_is_a_read() {
    const TEXTS: usize = 20_000;
    let texts = texts_of(&CHANGING);
    let mut dice = Dice(TestRng::from_seed(RngAlgorithm::ChaCha, &[8; 32]));
    let mut sampled = 0;
    for _ in 0..TEXTS {
        let text = mutate(&mut dice, &texts);
        let plan = sample::plan(&text, &classify(&text), &[], 10);
        for composed in plan.queries() {
            sampled += 1;
            let read = classify(&composed.sql);
            assert!(read.len() == 1 && is_read(&read), "{text}\n{}", composed.sql);
            assert!(composed.sql.ends_with(" LIMIT 11"), "{}", composed.sql);
        }
    }
    assert!(sampled > 100, "only {sampled} samples");
}

#[test]
fn mutated_texts_are_never_reads_that_others_call_writes() {
    const TEXTS: usize = 20_000;
    const LENGTH_MAX: usize = 2_000;
    let texts: Vec<String> = cases().into_iter().map(|case| case.sql).collect();
    let mut dice = Dice(TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let (mut reads, mut parsed) = (0, 0);
    for _ in 0..TEXTS {
        let text = mutate(&mut dice, &texts);
        let statements = classify(&text);
        if !is_read(&statements) || text.len() > LENGTH_MAX {
            continue;
        }
        reads += 1;
        assert!(!has_writing_word(&text), "called a read:\n{text}");
        // The other parser takes the path of a stage outside FROM for a division.
        if text.contains('@') {
            continue;
        }
        let Ok(opinions) = Parser::parse_sql(&SnowflakeDialect {}, &text) else {
            continue;
        };
        parsed += 1;
        assert!(
            !opinions.iter().any(writes),
            "called a read:\n{text}\nanother reader: {opinions:?}"
        );
    }
    // The test would be worth nothing if hardly any text got that far.
    assert!(reads > 1_000 && parsed > 300, "{reads} reads, {parsed} parsed");
}

#[test]
fn another_parser_does_not_call_our_reads_writes() {
    let mut parsed = 0;
    for case in cases().into_iter().filter(Case::is_read) {
        if let Ok(opinions) = Parser::parse_sql(&SnowflakeDialect {}, &case.sql) {
            parsed += 1;
            assert!(!opinions.iter().any(writes), "{}", case.sql);
        }
    }
    assert!(parsed > 80, "the other parser took {parsed} texts");
}

/// True when the other parser took the statement for one that changes something.
fn writes(statement: &Parsed) -> bool {
    match statement {
        Parsed::Query(query) => changes(&query.body),
        Parsed::Explain { .. }
        | Parsed::ExplainTable { .. }
        | Parsed::ShowTables { .. }
        | Parsed::ShowViews { .. }
        | Parsed::ShowColumns { .. }
        | Parsed::ShowCatalogs { .. }
        | Parsed::ShowDatabases { .. }
        | Parsed::ShowSchemas { .. }
        | Parsed::ShowObjects(_)
        | Parsed::ShowFunctions { .. }
        | Parsed::ShowVariable { .. }
        | Parsed::ShowVariables { .. }
        | Parsed::ShowCreate { .. }
        | Parsed::ShowStatus { .. }
        | Parsed::ShowCollation { .. }
        | Parsed::List(_) => false,
        _ => true,
    }
}

fn changes(body: &SetExpr) -> bool {
    match body {
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => true,
        SetExpr::Query(query) => changes(&query.body),
        SetExpr::SetOperation { left, right, .. } => changes(left) || changes(right),
        SetExpr::Select(select) => select.into.is_some(),
        _ => false,
    }
}

/// True when the other, plainer reader sees a word that only statements have which change something, in a
/// statement that is not only explained.
fn has_writing_word(text: &str) -> bool {
    let mut in_stage = false;
    let pieces: Vec<Piece<'_>> = pieces(text)
        .into_iter()
        .filter(|piece| {
            // The path of a stage reaches to the next blank.
            in_stage = !matches!(piece, Piece::Blank(_)) && (in_stage || *piece == Piece::Mark("@"));
            !in_stage && !matches!(piece, Piece::Blank(_))
        })
        .collect();
    let is = |piece: &Piece<'_>, words: &[&str]| matches!(piece, Piece::Word(word) if words.iter().any(|other| word.eq_ignore_ascii_case(other)));
    if pieces.iter().any(|piece| is(piece, &["EXPLAIN"])) {
        return false;
    }
    let mut before = Piece::Mark(";");
    pieces.iter().any(|piece| {
        let is_path = matches!(before, Piece::Mark("." | ":"));
        before = *piece;
        !is_path
            && is(
                piece,
                &[
                    "DELETE", "UPDATE", "DROP", "CREATE", "ALTER", "GRANT", "REVOKE", "INTO",
                ],
            )
    })
}
