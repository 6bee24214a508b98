//! The working tree: every text file that belongs to the repository, read once.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Folders that hold build output or someone else's code.
const FOREIGN: [&str; 5] = ["target", ".git", ".venv", "node_modules", "__pycache__"];

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// File, from the root of the repository.
    pub path: PathBuf,
    /// Line, counted from 1; 0 means the whole file.
    pub line: usize,
    /// What is wrong and what to do.
    pub message: String,
}

impl Finding {
    /// Makes a finding.
    pub fn new(path: &Path, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.path.display())?;
        if self.line > 0 {
            write!(formatter, ":{}", self.line)?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// A file and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path from the root of the repository.
    pub path: PathBuf,
    /// The text.
    pub text: String,
}

impl Source {
    /// The extension, or nothing.
    pub fn extension(&self) -> &str {
        self.path
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default()
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        self.path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
    }
}

/// All text files of the repository.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Sorted by path.
    pub sources: Vec<Source>,
}

impl Tree {
    /// Reads the repository that this crate is part of.
    pub fn of_this_repository() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("this crate lies in a folder")?;
        let mut paths = Vec::new();
        walk(root, &mut paths)?;
        paths.sort();
        let mut sources = Vec::new();
        for path in paths {
            // What is not text (an Arrow file, a picture) has no lines to check.
            if let Ok(text) = fs::read_to_string(&path) {
                sources.push(Source {
                    path: path.strip_prefix(root)?.to_owned(),
                    text,
                });
            }
        }
        Ok(Self { sources })
    }

    /// Makes a tree from paths and texts, to try a rule on.
    pub fn from_texts(texts: &[(&str, &str)]) -> Self {
        let sources = texts
            .iter()
            .map(|(path, text)| Source {
                path: path.into(),
                text: (*text).to_owned(),
            })
            .collect();
        Self { sources }
    }

    /// The files with this extension.
    pub fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a Source> {
        self.sources
            .iter()
            .filter(move |source| source.extension() == extension)
    }

    /// Whether this file or folder exists.
    pub fn has(&self, path: &Path) -> bool {
        self.sources.iter().any(|source| source.path.starts_with(path))
    }
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && !FOREIGN.iter().any(|name| entry.file_name() == *name) {
            walk(&entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}
