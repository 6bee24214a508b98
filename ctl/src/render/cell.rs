//! Cells of formats for people: text without control characters, its width on the screen, cutting.
//!
//! A value must not move the cursor or change colours: control characters are shown as escapes.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Appends text with control characters shown as escapes, on one line.
pub(crate) fn write_visible(text: &str, out: &mut String) {
    // Most texts need nothing; then this is one copy.
    let mut rest = text;
    while let Some(at) = rest.find(is_hidden) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let mut characters = from.chars();
        match characters.next() {
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(other) => out.extend(other.escape_unicode()),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

/// The text with control characters shown as escapes, but for the ends of its lines.
pub(crate) fn visible_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        write_visible(line, &mut out);
    }
    out
}

/// Control characters, and those that reorder the text around them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Columns that the text takes on a screen.
pub(super) fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// The longest beginning of the text that fits `columns` together with a final `…`, and its width. What is drawn as one,
/// such as a letter with its marks or several faces that are joined, is not taken apart.
pub(super) fn cut(text: &str, columns: usize) -> (&str, usize) {
    let room = columns.saturating_sub(1);
    let (mut used, mut start, mut is_joined) = (0, 0, false);
    let mut is_half_a_flag = false;
    for (index, character) in text.char_indices() {
        let ends_flag = is_half_a_flag && is_flag_letter(character);
        if index > start && !is_joined && !ends_flag && begins_anew(character) {
            let wide = width(&text[start..index]);
            if used + wide > room {
                return (&text[..start], used);
            }
            used += wide;
            start = index;
        }
        is_joined = character == JOINER;
        is_half_a_flag = is_flag_letter(character) && !ends_flag;
    }
    let wide = width(&text[start..]);
    if used + wide > room {
        return (&text[..start], used);
    }
    (text, used + wide)
}

/// Joins the picture before it and the one after it.
const JOINER: char = '\u{200d}';

/// Two of them are a flag.
fn is_flag_letter(character: char) -> bool {
    matches!(character, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Whether a character is drawn beside the one before it, not onto it.
fn begins_anew(character: char) -> bool {
    let colours_skin = matches!(character, '\u{1f3fb}'..='\u{1f3ff}');
    !colours_skin && character.width() != Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_shown() {
        let mut out = String::new();
        write_visible("a\nb\tc\u{1b}[31m\u{202e}é", &mut out);
        assert_eq!(out, "a\\nb\\tc\\u{1b}[31m\\u{202e}é");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(visible_lines("a\r\nb\u{7}\n\n c"), "a\nb\\u{7}\n\n c");
    }

    #[test]
    fn cutting_counts_columns() {
        assert_eq!(cut("hello", 4), ("hel", 3));
        assert_eq!(cut("日本語", 4), ("日", 2));
        assert_eq!(cut("日本語", 5), ("日本", 4));
        assert_eq!(cut("abc", 0), ("", 0));
        assert_eq!(width("日本e\u{301}"), 5);
    }

    #[test]
    fn what_is_drawn_as_one_is_not_taken_apart() {
        let family = "👩\u{200d}👩\u{200d}👧\u{200d}👦";
        assert_eq!(width(family), 2);
        assert_eq!(cut(&format!("{family} family"), 5), (&*format!("{family} f"), 4));
        assert_eq!(cut(&format!("a{family}b"), 3), ("a", 1));
        assert_eq!(cut("👍🏽 yes", 4), ("👍🏽 ", 3));
        assert_eq!(cut("e\u{301}e\u{301}e", 2), ("e\u{301}", 1));
        let flag = "🇩🇪";
        assert_eq!(
            cut(&format!("a{flag}{flag}"), 2 + width(flag)),
            (&*format!("a{flag}"), 1 + width(flag))
        );
        assert_eq!(cut(&format!("a{flag}{flag}"), 1 + width(flag)), ("a", 1));
    }
}
