//! Records and fields, as Snowflake cuts them.

use super::*;
use crate::stages::FileKind;

/// Records as `a|b`, NULL as `~`, faults as their code.
fn read(text: &[u8], settings: &[(&str, &str)]) -> Vec<String> {
    let mut format = FileFormat::new(FileKind::Csv);
    for (name, value) in settings {
        format.set(name, vec![(*value).to_owned()]).unwrap();
    }
    let input: Box<dyn Read + Send> = Box::new(io::Cursor::new(text.to_vec()));
    let mut reader = CsvReader::new(input, CsvOptions::of(&format)).unwrap();
    let mut records = Vec::new();
    while let Some(next) = reader.next().unwrap() {
        records.push(match next {
            Ok(_) => {
                let fields = (0..reader.len()).map(|at| reader.field(at).unwrap_or("~").to_owned());
                fields.collect::<Vec<_>>().join("|")
            }
            Err(fault) => format!("{} at {}", fault.code, fault.character),
        });
    }
    records
}

const QUOTED: (&str, &str) = ("FIELD_OPTIONALLY_ENCLOSED_BY", "\"");

#[test]
fn fields_are_cut() {
    assert_eq!(read(b"a,b\n1,,3\r\nx", &[]), ["a|b", "1|~|3", "x"]);
    assert_eq!(read(b"", &[]), [""; 0]);
    assert_eq!(read(b"a\n\nb\n", &[]), ["a", "~", "b"]);
    assert_eq!(read(b"a\n\nb\n", &[("SKIP_BLANK_LINES", "TRUE")]), ["a", "b"]);
    assert_eq!(read(b"h\na\n", &[("SKIP_HEADER", "1")]), ["a"]);
    assert_eq!(read(b"\xef\xbb\xbfa\n", &[]), ["a"]);
    assert_eq!(
        read(
            b"a||b;c||d;",
            &[("FIELD_DELIMITER", "||"), ("RECORD_DELIMITER", ";")]
        ),
        ["a|b", "c|d"]
    );
    assert_eq!(read(b"\"a\",b", &[]), ["\"a\"|b"]);
}

#[test]
fn quotes_enclose() {
    assert_eq!(
        read(b"\"a,\"\"b\nc\",d\n\"\",\n", &[QUOTED]),
        ["a,\"b\nc|d", "|~"]
    );
    assert_eq!(
        read(b"\"a\\\"b\",\"c\\n\"\n", &[QUOTED, ("ESCAPE", "\\")]),
        ["a\"b|c\n"]
    );
    assert_eq!(read(b" \"a\" , b \n", &[QUOTED, ("TRIM_SPACE", "TRUE")]), ["a|b"]);
    assert_eq!(read(b"\"a\"b,c\nd,e\n", &[QUOTED]), ["100016 at 4", "d|e"]);
    assert_eq!(read(b"a\n\"b\nc", &[QUOTED]), ["a", "100067 at 1"]);
}

#[test]
fn nulls_and_escapes() {
    assert_eq!(read(b"\\N,a\\,b,\\\\\n", &[]), ["~|a,b|\\"]);
    assert_eq!(read(b"a\\b\n", &[("ESCAPE_UNENCLOSED_FIELD", "NONE")]), ["a\\b"]);
    assert_eq!(
        read(b"NULL,\"NULL\",\n", &[QUOTED, ("NULL_IF", "NULL")]),
        ["~|~|~"]
    );
    assert_eq!(
        read(b",\"\"\n", &[QUOTED, ("EMPTY_FIELD_AS_NULL", "FALSE")]),
        ["|"]
    );
}

#[test]
fn text_must_be_text() {
    assert_eq!(read(b"a\xff\nb\n", &[]), ["100144 at 1", "b"]);
    assert_eq!(
        read(b"a\xff\n", &[("REPLACE_INVALID_CHARACTERS", "TRUE")]),
        ["a\u{fffd}"]
    );
}

#[test]
fn places_are_told_and_long_files_are_read() {
    let row = format!("{},\"x\ny\"\n", "v".repeat(100));
    let text = row.repeat(5000);
    let mut format = FileFormat::new(FileKind::Csv);
    format.set(QUOTED.0, vec![QUOTED.1.to_owned()]).unwrap();
    let input: Box<dyn Read + Send> = Box::new(io::Cursor::new(text.clone().into_bytes()));
    let mut reader = CsvReader::new(input, CsvOptions::of(&format)).unwrap();
    let mut count = 0;
    while let Some(next) = reader.next().unwrap() {
        let place = next.unwrap();
        assert_eq!(
            (place.number, place.line, place.byte),
            (count + 1, count * 2 + 1, count * row.len() as u64)
        );
        assert_eq!((reader.field(1), reader.character(1)), (Some("x\ny"), 102));
        count += 1;
    }
    assert_eq!(count, 5000);
}

#[test]
fn the_first_record_may_hold_names() {
    let mut format = FileFormat::new(FileKind::Csv);
    format.set("PARSE_HEADER", vec!["TRUE".to_owned()]).unwrap();
    let input: Box<dyn Read + Send> = Box::new(io::Cursor::new(b"a,B c\n1,2\n".to_vec()));
    let mut reader = CsvReader::new(input, CsvOptions::of(&format)).unwrap();
    assert_eq!(
        reader.names(),
        Some(["a".to_owned(), "B c".to_owned()].as_slice())
    );
    assert_eq!(reader.next().unwrap().unwrap().unwrap().number, 1);
}

#[test]
fn more_lines_may_be_skipped_than_there_are() {
    let mut format = FileFormat::new(FileKind::Csv);
    format.set("SKIP_HEADER", vec![u32::MAX.to_string()]).unwrap();
    let input = std::io::Cursor::new(b"a,b\n1,2\n".to_vec());
    let mut reader = CsvReader::new(Box::new(input), CsvOptions::of(&format)).unwrap();
    assert!(reader.next().unwrap().is_none());
}
