//! Texts and bytes that stand for values of one type: shapes, decimal floats, intervals.
//!
//! What is read can be written, and what was written is read as the same value.

use arrow_array::cast::AsArray as _;
use snowflake_emulator_engine::{
    DecFloat, EngineConfig, EngineConnection, EngineErrorKind, Geo, GeoForm, SqlType, open,
};

use crate::mutate::{corpus, fuzz};
use crate::text;

const FORMS: [GeoForm; 5] = [
    GeoForm::GeoJson,
    GeoForm::Wkt,
    GeoForm::Ewkt,
    GeoForm::Wkb,
    GeoForm::Ewkb,
];

/// Checks that a shape is kept as it is, and that each form of it is read again.
#[track_caller]
fn check_shape(geo: &Geo, forms: &[GeoForm]) {
    let stored = geo.stored();
    let again = Geo::from_stored(&stored).expect("what is kept is read");
    // Bytes, because not every number is equal to itself.
    assert_eq!(again.stored(), stored);
    for form in forms {
        let shown = geo.shown(*form);
        let again = Geo::from_shown(&shown, *form, true);
        assert!(again.is_some(), "{form:?}: {}", shown.escape_ascii());
    }
}

#[test]
fn shapes_as_text() {
    for seed in corpus("geo_text") {
        assert!(
            Geo::from_shown(&seed, GeoForm::Wkt, true).is_some(),
            "{}",
            text(&seed)
        );
    }
    let words = [
        "POINT",
        "LINESTRING",
        "POLYGON((",
        "MULTIPOINT",
        "GEOMETRYCOLLECTION(",
        "EMPTY",
        "SRID=4326;",
        "Z",
        ",",
        "(",
        ")",
        "\"type\":",
        "\"coordinates\": [",
        "\"geometries\": [",
        "[",
        "]",
        "nan",
        "inf",
        "-",
        "e",
    ];
    fuzz("geo_text", &words, |bytes| {
        if let Some(geo) = Geo::from_shown(bytes, GeoForm::Wkt, false) {
            check_shape(&geo, &FORMS);
        }
    });
}

#[test]
fn shapes_as_bytes() {
    for seed in corpus("geo_binary") {
        assert!(
            Geo::from_shown(&seed, GeoForm::Wkb, true).is_some(),
            "{}",
            seed.escape_ascii()
        );
    }
    let words = ["\u{1}", "\0\0\0\u{7f}", "\u{7}\0\0\0", "\0\0\0 "];
    fuzz("geo_binary", &words, |bytes| {
        if let Some(geo) = Geo::from_shown(bytes, GeoForm::Wkb, false) {
            check_shape(&geo, &[GeoForm::Wkb, GeoForm::Ewkb]);
            // Numbers that no text has may be in it.
            for form in FORMS {
                geo.shown(form);
            }
        }
    });
}

#[test]
fn decimal_floats() {
    for seed in corpus("decfloat") {
        assert!(
            matches!(DecFloat::parse(&text(&seed)), Ok(Some(_))),
            "{}",
            text(&seed)
        );
    }
    fuzz(
        "decfloat",
        &[".", "e", "E-", "+", "-", "0000", "16384", "-16383"],
        |bytes| {
            let Ok(Some(number)) = DecFloat::parse(&text(bytes)) else {
                return;
            };
            assert_eq!(DecFloat::parse(&number.to_string()), Ok(Some(number)), "{number}");
            assert_eq!(DecFloat::from_key(&number.key()), Some(number), "{number}");
            let (significand, exponent) = number.parts();
            assert_eq!(
                DecFloat::from_parts(significand, exponent),
                Some(number),
                "{number}"
            );
            let _ = (
                number.plus(number),
                number.multiply(number),
                number.divide(number),
            );
        },
    );
}

/// A text as an interval with these fields, in the engine's words; none when it is none.
fn interval(connection: &mut dyn EngineConnection, fields: &str, value: &str) -> Option<String> {
    let function = match SqlType::interval(fields)? {
        SqlType::IntervalYearMonth { .. } => "sf_try_to_interval_ym",
        _ => "sf_try_to_interval_dt",
    };
    // The engine's SQL has no NUL in it.
    let quoted = |text: &str| format!("'{}'", text.replace('\0', " ").replace('\'', "''"));
    let sql = format!(
        "SELECT sf_to_varchar({function}({}, {}))",
        quoted(value),
        quoted(fields)
    );
    let read = connection.query(&sql, 1).and_then(|mut rows| rows.next_batch());
    match read {
        Ok(batch) => {
            let texts = batch.as_ref()?.column(0).as_string_opt::<i32>()?;
            texts.iter().next().flatten().map(str::to_owned)
        }
        Err(error) => {
            assert_ne!(error.kind, EngineErrorKind::Internal, "{sql}: {error}");
            None
        }
    }
}

#[test]
fn intervals() {
    let mut connection = open(&EngineConfig::in_memory()).unwrap().connect().unwrap();
    let parts = |bytes: &[u8]| {
        let all = text(bytes);
        let (fields, value) = all.split_once('\n').unwrap_or(("DAY TO SECOND", &all));
        (fields.to_owned(), value.to_owned())
    };
    for seed in corpus("interval") {
        let (fields, value) = parts(&seed);
        assert!(
            interval(connection.as_mut(), &fields, &value).is_some(),
            "{}",
            text(&seed)
        );
    }
    let words = [
        "YEAR",
        "MONTH",
        "DAY(9)",
        "HOUR",
        "TO SECOND(9)",
        "\n",
        "-",
        ":",
        ".",
        "(",
        ")",
    ];
    fuzz("interval", &words, |bytes| {
        let (fields, value) = parts(bytes);
        let Some(written) = interval(connection.as_mut(), &fields, &value) else {
            return;
        };
        let whole = match SqlType::interval(&fields) {
            Some(SqlType::IntervalYearMonth { .. }) => "YEAR(9) TO MONTH",
            _ => "DAY(9) TO SECOND(9)",
        };
        let again = interval(connection.as_mut(), whole, &written);
        assert_eq!(again.as_deref(), Some(written.as_str()), "{fields}: {value}");
    });
}
