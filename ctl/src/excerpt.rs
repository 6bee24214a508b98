//! The place of a mistake in an SQL text, as it is shown: the line, and a mark under the character.

use unicode_width::UnicodeWidthChar;

use crate::failure::SqlPosition;
use crate::render::write_visible;

/// Widest excerpt where the width of the screen is not known.
const COLUMNS: usize = 120;

/// Narrowest part of a line that is shown, whatever the screen.
const LINE_COLUMNS_MIN: usize = 20;

/// Columns that a tab is shown as.
const TAB: &str = "    ";

/// Stands for what was cut from a line.
const CUT: char = '…';

/// A line of an SQL text with a place in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// What the text came from, where it has a name.
    origin: Option<String>,
    /// Its number, from 1.
    number: u32,
    line: String,
    /// Characters before the place; `None` where only the line is known.
    position: Option<usize>,
}

impl Excerpt {
    /// The line of the text; `None` when the text has no such line. A place behind the line's end is its end.
    pub(crate) fn find(sql: &str, at: SqlPosition, origin: Option<&str>) -> Option<Self> {
        let line = sql.lines().nth(at.line.checked_sub(1)? as usize)?;
        let length = line.chars().count();
        Some(Self {
            origin: origin.map(str::to_owned),
            number: at.line,
            line: line.to_owned(),
            position: at.position.map(|position| (position as usize).min(length)),
        })
    }

    /// Shows it on a screen of so many columns.
    pub(crate) fn render(&self, columns: Option<usize>, color: bool) -> String {
        let number = self.number.to_string();
        let margin = " ".repeat(number.len());
        let room = columns
            .unwrap_or(COLUMNS)
            .saturating_sub(number.len() + "   | ".len())
            .max(LINE_COLUMNS_MIN);
        let (line, indent) = self.window(room);
        let (dim, mark, plain) = if color {
            ("\x1b[2m", "\x1b[1;31m", "\x1b[0m")
        } else {
            ("", "", "")
        };
        let head = self.origin.as_ref().map_or_else(String::new, |origin| {
            let mut name = String::new();
            write_visible(origin, &mut name);
            let column = self
                .position
                .map_or_else(String::new, |before| format!(":{}", before + 1));
            format!("  {margin}{dim}-->{plain} {name}:{number}{column}\n")
        });
        let pointer = self.position.map_or_else(String::new, |_| {
            let indent = " ".repeat(indent);
            format!("\n  {margin} {dim}|{plain} {indent}{mark}^{plain}")
        });
        format!("{head}  {dim}{number} |{plain} {line}{pointer}")
    }

    /// As much of the line around the place as there is room for, and the columns before the place.
    fn window(&self, room: usize) -> (String, usize) {
        let characters: Vec<char> = self.line.chars().collect();
        let place = self.position.unwrap_or(0);
        let mut total = 0;
        let fits = characters.iter().all(|&character| {
            total += columns(character);
            total <= room
        });
        let (mut start, mut end) = (0, characters.len());
        if !fits {
            (start, end) = (place, place);
            // The marks need room too.
            let mut left = room - 2;
            loop {
                let before = start.checked_sub(1).map(|index| columns(characters[index]));
                let after = characters.get(end).map(|&character| columns(character));
                let (takes_before, takes_after) = (
                    before.is_some_and(|wide| wide <= left),
                    after.is_some_and(|wide| wide <= left),
                );
                match (takes_before, takes_after) {
                    // The place stays in the middle.
                    (true, true) if place - start <= end - place => {
                        start -= 1;
                        left -= before.unwrap_or(0);
                    }
                    (_, true) => {
                        end += 1;
                        left -= after.unwrap_or(0);
                    }
                    (true, false) => {
                        start -= 1;
                        left -= before.unwrap_or(0);
                    }
                    (false, false) => break,
                }
            }
        }
        let (mut line, mut indent) = (String::new(), 0);
        if start > 0 {
            line.push(CUT);
            indent += 1;
        }
        for (index, &character) in (start..).zip(&characters[start..end]) {
            write_character(character, &mut line);
            if index < place {
                indent += columns(character);
            }
        }
        if end < characters.len() {
            line.push(CUT);
        }
        (line, indent)
    }
}

/// Columns that a character takes as it is shown.
fn columns(character: char) -> usize {
    if character.is_control() {
        let mut shown = String::new();
        write_character(character, &mut shown);
        shown.len()
    } else {
        character.width().unwrap_or(0)
    }
}

fn write_character(character: char, out: &mut String) {
    if character == '\t' {
        out.push_str(TAB);
    } else {
        write_visible(character.encode_utf8(&mut [0; 4]), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(sql: &str, line: u32, position: Option<u32>, columns: usize) -> Option<String> {
        let excerpt = Excerpt::find(sql, SqlPosition { line, position }, None)?;
        Some(excerpt.render(Some(columns), false))
    }

    #[track_caller]
    fn check(sql: &str, line: u32, position: u32, columns: usize, expected: &str) {
        let found = shown(sql, line, Some(position), columns).unwrap();
        assert_eq!(found, expected, "\n{found}");
    }

    #[test]
    fn points_at_the_place() {
        check("select 1,\n  nope\nfrom t", 2, 2, 80, "  2 |   nope\n    |   ^");
        check("select 1\r\n, x", 1, 7, 80, "  1 | select 1\n    |        ^");
    }

    #[test]
    fn counts_columns_not_characters() {
        check(
            "select '日本', x",
            1,
            13,
            80,
            "  1 | select '日本', x\n    |                ^",
        );
        check(
            "select 'e\u{301}', x",
            1,
            13,
            80,
            "  1 | select 'e\u{301}', x\n    |             ^",
        );
        check(
            "\tselect\tx",
            1,
            8,
            80,
            "  1 |     select    x\n    |               ^",
        );
        check("a\u{1b}b", 1, 2, 80, "  1 | a\\u{1b}b\n    |        ^");
    }

    #[test]
    fn a_place_behind_the_end_is_the_end() {
        check("select 1", 1, 8, 80, "  1 | select 1\n    |         ^");
        check("select 1", 1, 99, 80, "  1 | select 1\n    |         ^");
    }

    #[test]
    fn a_line_that_is_not_there_is_not_shown() {
        for line in [0, 2, u32::MAX] {
            assert_eq!(shown("select 1", line, Some(0), 80), None);
        }
    }

    #[test]
    fn a_line_without_a_place_has_no_mark() {
        assert_eq!(shown("select 1", 1, None, 80).unwrap(), "  1 | select 1");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let sql = "abcdefghijklmnopqrstuvwxyz0123456789";
        check(sql, 1, 0, 26, "  1 | abcdefghijklmnopqr…\n    | ^");
        check(sql, 1, 17, 26, "  1 | …ijklmnopqrstuvwxyz…\n    |           ^");
        check(
            sql,
            1,
            36,
            26,
            "  1 | …stuvwxyz0123456789\n    |                    ^",
        );
        // However narrow the screen.
        check(sql, 1, 0, 3, "  1 | abcdefghijklmnopqr…\n    | ^");
        let wide = "日".repeat(40);
        check(&wide, 1, 20, 27, "  1 | …日日日日日日日日日…\n    |            ^");
    }

    #[test]
    fn a_file_is_named_with_line_and_column() {
        let at = SqlPosition {
            line: 2,
            position: Some(2),
        };
        let excerpt = Excerpt::find("select 1,\n  nope", at, Some("report.sql")).unwrap();
        assert_eq!(
            excerpt.render(None, false),
            "   --> report.sql:2:3\n  2 |   nope\n    |   ^"
        );
        assert!(excerpt.render(None, true).contains("\u{1b}[1;31m^\u{1b}[0m"));
    }
}
