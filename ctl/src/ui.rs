//! The only writer of stderr: notes, errors with their causes and hints, progress.
//!
//! Everything is complete without colour. A write that fails is not worth a word, since stderr is where
//! the word would go.

use std::io::{IsTerminal, Write};

use crate::failure::{Failure, Place};
use crate::render::visible_lines;

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How much is said on stderr, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui {
    /// Say nothing but errors and what must be known.
    pub(crate) quiet: bool,
    /// Say what is being done.
    pub(crate) verbose: bool,
    /// Colour on stderr.
    pub(crate) color: bool,
    /// Whether stderr is a terminal.
    pub(crate) terminal: bool,
    /// Columns of that terminal.
    columns: Option<usize>,
}

impl Ui {
    /// Decides colour for stderr from the choice and the terminal.
    pub(crate) fn new(quiet: bool, verbose: bool, color: ColorChoice) -> Self {
        let stderr = std::io::stderr();
        let terminal = stderr.is_terminal();
        let size = terminal
            .then(|| rustix::termios::tcgetwinsize(&stderr).ok())
            .flatten();
        Self {
            quiet,
            verbose,
            color: color.applies_to(terminal),
            terminal,
            columns: size
                .map(|size| usize::from(size.ws_col))
                .filter(|columns| *columns > 0),
        }
    }

    /// Says something useful that nobody depends on; `--quiet` drops it.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            say(&visible_lines(text));
        }
    }

    /// Says what the user should hear besides; `--quiet` drops it.
    pub(crate) fn advice(self, text: &str) {
        if !self.quiet {
            self.labelled("note", "36", text);
        }
    }

    /// Says something that must be known, quiet or not.
    pub(crate) fn warning(self, text: &str) {
        self.labelled("warning", "33", text);
    }

    /// Says something with a label of its own that must be known, quiet or not.
    pub(crate) fn must_be_known(self, label: &str, text: &str) {
        self.labelled(label, "33", text);
    }

    /// Says what is being done, with `--verbose`.
    pub(crate) fn detail(self, text: &str) {
        if self.verbose {
            self.labelled("detail", "2", text);
        }
    }

    /// Says what failed: the failure, its causes, the place in the SQL, facts and hints, a line each.
    pub(crate) fn failure(self, failure: &Failure) {
        self.labelled("error", "1;31", &failure.what);
        for cause in &failure.causes {
            self.labelled("caused by", "31", cause);
        }
        if let Place::Shown(excerpt) = &failure.place {
            say(&excerpt.render(self.columns, self.color));
        }
        for fact in &failure.facts {
            say(&visible_lines(fact));
        }
        for hint in failure.hint.iter().flat_map(|hint| hint.lines()) {
            self.labelled("hint", "36", hint);
        }
    }

    /// Whether somebody would see how far something is.
    pub(crate) fn shows_progress(self) -> bool {
        self.terminal && !self.quiet
    }

    /// Shows how far a long transfer is; the next call replaces it. Nothing without a terminal.
    pub(crate) fn progress(self, text: &str) {
        if self.shows_progress() {
            write_error(&format!("\r\x1b[K{text}"));
        }
    }

    /// Removes the progress line.
    pub(crate) fn end_progress(self) {
        if self.shows_progress() {
            write_error("\r\x1b[K");
        }
    }

    fn labelled(self, label: &str, style: &str, text: &str) {
        // Continuation lines are indented so that each labelled part is one block to the eye.
        let text = visible_lines(text.trim_end()).replace('\n', "\n  ");
        if self.color {
            say(&format!("\x1b[{style}m{label}:\x1b[0m {text}"));
        } else {
            say(&format!("{label}: {text}"));
        }
    }
}

impl ColorChoice {
    /// Whether to colour a stream that is, or is not, a terminal.
    pub(crate) fn applies_to(self, terminal: bool) -> bool {
        match self {
            ColorChoice::Auto => terminal,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        }
    }
}

/// Writes one line as it is, quiet or not.
pub(crate) fn say(text: &str) {
    write_error(&format!("{text}\n"));
}

fn write_error(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
    let _ = stderr.flush();
}
