//! GEOGRAPHY and GEOMETRY between what the engine keeps and the form in which they are shown.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray};
use snowflake_emulator_engine::{Geo, GeoForm};

/// Shapes in a form.
pub(super) fn shown(stored: &BinaryArray, form: GeoForm) -> ArrayRef {
    let shapes = stored.iter().map(|bytes| {
        let shape = bytes.and_then(Geo::from_stored)?;
        Some(shape.shown(form))
    });
    if form.is_binary() {
        let mut builder = BinaryBuilder::with_capacity(stored.len(), stored.value_data().len());
        shapes.for_each(|shape| builder.append_option(shape));
        return Arc::new(builder.finish());
    }
    let mut builder = StringBuilder::with_capacity(stored.len(), stored.value_data().len() * 2);
    // The text forms are text.
    shapes.for_each(|shape| builder.append_option(shape.and_then(|text| String::from_utf8(text).ok())));
    Arc::new(builder.finish())
}

/// Shapes as the engine keeps them; none when the array does not hold the form.
pub(super) fn stored(shown: &ArrayRef, form: GeoForm, is_geography: bool) -> Option<ArrayRef> {
    let mut builder = BinaryBuilder::with_capacity(shown.len(), shown.len() * 32);
    for row in 0..shown.len() {
        if shown.is_null(row) {
            builder.append_null();
            continue;
        }
        let bytes = if form.is_binary() {
            shown.as_binary_opt::<i32>()?.value(row)
        } else {
            shown.as_string_opt::<i32>()?.value(row).as_bytes()
        };
        builder.append_value(Geo::from_shown(bytes, form, is_geography)?.stored());
    }
    Some(Arc::new(builder.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_read_again() {
        let point = Geo::from_shown(b"POINT(1.5 2)", GeoForm::Wkt, true).unwrap();
        let kept = BinaryArray::from_iter([Some(point.stored()), None]);
        for form in [
            GeoForm::GeoJson,
            GeoForm::Wkt,
            GeoForm::Ewkt,
            GeoForm::Wkb,
            GeoForm::Ewkb,
        ] {
            let shown = shown(&kept, form);
            assert!(shown.is_null(1));
            let again = stored(&shown, form, true).unwrap();
            assert_eq!(again.as_binary::<i32>(), &kept, "{form:?}");
        }
        let texts = shown(&kept, GeoForm::Ewkt);
        assert_eq!(texts.as_string::<i32>().value(0), "SRID=4326;POINT(1.5 2)");
    }
}
