//! What verbs other than `query` print: one thing with its properties, or a list of things.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};

use super::cell::write_visible;
use super::column::Column;
use super::sink::Sink;
use super::{Format, Header, RenderError};
use crate::config::Screen;

/// How a property that is not set is shown to people.
const NOTHING: &str = "-";

/// A property's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    /// Not known or not set.
    Nothing,
}

/// A thing: its properties by name, in the order in which they are shown.
pub(crate) type Record = Vec<(&'static str, Value)>;

impl Value {
    /// A text, or nothing if it is empty: how the service says "not set".
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() {
            Value::Nothing
        } else {
            Value::Text(text)
        }
    }

    fn shown(&self) -> String {
        match self {
            Value::Text(text) => {
                let mut visible = String::new();
                write_visible(text, &mut visible);
                visible
            }
            Value::Number(number) => number.to_string(),
            Value::Nothing => NOTHING.to_owned(),
        }
    }
}

/// One thing as text: a line for each property, an object, or a table of one row.
pub(crate) fn one(format: Format, screen: Screen, record: Record) -> Result<Vec<u8>, RenderError> {
    match format {
        Format::Table => Ok(lines(&record)),
        // One thing is one object; an array would make every reader take its first element.
        Format::Json => many(Format::Jsonl, screen, vec![record]),
        _ => many(format, screen, vec![record]),
    }
}

/// A list of things that have the same properties as text.
pub(crate) fn many(format: Format, screen: Screen, records: Vec<Record>) -> Result<Vec<u8>, RenderError> {
    let Some(first) = records.first() else {
        // Only JSON has a way to say "none of them"; the others say it by being empty.
        return Ok(if format == Format::Json {
            b"[]\n".to_vec()
        } else {
            Vec::new()
        });
    };
    let columns: Vec<ArrayRef> = (0..first.len()).map(|index| array(&records, index)).collect();
    let fields: Vec<Field> = first
        .iter()
        .zip(&columns)
        .map(|((name, _), column)| Field::new(*name, column.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let Some(mut renderer) = format.renderer(&Header::of(&schema, NOTHING), screen) else {
        let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &schema)?;
        writer.write(&batch)?;
        return Ok(writer.into_inner()?);
    };
    let columns: Vec<Column> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| Column::bind(field, array.as_ref()))
        .collect::<Result<_, _>>()?;
    // A list is bounded by the service's own limits and stays below the sink's spill.
    let mut sink = Sink::new(Box::new(std::io::sink()));
    renderer.rows(&columns, batch.num_rows(), &mut sink)?;
    renderer.finish(&mut sink)?;
    Ok(std::mem::take(sink.buffer()))
}

/// The values of one property as a column of the first kind that occurs.
fn array(records: &[Record], index: usize) -> ArrayRef {
    let values = || {
        records
            .iter()
            .map(|record| record.get(index).map_or(&Value::Nothing, |(_, value)| value))
    };
    match values().find(|value| **value != Value::Nothing) {
        Some(Value::Number(_)) => Arc::new(
            values()
                .map(|value| {
                    if let Value::Number(number) = value {
                        Some(*number)
                    } else {
                        None
                    }
                })
                .collect::<Int64Array>(),
        ),
        Some(Value::Text(_) | Value::Nothing) | None => Arc::new(
            values()
                .map(|value| {
                    if let Value::Text(text) = value {
                        Some(text.as_str())
                    } else {
                        None
                    }
                })
                .collect::<StringArray>(),
        ),
    }
}

fn lines(record: &Record) -> Vec<u8> {
    let widest = record.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in record {
        // Underscores serve programs; people read words.
        let name = name.replace('_', " ");
        out.push_str(&name);
        out.extend(std::iter::repeat_n(' ', widest + 2 - name.len()));
        out.push_str(&value.shown());
        out.push('\n');
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Screen = Screen {
        terminal: false,
        columns: None,
        color: false,
    };

    fn record() -> Record {
        vec![
            ("name", Value::text("de\u{1b}fault")),
            ("session_count", Value::Number(2)),
            ("user", Value::text("")),
        ]
    }

    fn check(text: Result<Vec<u8>, RenderError>, expected: &str) {
        assert_eq!(String::from_utf8(text.unwrap()).unwrap(), expected);
    }

    #[test]
    fn one_thing() {
        check(
            one(Format::Table, SCREEN, record()),
            "name           de\\u{1b}fault\nsession count  2\nuser           -\n",
        );
        check(
            one(Format::Json, SCREEN, record()),
            "{\"name\":\"de\\u001bfault\",\"session_count\":2,\"user\":null}\n",
        );
    }

    #[test]
    fn many_things() {
        check(many(Format::Json, SCREEN, Vec::new()), "[]\n");
        check(many(Format::Csv, SCREEN, Vec::new()), "");
        check(
            many(Format::Csv, SCREEN, vec![record()]),
            "name,session_count,user\nde\u{1b}fault,2,\n",
        );
    }
}
