//! Why a command failed, in the parts that reach the screen.

use std::error::Error;

use crate::exit_code::Exit;

/// A failed command: what failed, what caused it, what to do, and how the process ends.
///
/// Every part is one sentence without a final period, except texts quoted from Snowflake.
#[derive(Debug)]
pub(crate) struct Failure {
    /// How the process ends.
    pub(crate) exit: Exit,
    /// What failed.
    pub(crate) what: String,
    /// What caused it, nearest first.
    pub(crate) causes: Vec<String>,
    /// Facts for whoever looks into it, lines as they are: the place in the SQL, identities.
    pub(crate) facts: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
    /// Where in the SQL text Snowflake saw the mistake.
    pub(crate) position: Option<SqlPosition>,
}

/// The innermost cause of a transport's error; the layers around it say only that there was one.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}

/// A place in an SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SqlPosition {
    /// Line, from 1.
    pub(crate) line: u32,
    /// Characters before the place in its line.
    pub(crate) position: u32,
}

impl Failure {
    /// A failure with nothing but its own sentence.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self {
            exit,
            what: what.into(),
            causes: Vec::new(),
            facts: Vec::new(),
            hint: None,
            position: None,
        }
    }

    /// A mistake in the command line or in what it names.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// The service cannot be reached.
    pub(crate) fn unreachable(what: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, what)
    }

    /// Adds a cause, one line as far as we can tell.
    pub(crate) fn caused_by(mut self, cause: impl std::fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Sets what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Shows the place of the mistake, if there is one, in the text that was sent.
    pub(crate) fn quoting(mut self, sql: &str) -> Self {
        if let Some(excerpt) = self.position.and_then(|at| pointer(sql, at)) {
            self.facts.insert(0, excerpt);
        }
        self
    }
}

/// Shows the line of the SQL text with a mark under the place, unless the line is too long to be of use.
fn pointer(sql: &str, at: SqlPosition) -> Option<String> {
    const LINE_CHARACTERS_MAX: usize = 200;
    let position = at.position as usize;
    let line = sql.lines().nth(at.line.checked_sub(1)? as usize)?;
    let length = line.chars().count();
    if length > LINE_CHARACTERS_MAX || position > length {
        return None;
    }
    let number = at.line.to_string();
    // Tabs stay tabs, so that the mark stands where the terminal puts the character.
    let indent: String = line
        .chars()
        .take(position)
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let margin = " ".repeat(number.len());
    Some(format!("  {number} | {line}\n  {margin} | {indent}^"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_place_in_the_sql() {
        let shown = pointer("select 1,\n  nope\nfrom t", SqlPosition { line: 2, position: 2 });
        assert_eq!(shown.as_deref(), Some("  2 |   nope\n    |   ^"));
    }

    #[test]
    fn says_nothing_about_a_place_that_is_not_there() {
        assert_eq!(pointer("select 1", SqlPosition { line: 2, position: 0 }), None);
        assert_eq!(pointer("select 1", SqlPosition { line: 0, position: 0 }), None);
        assert_eq!(pointer("select 1", SqlPosition { line: 1, position: 9 }), None);
    }
}
