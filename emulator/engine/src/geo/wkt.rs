//! Well-known text.

use std::fmt::Write as _;

use super::{DEPTH_MAX, Position, Shape, Unreadable};

/// Reads a shape.
pub(super) fn read(text: &str) -> Result<Shape, Unreadable> {
    let mut reader = Reader { rest: text };
    let shape = reader.shape(0)?;
    if reader.rest.trim().is_empty() {
        Ok(shape)
    } else {
        Err(reader.unexpected())
    }
}

/// Reads `SRID=4326`.
pub(super) fn srid(text: &str) -> Result<i32, Unreadable> {
    let (word, number) = text.split_once('=').unwrap_or((text, ""));
    number
        .trim()
        .parse()
        .ok()
        .filter(|srid| *srid >= 0 && word.trim().eq_ignore_ascii_case("SRID"))
        .ok_or_else(|| format!("'{text}' is no SRID"))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn unexpected(&self) -> Unreadable {
        let found: String = self.rest.trim_start().chars().take(20).collect();
        if found.is_empty() {
            "unexpected end of the text".to_owned()
        } else {
            format!("unexpected '{found}'")
        }
    }

    fn word(&mut self) -> String {
        let rest = self.rest.trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let word = rest[..end].to_ascii_uppercase();
        self.rest = &rest[end..];
        word
    }

    fn sign(&mut self, sign: char) -> bool {
        let rest = self.rest.trim_start();
        match rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, sign: char) -> Result<(), Unreadable> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn is_empty(&mut self) -> bool {
        let before = self.rest;
        if self.word() == "EMPTY" {
            return true;
        }
        self.rest = before;
        false
    }

    fn shape(&mut self, depth: usize) -> Result<Shape, Unreadable> {
        if depth > DEPTH_MAX {
            return Err("collections are nested too deeply".to_owned());
        }
        let word = self.word();
        Ok(match word.as_str() {
            "POINT" => Shape::Point(if self.is_empty() {
                None
            } else {
                self.expect('(')?;
                let position = self.position()?;
                self.expect(')')?;
                Some(position)
            }),
            "LINESTRING" => Shape::LineString(self.list(Self::position)?),
            "POLYGON" => Shape::Polygon(self.list(|reader| reader.list(Self::position))?),
            "MULTIPOINT" => Shape::MultiPoint(self.list(Self::maybe_wrapped)?),
            "MULTILINESTRING" => Shape::MultiLineString(self.list(|reader| reader.list(Self::position))?),
            "MULTIPOLYGON" => {
                Shape::MultiPolygon(self.list(|reader| reader.list(|reader| reader.list(Self::position)))?)
            }
            "GEOMETRYCOLLECTION" => Shape::Collection(self.list(|reader| reader.shape(depth + 1))?),
            "" => return Err(self.unexpected()),
            other => return Err(format!("'{other}' is no shape")),
        })
    }

    /// `(a, b, …)` or `EMPTY`.
    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, Unreadable> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        self.expect('(')?;
        let mut items = vec![item(self)?];
        while self.sign(',') {
            items.push(item(self)?);
        }
        self.expect(')')?;
        Ok(items)
    }

    /// A point of several, with or without parentheses.
    fn maybe_wrapped(&mut self) -> Result<Position, Unreadable> {
        let wrapped = self.sign('(');
        let position = self.position()?;
        if wrapped {
            self.expect(')')?;
        }
        Ok(position)
    }

    fn position(&mut self) -> Result<Position, Unreadable> {
        let (x, y) = (self.number()?, self.number()?);
        Ok(Position { x, y })
    }

    fn number(&mut self) -> Result<f64, Unreadable> {
        let rest = self.rest.trim_start();
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E')))
            .unwrap_or(rest.len());
        let number = rest[..end].parse().map_err(|_| self.unexpected())?;
        self.rest = &rest[end..];
        Ok(number)
    }
}

/// Writes a shape.
pub(super) fn write(shape: &Shape) -> String {
    let mut out = shape.name().to_ascii_uppercase();
    match shape {
        Shape::Point(position) => list(position.as_slice(), &mut out, position_into),
        Shape::LineString(positions) => list(positions, &mut out, position_into),
        Shape::Polygon(lines) | Shape::MultiLineString(lines) => {
            list(lines, &mut out, |line, out| line_into(line, out));
        }
        Shape::MultiPoint(positions) => list(positions, &mut out, |position, out| {
            out.push('(');
            position_into(position, out);
            out.push(')');
        }),
        Shape::MultiPolygon(polygons) => {
            list(polygons, &mut out, |rings, out| {
                list(rings, out, |ring, out| line_into(ring, out));
            });
        }
        Shape::Collection(shapes) => list(shapes, &mut out, |shape, out| out.push_str(&write(shape))),
    }
    out
}

fn line_into(positions: &[Position], out: &mut String) {
    list(positions, out, position_into);
}

fn position_into(position: &Position, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{} {}", position.x, position.y);
}

fn list<T>(items: &[T], out: &mut String, mut item: impl FnMut(&T, &mut String)) {
    if items.is_empty() {
        out.push_str(if out.ends_with(|c: char| c.is_ascii_alphabetic()) {
            " EMPTY"
        } else {
            "EMPTY"
        });
        return;
    }
    out.push('(');
    for (at, value) in items.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        item(value, out);
    }
    out.push(')');
}
