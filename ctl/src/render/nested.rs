//! Lists, structures and maps, which every format shows as JSON.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType;

use super::column::Column;
use super::json;

/// A column of nested values.
#[derive(Debug)]
pub(super) enum Nested {
    List {
        offsets: OffsetBuffer<i32>,
        items: Box<Column>,
    },
    LargeList {
        offsets: OffsetBuffer<i64>,
        items: Box<Column>,
    },
    FixedList {
        length: usize,
        items: Box<Column>,
    },
    Structure(Vec<(String, Column)>),
    Map {
        offsets: OffsetBuffer<i32>,
        keys: Box<Column>,
        values: Box<Column>,
    },
}

impl Nested {
    /// Binds a nested column; `None` for a type without text.
    pub(super) fn bind(array: &dyn Array) -> Option<Self> {
        let inner = |array: &dyn Array| Column::bind_inner(array).map(Box::new);
        Some(match array.data_type() {
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Nested::List {
                    offsets: list.offsets().clone(),
                    items: inner(list.values())?,
                }
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                Nested::LargeList {
                    offsets: list.offsets().clone(),
                    items: inner(list.values())?,
                }
            }
            DataType::FixedSizeList(_, length) => {
                let list = array.as_fixed_size_list();
                Nested::FixedList {
                    length: usize::try_from(*length).ok()?,
                    items: inner(list.values())?,
                }
            }
            DataType::Struct(fields) => {
                let columns = array.as_struct().columns();
                let bound = fields.iter().zip(columns).map(|(field, column)| {
                    Some((field.name().clone(), Column::bind_inner(column.as_ref())?))
                });
                Nested::Structure(bound.collect::<Option<_>>()?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Nested::Map {
                    offsets: map.offsets().clone(),
                    keys: inner(map.keys().as_ref())?,
                    values: inner(map.values().as_ref())?,
                }
            }
            _ => return None,
        })
    }

    /// Appends the value of a row as JSON.
    pub(super) fn write_json(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Nested::List { offsets, items } => {
                write_list(items, offsets[row] as usize..offsets[row + 1] as usize, out);
            }
            Nested::LargeList { offsets, items } => {
                write_list(items, offsets[row] as usize..offsets[row + 1] as usize, out);
            }
            Nested::FixedList { length, items } => {
                write_list(items, row * length..(row + 1) * length, out);
            }
            Nested::Structure(fields) => {
                out.push(b'{');
                for (index, (name, column)) in fields.iter().enumerate() {
                    separate(index, out);
                    json::write_text(name, out);
                    out.push(b':');
                    column.write_json(row, out);
                }
                out.push(b'}');
            }
            Nested::Map {
                offsets,
                keys,
                values,
            } => {
                out.push(b'{');
                for (index, entry) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
                    separate(index, out);
                    let mut key = Vec::new();
                    keys.write_plain(entry, &mut key);
                    json::write_text(&String::from_utf8_lossy(&key), out);
                    out.push(b':');
                    values.write_json(entry, out);
                }
                out.push(b'}');
            }
        }
    }
}

fn write_list(items: &Column, range: std::ops::Range<usize>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, item) in range.enumerate() {
        separate(index, out);
        items.write_json(item, out);
    }
    out.push(b']');
}

fn separate(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}
