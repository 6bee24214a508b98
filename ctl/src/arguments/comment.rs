//! SQL that begins with a comment: `-- monthly report` looks like a flag to the parser, but no flag has a blank in it.

use std::convert::Infallible;
use std::ffi::OsString;

/// Put before such an argument while the command line is parsed. No shell passes it on by accident.
const MARK: char = '\u{1}';

/// Marks the arguments that are SQL beginning with a comment.
pub(crate) fn marked(arguments: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.map(|argument| match argument.to_str() {
        Some(text) if begins_with_comment(text) => OsString::from(format!("{MARK}{text}")),
        _ => argument,
    })
}

/// The argument as it was typed; for the values that may be such SQL.
#[expect(clippy::unnecessary_wraps, reason = "the form that a value parser has")]
pub(crate) fn unmarked(text: &str) -> Result<String, Infallible> {
    Ok(text.strip_prefix(MARK).unwrap_or(text).to_owned())
}

fn begins_with_comment(text: &str) -> bool {
    text.strip_prefix("--")
        .is_some_and(|rest| rest.starts_with(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_are_marked_and_come_back_as_typed() {
        for (typed, is_marked) in [
            ("-- report\nselect 1", true),
            ("--\nselect 1", true),
            ("--format", false),
            ("--", false),
            ("select 1 -- x", false),
            ("-", false),
        ] {
            let seen: Vec<_> = marked([OsString::from(typed)].into_iter()).collect();
            let seen = seen[0].to_str().unwrap();
            assert_eq!(seen != typed, is_marked, "{typed}");
            assert_eq!(unmarked(seen).unwrap(), typed);
        }
    }
}
