//! What verbs other than `query` print: one thing with its properties, or a list of things.
//!
//! People and programs are shown the same properties, but not the same values: people get a moment in their
//! own zone or as an age, programs get it whole and in UTC; people are spared what is not there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{Field, Schema};
use prost_types::Timestamp;

use super::cell::write_visible;
use super::clock::{Clock, measured};
use super::column::FORMAT_KEY;
use super::parquet::Parquet;
use super::result::bound;
use super::sink::Sink;
use super::temporal::{Offset, write_timestamp};
use super::{Format, Header, RenderError, WHOLE_KEY};
use crate::config::Screen;

/// How a property that is not set is shown to people.
const NOTHING: &str = "-";

/// A property's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    /// A text that is of no use when it is cut: what names the thing in other commands, or a short word.
    Whole(String),
    Number(i64),
    Flag(bool),
    /// A moment.
    Time(Timestamp),
    /// A duration, in whole milliseconds for programs; the property's name ends in `_ms`.
    Duration(Duration),
    /// Several things: a line each for people, a document for programs.
    Several {
        lines: Vec<String>,
        document: serde_json::Value,
    },
    /// A JSON document for programs, as it is; nothing that people are shown.
    Document(String),
    /// Not known or not set.
    Nothing,
    /// Nothing, and people need not be told.
    Absent,
}

/// A thing: its properties by name, in the order in which they are shown.
pub(crate) type Record = Vec<(&'static str, Value)>;

/// For whom things are written, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page {
    pub(crate) format: Format,
    pub(crate) screen: Screen,
    pub(crate) clock: Clock,
}

/// How much of a value there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// A line of its own.
    Line,
    /// A cell of a table.
    Cell,
}

impl Value {
    /// A text, or nothing if it is empty: how the service says "not set".
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::or(text, Value::Nothing)
    }

    /// A text, or nothing worth a word if it is empty.
    pub(crate) fn text_if_any(text: impl Into<String>) -> Self {
        Self::or(text, Value::Absent)
    }

    /// A moment, or nothing worth a word.
    pub(crate) fn time_if_any(moment: Option<Timestamp>) -> Self {
        moment.map_or(Value::Absent, Value::Time)
    }

    fn or(text: impl Into<String>, otherwise: Value) -> Self {
        let text = text.into();
        if text.is_empty() {
            otherwise
        } else {
            Value::Text(text)
        }
    }

    /// The lines that people are shown; none for what they need not be told.
    fn shown(&self, clock: Clock, room: Room) -> Vec<String> {
        let text = match self {
            Value::Text(text) | Value::Whole(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Flag(true) => "yes".to_owned(),
            Value::Flag(false) => "no".to_owned(),
            Value::Time(moment) if room == Room::Cell => clock.age(moment),
            Value::Time(moment) => format!("{} ({})", clock.local(moment), clock.relative(moment)),
            Value::Duration(duration) => measured(*duration),
            Value::Several { lines, .. } if room == Room::Cell => lines.join(", "),
            Value::Several { lines, .. } => return lines.iter().map(|line| visible(line)).collect(),
            Value::Nothing => NOTHING.to_owned(),
            Value::Document(_) | Value::Absent => return Vec::new(),
        };
        vec![visible(&text)]
    }
}

/// One thing as text: a line for each property, an object, or a table of one row.
pub(crate) fn one(page: Page, record: Record) -> Result<Vec<u8>, RenderError> {
    match page.format {
        Format::Table => Ok(lines(&record, page.clock)),
        // One thing is one object; an array would make every reader take its first element.
        Format::Json => many(
            Page {
                format: Format::Jsonl,
                ..page
            },
            vec![record],
        ),
        _ => many(page, vec![record]),
    }
}

/// A list of things that have the same properties as text.
pub(crate) fn many(page: Page, records: Vec<Record>) -> Result<Vec<u8>, RenderError> {
    let format = page.format;
    let Some(first) = records.first() else {
        // Only JSON has a way to say "none of them"; the others say it by being empty.
        return Ok(if format == Format::Json {
            b"[]\n".to_vec()
        } else {
            Vec::new()
        });
    };
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = first
        .iter()
        .enumerate()
        .map(|(index, (name, _))| {
            let values: Vec<&Value> = records
                .iter()
                .map(|record| record.get(index).map_or(&Value::Nothing, |(_, value)| value))
                .collect();
            column(name, &values, page)
        })
        .unzip();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
    let Some(mut renderer) = format.renderer(&Header::of(&schema, NOTHING), page.screen) else {
        return binary(format, &batch);
    };
    let columns = bound(&schema, &batch)?;
    let mut sink = Sink::holding();
    renderer.rows(&columns, batch.num_rows(), &mut sink)?;
    renderer.finish(&mut sink)?;
    Ok(std::mem::take(sink.buffer()))
}

fn binary(format: Format, batch: &RecordBatch) -> Result<Vec<u8>, RenderError> {
    if format == Format::Parquet {
        let mut writer = Parquet::new(&batch.schema(), Sink::holding())?;
        writer.write(batch)?;
        let mut sink = writer.finish()?;
        return Ok(std::mem::take(sink.buffer()));
    }
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batch.schema())?;
    writer.write(batch)?;
    Ok(writer.into_inner()?)
}

/// The values of one property as a column.
fn column(name: &str, values: &[&Value], page: Page) -> (Field, ArrayRef) {
    let numbers = || -> ArrayRef {
        let number = |value: &&Value| match value {
            Value::Number(number) => Some(*number),
            Value::Duration(duration) => i64::try_from(duration.as_millis()).ok(),
            _ => None,
        };
        Arc::new(values.iter().map(number).collect::<Int64Array>())
    };
    let texts = |text: &dyn Fn(&Value) -> Option<String>| -> ArrayRef {
        Arc::new(values.iter().map(|value| text(value)).collect::<StringArray>())
    };
    let kind = values
        .iter()
        .find(|value| !matches!(value, Value::Nothing | Value::Absent));
    let is_number = matches!(kind, Some(Value::Number(_)));
    let (array, is_document): (ArrayRef, bool) = if page.format.is_for_people() {
        let shown = |value: &Value| {
            let shown = value.shown(page.clock, Room::Cell).join(", ");
            (!matches!(value, Value::Nothing | Value::Absent)).then_some(shown)
        };
        (if is_number { numbers() } else { texts(&shown) }, false)
    } else {
        match kind {
            Some(Value::Number(_) | Value::Duration(_)) => (numbers(), false),
            Some(Value::Flag(_)) => {
                let flag = |value: &&Value| match value {
                    Value::Flag(flag) => Some(*flag),
                    _ => None,
                };
                (Arc::new(values.iter().map(flag).collect::<BooleanArray>()), false)
            }
            Some(Value::Several { .. } | Value::Document(_)) => (texts(&whole), true),
            Some(Value::Text(_) | Value::Whole(_) | Value::Time(_) | Value::Nothing | Value::Absent)
            | None => (texts(&whole), false),
        }
    };
    let name = if page.format.is_for_people() {
        heading(name)
    } else {
        name.to_owned()
    };
    let note = match kind {
        _ if is_document => Some((FORMAT_KEY, "json")),
        Some(Value::Whole(_) | Value::Time(_) | Value::Duration(_)) => Some((WHOLE_KEY, "true")),
        _ => None,
    };
    let metadata: HashMap<String, String> = note
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    let field = Field::new(name, array.data_type().clone(), true).with_metadata(metadata);
    (field, array)
}

/// A value's text for programs.
fn whole(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) | Value::Whole(text) => Some(text.clone()),
        Value::Time(moment) => Some(utc(moment)),
        Value::Several { document, .. } => Some(document.to_string()),
        Value::Document(json) => Some(json.clone()),
        Value::Number(_) | Value::Flag(_) | Value::Duration(_) | Value::Nothing | Value::Absent => None,
    }
}

/// A moment in UTC, to the nanosecond where there is one.
pub(crate) fn utc(moment: &Timestamp) -> String {
    let nanos = moment.seconds.saturating_mul(1_000_000_000) + i64::from(moment.nanos);
    let mut out = Vec::new();
    write_timestamp(nanos, 1_000_000_000, Offset::Utc, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

fn lines(record: &Record, clock: Clock) -> Vec<u8> {
    let shown: Vec<(String, Vec<String>)> = record
        .iter()
        .map(|(name, value)| (heading(name), value.shown(clock, Room::Line)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    let widest = shown.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, lines) in &shown {
        // Only the first of several lines is named; the others stand below it.
        for (name, line) in std::iter::once(name.as_str())
            .chain(std::iter::repeat(""))
            .zip(lines)
        {
            out.push_str(name);
            out.extend(std::iter::repeat_n(' ', widest + 2 - name.len()));
            out.push_str(line);
            out.push('\n');
        }
    }
    out.into_bytes()
}

/// A property's name for people: underscores and units serve programs.
fn heading(name: &str) -> String {
    name.strip_suffix("_ms").unwrap_or(name).replace('_', " ")
}

fn visible(text: &str) -> String {
    let mut visible = String::new();
    write_visible(text, &mut visible);
    visible
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn page(format: Format) -> Page {
        Page {
            format,
            screen: Screen {
                terminal: false,
                columns: None,
                color: false,
            },
            clock: Clock::stopped(NOW, 60),
        }
    }

    fn record() -> Record {
        vec![
            ("name", Value::text("de\u{1b}fault")),
            ("session_count", Value::Number(2)),
            ("user", Value::text("")),
            ("open", Value::Flag(true)),
            (
                "last_used",
                Value::Time(Timestamp {
                    seconds: NOW as i64 - 181,
                    nanos: 5,
                }),
            ),
            ("elapsed_ms", Value::Duration(Duration::from_millis(63_004))),
            (
                "objects",
                Value::Several {
                    lines: vec!["TABLE A".to_owned(), "STAGE \"b\"".to_owned()],
                    document: serde_json::json!(["TABLE A", "STAGE \"b\""]),
                },
            ),
            ("why", Value::text_if_any("")),
        ]
    }

    fn check(text: Result<Vec<u8>, RenderError>, expected: &str) {
        assert_eq!(String::from_utf8(text.unwrap()).unwrap(), expected);
    }

    #[test]
    fn one_thing_for_people() {
        check(
            one(page(Format::Table), record()),
            "name           de\\u{1b}fault\n\
             session count  2\n\
             user           -\n\
             open           yes\n\
             last used      2023-11-14T23:10:19+01:00 (3m ago)\n\
             elapsed        1m 3s\n\
             objects        TABLE A\n               \
             STAGE \"b\"\n",
        );
    }

    #[test]
    fn one_thing_for_programs() {
        check(
            one(page(Format::Json), record()),
            "{\"name\":\"de\\u001bfault\",\"session_count\":2,\"user\":null,\"open\":true,\
             \"last_used\":\"2023-11-14T22:10:19.000000005Z\",\"elapsed_ms\":63004,\
             \"objects\":[\"TABLE A\",\"STAGE \\\"b\\\"\"],\"why\":null}\n",
        );
    }

    #[test]
    fn many_things() {
        check(many(page(Format::Json), Vec::new()), "[]\n");
        check(many(page(Format::Csv), Vec::new()), "");
        check(
            many(page(Format::Csv), vec![record()]),
            "name,session_count,user,open,last_used,elapsed_ms,objects,why\n\
             de\u{1b}fault,2,,true,2023-11-14T22:10:19.000000005Z,63004,\"[\"\"TABLE A\"\",\"\"STAGE \\\"\"b\\\"\"\"\"]\",\n",
        );
    }

    #[test]
    fn an_id_is_never_cut() {
        let mut narrow = page(Format::Table);
        narrow.screen.columns = Some(30);
        let thing = vec![
            ("id", Value::Whole("0123456789abcdef".to_owned())),
            ("sql", Value::text("select 1 from a_table_with_a_name")),
        ];
        check(
            many(narrow, vec![thing]),
            "id               | sql\n\
             -----------------+------------\n\
             0123456789abcdef | select 1 f…\n",
        );
    }

    #[test]
    fn a_list_for_people_aligns_numbers_and_shows_ages() {
        let thing = |name: &str, count, ago| {
            vec![
                ("name", Value::text(name)),
                ("row_count", Value::Number(count)),
                (
                    "last_used",
                    Value::Time(Timestamp {
                        seconds: NOW as i64 - ago,
                        nanos: 0,
                    }),
                ),
                ("note", Value::text_if_any("")),
            ]
        };
        check(
            many(
                page(Format::Table),
                vec![thing("a", 5, 7_300), thing("bcd", 1_200, 4)],
            ),
            "name | row count | last used | note\n\
             -----+-----------+-----------+-----\n\
             a    |         5 | 2h        | -\n\
             bcd  |      1200 | 4s        | -\n",
        );
    }
}
