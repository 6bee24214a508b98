//! Well-known binary, with the SRID where it is the extended kind.

use super::{DEPTH_MAX, Geo, Position, Shape, Unreadable};

/// Marks of the extended kind.
const WITH_Z: u32 = 0x8000_0000;
const WITH_M: u32 = 0x4000_0000;
const WITH_SRID: u32 = 0x2000_0000;
const LITTLE_ENDIAN: u8 = 1;
/// Bytes of a position.
const POSITION_BYTES: usize = 16;

/// Reads a value; its SRID is 0 when it says none.
pub(super) fn read(bytes: &[u8]) -> Result<Geo, Unreadable> {
    let mut reader = Reader {
        rest: bytes,
        little: true,
        srid: 0,
    };
    let shape = reader.shape(0)?;
    if !reader.rest.is_empty() {
        return Err("bytes after the end of the well-known binary".to_owned());
    }
    Ok(Geo {
        srid: reader.srid,
        shape,
    })
}

struct Reader<'a> {
    rest: &'a [u8],
    little: bool,
    srid: i32,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (bytes, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| "unexpected end of the well-known binary".to_owned())?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn number(&mut self) -> Result<u32, Unreadable> {
        let bytes = self.take()?;
        Ok(if self.little {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    }

    /// How many items follow, each of `least` bytes or more: a count that cannot be reserves no memory.
    fn count(&mut self, least: usize) -> Result<usize, Unreadable> {
        let count = self.number()? as usize;
        if count > self.rest.len() / least {
            return Err("unexpected end of the well-known binary".to_owned());
        }
        Ok(count)
    }

    fn float(&mut self) -> Result<f64, Unreadable> {
        let bytes = self.take()?;
        Ok(if self.little {
            f64::from_le_bytes(bytes)
        } else {
            f64::from_be_bytes(bytes)
        })
    }

    fn position(&mut self) -> Result<Position, Unreadable> {
        let (x, y) = (self.float()?, self.float()?);
        Ok(Position { x, y })
    }

    fn line(&mut self) -> Result<Vec<Position>, Unreadable> {
        let count = self.count(POSITION_BYTES)?;
        (0..count).map(|_| self.position()).collect()
    }

    fn lines(&mut self) -> Result<Vec<Vec<Position>>, Unreadable> {
        let count = self.count(4)?;
        (0..count).map(|_| self.line()).collect()
    }

    fn shape(&mut self, depth: usize) -> Result<Shape, Unreadable> {
        if depth > DEPTH_MAX {
            return Err("collections are nested too deeply".to_owned());
        }
        let [order] = self.take()?;
        self.little = match order {
            0 => false,
            LITTLE_ENDIAN => true,
            _ => return Err("no well-known binary".to_owned()),
        };
        let kind = self.number()?;
        if kind & WITH_SRID != 0 {
            let srid = self.number()?;
            // One that is negative could not be written as text.
            self.srid = i32::try_from(srid).map_err(|_| format!("{srid} is no SRID"))?;
        }
        if kind & (WITH_Z | WITH_M) != 0 {
            return Err("a position has two coordinates".to_owned());
        }
        Ok(match kind & !WITH_SRID {
            1 => {
                let position = self.position()?;
                // The empty point has no coordinates.
                Shape::Point(Some(position).filter(|position| !position.x.is_nan()))
            }
            2 => Shape::LineString(self.line()?),
            3 => Shape::Polygon(self.lines()?),
            4 => {
                let points = self.shapes(depth)?.into_iter().map(|shape| match shape {
                    Shape::Point(Some(position)) => Ok(position),
                    _ => Err("a multipoint has points only".to_owned()),
                });
                Shape::MultiPoint(points.collect::<Result<_, _>>()?)
            }
            5 => {
                let lines = self.shapes(depth)?.into_iter().map(|shape| match shape {
                    Shape::LineString(line) => Ok(line),
                    _ => Err("a multilinestring has lines only".to_owned()),
                });
                Shape::MultiLineString(lines.collect::<Result<_, _>>()?)
            }
            6 => {
                let polygons = self.shapes(depth)?.into_iter().map(|shape| match shape {
                    Shape::Polygon(rings) => Ok(rings),
                    _ => Err("a multipolygon has polygons only".to_owned()),
                });
                Shape::MultiPolygon(polygons.collect::<Result<_, _>>()?)
            }
            7 => Shape::Collection(self.shapes(depth)?),
            other => return Err(format!("well-known binary of kind {other} is not supported")),
        })
    }

    fn shapes(&mut self, depth: usize) -> Result<Vec<Shape>, Unreadable> {
        // A byte order, a kind and a count at least.
        let count = self.count(9)?;
        (0..count)
            .map(|_| {
                let order = self.little;
                let shape = self.shape(depth + 1);
                self.little = order;
                shape
            })
            .collect()
    }
}

/// Writes a value, with its SRID in it when `extended`.
pub(super) fn write(geo: &Geo, extended: bool) -> Vec<u8> {
    let mut out = Vec::new();
    shape_into(&geo.shape, extended.then_some(geo.srid), &mut out);
    out
}

fn shape_into(shape: &Shape, srid: Option<i32>, out: &mut Vec<u8>) {
    let kind: u32 = match shape {
        Shape::Point(_) => 1,
        Shape::LineString(_) => 2,
        Shape::Polygon(_) => 3,
        Shape::MultiPoint(_) => 4,
        Shape::MultiLineString(_) => 5,
        Shape::MultiPolygon(_) => 6,
        Shape::Collection(_) => 7,
    };
    out.push(LITTLE_ENDIAN);
    match srid {
        Some(srid) => {
            out.extend_from_slice(&(kind | WITH_SRID).to_le_bytes());
            out.extend_from_slice(&srid.to_le_bytes());
        }
        None => out.extend_from_slice(&kind.to_le_bytes()),
    }
    match shape {
        Shape::Point(position) => position_into(
            &position.unwrap_or(Position {
                x: f64::NAN,
                y: f64::NAN,
            }),
            out,
        ),
        Shape::LineString(line) => line_into(line, out),
        Shape::Polygon(rings) => lines_into(rings, out),
        Shape::MultiPoint(positions) => {
            count_into(positions.len(), out);
            for position in positions {
                shape_into(&Shape::Point(Some(*position)), None, out);
            }
        }
        Shape::MultiLineString(lines) => {
            count_into(lines.len(), out);
            for line in lines {
                shape_into(&Shape::LineString(line.clone()), None, out);
            }
        }
        Shape::MultiPolygon(polygons) => {
            count_into(polygons.len(), out);
            for rings in polygons {
                shape_into(&Shape::Polygon(rings.clone()), None, out);
            }
        }
        Shape::Collection(shapes) => {
            count_into(shapes.len(), out);
            for shape in shapes {
                shape_into(shape, None, out);
            }
        }
    }
}

fn count_into(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

fn position_into(position: &Position, out: &mut Vec<u8>) {
    out.extend_from_slice(&position.x.to_le_bytes());
    out.extend_from_slice(&position.y.to_le_bytes());
}

fn line_into(line: &[Position], out: &mut Vec<u8>) {
    count_into(line.len(), out);
    for position in line {
        position_into(position, out);
    }
}

fn lines_into(lines: &[Vec<Position>], out: &mut Vec<u8>) {
    count_into(lines.len(), out);
    for line in lines {
        line_into(line, out);
    }
}
