//! Snowflake's number formats: `$99,999.00`, `TM9`, `XXXX`.

use crate::functions::framework::{Number, POWERS_OF_TEN};

/// A number format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NumberFormat {
    before: String,
    model: Model,
    after: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Model {
    /// `TM`, `TM9`: as many digits as the number has.
    Minimal,
    /// `TME`: scientific, as many digits as the number has.
    MinimalScientific,
    /// `X`: hexadecimal digits.
    Hexadecimal {
        digits: usize,
        lower: bool,
    },
    Fixed(Fixed),
}

/// Digit positions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Fixed {
    /// Positions before the point: `9`, `0` or `,`.
    whole: Vec<char>,
    /// Digits after the point.
    fraction: usize,
    /// Digits after the point that are written even when they are trailing zeros of `9`s.
    point: bool,
    dollar: bool,
    /// `B`: a zero before the point is blank.
    blank_zero: bool,
    /// `FM`: no blanks around.
    fill: bool,
    sign: Sign,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sign {
    #[default]
    /// A minus, or a blank, before the number.
    Floating,
    /// `S` in front: always a sign.
    Before,
    /// `S` at the end: always a sign.
    After,
    /// `MI` at the end: a minus or a blank.
    MinusAfter,
    /// `MI` in front: a minus or a blank.
    MinusBefore,
}

impl NumberFormat {
    /// Reads a format.
    pub(super) fn new(format: &str) -> Self {
        let (before, rest) = quoted_start(format);
        let (rest, after) = quoted_end(rest);
        let upper = rest.to_ascii_uppercase();
        let model = match upper.as_str() {
            "TM" | "TM9" => Model::Minimal,
            "TME" => Model::MinimalScientific,
            _ if !upper.is_empty() && upper.bytes().all(|sign| sign == b'X') => Model::Hexadecimal {
                digits: upper.len(),
                lower: rest.starts_with('x'),
            },
            _ => Model::Fixed(Fixed::new(&upper)),
        };
        Self {
            before: before.to_owned(),
            model,
            after: after.to_owned(),
        }
    }

    /// Writes a number; `#` where it has too many digits.
    pub(super) fn write(&self, number: Number) -> String {
        let text = match &self.model {
            Model::Minimal => number.to_string(),
            Model::MinimalScientific => scientific(number),
            Model::Hexadecimal { digits, lower } => {
                let rounded = number.rounded();
                let text = if *lower {
                    format!("{rounded:x}")
                } else {
                    format!("{rounded:X}")
                };
                if text.len() > *digits {
                    "#".repeat(*digits + 1)
                } else {
                    format!("{text:>width$}", width = digits + 1)
                }
            }
            Model::Fixed(fixed) => fixed.write(number),
        };
        [&self.before, text.as_str(), &self.after].concat()
    }

    /// Reads a number; none when the text does not follow the format.
    pub(super) fn read(&self, text: &str) -> Option<Number> {
        let text = text
            .trim()
            .strip_prefix(self.before.trim())?
            .strip_suffix(self.after.trim())?
            .trim();
        match &self.model {
            Model::Minimal | Model::MinimalScientific => Number::parse(text),
            Model::Hexadecimal { digits, .. } => {
                let fits = !text.is_empty() && text.len() <= *digits;
                fits.then(|| i128::from_str_radix(text, 16).ok())
                    .flatten()
                    .map(|value| Number::new(value, 0))
            }
            Model::Fixed(fixed) => fixed.read(text),
        }
    }
}

/// A literal in quotes at the start.
fn quoted_start(format: &str) -> (&str, &str) {
    format
        .strip_prefix('"')
        .and_then(|rest| rest.split_once('"'))
        .unwrap_or(("", format))
}

fn quoted_end(format: &str) -> (&str, &str) {
    format
        .strip_suffix('"')
        .and_then(|rest| rest.rsplit_once('"'))
        .unwrap_or((format, ""))
}

fn scientific(number: Number) -> String {
    let text = format!("{:E}", number.to_f64());
    let (mantissa, exponent) = text.split_once('E').unwrap_or((&text, "0"));
    let (sign, digits) = exponent
        .strip_prefix('-')
        .map_or(('+', exponent), |digits| ('-', digits));
    format!("{mantissa}E{sign}{digits:0>2}")
}

impl Fixed {
    fn new(format: &str) -> Self {
        let mut fixed = Self::default();
        let mut rest = format;
        while let Some(sign) = rest.chars().next() {
            let mut length = sign.len_utf8();
            match sign {
                '9' | '0' if fixed.point => fixed.fraction += 1,
                '9' | '0' => fixed.whole.push(sign),
                ',' | 'G' => fixed.whole.push(','),
                '.' | 'D' => fixed.point = true,
                '$' => fixed.dollar = true,
                'B' => fixed.blank_zero = true,
                'S' => {
                    fixed.sign = if rest.len() == format.len() {
                        Sign::Before
                    } else {
                        Sign::After
                    }
                }
                'M' if rest.starts_with("MI") => {
                    fixed.sign = if rest.len() == format.len() {
                        Sign::MinusBefore
                    } else {
                        Sign::MinusAfter
                    };
                    length = 2;
                }
                'F' if rest.starts_with("FM") => {
                    fixed.fill = true;
                    length = 2;
                }
                _ => {}
            }
            rest = &rest[length..];
        }
        fixed
    }

    fn write(&self, number: Number) -> String {
        let positions = self.whole.iter().filter(|position| **position != ',').count();
        let scale = self.fraction.min(37) as u8;
        let rounded = number.rescaled(scale).unwrap_or(number);
        let magnitude = rounded.unscaled.unsigned_abs();
        let power = POWERS_OF_TEN[usize::from(rounded.scale)].unsigned_abs();
        let (whole, fraction) = (magnitude / power, magnitude % power);
        let digits = if whole == 0 {
            String::new()
        } else {
            whole.to_string()
        };
        let fits = digits.len() <= positions;
        let mut text = if fits {
            self.grouped(&digits, positions)
        } else {
            self.hashes()
        };
        if self.point {
            text.push('.');
            match (fits, self.fraction) {
                (_, 0) => {}
                (true, digits) => text.extend(format!("{fraction:0digits$}").chars()),
                (false, digits) => text.push_str(&"#".repeat(digits)),
            }
        }
        self.decorated(&text, rounded.unscaled < 0)
    }

    /// The digits before the point, right-aligned to their positions, without leading blanks.
    fn grouped(&self, digits: &str, positions: usize) -> String {
        let first_zero = self
            .whole
            .iter()
            .filter(|position| **position != ',')
            .position(|position| *position == '0');
        let mut missing = positions - digits.len();
        let mut place = 0;
        let mut rest = digits.chars();
        let mut text = String::new();
        for position in &self.whole {
            if *position == ',' {
                if !text.is_empty() {
                    text.push(',');
                }
                continue;
            }
            let is_last = place + 1 == positions;
            if missing > 0 {
                missing -= 1;
                let zero_wanted =
                    first_zero.is_some_and(|first| place >= first) || (is_last && !self.blank_zero);
                if zero_wanted {
                    text.push('0');
                }
            } else {
                text.extend(rest.next());
            }
            place += 1;
        }
        text
    }

    fn hashes(&self) -> String {
        self.whole
            .iter()
            .map(|position| if *position == ',' { ',' } else { '#' })
            .collect()
    }

    /// Sign, dollar and blanks around the digits.
    fn decorated(&self, digits: &str, negative: bool) -> String {
        let dollar = if self.dollar { "$" } else { "" };
        let signed = if negative { "-" } else { "+" };
        let minus = if negative { "-" } else { "" };
        let (before, after) = match self.sign {
            Sign::Floating | Sign::MinusBefore => (minus, ""),
            Sign::Before => (signed, ""),
            Sign::After => ("", signed),
            Sign::MinusAfter => ("", if negative { "-" } else { " " }),
        };
        let number = [before, dollar, digits].concat();
        if self.fill {
            return [number.as_str(), after.trim()].concat();
        }
        let sign_width = usize::from(!matches!(self.sign, Sign::After | Sign::MinusAfter));
        let width = sign_width + dollar.len() + self.whole.len() + usize::from(self.point) + self.fraction;
        format!("{number:>width$}{after}")
    }

    fn read(&self, text: &str) -> Option<Number> {
        let mut negative = false;
        let mut rest = text;
        let mut take_sign = |rest: &mut &str| {
            for (sign, is_minus) in [('-', true), ('+', false)] {
                if let Some(shorter) = rest.strip_prefix(sign).or_else(|| rest.strip_suffix(sign)) {
                    negative = is_minus;
                    *rest = shorter.trim();
                    return;
                }
            }
        };
        take_sign(&mut rest);
        if self.dollar {
            rest = rest.strip_prefix('$')?;
        }
        let digits: String = rest
            .chars()
            .filter(|sign| !(*sign == ',' && self.whole.contains(&',')))
            .collect();
        if !digits.bytes().all(|sign| sign.is_ascii_digit() || sign == b'.') {
            return None;
        }
        let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
        let positions = self.whole.iter().filter(|position| **position != ',').count();
        if whole.len() > positions || fraction.len() > self.fraction {
            return None;
        }
        let number = Number::parse(&digits)?;
        Some(if negative {
            Number::new(-number.unscaled, number.scale)
        } else {
            number
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes() {
        for (format, number, expected) in [
            ("\">\"$99.0\"<\"", "-12.391", ">-$12.4<"),
            ("\">\"$99.0\"<\"", "123.456", "> $##.#<"),
            ("\">\"B9,999.0\"<\"", "-12.391", ">   -12.4<"),
            ("\">\"B9,999.0\"<\"", "0", ">      .0<"),
            ("\">\"B9,999.0\"<\"", "3987", "> 3,987.0<"),
            ("\">\"TME\"<\"", "3987", ">3.987E+03<"),
            ("TM9", "123.456", "123.456"),
            ("999", "12", "  12"),
            ("000", "12", " 012"),
            ("FM999.00", "12.5", "12.50"),
            ("S99", "5", " +5"),
            ("99MI", "-5", " 5-"),
            ("XXX", "255", "  FF"),
            ("xx", "255", " ff"),
            ("9,999,999", "1234567", " 1,234,567"),
        ] {
            let number = Number::parse(number).unwrap();
            assert_eq!(
                NumberFormat::new(format).write(number),
                expected,
                "{format} of {number}"
            );
        }
    }

    #[test]
    fn reads() {
        let read = |format: &str, text: &str| {
            NumberFormat::new(format)
                .read(text)
                .map(|number| number.to_string())
        };
        assert_eq!(read("9,999.99", "1,234.50").as_deref(), Some("1234.50"));
        assert_eq!(read("$99", "$12").as_deref(), Some("12"));
        assert_eq!(read("$99", "12"), None);
        assert_eq!(read("99", "123"), None);
        assert_eq!(read("TM9", "-12.5").as_deref(), Some("-12.5"));
    }
}
