//! GeoJSON.

use serde_json::{Value as Json, json};

use super::{DEPTH_MAX, Geo, Position, Shape, Unreadable, WGS84};
use crate::functions::float_json;

/// Reads an object; features are not taken.
pub(super) fn read(text: &str) -> Result<Geo, Unreadable> {
    let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(Geo {
        srid: WGS84,
        shape: shape(&json, 0)?,
    })
}

fn shape(json: &Json, depth: usize) -> Result<Shape, Unreadable> {
    if depth > DEPTH_MAX {
        return Err("collections are nested too deeply".to_owned());
    }
    let name = json.get("type").and_then(Json::as_str).unwrap_or_default();
    let coordinates = || {
        json.get("coordinates")
            .ok_or_else(|| "GeoJSON without coordinates".to_owned())
    };
    Ok(match name {
        "Point" => Shape::Point(match coordinates()?.as_array() {
            Some(numbers) if numbers.is_empty() => None,
            _ => Some(position(coordinates()?)?),
        }),
        "LineString" => Shape::LineString(line(coordinates()?)?),
        "Polygon" => Shape::Polygon(list(coordinates()?, line)?),
        "MultiPoint" => Shape::MultiPoint(line(coordinates()?)?),
        "MultiLineString" => Shape::MultiLineString(list(coordinates()?, line)?),
        "MultiPolygon" => Shape::MultiPolygon(list(coordinates()?, |rings| list(rings, line))?),
        "GeometryCollection" => {
            let shapes = json
                .get("geometries")
                .ok_or_else(|| "GeoJSON without geometries".to_owned())?;
            Shape::Collection(list(shapes, |inner| shape(inner, depth + 1))?)
        }
        other => return Err(format!("GeoJSON of type '{other}' is not supported")),
    })
}

fn list<T>(json: &Json, item: impl Fn(&Json) -> Result<T, Unreadable>) -> Result<Vec<T>, Unreadable> {
    let items = json
        .as_array()
        .ok_or_else(|| format!("an array is expected and not {json}"))?;
    items.iter().map(item).collect()
}

fn line(json: &Json) -> Result<Vec<Position>, Unreadable> {
    list(json, position)
}

fn position(json: &Json) -> Result<Position, Unreadable> {
    let numbers = list(json, |number| {
        number
            .as_f64()
            .ok_or_else(|| format!("a number is expected and not {number}"))
    })?;
    match numbers.as_slice() {
        [x, y] => Ok(Position { x: *x, y: *y }),
        _ => Err("a position has two coordinates".to_owned()),
    }
}

/// Writes an object with its keys in order.
pub(super) fn write(geo: &Geo) -> String {
    written(&geo.shape)
}

fn written(shape: &Shape) -> String {
    let coordinates = match shape {
        Shape::Point(None) => "[]".to_owned(),
        Shape::Point(Some(position)) => of_position(position),
        Shape::LineString(positions) | Shape::MultiPoint(positions) => of_line(positions),
        Shape::Polygon(lines) | Shape::MultiLineString(lines) => of_list(lines, |line| of_line(line)),
        Shape::MultiPolygon(polygons) => of_list(polygons, |rings| of_list(rings, |ring| of_line(ring))),
        Shape::Collection(shapes) => {
            let shapes = of_list(shapes, written);
            return format!("{{\"geometries\":{shapes},\"type\":\"GeometryCollection\"}}");
        }
    };
    format!(
        "{{\"coordinates\":{coordinates},\"type\":{}}}",
        json!(shape.name())
    )
}

fn of_list<T>(items: &[T], item: impl Fn(&T) -> String) -> String {
    let items: Vec<String> = items.iter().map(item).collect();
    format!("[{}]", items.join(","))
}

fn of_line(positions: &[Position]) -> String {
    of_list(positions, of_position)
}

fn of_position(position: &Position) -> String {
    format!("[{},{}]", float_json(position.x), float_json(position.y))
}
