//! Formats of files, files in them, and the names of files in stages.

use std::io::Cursor;

use snowflake_emulator::front::Location;
use snowflake_emulator::stages::csv::{CsvOptions, CsvReader};
use snowflake_emulator::stages::json::JsonReader;
use snowflake_emulator::stages::{FileFormat, FileKind, Key, decode};

use crate::mutate::{corpus, fuzz};
use crate::text;

#[test]
fn file_formats() {
    let [json, lines] = corpus("file_format").try_into().unwrap();
    FileFormat::from_json(&text(&json)).unwrap();
    let mut format = FileFormat::new(FileKind::Csv);
    for (name, value) in text(&lines).lines().filter_map(|line| line.split_once('=')) {
        format
            .set(name, value.split(',').map(str::to_owned).collect())
            .unwrap();
    }
    fuzz(
        "file_format",
        &["\"TYPE\"", "FIELD_DELIMITER", "NONE", "\\x", "\\u", "AUTO"],
        |bytes| {
            let all = text(bytes);
            let _ = FileFormat::from_json(&all);
            for kind in [FileKind::Csv, FileKind::Json, FileKind::Parquet] {
                let mut format = FileFormat::new(kind);
                for (name, value) in all.lines().filter_map(|line| line.split_once('=')) {
                    let _ = format.set(name, value.split(',').map(str::to_owned).collect());
                }
                let _ = (format.described(), CsvOptions::of(&format));
                assert!(
                    FileFormat::from_json(&format.to_json()).is_ok(),
                    "it does not read what it wrote"
                );
            }
        },
    );
}

/// Splits an input into the options of its first line and a file.
fn options_and_file(bytes: &[u8]) -> (String, Vec<u8>) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let options = text(parts.next().unwrap_or_default());
    (options, parts.next().unwrap_or_default().to_vec())
}

/// Sets what can be set of `NAME=VALUE;NAME=VALUE`; tells how many cannot.
fn set_options(format: &mut FileFormat, options: &str) -> usize {
    let options = options.split(';').filter_map(|option| option.split_once('='));
    options
        .filter(|(name, value)| format.set(name, vec![(*value).to_owned()]).is_err())
        .count()
}

/// The good records of a CSV file.
fn csv_records(format: &FileFormat, file: &[u8]) -> usize {
    let input = Box::new(Cursor::new(file.to_vec()));
    let Ok(mut reader) = CsvReader::new(input, CsvOptions::of(format)) else {
        return 0;
    };
    let mut good = 0;
    // Each record takes at least a byte, but for the last one.
    for _ in 0..=file.len() + 1 {
        match reader.next() {
            Ok(Some(Ok(_))) => {
                good += 1;
                for field in 0..reader.len() {
                    let _ = reader.field(field).map(str::len);
                }
            }
            Ok(Some(Err(_))) => {}
            Ok(None) | Err(_) => break,
        }
    }
    assert!(!matches!(reader.next(), Ok(Some(_))), "it does not end");
    good
}

/// The documents of a JSON file.
fn json_documents(file: &[u8], strips: bool) -> usize {
    let Ok(mut reader) = JsonReader::new(Box::new(Cursor::new(file.to_vec())), strips) else {
        return 0;
    };
    let documents = (0..=file.len())
        .take_while(|_| matches!(reader.next(), Ok(Some(_))))
        .count();
    assert!(documents <= file.len(), "it does not end");
    documents
}

#[test]
fn csv_and_json_files() {
    let known = corpus("stage_file").into_iter().map(|seed| {
        let (options, file) = options_and_file(&seed);
        let mut format = FileFormat::new(FileKind::Csv);
        assert_eq!(set_options(&mut format, &options), 0, "{options}");
        (csv_records(&format, &file), json_documents(&file, false))
    });
    // Records and documents: of a CSV file, of a JSON file, of a CSV file with signs of its own.
    let known: Vec<_> = known.collect();
    assert_eq!((known[0].0, known[1].1, known[2].0), (2, 4, 2));
    fuzz(
        "stage_file",
        &["\"", "\"\"", ",", "\r\n", "\\", "\\N", "|"],
        |bytes| {
            let (options, file) = options_and_file(bytes);
            let mut format = FileFormat::new(FileKind::Csv);
            set_options(&mut format, &options);
            csv_records(&format, &file);
            for strips in [false, true] {
                json_documents(&file, strips);
            }
        },
    );
}

#[test]
fn stage_paths() {
    for seed in corpus("stage_path").iter().map(|seed| text(seed)) {
        assert!(Location::parse(seed.trim_end()).is_ok(), "{seed}");
    }
    fuzz(
        "stage_path",
        &["@", "@~", "@%t", "/", "..", "%2e", "\"", "."],
        |bytes| {
            let path = text(bytes);
            let _ = Location::parse(&path);
            let _ = decode(&path);
            if let Ok(key) = Key::new(&path) {
                assert!(
                    key.as_str()
                        .split('/')
                        .all(|part| !matches!(part, "" | "." | "..")),
                    "{path:?} leads out"
                );
            }
        },
    );
}
