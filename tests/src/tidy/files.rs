//! Rules about single files: length, opening essay, unfinished work, reads of the environment.

use super::code::{bare, line_of, words};
use super::tree::{Finding, Source, Tree};

/// Longest file, tests included.
const LINES_MAX: usize = 500;
/// Fewest characters of the essay at the top of a room.
const ESSAY_CHARACTERS_MIN: usize = 60;

/// Files are at most `LINES_MAX` lines long.
pub fn length(tree: &Tree) -> Vec<Finding> {
    let written = tree
        .sources
        .iter()
        .filter(|source| matches!(source.extension(), "rs" | "proto" | "py" | "sh"));
    written
        .filter_map(|source| {
            let lines = source.text.lines().count();
            let message = format!("{lines} lines, at most {LINES_MAX}; split it by subject, not by size");
            (lines > LINES_MAX).then(|| Finding::new(&source.path, 0, message))
        })
        .collect()
}

/// Every Rust file opens with `//!`; a crate's `lib.rs` and each room below it with an essay.
pub fn essays(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree.with_extension("rs") {
        let essay: Vec<&str> = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        let characters: usize = essay
            .iter()
            .map(|line| line.trim_start_matches("//!").trim().len())
            .sum();
        if essay.is_empty() {
            let message = "opens without `//!`; say in a sentence what the file is about";
            findings.push(Finding::new(&source.path, 1, message));
        } else if is_room(source) && characters < ESSAY_CHARACTERS_MIN {
            let message = "a room's essay says its purpose, what it must not know and where to start";
            findings.push(Finding::new(&source.path, 1, message));
        }
    }
    findings
}

/// A crate's `lib.rs`, or the `mod.rs` of a folder right below its `src`.
fn is_room(source: &Source) -> bool {
    let folder = source.path.parent().and_then(|folder| folder.parent());
    source.name() == "lib.rs"
        || source.name() == "mod.rs" && folder.is_some_and(|folder| folder.ends_with("src"))
}

/// No unfinished work is left, and no test is switched off.
pub fn unfinished(tree: &Tree) -> Vec<Finding> {
    // In pieces, so that this file does not find itself.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let code = ["todo!", "unimplemented!", "#[ignore", "#[should_panic"];
    let mut findings = Vec::new();
    for source in tree
        .sources
        .iter()
        .filter(|source| matches!(source.extension(), "rs" | "proto" | "py" | "sql"))
    {
        for mark in marks {
            for at in words(&source.text, mark) {
                let message = format!("`{mark}`: do it, or open an issue and say there what is missing");
                findings.push(Finding::new(&source.path, line_of(&source.text, at), message));
            }
        }
    }
    for source in tree.with_extension("rs") {
        let bare = bare(&source.text);
        for mark in code {
            for at in words(&bare, mark) {
                let message = format!(
                    "`{mark}`: finish it; a test that does not run, or that only panics, shows nothing"
                );
                findings.push(Finding::new(&source.path, line_of(&bare, at), message));
            }
        }
    }
    findings
}

/// The environment is read only in `config` rooms, `main.rs`, build scripts and developer commands.
pub fn environment(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in tree
        .with_extension("rs")
        .filter(|source| !may_read_environment(source))
    {
        let bare = bare(&source.text);
        for read in [
            "env::var",
            "env::var_os",
            "env::vars",
            "env::vars_os",
            "option_env!",
        ] {
            for at in words(&bare, read) {
                let message = format!("`{read}`: read it in the crate's `config` and pass the value in");
                findings.push(Finding::new(&source.path, line_of(&bare, at), message));
            }
        }
    }
    findings
}

fn may_read_environment(source: &Source) -> bool {
    matches!(source.name(), "config.rs" | "main.rs" | "build.rs")
        || source.path.starts_with("xtask")
        // How long tests are to fuzz, and from which seed.
        || source.path.starts_with("fuzz")
        || source
            .path
            .components()
            .any(|component| component.as_os_str() == "config")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rule: fn(&Tree) -> Vec<Finding>, path: &str, text: &str, lines: &[usize]) {
        let findings = rule(&Tree::from_texts(&[(path, text)]));
        assert_eq!(
            findings.iter().map(|finding| finding.line).collect::<Vec<_>>(),
            lines,
            "{findings:?}"
        );
    }

    #[test]
    fn long_files_are_found() {
        check(length, "a.rs", &"\n".repeat(LINES_MAX), &[]);
        check(length, "a.rs", &"\n".repeat(LINES_MAX + 1), &[0]);
        check(length, "a.sql", &"\n".repeat(LINES_MAX + 1), &[]);
    }

    #[test]
    fn files_without_essay_are_found() {
        check(essays, "a/b.rs", "//! Does one thing.\n", &[]);
        check(essays, "a/b.rs", "use x;\n", &[1]);
        check(essays, "a/src/b/mod.rs", "//! Short.\n", &[1]);
        check(essays, "a/src/b/c/mod.rs", "//! Short.\n", &[]);
        check(
            essays,
            "a/src/b/mod.rs",
            &format!("//! {}\n", "word ".repeat(20)),
            &[],
        );
    }

    #[test]
    fn unfinished_work_is_found() {
        check(unfinished, "a.rs", "fn a() {\n    todo!()\n}", &[2]);
        check(unfinished, "a.rs", concat!("// TO", "DO later"), &[1]);
        check(unfinished, "a.rs", "#[ignore]\nfn a() {}", &[1]);
        check(unfinished, "a.rs", "let a = \"todo!()\";", &[]);
    }

    #[test]
    fn reads_of_the_environment_are_found() {
        check(
            environment,
            "service/src/app.rs",
            "\nstd::env::var(\"HOME\")",
            &[2],
        );
        check(
            environment,
            "service/src/config/layers.rs",
            "std::env::var(\"HOME\")",
            &[],
        );
        check(environment, "service/src/app.rs", "std::env::args()", &[]);
    }
}
