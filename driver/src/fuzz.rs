//! Parts of results are decoded or refused, whatever they are; `fuzz/mutate.rs` feeds the targets.

#[path = "../../fuzz/mutate.rs"]
mod mutate;

use bytes::Bytes;
use mutate::fuzz;
use snowflake_session_gateway::ColumnType;

use crate::decode::{Part, Plan, UNEXPECTED, decode_first, decode_next};

/// Columns written as `type,precision,scale,name` with semicolons between them.
fn columns(text: &str) -> Vec<ColumnType> {
    let column = |written: &str| {
        let mut parts = written.split(',');
        let kind = parts.next().unwrap_or_default().to_owned();
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        let (precision, scale) = (number(), number());
        ColumnType {
            kind,
            precision,
            scale,
            nullable: true,
            name: parts.next().unwrap_or_default().to_owned(),
            vector_dimension: precision,
            ..ColumnType::default()
        }
    };
    text.split(';').take(64).map(column).collect()
}

/// Splits an input at its first line end into columns and rows.
fn split(bytes: &[u8]) -> (Plan, Bytes) {
    let at = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let rows = bytes.get(at + 1..).unwrap_or_default();
    (
        Plan::new(&columns(&String::from_utf8_lossy(&bytes[..at]))),
        Bytes::copy_from_slice(rows),
    )
}

/// Decodes a part as the first one and as a further one; both give what the plan says. Answers how many rows came of it.
fn decode(bytes: &[u8], first: fn(Bytes) -> Part, next: fn(Bytes) -> Part) -> usize {
    let (mut plan, rows) = split(bytes);
    let mut count = 0;
    let parts = [
        decode_first(&mut plan, &first(rows.clone())),
        decode_next(&plan, next(rows)),
    ];
    for part in parts {
        match part {
            Ok(batches) => {
                for batch in batches {
                    assert_eq!(batch.schema(), plan.schema());
                    count += batch.num_rows();
                }
            }
            // A panic that was caught is one all the same.
            Err(error) => assert!(!format!("{error:?} {error}").contains(UNEXPECTED), "{error:?}"),
        }
    }
    count
}

#[test]
fn json_rows() {
    let words = [
        "fixed,38,0",
        "timestamp_tz,0,9",
        "vector,3",
        "variant",
        "decfloat",
        "[[",
        "]]",
        "null",
        "\"\\u00e4\"",
        ",",
        "\"1e5\"",
    ];
    fuzz("json_rows", &words, |bytes| {
        let _ = decode(bytes, Part::InlineJson, Part::JsonChunk);
    });
}

#[test]
fn arrow_streams() {
    fuzz(
        "arrow_stream",
        &["fixed,38,2", "timestamp_ntz,0,9", "ARROW"],
        |bytes| {
            let _ = decode(bytes, Part::ArrowChunk, Part::InlineArrow);
        },
    );
}

#[test]
fn no_single_bit_breaks_an_arrow_stream() {
    let stream = include_bytes!("../../fuzz/corpus/arrow_stream/types");
    let rows = stream
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("columns end")
        + 1;
    for at in rows..stream.len() {
        for bit in [0, 3, 6] {
            let mut damaged = stream.to_vec();
            damaged[at] ^= 1 << bit;
            let _ = decode(&damaged, Part::ArrowChunk, Part::ArrowChunk);
        }
    }
}

/// Each of these made Arrow's reader panic, before its stream was looked at.
#[test]
fn what_leads_out_of_a_stream_is_refused_before_it_is_read() {
    for (stream, why) in [
        (
            &include_bytes!("../../fuzz/corpus/arrow_stream/buffer_outside")[..],
            "leads out of it",
        ),
        (
            &include_bytes!("../../fuzz/corpus/arrow_stream/buffer_negative")[..],
            "leads out of it",
        ),
        (
            &include_bytes!("../../fuzz/corpus/arrow_stream/buffer_place")[..],
            "leads out of it",
        ),
        (
            &include_bytes!("../../fuzz/corpus/arrow_stream/offsets_cut")[..],
            "offsets are cut",
        ),
        (
            &include_bytes!("../../fuzz/corpus/arrow_stream/union_column")[..],
            "that no result has",
        ),
    ] {
        let (plan, rows) = split(stream);
        let refused = decode_next(&plan, Part::ArrowChunk(rows)).unwrap_err();
        assert!(format!("{refused:?}").contains(why), "{refused:?}");
    }
}

/// What is mutated is good before: else the targets would show nothing.
#[test]
fn what_is_mutated_is_decoded() {
    let json = include_bytes!("../../fuzz/corpus/json_rows/plain");
    assert!(decode(json, Part::InlineJson, Part::JsonChunk) > 0);
    let arrow = include_bytes!("../../fuzz/corpus/arrow_stream/types");
    assert!(decode(arrow, Part::ArrowChunk, Part::ArrowChunk) > 0);
}
