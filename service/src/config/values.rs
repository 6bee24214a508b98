//! Values that are forgiving in how they are written and strict in what they mean.
//!
//! A variable is always text, and a file may say `7` or `"7"`: numbers are taken from both. Text is taken
//! as it stands, so `007` stays `007`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A text, also when it looks like something else.
#[derive(Debug)]
pub(super) struct Text(pub(super) String);

/// Several texts: a list, or one text with `;` between them.
#[derive(Debug)]
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ManyTexts)
    }
}

/// The texts of a list that is written as one text.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|text| !text.is_empty())
}

struct ManyTexts;

impl<'de> Visitor<'de> for ManyTexts {
    type Value = Texts;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(split(text).map(str::to_owned).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}

/// A whole number.
#[derive(Debug)]
pub(super) struct Count(pub(super) u64);

/// A share, from 0 to 1.
#[derive(Debug)]
pub(super) struct Fraction(pub(super) f64);

/// A number of bytes, with or without unit.
#[derive(Debug)]
pub(super) struct Size(pub(super) u64);

/// A length of time, always with a unit.
#[derive(Debug)]
pub(super) struct Span(pub(super) Duration);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.trim()
            .parse()
            .map(Self)
            .map_err(|_| format!("{text:?} is not a whole number"))
    }
}

impl FromStr for Fraction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = text.trim().parse().ok();
        share
            .filter(|share| (0.0..=1.0).contains(share))
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a share from 0 to 1"))
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a size; write for example 1048576 or \"1MiB\"");
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kib" | "k" => 1 << 10,
            "mib" | "m" => 1 << 20,
            "gib" | "g" => 1 << 30,
            "kb" => 1_000,
            "mb" => 1_000_000,
            "gb" => 1_000_000_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a duration; write for example \"20s\", \"15min\" or \"4h\"");
        let span: jiff::Span = text.trim().parse().map_err(|_| wrong())?;
        // A day has 24 hours here: nobody wants a limit that depends on the season.
        let duration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
        Duration::try_from(duration.map_err(|_| wrong())?)
            .map(Self)
            .map_err(|_| wrong())
    }
}

impl FromStr for Text {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
}

/// Takes whatever a file or a variable can hold as text, and lets the type read it.
struct AsText<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = String>> Visitor<'_> for AsText<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("one value, neither list nor table")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }
}

macro_rules! deserialize_as_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(AsText(std::marker::PhantomData))
            }
        }
    )*};
}

deserialize_as_text!(Text, Count, Size, Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_can_be_one_text() {
        let read = |text: &str| {
            let table: std::collections::BTreeMap<String, Texts> = toml::from_str(text).unwrap();
            table.into_values().next().unwrap().0
        };
        for (text, texts) in [
            ("a = []", &[][..]),
            ("a = ['x, y', 'z']", &["x, y", "z"]),
            ("a = 'x, y; z ;'", &["x, y", "z"]),
            ("a = ''", &[]),
        ] {
            assert_eq!(read(text), texts, "{text}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        for (text, seconds) in [
            ("20s", 20),
            ("15min", 900),
            ("4h", 14400),
            ("1h 30m", 5400),
            ("0s", 0),
            ("30d", 30 * 86_400),
        ] {
            assert_eq!(
                text.parse::<Span>().unwrap().0,
                Duration::from_secs(seconds),
                "{text}"
            );
        }
        for text in ["20", "", "soon", "-5s", "1 month"] {
            assert!(text.parse::<Span>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn shares_are_between_none_and_all() {
        for (text, share) in [("0", 0.0), ("1", 1.0), ("1.0", 1.0), (" 0.05 ", 0.05)] {
            let read = text.parse::<Fraction>().unwrap().0;
            assert!((read - share).abs() < f64::EPSILON, "{text}");
        }
        for text in ["", "-0.1", "1.1", "10%", "NaN"] {
            assert!(text.parse::<Fraction>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn sizes_may_have_a_unit() {
        for (text, bytes) in [
            ("7", 7),
            ("1MiB", 1 << 20),
            ("2 KiB", 2048),
            ("3kB", 3000),
            ("1G", 1 << 30),
        ] {
            assert_eq!(text.parse::<Size>().unwrap().0, bytes, "{text}");
        }
        for text in ["", "MiB", "1.5MiB", "-1", "1 parsec", "99999999999GiB"] {
            assert!(text.parse::<Size>().is_err(), "{text:?} was taken");
        }
    }
}
