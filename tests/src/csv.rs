//! Reading CSV as `sfctl` writes it: RFC 4180, NULL is an empty field, empty text is `""`.

/// A header and rows; NULL is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows of values.
    pub rows: Vec<Vec<Option<String>>>,
}

impl Table {
    /// Reads CSV text with a header.
    ///
    /// # Panics
    ///
    /// When a row has another number of fields than the header.
    pub fn parse(text: &str) -> Self {
        let mut records = records(text).into_iter();
        let header = records.next().unwrap_or_default();
        let columns: Vec<String> = header.into_iter().map(Option::unwrap_or_default).collect();
        let rows: Vec<_> = records.collect();
        for row in &rows {
            assert_eq!(row.len(), columns.len(), "row {row:?} under {columns:?}");
        }
        Self { columns, rows }
    }
}

fn records(text: &str) -> Vec<Vec<Option<String>>> {
    let mut records = Vec::new();
    let mut record = Vec::new();
    let mut field = String::new();
    let (mut quoted, mut was_quoted) = (false, false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' => {
                quoted = !quoted;
                was_quoted = true;
            }
            ',' if !quoted => record.push(finish(&mut field, &mut was_quoted)),
            '\r' if !quoted => {}
            '\n' if !quoted => {
                record.push(finish(&mut field, &mut was_quoted));
                records.push(std::mem::take(&mut record));
            }
            _ => field.push(character),
        }
    }
    if !record.is_empty() || !field.is_empty() || was_quoted {
        record.push(finish(&mut field, &mut was_quoted));
        records.push(record);
    }
    records
}

fn finish(field: &mut String, was_quoted: &mut bool) -> Option<String> {
    let field = std::mem::take(field);
    let was_quoted = std::mem::take(was_quoted);
    (was_quoted || !field.is_empty()).then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart() {
        let table = Table::parse("a,b\n1,\n\"\",\"x,\n\"\"y\"\n");
        assert_eq!(table.columns, ["a", "b"]);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            table.rows,
            [vec![some("1"), None], vec![some(""), some("x,\n\"y")]]
        );
    }

    #[test]
    fn an_empty_line_is_one_null() {
        assert_eq!(Table::parse("avg_yearly\n\n").rows, [vec![None]]);
    }
}
