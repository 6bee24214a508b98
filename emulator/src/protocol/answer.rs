//! The `data` of a statement's answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use snowflake_emulator_engine::{SqlType, VectorElement};
use uuid::Uuid;

use crate::results::{JsonStyle, WireColumn};

use super::execute::MULTI_STATEMENT;
use super::format::ResultFormat;
use super::message::{ObjectWriter, envelope};
use super::query::{Outcome, Query, Statement};
use super::refusal::{Refusal, unkept};
use super::transfers;

/// `statementTypeId` of INSERT, the statement that takes arrays of bound values.
const INSERT: u32 = 0x3100;

/// Code of an answer to a statement that takes long.
pub(super) const RUNNING: &str = "333333";
/// Code of an answer to a statement that is not to be waited for.
pub(crate) const RUNNING_DETACHED: &str = "333334";
/// Words of an answer to a statement that is not to be waited for.
pub(crate) const RUNNING_DETACHED_WORDS: &str =
    "Asynchronous execution in progress. Use provided query id to perform query monitoring and management.";

/// A column as both protocols describe it.
#[derive(Clone, Serialize)]
pub(crate) struct RowType<'a> {
    name: &'a str,
    database: &'a str,
    schema: &'a str,
    table: &'a str,
    #[serde(rename = "type")]
    tag: &'a str,
    nullable: bool,
    precision: Option<u32>,
    scale: Option<u32>,
    length: Option<u32>,
    #[serde(rename = "byteLength")]
    byte_length: Option<u32>,
    collation: Option<&'a str>,
    #[serde(rename = "vectorDimension", skip_serializing_if = "Option::is_none")]
    vector_dimension: Option<u16>,
    #[serde(rename = "extTypeName", skip_serializing_if = "Option::is_none")]
    extended: Option<&'static str>,
    /// What the numbers of a vector are.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<[ElementType; 1]>,
}

#[derive(Clone, Serialize)]
struct ElementType {
    #[serde(rename = "type")]
    tag: &'static str,
    nullable: bool,
    precision: Option<u32>,
    scale: Option<u32>,
    length: Option<u32>,
}

impl ElementType {
    fn of(element: VectorElement) -> Self {
        let (tag, precision, scale) = match element {
            VectorElement::Float => ("real", None, None),
            VectorElement::Int => ("fixed", Some(38), Some(0)),
        };
        Self {
            tag,
            nullable: false,
            precision,
            scale,
            length: None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    url: String,
    row_count: u64,
    uncompressed_size: u64,
    compressed_size: u64,
}

#[derive(Serialize)]
struct Stats {
    #[serde(rename = "numRowsInserted")]
    inserted: u64,
    #[serde(rename = "numRowsUpdated")]
    updated: u64,
    #[serde(rename = "numRowsDeleted")]
    deleted: u64,
    #[serde(rename = "numDmlDuplicates")]
    duplicates: u64,
}

impl<'a> From<&'a WireColumn> for RowType<'a> {
    fn from(column: &'a WireColumn) -> Self {
        let [database, schema, table] = &column.origin;
        let vector = match column.sql_type {
            SqlType::Vector { element, dimension } => Some((element, dimension)),
            _ => None,
        };
        Self {
            name: &column.name,
            database,
            schema,
            table,
            tag: column.tag,
            nullable: column.nullable,
            precision: column.precision,
            scale: column.scale,
            length: column.length,
            byte_length: column.byte_length,
            collation: None,
            extended: column.extended(),
            vector_dimension: vector.map(|(_, dimension)| dimension),
            fields: vector.map(|(element, _)| [ElementType::of(element)]),
        }
    }
}

/// The answer to a finished statement; `origin` begins the URLs of its chunks. Reads a file when
/// [`Query::first_blocks`].
pub(super) fn finished(query: &Query, outcome: &Outcome, origin: &str) -> Result<Vec<u8>, Refusal> {
    match &outcome.result {
        Ok(statement) => {
            let data = statement_data(query, statement, origin)?;
            Ok(envelope(&data, None, None, true))
        }
        Err(error) => Err(Refusal::sql(error, query.id)),
    }
}

/// The answer to a statement that still runs, and goes on for `left` if nobody asks for it.
pub(super) fn in_progress(query: &Query, code: &str, left: Duration) -> Vec<u8> {
    let mut data = ObjectWriter::new();
    data.field("queryId", &query.id.to_string());
    data.field("getResultUrl", &format!("/queries/{}/result", query.id));
    data.field("queryAbortsAfterSecs", &left.as_secs());
    data.raw("progressDesc", b"null");
    let message = if code == RUNNING_DETACHED {
        RUNNING_DETACHED_WORDS
    } else {
        "Query execution in progress. Use the result URL to wait for it."
    };
    envelope(&data.finish(), Some(code), Some(message), true)
}

fn statement_data(query: &Query, statement: &Statement, origin: &str) -> Result<Vec<u8>, Refusal> {
    let rows = &statement.rows;
    let mut data = ObjectWriter::with_capacity(1024 + rows.inline_bytes() * 2);
    // Always, as Snowflake does: the Node SDK reads values by the parameters of the answer that they came in.
    data.raw("parameters", &statement.parameters);
    let unreadable = |error| Refusal::sql(&unkept(&error), query.id);
    let columns = rows.columns().map_err(unreadable)?;
    data.field("rowtype", &columns.iter().map(RowType::from).collect::<Vec<_>>());
    inline_rows(&mut data, statement).map_err(unreadable)?;
    data.field("total", &rows.rows());
    data.field("returned", &rows.rows());
    if rows.chunks().len() > 0 {
        data.raw("chunkHeaders", b"{}");
        data.field("chunks", &chunks(query.id, statement, origin));
    }
    data.field("queryId", &query.id.to_string());
    data.raw("databaseProvider", b"null");
    data.field("finalDatabaseName", &statement.context.database);
    data.field("finalSchemaName", &statement.context.schema);
    data.field("finalWarehouseName", &statement.context.warehouse);
    data.field("finalRoleName", &statement.context.role);
    data.field("numberOfBinds", &statement.bind_count);
    data.field("arrayBindSupported", &(statement.type_id == INSERT));
    if statement.described {
        data.field(
            "metaDataOfBinds",
            &vec![bind_type(); statement.bind_count as usize],
        );
    }
    data.field("statementTypeId", &statement.type_id);
    if let Some(stats) = statement.stats {
        data.field(
            "stats",
            &Stats {
                inserted: stats.inserted,
                updated: stats.updated,
                deleted: stats.deleted,
                duplicates: 0,
            },
        );
    }
    if statement.type_id == MULTI_STATEMENT {
        let join = |texts: Vec<String>| texts.join(",");
        let children = &statement.children;
        data.field(
            "resultIds",
            &join(children.iter().map(|(id, _)| id.to_string()).collect()),
        );
        data.field(
            "resultTypes",
            &join(children.iter().map(|(_, kind)| kind.to_string()).collect()),
        );
    }
    if let Some(moving) = &statement.moving {
        transfers::write(&mut data, moving, origin);
    }
    if let Some(contexts) = &statement.query_contexts {
        data.raw("queryContext", contexts);
    }
    data.field("version", &1);
    data.field("sendResultTime", &milliseconds(SystemTime::now()));
    Ok(data.finish())
}

fn inline_rows(data: &mut ObjectWriter, statement: &Statement) -> Result<(), crate::results::ResultError> {
    match statement.format {
        ResultFormat::Json => {
            let rows = statement.rows.inline_json(&JsonStyle::default())?;
            data.write("rowset", |text| {
                text.push(b'[');
                text.extend_from_slice(&rows);
                text.push(b']');
            });
        }
        // Python's connector 4 makes no table of a stream without batches, and reads a row that is not there of a batch without
        // rows; no stream at all is what every driver is prepared for.
        ResultFormat::Arrow if statement.rows.inline_rows() == 0 => data.field("rowsetBase64", ""),
        ResultFormat::Arrow => {
            let stream = statement.rows.inline_arrow()?;
            data.write("rowsetBase64", |text| {
                text.push(b'"');
                let start = text.len();
                let padded = stream.len().div_ceil(3) * 4;
                text.resize(start + padded, 0);
                STANDARD
                    .encode_slice(&stream, &mut text[start..])
                    .expect("padded base64 takes 4 bytes for 3");
                text.push(b'"');
            });
        }
    }
    data.field("queryResultFormat", statement.format.word());
    Ok(())
}

fn chunks(id: Uuid, statement: &Statement, origin: &str) -> Vec<Chunk> {
    let key = super::chunk::key(id, statement.chunk_secret);
    let info = statement.rows.chunks().enumerate();
    info.map(|(index, chunk)| Chunk {
        url: format!("{origin}/results/{key}/{index}"),
        row_count: chunk.rows,
        uncompressed_size: chunk.bytes,
        compressed_size: chunk.bytes,
    })
    .collect()
}

/// The type of a placeholder: text, as Snowflake has it for those whose type nothing tells.
fn bind_type() -> RowType<'static> {
    RowType {
        name: "",
        database: "",
        schema: "",
        table: "",
        tag: "text",
        nullable: true,
        precision: None,
        scale: None,
        length: None,
        byte_length: None,
        collation: None,
        vector_dimension: None,
        extended: None,
        fields: None,
    }
}

/// Milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
