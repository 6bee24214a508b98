//! The corpus: statements with what they are, in files that are read like a table.
//!
//! A case is an SQL text and, behind it, one line for each link that is expected: `=> ` for the first link of
//! a statement, `->> ` for the further ones. `=> nothing` is for a text without statements. Lines beginning
//! with `#` before the SQL are remarks. `⟪2028⟫` stands for the character with that number.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use snowflake_session::domain::statement::class::{Link, Statement, classify};

/// A text and what is expected of it.
pub(crate) struct Case {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) sql: String,
    pub(crate) expected: Vec<String>,
}

impl Case {
    /// True when every link of it is expected to be a read.
    pub(crate) fn is_read(&self) -> bool {
        self.expected.iter().all(|line| {
            line.split_once(' ')
                .is_some_and(|(_, link)| link.starts_with("read "))
        })
    }
}

/// All cases, file by file.
pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/statements");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the corpus is in the repository")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|path| {
            let name = path
                .file_name()
                .expect("a file has a name")
                .to_string_lossy()
                .into_owned();
            parse(&name, &fs::read_to_string(path).expect("the corpus is text"))
        })
        .collect()
}

fn parse(file: &str, text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut sql: Vec<&str> = Vec::new();
    let mut in_expected = false;
    for (index, line) in text.lines().enumerate() {
        let expects = line.starts_with("=> ") || in_expected && line.starts_with("->> ");
        if expects {
            if !in_expected {
                cases.push(Case {
                    file: file.to_owned(),
                    line: index + 1,
                    sql: decode(&sql.join("\n")),
                    expected: Vec::new(),
                });
                sql.clear();
            }
            cases
                .last_mut()
                .expect("one was pushed")
                .expected
                .push(line.to_owned());
        } else if !(sql.is_empty() && (line.is_empty() || line.starts_with('#'))) {
            sql.push(line);
        }
        in_expected = expects;
    }
    assert!(
        sql.is_empty(),
        "{file} ends with a text of which nothing is expected"
    );
    cases
}

/// Replaces `⟪hex⟫` by the character.
fn decode(text: &str) -> String {
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('⟪') {
        let (code, behind) = behind.split_once('⟫').expect("⟪ is closed by ⟫");
        decoded.push_str(before);
        let code = u32::from_str_radix(code, 16).expect("a hexadecimal number");
        decoded.push(char::from_u32(code).expect("a character"));
        rest = behind;
    }
    decoded + rest
}

/// What was understood, in the form of the corpus.
pub(crate) fn render(statements: &[Statement]) -> Vec<String> {
    if statements.is_empty() {
        return vec!["=> nothing".to_owned()];
    }
    statements
        .iter()
        .flat_map(|statement| {
            statement.links.iter().enumerate().map(|(index, link)| {
                let arrow = if index == 0 { "=>" } else { "->>" };
                format!("{arrow} {}", facts(link))
            })
        })
        .collect()
}

fn facts(link: &Link) -> String {
    let mut line = link.class.to_string();
    let mut flag = |set: bool, name: &str| {
        if set {
            line.push_str(" | ");
            line.push_str(name);
        }
    };
    flag(link.destroys, "destroys");
    flag(link.unconditional, "unconditional");
    let mut list = |name: &str, items: Vec<String>| {
        if !items.is_empty() {
            write!(line, " | {name} {}", items.join(", ")).expect("a string takes everything");
        }
    };
    list("targets", link.targets.iter().map(ToString::to_string).collect());
    list("reads", link.sources.iter().map(ToString::to_string).collect());
    list("acts", link.effects.iter().map(ToString::to_string).collect());
    list("calls", link.functions.iter().map(ToString::to_string).collect());
    list("doubt", link.doubt.iter().map(ToString::to_string).collect());
    line
}

#[test]
fn the_corpus_is_understood_as_written() {
    let mut report = String::new();
    let cases = cases();
    for case in &cases {
        let found = render(&classify(&case.sql));
        if found != case.expected {
            writeln!(
                report,
                "\n{}:{}\n    {}",
                case.file,
                case.line,
                case.sql.replace('\n', "\n    ")
            )
            .unwrap();
            for line in &case.expected {
                writeln!(
                    report,
                    "  {} {line}",
                    if found.contains(line) { ' ' } else { '-' }
                )
                .unwrap();
            }
            for line in &found {
                if !case.expected.contains(line) {
                    writeln!(report, "  + {line}").unwrap();
                }
            }
        }
    }
    assert!(
        report.is_empty(),
        "not as written (- expected, + found):\n{report}"
    );
}

#[test]
fn the_corpus_is_as_large_as_it_is_said_to_be() {
    let cases = cases();
    let traps = cases.iter().filter(|case| case.file == "traps.txt").count();
    assert!(cases.len() - traps >= 300, "{} statements", cases.len() - traps);
    assert!(traps >= 80, "{traps} traps");
    let mut texts: Vec<&str> = cases.iter().map(|case| case.sql.as_str()).collect();
    texts.sort_unstable();
    texts
        .windows(2)
        .for_each(|pair| assert_ne!(pair[0], pair[1], "a text stands there twice"));
}

#[test]
fn spans_hold_what_they_name() {
    for case in cases() {
        for statement in classify(&case.sql) {
            assert!(!statement.links.is_empty(), "{}", case.sql);
            let text = &case.sql[statement.span.clone()];
            assert!(!text.starts_with(char::is_whitespace), "{text:?}");
            for link in &statement.links {
                assert!(statement.span.start <= link.span.start, "{}", case.sql);
                assert!(link.span.end <= statement.span.end, "{}", case.sql);
                assert!(
                    case.sql.is_char_boundary(link.span.start) && case.sql.is_char_boundary(link.span.end)
                );
            }
        }
    }
}
