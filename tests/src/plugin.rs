//! What the plugin tells Claude Code to type: its texts, the shell snippets in them, and how they are filled in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::config;

/// Words in a snippet that stand for a text, always in single quotes.
const PLACEHOLDERS: [&str; 7] = ["NAME", "ID", "FILE", "VALUE", "TOKEN", "TEXT", "N"];
/// What stands for the letters that are made up anew for each mark.
const LETTERS: &str = "xxxxxx";

/// A Markdown file of the plugin that Claude Code reads.
#[derive(Debug)]
pub struct Text {
    /// Path below the plugin's folder, without the ending.
    pub name: String,
    /// What stands between the lines of hyphens at its beginning; nothing in a reference file.
    pub head: BTreeMap<String, String>,
    /// The rest.
    pub body: String,
}

/// One command line that a text shows, with its here-document.
#[derive(Clone, Debug)]
pub struct Snippet {
    /// Where it stands.
    pub text: String,
    /// As it stands there.
    pub template: String,
}

/// A snippet with texts in the places that are left open.
#[derive(Debug)]
pub struct Filled {
    /// What a shell is given.
    pub script: String,
    /// What the program has to get, its own name left out.
    pub arguments: Vec<String>,
    /// What the program has to get on standard input.
    pub input: String,
}

/// The plugin's folder.
pub fn folder() -> PathBuf {
    config::repository().join("plugin")
}

/// The commands, the skills and what the skills refer to.
pub fn texts() -> Vec<Text> {
    let mut texts = Vec::new();
    for part in ["commands", "skills"] {
        gather(&folder().join(part), &mut texts);
    }
    texts.sort_by(|a, b| a.name.cmp(&b.name));
    texts
}

/// The text with this name.
///
/// # Panics
///
/// When there is none.
pub fn text(name: &str) -> Text {
    let found = texts().into_iter().find(|text| text.name == name);
    found.unwrap_or_else(|| panic!("the plugin has no {name}.md"))
}

fn gather(folder: &Path, texts: &mut Vec<Text>) {
    for entry in fs::read_dir(folder)
        .expect("the plugin has this folder")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, texts);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            texts.push(Text::read(&path));
        }
    }
}

impl Text {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a text of the plugin can be read");
        let below = path.strip_prefix(folder()).expect("it was found there");
        let (head, body) = text
            .strip_prefix("---\n")
            .and_then(|rest| rest.split_once("\n---\n"))
            .unwrap_or(("", &text));
        let fields = head.lines().map(|line| {
            let (key, value) = line.split_once(": ").expect("a line of the head is `key: value`");
            (key.to_owned(), value.to_owned())
        });
        Self {
            name: below.with_extension("").to_string_lossy().into_owned(),
            head: fields.collect(),
            body: body.to_owned(),
        }
    }

    /// The code blocks of a language; those without one are for the shell.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let open = format!("```{language}\n");
        let fences = self.body.split("\n```").skip(1).step_by(2);
        // Splitting took the fence's own line end with it.
        let blocks = fences.filter_map(|block| format!("```{block}").strip_prefix(&open).map(str::to_owned));
        blocks.collect()
    }

    /// What it shows for the shell.
    pub fn snippets(&self) -> Vec<Snippet> {
        let snippet = |template| Snippet {
            text: self.name.clone(),
            template,
        };
        self.blocks("").into_iter().map(snippet).collect()
    }

    /// The one snippet that begins like this.
    ///
    /// # Panics
    ///
    /// When there is none, or more than one.
    pub fn snippet(&self, beginning: &str) -> Snippet {
        let mut found = self.snippets();
        found.retain(|snippet| snippet.template.starts_with(beginning));
        assert_eq!(
            found.len(),
            1,
            "{}: snippets that begin with `{beginning}`",
            self.name
        );
        found.remove(0)
    }

    /// Beginnings of command lines that may be run without asking.
    pub fn allowed(&self) -> Vec<String> {
        let tools = self.head["allowed-tools"].split(", ").map(|tool| {
            let rule = tool
                .strip_prefix("Bash(")
                .and_then(|rest| rest.strip_suffix(":*)"));
            rule.unwrap_or_else(|| panic!("{}: `{tool}` is no command's beginning", self.name))
                .to_owned()
        });
        tools.collect()
    }
}

impl Snippet {
    /// Whether text can be filled in.
    pub fn is_open(&self) -> bool {
        self.template.contains("<<") || placeholder(&self.template).is_some()
    }

    /// Fills it in by the rules that the texts give: `word` in single quotes with each of them written `'\''`, and `sql`
    /// between marks of which no line of it is one.
    pub fn filled(&self, word: &str, sql: &str) -> Filled {
        let (line, document) = self.template.split_once('\n').unwrap_or((&self.template, ""));
        let (command, mark) = line.split_once(" <<").unwrap_or((line, ""));
        let arguments = command.split(' ').skip(1).map(|part| {
            placeholder(part).map_or_else(
                || part.to_owned(),
                |name| {
                    part.replace(&format!("'{name}'"), word)
                        .replace(&format!("'={name}'"), &format!("={word}"))
                },
            )
        });
        let arguments = arguments.collect();
        let quoted = word.replace('\'', r"'\''");
        let command = placeholder(command).map_or_else(
            || command.to_owned(),
            |name| command.replace(&format!("{name}'"), &format!("{quoted}'")),
        );
        if mark.is_empty() {
            assert_eq!(document, "", "{}: a second line without a mark", self.text);
            return Filled {
                script: command,
                arguments,
                input: String::new(),
            };
        }
        let end = mark.trim_matches('\'');
        assert!(
            mark == format!("'{end}'") && end.ends_with(LETTERS) && document.ends_with(&format!("\n{end}")),
            "{}: a mark is quoted, ends with letters to make up, and ends the snippet",
            self.text
        );
        let end = end.replace(LETTERS, &letters(end, sql));
        Filled {
            script: format!("{command} <<'{end}'\n{sql}\n{end}"),
            arguments,
            input: format!("{sql}\n"),
        }
    }
}

/// Letters that make a mark which is no line of the text.
fn letters(mark: &str, sql: &str) -> String {
    let mut tries = (b'a'..b'u').map(|first| (first..first + 6).map(char::from).collect::<String>());
    let free = tries.find(|letters| {
        let mark = mark.replace(LETTERS, letters);
        sql.lines().all(|line| line != mark)
    });
    free.expect("a text does not hold them all")
}

/// The place in a command line that is left open.
fn placeholder(command: &str) -> Option<&'static str> {
    PLACEHOLDERS
        .into_iter()
        .find(|name| command.contains(&format!("'{name}'")) || command.contains(&format!("'={name}'")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet(template: &str) -> Snippet {
        Snippet {
            text: "a text".to_owned(),
            template: template.to_owned(),
        }
    }

    #[test]
    fn blocks_are_told_by_their_language() {
        let text = Text {
            name: "a".to_owned(),
            head: BTreeMap::new(),
            body: "x\n\n```\nsfctl a\n```\n\n```sql\nb\n```\n\n```\nsfctl c\nd\n```\n".to_owned(),
        };
        assert_eq!(text.blocks(""), ["sfctl a", "sfctl c\nd"]);
        assert_eq!(text.blocks("sql"), ["b"]);
    }

    #[test]
    fn words_are_quoted() {
        let filled = snippet("sfctl use schema -- 'NAME'").filled("it's", "");
        assert_eq!(filled.script, r"sfctl use schema -- 'it'\''s'");
        assert_eq!(filled.arguments, ["use", "schema", "--", "it's"]);
        let filled = snippet("sfctl query --bind='=VALUE'").filled("a b", "");
        assert_eq!(filled.script, "sfctl query --bind='=a b'");
        assert_eq!(filled.arguments, ["query", "--bind==a b"]);
    }

    #[test]
    fn a_mark_is_no_line_of_the_text() {
        let query = snippet("sfctl query - <<'SQL_xxxxxx'\nselect 1\nSQL_xxxxxx");
        assert_eq!(
            query.filled("", "SQL_abcdef").script,
            "sfctl query - <<'SQL_bcdefg'\nSQL_abcdef\nSQL_bcdefg"
        );
        assert_eq!(query.filled("", "x").arguments, ["query", "-"]);
    }
}
