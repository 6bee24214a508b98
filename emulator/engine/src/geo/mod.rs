//! Shapes on the earth and in the plane: what GEOGRAPHY and GEOMETRY hold.
//!
//! The engine has no such types here: it keeps each value as extended well-known binary ([`wkb`]). This room reads
//! and writes the forms that Snowflake knows (WKT, EWKT, WKB, EWKB and GeoJSON), in two dimensions, and knows nothing of
//! functions. No crate reads all three with SRIDs, bounded nesting and Snowflake's numbers; each form is a page.

mod geojson;
mod wkb;
mod wkt;

/// SRID of GEOGRAPHY, and of GeoJSON: WGS 84.
pub(crate) const WGS84: i32 = 4326;
/// Deepest collection within a collection.
const DEPTH_MAX: usize = 16;

/// A position: longitude and latitude, or x and y.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Position {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// A shape without its reference system.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// None is the empty point.
    Point(Option<Position>),
    LineString(Vec<Position>),
    Polygon(Vec<Vec<Position>>),
    MultiPoint(Vec<Position>),
    MultiLineString(Vec<Vec<Position>>),
    MultiPolygon(Vec<Vec<Vec<Position>>>),
    Collection(Vec<Shape>),
}

/// A value of GEOGRAPHY or GEOMETRY.
#[derive(Clone, Debug, PartialEq)]
pub struct Geo {
    pub(crate) srid: i32,
    pub(crate) shape: Shape,
}

/// How GEOGRAPHY and GEOMETRY are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum GeoForm {
    /// A JSON object.
    #[default]
    GeoJson,
    /// Well-known text.
    Wkt,
    /// Well-known text with the SRID before it.
    Ewkt,
    /// Well-known binary.
    Wkb,
    /// Well-known binary with the SRID in it.
    Ewkb,
}

impl GeoForm {
    /// The form that `GEOGRAPHY_OUTPUT_FORMAT` names, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name.to_ascii_uppercase().as_str() {
            "GEOJSON" => Self::GeoJson,
            "WKT" => Self::Wkt,
            "EWKT" => Self::Ewkt,
            "WKB" => Self::Wkb,
            "EWKB" => Self::Ewkb,
            _ => return None,
        })
    }

    /// True for the forms that are bytes.
    pub fn is_binary(self) -> bool {
        matches!(self, Self::Wkb | Self::Ewkb)
    }
}

/// Why a text or bytes are no shape.
pub(crate) type Unreadable = String;

impl Geo {
    /// The value that the engine keeps.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        wkb::read(bytes).ok()
    }

    /// As the engine keeps it.
    pub fn stored(&self) -> Vec<u8> {
        wkb::write(self, true)
    }

    /// The value that a form shows; `is_geography` tells which SRID is meant where none is said.
    pub fn from_shown(shown: &[u8], form: GeoForm, is_geography: bool) -> Option<Self> {
        if form.is_binary() {
            return wkb::read(shown).ok().map(|geo| geo.with_default(is_geography));
        }
        Self::read(std::str::from_utf8(shown).ok()?, is_geography).ok()
    }

    /// As a form shows it: text, or bytes for the binary ones.
    pub fn shown(&self, form: GeoForm) -> Vec<u8> {
        match form {
            GeoForm::GeoJson => geojson::write(self).into_bytes(),
            GeoForm::Wkt => wkt::write(&self.shape).into_bytes(),
            GeoForm::Ewkt => format!("SRID={};{}", self.srid, wkt::write(&self.shape)).into_bytes(),
            GeoForm::Wkb => wkb::write(self, false),
            GeoForm::Ewkb => wkb::write(self, true),
        }
    }

    /// Reads any of the text forms, and binary ones in hexadecimal. Numbers that no text has are refused.
    pub(crate) fn read(text: &str, is_geography: bool) -> Result<Self, Unreadable> {
        let geo = Self::read_any(text.trim(), is_geography)?;
        geo.shape.check_finite()?;
        Ok(geo)
    }

    fn read_any(text: &str, is_geography: bool) -> Result<Self, Unreadable> {
        if text.starts_with('{') {
            return geojson::read(text);
        }
        let is_hex = text.len() > 2
            && text.len().is_multiple_of(2)
            && text.starts_with('0')
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex {
            return Ok(wkb::read(&hex(text))?.with_default(is_geography));
        }
        let (srid, text) = match text.split_once(';') {
            Some((srid, text)) => (Some(wkt::srid(srid)?), text),
            None => (None, text),
        };
        let geo = Self {
            srid: srid.unwrap_or(0),
            shape: wkt::read(text)?,
        };
        Ok(if srid.is_some() {
            geo
        } else {
            geo.with_default(is_geography)
        })
    }

    /// Reads well-known binary.
    pub(crate) fn read_binary(bytes: &[u8], is_geography: bool) -> Result<Self, Unreadable> {
        Ok(wkb::read(bytes)?.with_default(is_geography))
    }

    /// A GEOGRAPHY is on the earth where nothing else is said.
    fn with_default(mut self, is_geography: bool) -> Self {
        if is_geography && self.srid == 0 {
            self.srid = WGS84;
        }
        self
    }

    /// What is wrong with the value as a GEOGRAPHY or GEOMETRY.
    pub(crate) fn check(&self, is_geography: bool) -> Result<(), Unreadable> {
        if self.srid < 0 {
            return Err(format!("{} is no SRID", self.srid));
        }
        if is_geography && self.srid != WGS84 {
            return Err(format!("SRID {} is not supported for GEOGRAPHY", self.srid));
        }
        self.shape.check(is_geography)
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| (digit(pair[0]) << 4) | digit(pair[1]))
        .collect()
}

impl Shape {
    /// Its name in GeoJSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Point(_) => "Point",
            Self::LineString(_) => "LineString",
            Self::Polygon(_) => "Polygon",
            Self::MultiPoint(_) => "MultiPoint",
            Self::MultiLineString(_) => "MultiLineString",
            Self::MultiPolygon(_) => "MultiPolygon",
            Self::Collection(_) => "GeometryCollection",
        }
    }

    /// 0 for points, 1 for lines, 2 for areas; the largest of a collection.
    pub(crate) fn dimension(&self) -> u8 {
        match self {
            Self::Point(_) | Self::MultiPoint(_) => 0,
            Self::LineString(_) | Self::MultiLineString(_) => 1,
            Self::Polygon(_) | Self::MultiPolygon(_) => 2,
            Self::Collection(shapes) => shapes.iter().map(Self::dimension).max().unwrap_or(0),
        }
    }

    /// All positions in order.
    pub(crate) fn positions(&self) -> Vec<Position> {
        match self {
            Self::Point(position) => position.iter().copied().collect(),
            Self::LineString(positions) | Self::MultiPoint(positions) => positions.clone(),
            Self::Polygon(lines) | Self::MultiLineString(lines) => lines.concat(),
            Self::MultiPolygon(polygons) => polygons.concat().concat(),
            Self::Collection(shapes) => shapes.iter().flat_map(Self::positions).collect(),
        }
    }

    fn check_finite(&self) -> Result<(), Unreadable> {
        let is_finite = |position: &Position| position.x.is_finite() && position.y.is_finite();
        if self.positions().iter().all(is_finite) {
            Ok(())
        } else {
            Err("coordinates must be finite numbers".to_owned())
        }
    }

    fn check(&self, is_geography: bool) -> Result<(), Unreadable> {
        self.check_finite()?;
        for position in self.positions() {
            if is_geography && position.x.abs() > 180.0 {
                return Err(format!("longitude {} is out of range [-180, 180]", position.x));
            }
            if is_geography && position.y.abs() > 90.0 {
                return Err(format!("latitude {} is out of range [-90, 90]", position.y));
            }
        }
        let lines: &[Vec<Position>] = match self {
            Self::LineString(line) => std::slice::from_ref(line),
            Self::MultiLineString(lines) => lines,
            Self::Polygon(rings) => return check_rings(rings),
            Self::MultiPolygon(polygons) => return polygons.iter().try_for_each(|rings| check_rings(rings)),
            Self::Collection(shapes) => return shapes.iter().try_for_each(|shape| shape.check(is_geography)),
            Self::Point(_) | Self::MultiPoint(_) => return Ok(()),
        };
        if lines.iter().any(|line| line.len() == 1) {
            return Err("a line needs two points".to_owned());
        }
        Ok(())
    }
}

fn check_rings(rings: &[Vec<Position>]) -> Result<(), Unreadable> {
    let is_ring = |ring: &Vec<Position>| ring.len() >= 4 && ring.first() == ring.last();
    if rings.iter().all(is_ring) {
        Ok(())
    } else {
        Err("the loop of a polygon must have four points, of which the last is the first".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wkt: &str, geojson: &str) {
        let geo = Geo::read(text, true).unwrap();
        let shown = |form| String::from_utf8(geo.shown(form)).unwrap();
        assert_eq!(shown(GeoForm::Wkt), wkt, "{text}");
        assert_eq!(shown(GeoForm::GeoJson), geojson, "{text}");
        assert_eq!(shown(GeoForm::Ewkt), format!("SRID=4326;{wkt}"));
        for form in [
            GeoForm::GeoJson,
            GeoForm::Wkt,
            GeoForm::Ewkt,
            GeoForm::Wkb,
            GeoForm::Ewkb,
        ] {
            assert_eq!(
                Geo::from_shown(&geo.shown(form), form, true).as_ref(),
                Some(&geo),
                "{form:?}"
            );
        }
        assert_eq!(Geo::from_stored(&geo.stored()).as_ref(), Some(&geo));
        geo.check(true).unwrap();
    }

    #[test]
    fn every_shape_is_read_and_written_in_every_form() {
        check(
            "point (-122.35 37.55)",
            "POINT(-122.35 37.55)",
            r#"{"coordinates":[-122.35,37.55],"type":"Point"}"#,
        );
        check(
            "SRID=4326;LINESTRING(1 2, 3.5 -4)",
            "LINESTRING(1 2,3.5 -4)",
            r#"{"coordinates":[[1.000000000000000e+00,2.000000000000000e+00],[3.5,-4.000000000000000e+00]],"type":"LineString"}"#,
        );
        check(
            r#"{"type": "MultiPoint", "coordinates": [[0.5, 0.25], [1.5, 1e-1]]}"#,
            "MULTIPOINT((0.5 0.25),(1.5 0.1))",
            r#"{"coordinates":[[0.5,0.25],[1.5,0.1]],"type":"MultiPoint"}"#,
        );
        let square = "((0.5 0.5,1.5 0.5,1.5 1.5,0.5 0.5))";
        let rings = "[[[0.5,0.5],[1.5,0.5],[1.5,1.5],[0.5,0.5]]]";
        check(
            &format!("POLYGON{square}"),
            &format!("POLYGON{square}"),
            &format!(r#"{{"coordinates":{rings},"type":"Polygon"}}"#),
        );
        check(
            &format!("MULTIPOLYGON({square})"),
            &format!("MULTIPOLYGON({square})"),
            &format!(r#"{{"coordinates":[{rings}],"type":"MultiPolygon"}}"#),
        );
        check(
            "MULTILINESTRING((0.5 0.5,1.5 1.5),(2.5 2.5,3.5 3.5))",
            "MULTILINESTRING((0.5 0.5,1.5 1.5),(2.5 2.5,3.5 3.5))",
            r#"{"coordinates":[[[0.5,0.5],[1.5,1.5]],[[2.5,2.5],[3.5,3.5]]],"type":"MultiLineString"}"#,
        );
        check(
            "GEOMETRYCOLLECTION(POINT(0.5 0.5), LINESTRING EMPTY)",
            "GEOMETRYCOLLECTION(POINT(0.5 0.5),LINESTRING EMPTY)",
            r#"{"geometries":[{"coordinates":[0.5,0.5],"type":"Point"},{"coordinates":[],"type":"LineString"}],"type":"GeometryCollection"}"#,
        );
        check(
            "POINT EMPTY",
            "POINT EMPTY",
            r#"{"coordinates":[],"type":"Point"}"#,
        );
        check(
            "0101000020E6100000000000000000E03F000000000000F83F",
            "POINT(0.5 1.5)",
            r#"{"coordinates":[0.5,1.5],"type":"Point"}"#,
        );
    }

    #[test]
    fn what_is_no_shape_is_refused() {
        for text in [
            "",
            "POINT",
            "POINT(1)",
            "POINT(1 2 3)",
            "POINT Z (1 2 3)",
            "POINT(1 2",
            "POINT(1 2) x",
            "CIRCLE(1 2)",
            "POINT(a b)",
            "SRID=x;POINT(1 2)",
            "{}",
            r#"{"type":"Point"}"#,
            r#"{"type":"Point","coordinates":[1,2,3]}"#,
            r#"{"type":"Feature","geometry":null}"#,
            r#"{"coordinates":[1.0,"NaN"],"type":"Point"}"#,
            r#"{"coordinates":[1.0,null],"type":"Point"}"#,
            r#"{"coordinates":[1.0,1e999],"type":"Point"}"#,
            "POINT(1 1e999)",
            // Infinity, and a number that is none.
            "0101000000000000000000F03F000000000000F07F",
            "0101000000000000000000F03F000000000000F87F",
            "0101",
            "01FF00000000",
            "0104000000FFFFFFFF",
        ] {
            assert!(Geo::read(text, true).is_err(), "{text}");
        }
        let nested = "GEOMETRYCOLLECTION(".repeat(100) + "POINT(1 2)" + &")".repeat(100);
        assert!(Geo::read(&nested, true).is_err());
        for text in [
            "POINT(181 0)",
            "POINT(0 91)",
            "LINESTRING(1 2)",
            "POLYGON((0 0,1 1,0 0))",
            "POLYGON((0 0,1 1,1 0,0 1))",
            "SRID=3857;POINT(1 2)",
        ] {
            assert!(Geo::read(text, true).unwrap().check(true).is_err(), "{text}");
        }
        assert!(
            Geo::read("SRID=3857;POINT(500 600)", false)
                .unwrap()
                .check(false)
                .is_ok()
        );
    }
}
