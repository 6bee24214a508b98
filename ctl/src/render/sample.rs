//! Some rows that are held: the samples of a write, and the little that its statement answers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use bytes::Bytes;

use super::column::Column;
use super::messages::Messages;
use super::result::bound;
use super::sink::Sink;
use super::{Format, Header, RenderError, WHOLE_KEY};
use crate::config::Screen;

/// Rows of a result, up to a limit.
pub(crate) struct Sample {
    messages: Messages,
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows_max: usize,
    /// True when there are more rows than are held.
    pub(crate) truncated: bool,
}

/// What two samples of one table say about a row: its texts before and after.
type Pair<'a> = (Option<&'a [Option<String>]>, Option<&'a [Option<String>]>);

/// What a write did to rows, as far as it matters for telling what became of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deeds {
    pub(crate) inserted: bool,
    pub(crate) updated: bool,
    pub(crate) deleted: bool,
}

impl Sample {
    /// Begins with the schema message.
    pub(crate) fn start(schema: Bytes, rows_max: usize) -> Result<Self, RenderError> {
        let mut messages = Messages::default();
        messages.take(schema)?;
        let schema = messages.schema().ok_or(RenderError::OutOfOrder)?;
        Ok(Self {
            messages,
            schema,
            batches: Vec::new(),
            rows_max,
            truncated: false,
        })
    }

    /// Takes the messages of a batch; rows past the limit are only noted.
    pub(crate) fn add(&mut self, message: Bytes) -> Result<(), RenderError> {
        for batch in self.messages.take(message)? {
            let room = self.rows_max - self.rows();
            self.truncated |= batch.num_rows() > room;
            if room > 0 && batch.num_rows() > 0 {
                self.batches.push(batch.slice(0, room.min(batch.num_rows())));
            }
        }
        Ok(())
    }

    /// Rows held.
    pub(crate) fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The rows as a JSON array of objects.
    pub(crate) fn json(&self) -> Result<String, RenderError> {
        let screen = Screen {
            terminal: false,
            columns: None,
            color: false,
        };
        let text = self.text(Format::Json, screen)?;
        Ok(String::from_utf8_lossy(text.trim_ascii_end()).into_owned())
    }

    /// The rows in a format of text.
    pub(crate) fn text(&self, format: Format, screen: Screen) -> Result<Vec<u8>, RenderError> {
        let mut out = Sink::holding();
        if let Some(mut renderer) = format.renderer(&Header::of(&self.schema, "NULL"), screen) {
            for batch in &self.batches {
                renderer.rows(&bound(&self.schema, batch)?, batch.num_rows(), &mut out)?;
            }
            renderer.finish(&mut out)?;
        }
        Ok(std::mem::take(out.buffer()))
    }

    /// What became of the rows of two samples of one table, a row a line, by the key that tells rows apart.
    /// `None` where the samples cannot be laid beside each other: other columns, no key, or not a key.
    pub(crate) fn compare(before: &Self, after: &Self, keys: &[String], deeds: Deeds) -> Option<Self> {
        let names: Vec<&str> = before.names().collect();
        if keys.is_empty() || names != after.names().collect::<Vec<_>>() {
            return None;
        }
        let keys: Vec<usize> = keys
            .iter()
            .map(|key| names.iter().position(|name| name == key))
            .collect::<Option<_>>()?;
        let (old, new) = (before.texts().ok()?, after.texts().ok()?);
        let pairs = pairs(&old, &new, &keys)?;
        // A row that one of the samples lacks may be in the part that was not sampled.
        let lacks = |sample: &Self, done: bool| done && !(sample.truncated && deeds.updated);
        let (gone, came) = (lacks(after, deeds.deleted), lacks(before, deeds.inserted));
        let only_updates = pairs.iter().all(|pair| matches!(pair, (Some(_), Some(_))));
        let shown: Vec<usize> = (0..names.len())
            .filter(|index| {
                let differs =
                    |(old, new): &Pair<'_>| old.map(|row| &row[*index]) != new.map(|row| &row[*index]);
                !only_updates || keys.contains(index) || pairs.iter().any(differs)
            })
            .collect();
        let what = pairs.iter().map(|pair| match pair {
            (Some(old), Some(new)) if old == new => "same",
            (Some(_), Some(_)) => "updated",
            (Some(_), None) if gone => "deleted",
            (Some(_), None) => "before",
            (None, _) if came => "inserted",
            (None, _) => "after",
        });
        let mut fields = vec![whole_field("change")];
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(what.map(Some).collect::<StringArray>())];
        for index in shown {
            let cells = pairs.iter().map(|pair| change(pair, index));
            arrays.push(Arc::new(cells.collect::<StringArray>()));
            fields.push(if keys.contains(&index) {
                whole_field(names[index])
            } else {
                Field::new(names[index], DataType::Utf8, true)
            });
        }
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).ok()?;
        Some(Self {
            messages: Messages::default(),
            schema,
            rows_max: batch.num_rows(),
            batches: vec![batch],
            truncated: before.truncated || after.truncated,
        })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.schema.fields().iter().map(|field| field.name().as_str())
    }

    /// Every value as text.
    fn texts(&self) -> Result<Vec<Vec<Option<String>>>, RenderError> {
        let mut rows = Vec::with_capacity(self.rows());
        for batch in &self.batches {
            let columns = bound(&self.schema, batch)?;
            for row in 0..batch.num_rows() {
                let text = |column: &Column| {
                    (!column.is_null(row)).then(|| {
                        let mut text = Vec::new();
                        column.write_plain(row, &mut text);
                        String::from_utf8_lossy(&text).into_owned()
                    })
                };
                rows.push(columns.iter().map(text).collect());
            }
        }
        Ok(rows)
    }
}

fn whole_field(name: &str) -> Field {
    let metadata = HashMap::from([(WHOLE_KEY.to_owned(), "true".to_owned())]);
    Field::new(name, DataType::Utf8, true).with_metadata(metadata)
}

/// Rows that have the same key, in the order of the first sample and then of the second; `None` if a key names
/// two rows of one sample.
fn pairs<'a>(
    old: &'a [Vec<Option<String>>],
    new: &'a [Vec<Option<String>>],
    keys: &[usize],
) -> Option<Vec<Pair<'a>>> {
    let key = |row: &'a [Option<String>]| -> Vec<Option<&'a str>> {
        keys.iter().map(|index| row[*index].as_deref()).collect()
    };
    let mut by_key: BTreeMap<Vec<Option<&str>>, usize> = BTreeMap::new();
    let mut pairs: Vec<Pair<'a>> = Vec::with_capacity(old.len() + new.len());
    for row in old {
        if by_key.insert(key(row), pairs.len()).is_some() {
            return None;
        }
        pairs.push((Some(row), None));
    }
    let common = pairs.len();
    for row in new {
        match by_key.get(&key(row)) {
            Some(&index) if index < common && pairs[index].1.is_none() => pairs[index].1 = Some(row),
            Some(_) => return None,
            None => {
                by_key.insert(key(row), pairs.len());
                pairs.push((None, Some(row)));
            }
        }
    }
    Some(pairs)
}

/// A value, or what it was and what it is.
fn change((old, new): &Pair<'_>, index: usize) -> Option<String> {
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "NULL".to_owned());
    match (old, new) {
        (Some(old), Some(new)) if old[index] != new[index] => {
            Some(format!("{} → {}", shown(&old[index]), shown(&new[index])))
        }
        (Some(row), _) | (None, Some(row)) => row[index].clone(),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Int64Array;
    use arrow_ipc::writer::StreamWriter;

    use super::*;

    const ALL: Deeds = Deeds {
        inserted: true,
        updated: true,
        deleted: true,
    };

    const PIPE: Screen = Screen {
        terminal: false,
        columns: None,
        color: false,
    };

    fn sample(rows: &[(i64, Option<&str>, i64)], rows_max: usize) -> Sample {
        let batch = RecordBatch::try_from_iter([
            (
                "ID",
                Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()) as ArrayRef,
            ),
            (
                "NAME",
                Arc::new(rows.iter().map(|row| row.1).collect::<StringArray>()),
            ),
            (
                "N",
                Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>()),
            ),
        ])
        .unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        let mut sample = Sample::start(Bytes::from(std::mem::take(writer.get_mut())), rows_max).unwrap();
        writer.write(&batch).unwrap();
        sample.add(Bytes::from(std::mem::take(writer.get_mut()))).unwrap();
        sample
    }

    #[track_caller]
    fn check(before: &Sample, after: &Sample, deeds: Deeds, expected: &str) {
        let compared = Sample::compare(before, after, &["ID".to_owned()], deeds).unwrap();
        let shown = String::from_utf8(compared.text(Format::Table, PIPE).unwrap()).unwrap();
        assert_eq!(shown, expected, "\n{shown}");
    }

    #[test]
    fn updates_show_the_key_and_what_changed() {
        check(
            &sample(&[(1, Some("a"), 5), (2, None, 5)], 9),
            &sample(&[(2, Some("b"), 5), (1, None, 5)], 9),
            ALL,
            "change  | ID | NAME\n--------+----+---------\nupdated | 1  | a → NULL\nupdated | 2  | NULL → b\n",
        );
    }

    #[test]
    fn rows_that_come_and_go_are_whole() {
        check(
            &sample(&[(1, Some("a"), 5), (2, Some("b"), 6), (4, None, 8)], 9),
            &sample(&[(2, Some("b"), 7), (3, Some("c"), 8), (4, None, 8)], 9),
            ALL,
            "change   | ID | NAME | N\n---------+----+------+------\ndeleted  | 1  | a    | 5\n\
             updated  | 2  | b    | 6 → 7\nsame     | 4  | NULL | 8\ninserted | 3  | c    | 8\n",
        );
    }

    #[test]
    fn a_row_that_a_cut_sample_lacks_is_not_called_deleted() {
        let (before, after) = (
            sample(&[(1, Some("a"), 5)], 9),
            sample(&[(2, None, 5), (3, None, 5)], 1),
        );
        assert!(after.truncated);
        check(
            &before,
            &after,
            ALL,
            "change   | ID | NAME | N\n---------+----+------+--\nbefore   | 1  | a    | 5\ninserted | 2  | NULL | 5\n",
        );
        let only_updates = Deeds {
            inserted: false,
            deleted: false,
            ..ALL
        };
        check(
            &before,
            &after,
            only_updates,
            "change | ID | NAME | N\n-------+----+------+--\nbefore | 1  | a    | 5\nafter  | 2  | NULL | 5\n",
        );
    }

    #[test]
    fn what_is_no_key_compares_nothing() {
        let twice = sample(&[(1, Some("a"), 5), (1, Some("b"), 6)], 9);
        let once = sample(&[(1, Some("a"), 5)], 9);
        let compare = |before, after, key: &str| Sample::compare(before, after, &[key.to_owned()], ALL);
        assert!(compare(&twice, &once, "ID").is_none());
        assert!(compare(&once, &twice, "ID").is_none());
        assert!(compare(&once, &once, "MISSING").is_none());
        assert!(Sample::compare(&once, &once, &[], ALL).is_none());
    }

    #[test]
    fn rows_are_held_up_to_the_limit() {
        let held = sample(&[(1, Some("a"), 5), (2, None, 6)], 1);
        assert_eq!((held.rows(), held.truncated), (1, true));
        assert_eq!(held.json().unwrap(), "[\n{\"ID\":1,\"NAME\":\"a\",\"N\":5}\n]");
        assert_eq!(sample(&[], 1).json().unwrap(), "[]");
    }
}
