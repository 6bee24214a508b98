//! Texts read without a format: Snowflake's AUTO detection.

use super::calendar::{SECOND, split};
use super::format::{Fields, Format, Moment, Reader};

/// How a text is read.
#[derive(Clone, Debug)]
pub(crate) enum Reading {
    /// By detection.
    Auto,
    /// By a format, with the first year that two digits can mean.
    Format(Format, i64),
}

impl Reading {
    /// From a format's text, where `AUTO` means detection.
    pub(crate) fn new(format: &str, century_start: i64) -> Self {
        if format.trim().eq_ignore_ascii_case("AUTO") {
            Self::Auto
        } else {
            Self::Format(Format::new(format), century_start)
        }
    }

    /// A date, with or without a time.
    pub(crate) fn timestamp(&self, text: &str) -> Option<Moment> {
        match self {
            Self::Auto => timestamp(text),
            Self::Format(format, century_start) => format.read(text, *century_start),
        }
    }

    /// A time of the day, in nanoseconds.
    pub(crate) fn time(&self, text: &str) -> Option<i64> {
        match self {
            Self::Auto => time(text),
            Self::Format(format, century_start) => {
                format.read(text, *century_start).map(|moment| moment.of_day)
            }
        }
    }
}

/// Nanoseconds of a count since 1970, in the unit that its size suggests: seconds, else milli-, micro- or
/// nanoseconds.
pub(crate) fn epoch_nanoseconds(count: i128) -> Option<i64> {
    const LIMIT: u128 = 31_536_000_000;
    let unit = match count.unsigned_abs() {
        size if size < LIMIT => 1_000_000_000,
        size if size < LIMIT * 1_000 => 1_000_000,
        size if size < LIMIT * 1_000_000 => 1_000,
        _ => 1,
    };
    i64::try_from(count.checked_mul(unit)?).ok()
}

fn whole_number(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    whole.then(|| text.parse().ok()).flatten()
}

fn timestamp(text: &str) -> Option<Moment> {
    let text = text.trim();
    if let Some(count) = whole_number(text) {
        let (days, of_day) = split(epoch_nanoseconds(count)?);
        return Some(Moment {
            days,
            of_day,
            offset_minutes: None,
        });
    }
    let mut reader = Reader { rest: text };
    let mut fields = Fields::default();
    if reader.rest.starts_with(|sign: char| sign.is_ascii_alphabetic()) {
        return verbose(&mut reader, fields);
    }
    date(&mut reader, &mut fields)?;
    if let Some(rest) = reader.rest.strip_prefix(['T', 't', ' ']) {
        reader.rest = rest.trim_start();
        clock(&mut reader, &mut fields)?;
    }
    reader.rest.is_empty().then(|| fields.moment()).flatten()
}

/// `2024-02-29`, `2/29/2024` or `29-FEB-2024`.
fn date(reader: &mut Reader<'_>, fields: &mut Fields) -> Option<()> {
    let start = reader.rest;
    if let Some(year) = reader.number(4, 4)
        && let Some(rest) = reader.rest.strip_prefix(['-', '/'])
    {
        reader.rest = rest;
        fields.year = Some(year.into());
        fields.month = Some(reader.number(1, 2)?);
        reader.rest = reader.rest.strip_prefix(['-', '/'])?;
        fields.day = Some(reader.number(1, 2)?);
        return Some(());
    }
    reader.rest = start;
    let first = reader.number(1, 2)?;
    if let Some(rest) = reader.rest.strip_prefix('/') {
        reader.rest = rest;
        fields.month = Some(first);
        fields.day = Some(reader.number(1, 2)?);
        reader.rest = reader.rest.strip_prefix('/')?;
    } else {
        reader.rest = reader.rest.strip_prefix('-')?;
        fields.day = Some(first);
        fields.month = Some(reader.month_name()?);
        reader.rest = reader.rest.strip_prefix('-')?;
    }
    fields.year = Some(reader.number(4, 4)?.into());
    Some(())
}

/// `20:57`, `20:57:01`, `20:57:01.123 +07:00`, `8:57:01 PM`; or nothing but a zone.
fn clock(reader: &mut Reader<'_>, fields: &mut Fields) -> Option<()> {
    if reader.rest.starts_with(|sign: char| sign.is_ascii_digit()) {
        fields.hour = reader.number(1, 2)?;
        if let Some(rest) = reader.rest.strip_prefix(':') {
            reader.rest = rest;
            fields.minute = reader.number(1, 2)?;
            if let Some(rest) = reader.rest.strip_prefix(':') {
                reader.rest = rest;
                fields.second = reader.number(1, 2)?;
                if let Some(rest) = reader.rest.strip_prefix('.') {
                    reader.rest = rest;
                    fields.nanosecond = reader.fraction()?;
                }
            }
        }
    }
    reader.rest = reader.rest.trim_start();
    if reader
        .rest
        .get(..2)
        .is_some_and(|word| ["AM", "PM"].iter().any(|half| half.eq_ignore_ascii_case(word)))
    {
        fields.afternoon = Some(reader.meridian()?);
        reader.rest = reader.rest.trim_start();
    }
    if !reader.rest.is_empty() {
        fields.offset_minutes = Some(reader.offset()?);
    }
    Some(())
}

/// `Thu, 29 Feb 2024 20:57:01 +0700` or `Thu Feb 29 20:57:01 +0700 2024`.
fn verbose(reader: &mut Reader<'_>, mut fields: Fields) -> Option<Moment> {
    fn spaces(reader: &mut Reader<'_>) {
        reader.rest = reader.rest.trim_start();
    }
    reader.weekday_name()?;
    if let Some(rest) = reader.rest.strip_prefix(',') {
        reader.rest = rest;
        spaces(reader);
        fields.day = Some(reader.number(1, 2)?);
        spaces(reader);
        fields.month = Some(reader.month_name()?);
        spaces(reader);
        fields.year = Some(reader.number(4, 4)?.into());
        spaces(reader);
        clock(reader, &mut fields)?;
    } else {
        spaces(reader);
        fields.month = Some(reader.month_name()?);
        spaces(reader);
        fields.day = Some(reader.number(1, 2)?);
        spaces(reader);
        let (clock_text, year) = reader.rest.rsplit_once(' ')?;
        fields.year = Some(year.parse().ok()?);
        reader.rest = clock_text;
        clock(reader, &mut fields)?;
    }
    reader.rest.is_empty().then(|| fields.moment()).flatten()
}

fn time(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(count) = whole_number(text) {
        return epoch_nanoseconds(count).map(|nanoseconds| split(nanoseconds).1);
    }
    let mut reader = Reader { rest: text };
    let mut fields = Fields::default();
    if text.contains(':')
        && !text.contains(['-', '/'])
        && reader.rest.starts_with(|sign: char| sign.is_ascii_digit())
    {
        clock(&mut reader, &mut fields)?;
        return reader
            .rest
            .is_empty()
            .then(|| fields.moment())
            .flatten()
            .map(|moment| moment.of_day);
    }
    timestamp(text)
        .map(|moment| moment.of_day)
        .filter(|of_day| *of_day < 86_400 * SECOND)
}

#[cfg(test)]
mod tests {
    use super::super::calendar::zoned_timestamp_text;
    use super::*;

    #[test]
    fn detects_dates_and_timestamps() {
        for (text, expected) in [
            ("2024-02-29", "2024-02-29 00:00:00.000 +0000"),
            ("2024-2-9", "2024-02-09 00:00:00.000 +0000"),
            ("2/29/2024", "2024-02-29 00:00:00.000 +0000"),
            ("29-Feb-2024", "2024-02-29 00:00:00.000 +0000"),
            (
                "2024-02-29T20:57:01.123456789+07:00",
                "2024-02-29 20:57:01.123 +0700",
            ),
            ("2024-02-29 20:57", "2024-02-29 20:57:00.000 +0000"),
            ("2024-02-29 20:57:01 -0800", "2024-02-29 20:57:01.000 -0800"),
            ("2024-02-29 20:57:01Z", "2024-02-29 20:57:01.000 +0000"),
            ("Thu, 29 Feb 2024 20:57:01 +0700", "2024-02-29 20:57:01.000 +0700"),
            ("Thu Feb 29 20:57:01 +0700 2024", "2024-02-29 20:57:01.000 +0700"),
            ("31535999999", "2969-05-02 23:59:59.000 +0000"),
            ("1700000000", "2023-11-14 22:13:20.000 +0000"),
            ("1700000000123", "2023-11-14 22:13:20.123 +0000"),
            ("1700000000123456", "2023-11-14 22:13:20.123 +0000"),
            ("1700000000123456789", "2023-11-14 22:13:20.123 +0000"),
            ("-1", "1969-12-31 23:59:59.000 +0000"),
        ] {
            let moment = timestamp(text).and_then(|moment| Some((moment.wall()?, moment.offset_minutes)));
            let shown = moment.map(|(wall, offset)| {
                let offset = offset.unwrap_or(0);
                zoned_timestamp_text(wall - i64::from(offset) * 60 * SECOND, offset)
            });
            // Years that nanoseconds cannot count are refused.
            let expected = (text != "31535999999").then_some(expected);
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
        for text in [
            "",
            "2024-02-30",
            "2024-13-01",
            "29.02.2024",
            "2024-02-29 25:00",
            "yesterday",
            "2024-02-29 x",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn detects_times() {
        assert_eq!(time("20:57:01.5"), Some(75_421_500_000_000));
        assert_eq!(time("8:57 PM"), Some(75_420_000_000_000));
        assert_eq!(time("3600"), Some(3_600 * SECOND));
        assert_eq!(time("2024-02-29 01:00:00"), Some(3_600 * SECOND));
        assert_eq!(time("24:00"), None);
    }
}
