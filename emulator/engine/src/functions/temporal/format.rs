//! Snowflake's date and time formats: `YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM`.
//!
//! A format is read once into its elements; the same elements write values and read texts.

use super::calendar::{DAY, SECOND, civil, days_from_civil, days_in_month, weekday};

/// One piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Element {
    Year4,
    Year2,
    Month,
    MonthShort,
    MonthLong,
    Day,
    Weekday,
    Hour24,
    Hour12,
    Meridian,
    Minute,
    Second,
    /// Digits of a second to write; none when the format says just `FF`.
    Fraction(Option<usize>),
    ZoneHour,
    ZoneMinute,
    ZoneColon,
    ZoneTogether,
    Literal(String),
}

/// Elements by their spelling; a spelling that begins another stands after it.
const SPELLINGS: &[(&str, Element)] = &[
    ("TZH:TZM", Element::ZoneColon),
    ("TZHTZM", Element::ZoneTogether),
    ("TZISO", Element::ZoneColon),
    ("TZH", Element::ZoneHour),
    ("TZM", Element::ZoneMinute),
    ("YYYY", Element::Year4),
    ("YY", Element::Year2),
    ("MMMM", Element::MonthLong),
    ("MON", Element::MonthShort),
    ("MM", Element::Month),
    ("DD", Element::Day),
    ("DY", Element::Weekday),
    ("HH24", Element::Hour24),
    ("HH12", Element::Hour12),
    ("AM", Element::Meridian),
    ("PM", Element::Meridian),
    ("MI", Element::Minute),
    ("SS", Element::Second),
];

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A wall-clock moment with what is known of its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Days since 1970-01-01.
    pub(crate) days: i32,
    /// Nanoseconds since midnight.
    pub(crate) of_day: i64,
    /// Minutes east of UTC.
    pub(crate) offset_minutes: Option<i32>,
}

impl Moment {
    /// Nanoseconds of the wall clock since 1970; none outside the years 1677 to 2262.
    pub(crate) fn wall(self) -> Option<i64> {
        i64::from(self.days).checked_mul(DAY)?.checked_add(self.of_day)
    }
}

/// A format's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    elements: Vec<Element>,
}

impl Format {
    /// Reads a format; every text is one, as what is no element stands for itself.
    pub(crate) fn new(format: &str) -> Self {
        let mut elements: Vec<Element> = Vec::new();
        let mut rest = format;
        while let Some(sign) = rest.chars().next() {
            if let Some((spelling, element)) = SPELLINGS.iter().find(|(spelling, _)| {
                rest.get(..spelling.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(spelling))
            }) {
                elements.push(element.clone());
                rest = &rest[spelling.len()..];
            } else if rest
                .get(..2)
                .is_some_and(|start| start.eq_ignore_ascii_case("FF"))
            {
                let digits = rest[2..].chars().next().and_then(|digit| digit.to_digit(10));
                elements.push(Element::Fraction(digits.map(|digits| digits as usize)));
                rest = &rest[2 + usize::from(digits.is_some())..];
            } else if let Some((quoted, after)) =
                rest.strip_prefix('"').and_then(|after| after.split_once('"'))
            {
                elements.push(Element::Literal(quoted.to_owned()));
                rest = after;
            } else {
                match elements.last_mut() {
                    Some(Element::Literal(text)) => text.push(sign),
                    _ => elements.push(Element::Literal(sign.to_string())),
                }
                rest = &rest[sign.len_utf8()..];
            }
        }
        Self { elements }
    }

    /// Writes a moment.
    pub(crate) fn write(&self, moment: Moment) -> String {
        use std::fmt::Write as _;

        let (year, month, day) = civil(moment.days);
        let seconds = moment.of_day / SECOND;
        let hour = seconds / 3600;
        let offset = moment.offset_minutes.unwrap_or(0);
        let (sign, minutes) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
        let mut text = String::new();
        for element in &self.elements {
            // Writing to a text cannot fail.
            let _ = match element {
                Element::Year4 => write!(text, "{year:04}"),
                Element::Year2 => write!(text, "{:02}", year.rem_euclid(100)),
                Element::Month => write!(text, "{month:02}"),
                Element::MonthShort => write!(text, "{}", &MONTHS[month as usize - 1][..3]),
                Element::MonthLong => write!(text, "{}", MONTHS[month as usize - 1]),
                Element::Day => write!(text, "{day:02}"),
                Element::Weekday => write!(text, "{}", &WEEKDAYS[weekday(moment.days) as usize][..3]),
                Element::Hour24 => write!(text, "{hour:02}"),
                Element::Hour12 => write!(text, "{:02}", (hour + 11) % 12 + 1),
                Element::Meridian => write!(text, "{}", if hour < 12 { "AM" } else { "PM" }),
                Element::Minute => write!(text, "{:02}", seconds / 60 % 60),
                Element::Second => write!(text, "{:02}", seconds % 60),
                Element::Fraction(digits) => {
                    let nanoseconds = format!("{:09}", moment.of_day % SECOND);
                    write!(text, "{}", &nanoseconds[..digits.unwrap_or(9).min(9)])
                }
                Element::ZoneHour => write!(text, "{sign}{:02}", minutes / 60),
                Element::ZoneMinute => write!(text, "{:02}", minutes % 60),
                Element::ZoneColon => write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60),
                Element::ZoneTogether => write!(text, "{sign}{:02}{:02}", minutes / 60, minutes % 60),
                Element::Literal(literal) => write!(text, "{literal}"),
            };
        }
        text
    }

    /// Reads a whole text; none when it does not follow the format or names a day that does not exist.
    pub(crate) fn read(&self, text: &str, century_start: i64) -> Option<Moment> {
        let mut fields = Fields::default();
        let mut reader = Reader { rest: text.trim() };
        for element in &self.elements {
            reader.element(element, &mut fields, century_start)?;
        }
        reader.rest.is_empty().then(|| fields.moment()).flatten()
    }
}

/// What was read so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    pub(super) year: Option<i64>,
    pub(super) month: Option<u32>,
    pub(super) day: Option<u32>,
    pub(super) hour: u32,
    pub(super) afternoon: Option<bool>,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) nanosecond: u32,
    pub(super) offset_minutes: Option<i32>,
}

impl Fields {
    /// The moment; what was not said is 1970-01-01 00:00:00.
    pub(super) fn moment(self) -> Option<Moment> {
        let (year, month, day) = (
            self.year.unwrap_or(1970),
            self.month.unwrap_or(1),
            self.day.unwrap_or(1),
        );
        let hour = match self.afternoon {
            None => self.hour,
            Some(_) if self.hour == 0 || self.hour > 12 => return None,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
        };
        let valid = (1..=12).contains(&month)
            && day >= 1
            && day <= days_in_month(year as i32, month)
            && hour < 24
            && self.minute < 60
            && self.second < 60
            && self.offset_minutes.is_none_or(|offset| offset.abs() < 24 * 60);
        if !valid {
            return None;
        }
        let seconds = i64::from(hour * 3600 + self.minute * 60 + self.second);
        Some(Moment {
            days: days_from_civil(year, month.into(), day.into())?,
            of_day: seconds * SECOND + i64::from(self.nanosecond),
            offset_minutes: self.offset_minutes,
        })
    }
}

/// Takes fields off the front of a text.
pub(super) struct Reader<'text> {
    pub(super) rest: &'text str,
}

impl Reader<'_> {
    fn element(&mut self, element: &Element, fields: &mut Fields, century_start: i64) -> Option<()> {
        match element {
            Element::Year4 => fields.year = Some(self.number(4, 4)?.into()),
            Element::Year2 => {
                let year = i64::from(self.number(2, 2)?);
                let century = century_start - century_start.rem_euclid(100);
                let in_century = century + year;
                fields.year = Some(if in_century < century_start {
                    in_century + 100
                } else {
                    in_century
                });
            }
            Element::Month => fields.month = Some(self.number(1, 2)?),
            Element::MonthShort | Element::MonthLong => fields.month = Some(self.month_name()?),
            Element::Day => fields.day = Some(self.number(1, 2)?),
            Element::Weekday => self.weekday_name()?,
            Element::Hour24 | Element::Hour12 => fields.hour = self.number(1, 2)?,
            Element::Meridian => fields.afternoon = Some(self.meridian()?),
            Element::Minute => fields.minute = self.number(1, 2)?,
            Element::Second => fields.second = self.number(1, 2)?,
            Element::Fraction(_) => fields.nanosecond = self.fraction()?,
            Element::ZoneHour | Element::ZoneColon | Element::ZoneTogether => {
                fields.offset_minutes = Some(self.offset()?);
            }
            Element::ZoneMinute => {
                let minutes = self.number(2, 2)? as i32;
                let hours = fields.offset_minutes.unwrap_or(0);
                fields.offset_minutes = Some(if hours < 0 {
                    hours - minutes
                } else {
                    hours + minutes
                });
            }
            Element::Literal(literal) => self.rest = self.rest.strip_prefix(literal.as_str())?,
        }
        Some(())
    }

    /// A number of at least and at most so many digits.
    pub(super) fn number(&mut self, least: usize, most: usize) -> Option<u32> {
        let digits = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        if digits < least {
            return None;
        }
        let number = self.rest[..digits].parse().ok()?;
        self.rest = &self.rest[digits..];
        Some(number)
    }

    /// The digits of a second's fraction, as nanoseconds.
    pub(super) fn fraction(&mut self) -> Option<u32> {
        let digits = self.rest.bytes().take(9).take_while(u8::is_ascii_digit).count();
        let value: u32 = if digits == 0 {
            0
        } else {
            self.rest[..digits].parse().ok()?
        };
        self.rest = &self.rest[digits..];
        Some(value * 10_u32.pow(9 - digits as u32))
    }

    /// `+0530`, `-08:00`, `+2`, `Z`, in minutes.
    pub(super) fn offset(&mut self) -> Option<i32> {
        if let Some(rest) = self.rest.strip_prefix(['Z', 'z']) {
            self.rest = rest;
            return Some(0);
        }
        let negative = self.rest.starts_with('-');
        self.rest = self.rest.strip_prefix(['+', '-'])?;
        let hours = self.number(1, 2)?;
        let colon = self.rest.strip_prefix(':');
        let minutes = match colon {
            Some(rest) => {
                self.rest = rest;
                self.number(2, 2)?
            }
            None => self.number(2, 2).unwrap_or(0),
        };
        if minutes > 59 {
            return None;
        }
        let offset = (hours * 60 + minutes) as i32;
        Some(if negative { -offset } else { offset })
    }

    pub(super) fn meridian(&mut self) -> Option<bool> {
        let word = self.rest.get(..2)?;
        let afternoon = word.eq_ignore_ascii_case("PM");
        if !afternoon && !word.eq_ignore_ascii_case("AM") {
            return None;
        }
        self.rest = &self.rest[2..];
        Some(afternoon)
    }

    /// A month's name or its first three letters, in any case.
    pub(super) fn month_name(&mut self) -> Option<u32> {
        let place = self.name(&MONTHS)?;
        Some(place as u32 + 1)
    }

    /// A weekday's name or its first three letters, in any case.
    pub(super) fn weekday_name(&mut self) -> Option<()> {
        self.name(&WEEKDAYS).map(|_| ())
    }

    fn name(&mut self, names: &[&str]) -> Option<usize> {
        let starts = |name: &str| {
            self.rest
                .get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        let (place, length) = names.iter().enumerate().find_map(|(place, name)| {
            [*name, &name[..3]]
                .into_iter()
                .find(|spelling| starts(spelling))
                .map(|spelling| (place, spelling.len()))
        })?;
        self.rest = &self.rest[length..];
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(days: i32, of_day: i64, offset_minutes: Option<i32>) -> Moment {
        Moment {
            days,
            of_day,
            offset_minutes,
        }
    }

    #[test]
    fn writes() {
        // 2024-02-29, a Thursday, 13:04:05.006007008, at -08:00.
        let value = moment(19_782, (13 * 3600 + 4 * 60 + 5) * SECOND + 6_007_008, Some(-480));
        for (format, expected) in [
            (
                "YYYY-MM-DD HH24:MI:SS.FF3 TZHTZM",
                "2024-02-29 13:04:05.006 -0800",
            ),
            ("yy/mm/dd hh12:mi:ss am", "24/02/29 01:04:05 PM"),
            ("DY, DD MON YYYY", "Thu, 29 Feb 2024"),
            ("MMMM", "February"),
            (
                "YYYY-MM-DD\"T\"HH24:MI:SS.FFTZH:TZM",
                "2024-02-29T13:04:05.006007008-08:00",
            ),
            ("YYYY-MM-DDTHH24:MI", "2024-02-29T13:04"),
            ("FF0FF6", "006007"),
        ] {
            assert_eq!(Format::new(format).write(value), expected, "{format}");
        }
    }

    #[test]
    fn reads() {
        let read = |format: &str, text: &str| Format::new(format).read(text, 1970);
        assert_eq!(read("DD/MM/YYYY", "29/2/2024"), Some(moment(19_782, 0, None)));
        assert_eq!(read("DD/MM/YYYY", "30/2/2024"), None);
        assert_eq!(read("DD/MM/YYYY", "29/2/2024x"), None);
        assert_eq!(read("DD-MON-YY", "29-feb-24"), Some(moment(19_782, 0, None)));
        assert_eq!(read("YY", "69"), Format::new("YYYY").read("2069", 1970));
        assert_eq!(
            read("HH12:MI PM", "12:30 AM"),
            Some(moment(0, 30 * 60 * SECOND, None))
        );
        assert_eq!(
            read("YYYYMMDDHH24MISS.FF", "20240229010203.5").unwrap().of_day,
            3_723_500_000_000
        );
        assert_eq!(
            read("YYYY-MM-DD TZH:TZM", "2024-02-29 -07:30")
                .unwrap()
                .offset_minutes,
            Some(-450)
        );
    }
}
