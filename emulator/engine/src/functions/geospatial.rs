//! Geospatial functions: making, reading and showing GEOGRAPHY and GEOMETRY.
//!
//! Values arrive as the engine keeps them ([`crate::Geo`]); the argument's type tells which of the two they are.

use super::framework::{
    Argument, Bound, FunctionError, FunctionType, Result, ScalarFunction, Settings, Value, rows,
};
use crate::geo::{Position, Shape, WGS84};
use crate::{Geo, GeoForm, SqlType};

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    ScalarFunction::new("sf_to_geography", 1..=2, |arguments| {
        read(GEOGRAPHY, arguments, false)
    }),
    ScalarFunction::new("sf_try_to_geography", 1..=2, |arguments| {
        read(GEOGRAPHY, arguments, true)
    }),
    ScalarFunction::new("sf_to_geometry", 1..=3, |arguments| {
        read(GEOMETRY, arguments, false)
    }),
    ScalarFunction::new("sf_try_to_geometry", 1..=3, |arguments| {
        read(GEOMETRY, arguments, true)
    }),
    ScalarFunction::new("sf_st_asgeojson", 1..=1, |arguments| {
        shown(
            "sf_st_asgeojson",
            arguments,
            FunctionType::object(),
            GeoForm::GeoJson,
        )
    }),
    ScalarFunction::new("sf_st_aswkt", 1..=1, |arguments| {
        shown("sf_st_aswkt", arguments, FunctionType::text(), GeoForm::Wkt)
    }),
    ScalarFunction::new("sf_st_asewkt", 1..=1, |arguments| {
        shown("sf_st_asewkt", arguments, FunctionType::text(), GeoForm::Ewkt)
    }),
    ScalarFunction::new("sf_st_aswkb", 1..=1, |arguments| {
        shown("sf_st_aswkb", arguments, FunctionType::binary(), GeoForm::Wkb)
    }),
    ScalarFunction::new("sf_st_asewkb", 1..=1, |arguments| {
        shown("sf_st_asewkb", arguments, FunctionType::binary(), GeoForm::Ewkb)
    }),
    ScalarFunction::new("sf_st_makepoint", 2..=2, |_| make_point(GEOGRAPHY)),
    ScalarFunction::new("sf_st_makegeompoint", 2..=2, |_| make_point(GEOMETRY)),
    ScalarFunction::new("sf_st_makeline", 2..=2, make_line),
    ScalarFunction::new("sf_st_x", 1..=1, |arguments| {
        coordinate("sf_st_x", arguments, |p| p.x)
    }),
    ScalarFunction::new("sf_st_y", 1..=1, |arguments| {
        coordinate("sf_st_y", arguments, |p| p.y)
    }),
    ScalarFunction::new("sf_st_srid", 1..=1, srid),
    ScalarFunction::new("sf_st_setsrid", 2..=2, set_srid),
    ScalarFunction::new("sf_st_dimension", 1..=1, dimension),
    ScalarFunction::new("sf_st_npoints", 1..=1, points),
    ScalarFunction::new("sf_st_distance", 2..=2, distance),
    ScalarFunction::new("sf_st_dwithin", 3..=3, within),
];

/// Metres from the middle of the earth to its surface, as Snowflake's distances have it.
const EARTH_RADIUS: f64 = 6_371_010.0;

/// Which of the two types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Family {
    is_geography: bool,
}

const GEOGRAPHY: Family = Family { is_geography: true };
const GEOMETRY: Family = Family { is_geography: false };

impl Family {
    fn of(sql_type: &FunctionType) -> Option<Self> {
        match sql_type {
            FunctionType::Sql(SqlType::Geography { .. }) => Some(GEOGRAPHY),
            FunctionType::Sql(SqlType::Geometry { .. }) => Some(GEOMETRY),
            _ => None,
        }
    }

    fn of_argument(function: &str, argument: &Argument) -> Result<Self> {
        Self::of(&argument.sql_type)
            .ok_or_else(|| FunctionError::argument_types(function, &[&argument.sql_type]))
    }

    fn sql_type(self) -> FunctionType {
        let form = GeoForm::default();
        FunctionType::Sql(if self.is_geography {
            SqlType::Geography { form }
        } else {
            SqlType::Geometry { form }
        })
    }

    fn value(self, geo: &Geo) -> Result<Value<'static>> {
        geo.check(self.is_geography).map_err(|reason| {
            let name = if self.is_geography {
                "Geography"
            } else {
                "Geometry"
            };
            FunctionError::new(100_217, format!("{name} validation failed: {reason}"))
        })?;
        Ok(Value::from(geo.stored()))
    }
}

fn unreadable(reason: &str) -> FunctionError {
    FunctionError::new(100_205, format!("Error parsing Geo input: {reason}"))
}

/// What an argument holds.
fn geo(value: &Value<'_>) -> Result<Geo> {
    match value {
        Value::Binary(bytes) => Geo::from_stored(bytes).ok_or_else(|| unreadable("no shape")),
        _ => Err(unreadable("no shape")),
    }
}

/// The text of JSON that holds one.
fn held(json: &str) -> Option<String> {
    serde_json::from_str::<String>(json).ok()
}

/// `(input[, srid][, allow_invalid])`; the SRID for GEOMETRY only.
fn read(family: Family, arguments: &[Argument], attempt: bool) -> Result<Bound> {
    let name = if family.is_geography {
        "sf_to_geography"
    } else {
        "sf_to_geometry"
    };
    let source = arguments[0].sql_type.clone();
    let is_json = source.is_semi_structured();
    let of_family = Family::of(&source);
    let is_taken = is_json
        || of_family.is_some()
        || matches!(
            source,
            FunctionType::Null | FunctionType::Sql(SqlType::Text { .. } | SqlType::Binary { .. })
        );
    if !is_taken || (family.is_geography && arguments.len() == 2 && !is_truth(&arguments[1])) {
        let types: Vec<&FunctionType> = arguments.iter().map(|argument| &argument.sql_type).collect();
        return Err(FunctionError::argument_types(name, &types));
    }
    let convert = move |row: &[Value<'_>]| -> Result<Value<'static>> {
        let mut geo = match &row[0] {
            stored if of_family.is_some() => geo(stored)?,
            Value::Binary(bytes) => {
                Geo::read_binary(bytes, family.is_geography).map_err(|e| unreadable(&e))?
            }
            value => {
                let text = value.to_text()?;
                let inner = if is_json { held(&text) } else { None };
                Geo::read(inner.as_deref().unwrap_or(&text), family.is_geography)
                    .map_err(|e| unreadable(&e))?
            }
        };
        let mut allow_invalid = false;
        for more in &row[1..] {
            match more {
                Value::Boolean(allow) => allow_invalid = *allow,
                srid => {
                    geo.srid = i32::try_from(srid.to_integer()?).map_err(|_| unreadable("no SRID"))?;
                }
            }
        }
        if allow_invalid {
            return Ok(Value::from(geo.stored()));
        }
        family.value(&geo)
    };
    rows(family.sql_type(), move |row| match convert(row) {
        Err(_) if attempt => Ok(Value::Null),
        converted => converted,
    })
}

fn is_truth(argument: &Argument) -> bool {
    argument.sql_type == FunctionType::boolean()
}

/// As the session's parameters have it shown.
pub(super) fn text(arguments: &[Argument], settings: Settings<'_>) -> Result<Bound> {
    let family = Family::of_argument("sf_to_varchar", &arguments[0])?;
    let setting = if family.is_geography {
        "sf_geography_output_format"
    } else {
        "sf_geometry_output_format"
    };
    let form = GeoForm::of_name(&settings.text(setting)?).unwrap_or_default();
    rows(FunctionType::text(), move |row| {
        let shown = geo(&row[0])?.shown(form);
        Ok(Value::owned_text(if form.is_binary() {
            super::framework::hex_text(&shown)
        } else {
            String::from_utf8_lossy(&shown).into_owned()
        }))
    })
}

fn shown(function: &str, arguments: &[Argument], returns: FunctionType, form: GeoForm) -> Result<Bound> {
    Family::of_argument(function, &arguments[0])?;
    rows(returns, move |row| {
        let shown = geo(&row[0])?.shown(form);
        Ok(if form.is_binary() {
            Value::from(shown)
        } else {
            Value::owned_text(String::from_utf8_lossy(&shown))
        })
    })
}

fn make_point(family: Family) -> Result<Bound> {
    rows(family.sql_type(), move |row| {
        let position = Position {
            x: row[0].to_float()?,
            y: row[1].to_float()?,
        };
        family.value(&Geo {
            srid: if family.is_geography { WGS84 } else { 0 },
            shape: Shape::Point(Some(position)),
        })
    })
}

/// Both arguments' types, which must be one.
fn same(function: &str, arguments: &[Argument]) -> Result<Family> {
    let family = Family::of_argument(function, &arguments[0])?;
    if Family::of(&arguments[1].sql_type) == Some(family) {
        return Ok(family);
    }
    let types: Vec<&FunctionType> = arguments.iter().map(|argument| &argument.sql_type).collect();
    Err(FunctionError::argument_types(function, &types))
}

/// A line through the points of two points or lines.
fn make_line(arguments: &[Argument]) -> Result<Bound> {
    let family = same("sf_st_makeline", arguments)?;
    rows(family.sql_type(), move |row| {
        let (left, right) = (geo(&row[0])?, geo(&row[1])?);
        let mut positions = Vec::new();
        for side in [&left.shape, &right.shape] {
            match side {
                Shape::Point(_) | Shape::MultiPoint(_) | Shape::LineString(_) => {
                    positions.extend(side.positions());
                }
                other => return Err(not_for("ST_MAKELINE", other)),
            }
        }
        family.value(&Geo {
            srid: left.srid,
            shape: Shape::LineString(positions),
        })
    })
}

fn not_for(function: &str, shape: &Shape) -> FunctionError {
    let name = shape.name();
    FunctionError::new(100_218, format!("{function} is not supported for a {name}"))
}

fn point(function: &str, value: &Value<'_>) -> Result<Option<Position>> {
    match geo(value)?.shape {
        Shape::Point(position) => Ok(position),
        other => Err(not_for(function, &other)),
    }
}

fn coordinate(function: &'static str, arguments: &[Argument], of: fn(Position) -> f64) -> Result<Bound> {
    Family::of_argument(function, &arguments[0])?;
    let name = function.trim_start_matches("sf_").to_uppercase();
    rows(FunctionType::float(), move |row| {
        Ok(point(&name, &row[0])?.map_or(Value::Null, |position| Value::Float(of(position))))
    })
}

fn srid(arguments: &[Argument]) -> Result<Bound> {
    Family::of_argument("sf_st_srid", &arguments[0])?;
    rows(FunctionType::number(9, 0), |row| {
        Ok(Value::integer(geo(&row[0])?.srid))
    })
}

fn set_srid(arguments: &[Argument]) -> Result<Bound> {
    let family = Family::of_argument("sf_st_setsrid", &arguments[0])?;
    rows(family.sql_type(), move |row| {
        let mut geo = geo(&row[0])?;
        geo.srid = i32::try_from(row[1].to_integer()?).map_err(|_| unreadable("no SRID"))?;
        family.value(&geo)
    })
}

fn dimension(arguments: &[Argument]) -> Result<Bound> {
    Family::of_argument("sf_st_dimension", &arguments[0])?;
    rows(FunctionType::number(9, 0), |row| {
        Ok(Value::integer(geo(&row[0])?.shape.dimension()))
    })
}

fn points(arguments: &[Argument]) -> Result<Bound> {
    Family::of_argument("sf_st_npoints", &arguments[0])?;
    rows(FunctionType::number(18, 0), |row| {
        Ok(Value::integer(geo(&row[0])?.shape.positions().len() as i64))
    })
}

/// Metres on the earth, units in the plane; between points.
fn distance(arguments: &[Argument]) -> Result<Bound> {
    let family = same("sf_st_distance", arguments)?;
    rows(FunctionType::float(), move |row| {
        Ok(apart("ST_DISTANCE", family, row)?.map_or(Value::Null, Value::Float))
    })
}

fn within(arguments: &[Argument]) -> Result<Bound> {
    let family = same("sf_st_dwithin", &arguments[..2])?;
    rows(FunctionType::boolean(), move |row| {
        let limit = row[2].to_float()?;
        Ok(apart("ST_DWITHIN", family, row)?.map_or(Value::Null, |apart| Value::Boolean(apart <= limit)))
    })
}

fn apart(function: &str, family: Family, row: &[Value<'_>]) -> Result<Option<f64>> {
    let (Some(left), Some(right)) = (point(function, &row[0])?, point(function, &row[1])?) else {
        return Ok(None);
    };
    if !family.is_geography {
        return Ok(Some((left.x - right.x).hypot(left.y - right.y)));
    }
    let square = |angle: f64| (angle / 2.0).sin().powi(2);
    let [x1, y1, x2, y2] = [left.x, left.y, right.x, right.y].map(f64::to_radians);
    let chord = square(y2 - y1) + y1.cos() * y2.cos() * square(x2 - x1);
    Ok(Some(2.0 * EARTH_RADIUS * chord.sqrt().min(1.0).asin()))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{check, check_error};

    #[test]
    fn shapes_are_read_and_shown() {
        check(
            "sf_st_aswkt(sf_to_geography('point(-122.35 37.55)'))",
            "POINT(-122.35 37.55)",
        );
        check(
            "sf_st_asgeojson(sf_to_geography('POINT(-122.35 37.55)'))",
            r#"{"coordinates":[-122.35,37.55],"type":"Point"}"#,
        );
        check(
            r#"sf_st_asewkt(sf_to_geography('{"type":"Point","coordinates":[1.5,2.5]}'::sf_object))"#,
            "SRID=4326;POINT(1.5 2.5)",
        );
        check(
            "sf_st_asewkt(sf_to_geometry('POINT(389866 5819003)', 32633))",
            "SRID=32633;POINT(389866 5819003)",
        );
        check("sf_st_srid(sf_to_geometry('POINT(1 2)'))", "0");
        check(
            "sf_st_srid(sf_st_setsrid(sf_to_geometry('POINT(1 2)'), 4326))",
            "4326",
        );
        check(
            "sf_to_varchar(sf_st_aswkb(sf_st_makepoint(0.5, 1.5)))",
            "0101000000000000000000E03F000000000000F83F",
        );
        check(
            "sf_st_aswkt(sf_to_geography(sf_st_aswkb(sf_st_makepoint(0.5, 1.5))))",
            "POINT(0.5 1.5)",
        );
        check(
            "sf_to_varchar(sf_st_makepoint(0.5, 1.5))",
            r#"{"coordinates":[0.5,1.5],"type":"Point"}"#,
        );
        check("sf_try_to_geography('POINT(1)')", "NULL");
        check("sf_to_geography(NULL)", "NULL");
        check_error(
            "sf_to_geometry('0101000020E6100080000000000000F03F0000000000000040')",
            100_205,
            "Error parsing Geo input: 2147487974 is no SRID",
        );
        check_error(
            "sf_st_setsrid(sf_to_geometry('POINT(1 2)'), -1)",
            100_217,
            "Geometry validation failed: -1 is no SRID",
        );
        check_error(
            "sf_to_geography('POINT(1)')",
            100_205,
            "Error parsing Geo input: unexpected ')'",
        );
        check_error(
            "sf_to_geography('POINT(181 0)')",
            100_217,
            "Geography validation failed: longitude 181 is out of range [-180, 180]",
        );
        check(
            "sf_st_aswkt(sf_to_geography('POINT(181 0)', true))",
            "POINT(181 0)",
        );
        check_error(
            "sf_to_geography(1)",
            1_044,
            "Invalid argument types for function 'TO_GEOGRAPHY': (NUMBER(10,0))",
        );
        check_error(
            "sf_st_aswkt(1)",
            1_044,
            "Invalid argument types for function 'ST_ASWKT': (NUMBER(10,0))",
        );
    }

    #[test]
    fn shapes_are_measured() {
        check("sf_st_x(sf_st_makepoint(1.5, 2))", "1.5");
        check("sf_st_y(sf_st_makepoint(1.5, 2))", "2.0");
        check(
            "round(sf_st_distance(sf_st_makepoint(0, 0), sf_st_makepoint(1, 0)), 6)",
            "111195.101177",
        );
        check(
            "sf_st_distance(sf_st_makegeompoint(0, 0), sf_st_makegeompoint(3, 4))",
            "5.0",
        );
        check(
            "sf_st_dwithin(sf_st_makepoint(0, 0), sf_st_makepoint(1, 0), 111196)",
            "true",
        );
        check(
            "sf_st_dimension(sf_to_geometry('POLYGON((0 0,1 0,1 1,0 0))'))",
            "2",
        );
        check("sf_st_npoints(sf_to_geometry('LINESTRING(0 0,1 0,1 1)'))", "3");
        check(
            "sf_st_aswkt(sf_st_makeline(sf_st_makepoint(0, 0), sf_st_makepoint(1, 2)))",
            "LINESTRING(0 0,1 2)",
        );
        check_error(
            "sf_st_x(sf_to_geography('LINESTRING(0 0,1 1)'))",
            100_218,
            "ST_X is not supported for a LineString",
        );
        check_error(
            "sf_st_distance(sf_st_makepoint(0, 0), sf_st_makegeompoint(0, 0))",
            1_044,
            "Invalid argument types for function 'ST_DISTANCE': (GEOGRAPHY, GEOMETRY)",
        );
    }
}
