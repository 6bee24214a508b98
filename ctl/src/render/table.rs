//! Tables for people, fitted to the screen.
//!
//! Rows are held until the end, so that a failed query prints nothing and every column is as wide as it
//! needs. A result past [`ROWS_HELD_MAX`] or [`BYTES_HELD_MAX`] is laid out by what is held and then streamed.
//!
//! On a screen that is too narrow, headers give way first, then long texts, cut with `…`. Numbers are never
//! cut, since a shortened number is a wrong number, nor are ids. When even that does not fit, each row becomes a block of
//! lines, a value a line.

use std::io;
use std::ops::Range;

use super::cell::{cut, width, write_visible};
use super::column::Column;
use super::sink::Sink;
use super::vertical::{self, Vertical};
use super::{Header, Renderer};

/// Most rows held before the widths are fixed.
const ROWS_HELD_MAX: usize = 10_000;

/// Most bytes of cell text held before the widths are fixed.
const BYTES_HELD_MAX: usize = 16 << 20;

/// Narrowest that a column of text is made, in columns of the screen.
const TEXT_WIDTH_MIN: usize = 8;

/// Narrowest that a header is cut to.
const HEADER_WIDTH_MIN: usize = 6;

/// Writes rows as a table.
pub(super) struct Table {
    header: Header,
    /// Width of the screen, if the table must fit one.
    screen: Option<usize>,
    color: bool,
    held: Held,
    stage: Stage,
}

/// Rows that wait for the layout.
#[derive(Default)]
struct Held {
    text: String,
    cells: Vec<Cell>,
    rows: usize,
}

/// A cell's place in the held text.
struct Cell {
    text: Range<usize>,
    width: usize,
    null: bool,
}

enum Stage {
    Holding,
    /// Widths are fixed and the header is written.
    Rows(Vec<usize>),
    /// Too wide for the screen.
    Blocks(Vertical),
}

impl Table {
    pub(super) fn new(header: &Header, screen: Option<usize>, color: bool) -> Self {
        let mut header = header.clone();
        for name in &mut header.names {
            let mut visible = String::new();
            write_visible(name, &mut visible);
            *name = visible;
        }
        Self {
            header,
            screen,
            color,
            held: Held::default(),
            stage: Stage::Holding,
        }
    }

    /// Fixes the layout by what is held and writes it.
    fn lay_out(&mut self, sink: &mut Sink) -> io::Result<()> {
        let names: Vec<usize> = self.header.names.iter().map(|name| width(name)).collect();
        let mut values = vec![1; names.len()];
        for row in self.held.cells.chunks_exact(names.len().max(1)) {
            for (widest, cell) in values.iter_mut().zip(row) {
                *widest = cell.width.max(*widest);
            }
        }
        self.stage = match fit(&names, &values, &self.header.whole, self.screen) {
            Some(widths) => {
                self.write_header(&widths, sink.buffer());
                Stage::Rows(widths)
            }
            None => Stage::Blocks(Vertical::new(&self.header)),
        };
        let held = std::mem::take(&mut self.held);
        self.write_rows(&held, sink)
    }

    fn write_header(&self, widths: &[usize], out: &mut Vec<u8>) {
        for (index, (name, &column)) in self.header.names.iter().zip(widths).enumerate() {
            separate(index, b" | ", out);
            if self.color {
                out.extend_from_slice(b"\x1b[1m");
            }
            let last = index + 1 == widths.len();
            write_cell(
                name,
                width(name),
                column,
                Align::of(self.header.numeric[index], last),
                true,
                out,
            );
            if self.color {
                out.extend_from_slice(b"\x1b[0m");
            }
        }
        out.push(b'\n');
        for (index, &column) in widths.iter().enumerate() {
            separate(index, b"-+-", out);
            out.resize(out.len() + column, b'-');
        }
        out.push(b'\n');
    }

    fn write_rows(&mut self, held: &Held, sink: &mut Sink) -> io::Result<()> {
        let columns = self.header.names.len().max(1);
        for row in held.cells.chunks_exact(columns) {
            match &mut self.stage {
                Stage::Holding => {}
                Stage::Rows(widths) => {
                    let out = sink.buffer();
                    for (index, (cell, &column)) in row.iter().zip(widths.iter()).enumerate() {
                        separate(index, b" | ", out);
                        let text = &held.text[cell.text.clone()];
                        let numeric = self.header.numeric[index];
                        let align = Align::of(numeric, index + 1 == columns);
                        let dim = self.color && cell.null;
                        if dim {
                            out.extend_from_slice(b"\x1b[2m");
                        }
                        let may_cut = self.screen.is_some() && !self.header.whole[index];
                        write_cell(text, cell.width, column, align, may_cut, out);
                        if dim {
                            out.extend_from_slice(b"\x1b[0m");
                        }
                    }
                    out.push(b'\n');
                }
                Stage::Blocks(blocks) => {
                    let values = row.iter().map(|cell| &held.text[cell.text.clone()]);
                    blocks.write_block(values, sink.buffer());
                }
            }
            sink.spill()?;
        }
        Ok(())
    }
}

impl Renderer for Table {
    fn rows(&mut self, columns: &[Column], rows: usize, sink: &mut Sink) -> io::Result<()> {
        let mut scratch = Vec::new();
        for row in 0..rows {
            self.held.take(columns, row, self.header.null, &mut scratch);
            let full = self.held.rows >= ROWS_HELD_MAX || self.held.text.len() >= BYTES_HELD_MAX;
            if full && matches!(self.stage, Stage::Holding) {
                self.lay_out(sink)?;
            }
        }
        if !matches!(self.stage, Stage::Holding) {
            let held = std::mem::take(&mut self.held);
            self.write_rows(&held, sink)?;
        }
        Ok(())
    }

    fn finish(&mut self, sink: &mut Sink) -> io::Result<()> {
        if matches!(self.stage, Stage::Holding) && !self.header.names.is_empty() {
            self.lay_out(sink)?;
        }
        Ok(())
    }
}

impl Held {
    fn take(&mut self, columns: &[Column], row: usize, shown_null: &str, scratch: &mut Vec<u8>) {
        for column in columns {
            let start = self.text.len();
            let null = column.is_null(row);
            if null {
                self.text.push_str(shown_null);
            } else {
                vertical::write_value(column, row, scratch, &mut self.text, write_visible);
            }
            let text = start..self.text.len();
            self.cells.push(Cell {
                width: width(&self.text[text.clone()]),
                text,
                null,
            });
        }
        self.rows += 1;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
    /// Left, without spaces after it: the end of a line.
    End,
}

impl Align {
    fn of(numeric: bool, last: bool) -> Self {
        match (numeric, last) {
            (true, _) => Align::Right,
            (false, true) => Align::End,
            (false, false) => Align::Left,
        }
    }
}

fn separate(index: usize, separator: &[u8], out: &mut Vec<u8>) {
    if index > 0 {
        out.extend_from_slice(separator);
    }
}

fn write_cell(text: &str, wide: usize, column: usize, align: Align, may_cut: bool, out: &mut Vec<u8>) {
    let (text, mark, used) = if wide > column && may_cut {
        let (text, used) = cut(text, column);
        (text, "…", used + 1)
    } else {
        (text, "", wide)
    };
    let space = column.saturating_sub(used);
    if align == Align::Right {
        out.resize(out.len() + space, b' ');
    }
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(mark.as_bytes());
    if align == Align::Left {
        out.resize(out.len() + space, b' ');
    }
}

/// Widths of the columns on the screen, `None` if they cannot be made to fit.
fn fit(names: &[usize], values: &[usize], whole: &[bool], screen: Option<usize>) -> Option<Vec<usize>> {
    let mut widths: Vec<usize> = names
        .iter()
        .zip(values)
        .map(|(name, value)| *name.max(value))
        .collect();
    let Some(screen) = screen else {
        return Some(widths);
    };
    let room = screen.saturating_sub(3 * widths.len().saturating_sub(1));
    // Headers give way first.
    let floors: Vec<usize> = names
        .iter()
        .zip(values)
        .map(|(name, value)| (*value).max((*name).min(HEADER_WIDTH_MIN)))
        .collect();
    shrink(&mut widths, &floors, room);
    // Then texts, the widest first.
    let floors: Vec<usize> = widths
        .iter()
        .zip(whole)
        .map(
            |(&width, whole)| {
                if *whole { width } else { width.min(TEXT_WIDTH_MIN) }
            },
        )
        .collect();
    shrink(&mut widths, &floors, room);
    (widths.iter().sum::<usize>() <= room).then_some(widths)
}

/// Lowers a common ceiling over the columns, none below its floor, until their sum is within the room.
fn shrink(widths: &mut [usize], floors: &[usize], room: usize) {
    let under = |ceiling: usize| -> Vec<usize> {
        widths
            .iter()
            .zip(floors)
            .map(|(&width, &floor)| width.min(ceiling.max(floor)))
            .collect()
    };
    let total = |ceiling: usize| under(ceiling).iter().sum::<usize>();
    let widest = widths.iter().copied().max().unwrap_or(0);
    // The largest ceiling that fits, else none at all: the floors are all that can be had.
    let (mut low, mut high) = (0, widest);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if total(middle) <= room {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let shrunk = under(low);
    widths.copy_from_slice(&shrunk);
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn columns_fit_the_screen() {
        let check =
            |names: &[usize], values: &[usize], whole: &[bool], screen, expected: Option<&[usize]>| {
                assert_eq!(fit(names, values, whole, screen).as_deref(), expected);
            };
        check(&[5, 5], &[9, 2], &[false, true], None, Some(&[9, 5]));
        check(&[5, 5], &[9, 2], &[false, true], Some(80), Some(&[9, 5]));
        // A header is cut before a value.
        check(&[20, 5], &[9, 2], &[false, true], Some(20), Some(&[12, 5]));
        // The widest text is cut, a short one and a number are not.
        check(
            &[2, 2, 2],
            &[90, 10, 12],
            &[false, false, true],
            Some(60),
            Some(&[32, 10, 12]),
        );
        // Numbers alone do not fit.
        check(&[2, 2], &[20, 20], &[true, true], Some(40), None);
        check(&[], &[], &[], Some(10), Some(&[]));
    }
}
