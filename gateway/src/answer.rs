//! Reading answers of the connector protocol without touching the rows in them.
//!
//! The small keys are decoded; `rowset` and `rowsetBase64` stay slices of the received body. Fields are read leniently
//! where servers differ (a number as text, a missing list), because a statement that ran must not be reported as failed
//! for the sake of a field nobody needs.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::envelope::place;
use crate::error::GatewayError;
use crate::raw::{Raw, count, integer, list, object, parameters, text, truth};

/// What the server said about one statement: its own error, or the head of its result.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct QueryAnswer {
    /// Id of the query, when given; fakesnow gives none with errors.
    pub query_id: Option<String>,
    /// The server's error, if the statement failed.
    pub failure: Option<ServerFailure>,
    /// True when the statement was only submitted and is still running.
    pub in_progress: bool,
    /// Statement type number.
    pub statement_type_id: Option<i64>,
    /// Database after the statement.
    pub database: Option<String>,
    /// Schema after the statement.
    pub schema: Option<String>,
    /// Warehouse after the statement.
    pub warehouse: Option<String>,
    /// Role after the statement.
    pub role: Option<String>,
    /// Session parameters after the statement, name and value as text.
    pub parameters: Vec<(String, String)>,
    /// DML statistics, when given.
    pub stats: Option<DmlStats>,
    /// Ids of the children of a multi-statement query.
    pub result_ids: Vec<String>,
    /// Statement types of the children.
    pub result_types: Vec<i64>,
    /// Number of placeholders of a described statement.
    pub bind_count: Option<u64>,
    /// Columns.
    pub row_type: Vec<ColumnType>,
    /// Rows of the whole result.
    pub total: Option<u64>,
    /// Rows in the answer itself.
    pub returned: Option<u64>,
    /// The rows in the answer itself, undecoded.
    pub inline: InlineRows,
    /// Encoding of inline rows and parts.
    pub is_arrow: bool,
    /// Parts to download, in row order after the inline rows.
    pub chunks: Vec<Chunk>,
    /// Headers for the download of every part.
    pub chunk_headers: HeaderMap,
    /// `UPLOAD` or `DOWNLOAD` when the statement is a file transfer.
    pub command: Option<String>,
    /// Where to ask again while the statement runs.
    pub(crate) result_url: Option<String>,
}

/// Rows in the answer itself.
#[derive(Debug, Clone, Default)]
pub enum InlineRows {
    /// None, or all of them are in parts.
    #[default]
    None,
    /// A JSON array of rows, brackets included, as received.
    Json(Bytes),
    /// Base64 text of one Arrow IPC stream, without quotes.
    ArrowBase64(Bytes),
}

/// An error in the server's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFailure {
    /// Six digits, for example `002003`; empty when the server sent none.
    pub code: String,
    /// The server's words.
    pub message: String,
    /// SQLSTATE.
    pub sql_state: Option<String>,
    /// Line in the SQL text, from 1.
    pub line: Option<u64>,
    /// Position in the line, from 0.
    pub position: Option<u64>,
}

impl ServerFailure {
    /// True when this says that somebody cancelled the statement. A statement that hit its time limit has the same
    /// SQLSTATE under another code; that is an error of its own.
    pub fn is_cancellation(&self) -> bool {
        self.code == "000604" || (self.code.is_empty() && self.sql_state.as_deref() == Some("57014"))
    }
}

/// One part of a result.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk {
    /// Absolute address, which authenticates itself and must not be logged.
    pub url: String,
    /// Rows in it.
    #[serde(default)]
    pub row_count: u64,
    /// Bytes after decompression, as announced; 0 when not.
    #[serde(default)]
    pub uncompressed_size: u64,
    /// Bytes as transferred, as announced; 0 when not.
    #[serde(default)]
    pub compressed_size: u64,
}

/// One column of a result as the server describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnType {
    /// Column name.
    pub name: String,
    /// Lower-case type tag, for example `fixed` or `timestamp_ntz`.
    pub kind: String,
    /// Whether it says that NULL may occur.
    pub nullable: bool,
    /// Digits of a number.
    pub precision: Option<i64>,
    /// Fraction digits.
    pub scale: Option<i64>,
    /// Length of a text in characters, of binary in bytes.
    pub length: Option<i64>,
    /// `GEOGRAPHY`, `GEOMETRY`, `VECTOR`, when the tag alone does not say.
    pub extended: Option<String>,
    /// Dimension of a vector.
    pub vector_dimension: Option<i64>,
}

/// Rows changed by a statement, as far as said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DmlStats {
    /// Inserted.
    pub inserted: Option<u64>,
    /// Updated.
    pub updated: Option<u64>,
    /// Deleted.
    pub deleted: Option<u64>,
    /// Duplicates met.
    pub duplicates: Option<u64>,
}

/// The outer shape of every answer.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
    #[serde(borrow, default)]
    code: Raw<'a>,
    #[serde(borrow, default)]
    message: Raw<'a>,
    #[serde(default)]
    success: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Data<'a> {
    #[serde(borrow)]
    query_id: Raw<'a>,
    #[serde(borrow)]
    error_code: Raw<'a>,
    #[serde(borrow)]
    sql_state: Raw<'a>,
    #[serde(borrow)]
    line: Raw<'a>,
    #[serde(borrow)]
    pos: Raw<'a>,
    #[serde(borrow)]
    error_message: Raw<'a>,
    #[serde(borrow)]
    statement_type_id: Raw<'a>,
    #[serde(borrow)]
    final_database_name: Raw<'a>,
    #[serde(borrow)]
    final_schema_name: Raw<'a>,
    #[serde(borrow)]
    final_warehouse_name: Raw<'a>,
    #[serde(borrow)]
    final_role_name: Raw<'a>,
    #[serde(borrow)]
    parameters: Raw<'a>,
    #[serde(borrow)]
    stats: Raw<'a>,
    #[serde(borrow)]
    result_ids: Raw<'a>,
    #[serde(borrow)]
    result_types: Raw<'a>,
    #[serde(borrow)]
    number_of_binds: Raw<'a>,
    #[serde(borrow)]
    rowtype: Raw<'a>,
    #[serde(borrow)]
    total: Raw<'a>,
    #[serde(borrow)]
    returned: Raw<'a>,
    #[serde(borrow)]
    query_result_format: Raw<'a>,
    #[serde(borrow)]
    rowset: Raw<'a>,
    #[serde(borrow)]
    rowset_base64: Raw<'a>,
    chunks: Option<Vec<Chunk>>,
    #[serde(borrow)]
    chunk_headers: Raw<'a>,
    #[serde(borrow)]
    qrmk: Raw<'a>,
    #[serde(borrow)]
    command: Raw<'a>,
    #[serde(borrow)]
    get_result_url: Raw<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawColumn<'a> {
    #[serde(borrow)]
    name: Raw<'a>,
    #[serde(borrow)]
    r#type: Raw<'a>,
    #[serde(borrow)]
    nullable: Raw<'a>,
    #[serde(borrow)]
    precision: Raw<'a>,
    #[serde(borrow)]
    scale: Raw<'a>,
    #[serde(borrow)]
    length: Raw<'a>,
    #[serde(borrow)]
    ext_type_name: Raw<'a>,
    #[serde(borrow)]
    vector_dimension: Raw<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawStats<'a> {
    #[serde(borrow, rename = "numRowsInserted")]
    inserted: Raw<'a>,
    #[serde(borrow, rename = "numRowsUpdated")]
    updated: Raw<'a>,
    #[serde(borrow, rename = "numRowsDeleted")]
    deleted: Raw<'a>,
    #[serde(borrow, rename = "numDmlDuplicates")]
    duplicates: Raw<'a>,
}

const IN_PROGRESS: [&str; 2] = ["333333", "333334"];

impl QueryAnswer {
    /// Decodes everything but the rows of a query answer.
    pub(crate) fn parse(body: &Bytes) -> Result<Self, GatewayError> {
        let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| {
            GatewayError::protocol(format!(
                "the answer to a query is not understood ({})",
                place(&error)
            ))
        })?;
        let code = text(envelope.code);
        let has_data = envelope.data.is_some();
        let data = envelope.data.unwrap_or_default();
        let in_progress = envelope.success && code.as_deref().is_some_and(|code| IN_PROGRESS.contains(&code));
        let failure = (!envelope.success).then(|| ServerFailure {
            code: code.or_else(|| text(data.error_code)).unwrap_or_default(),
            message: failure_message(envelope.message, data.error_message),
            sql_state: text(data.sql_state),
            line: count(data.line),
            position: count(data.pos),
        });
        if failure.is_none() && !has_data {
            return Err(GatewayError::protocol(
                "a successful answer to a query has no data",
            ));
        }
        let is_arrow =
            text(data.query_result_format).is_some_and(|format| format.eq_ignore_ascii_case("arrow"));
        Ok(Self {
            query_id: text(data.query_id),
            failure,
            in_progress,
            statement_type_id: integer(data.statement_type_id),
            database: text(data.final_database_name),
            schema: text(data.final_schema_name),
            warehouse: text(data.final_warehouse_name),
            role: text(data.final_role_name),
            parameters: parameters(data.parameters),
            stats: dml_stats(data.stats),
            result_ids: comma_separated(data.result_ids),
            result_types: comma_separated(data.result_types)
                .iter()
                .filter_map(|number| number.parse().ok())
                .collect(),
            bind_count: count(data.number_of_binds),
            row_type: columns(data.rowtype),
            total: count(data.total),
            returned: count(data.returned),
            inline: inline_rows(body, &data, is_arrow)?,
            is_arrow,
            chunks: data.chunks.unwrap_or_default(),
            chunk_headers: chunk_headers(data.chunk_headers, data.qrmk)?,
            command: text(data.command),
            result_url: text(data.get_result_url),
        })
    }
}

fn failure_message(outer: Raw<'_>, inner: Raw<'_>) -> String {
    match (text(outer), text(inner)) {
        (Some(outer), Some(inner)) if !outer.contains(&inner) => format!("{outer}\n{inner}"),
        (Some(outer), _) => outer,
        (None, Some(inner)) => inner,
        (None, None) => "the server gave no reason".to_owned(),
    }
}

fn inline_rows(body: &Bytes, data: &Data<'_>, is_arrow: bool) -> Result<InlineRows, GatewayError> {
    let raw = if is_arrow { data.rowset_base64 } else { data.rowset };
    let Some(raw) = raw.map(RawValue::get).filter(|raw| *raw != "null") else {
        return Ok(InlineRows::None);
    };
    if !is_arrow {
        return Ok(InlineRows::Json(body.slice_ref(raw.as_bytes())));
    }
    let inner = raw
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .ok_or_else(|| GatewayError::protocol("rowsetBase64 is not a text"))?;
    if inner.is_empty() {
        return Ok(InlineRows::None);
    }
    if inner.contains('\\') {
        // Some encoders escape the slash, which is a base64 digit.
        let unescaped: String = serde_json::from_str(raw)
            .map_err(|_| GatewayError::protocol("rowsetBase64 has an escape that is not understood"))?;
        return Ok(InlineRows::ArrowBase64(Bytes::from(unescaped)));
    }
    Ok(InlineRows::ArrowBase64(body.slice_ref(inner.as_bytes())))
}

/// The headers for downloads: `chunkHeaders` verbatim, or the encryption headers made from `qrmk` when they are absent.
fn chunk_headers(chunk_headers: Raw<'_>, qrmk: Raw<'_>) -> Result<HeaderMap, GatewayError> {
    let refuse = || GatewayError::protocol("the headers for result parts cannot be sent");
    let mut headers = HeaderMap::new();
    if let Some(given) = object::<Map<String, Value>>(chunk_headers) {
        for (name, value) in &given {
            let name = HeaderName::try_from(name).map_err(|_| refuse())?;
            let mut value =
                HeaderValue::try_from(value.as_str().unwrap_or_default()).map_err(|_| refuse())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    } else if let Some(key) = text(qrmk).filter(|key| !key.is_empty()) {
        let mut key = HeaderValue::try_from(key).map_err(|_| refuse())?;
        key.set_sensitive(true);
        let algorithm = HeaderName::from_static("x-amz-server-side-encryption-customer-algorithm");
        headers.insert(algorithm, HeaderValue::from_static("AES256"));
        headers.insert(
            HeaderName::from_static("x-amz-server-side-encryption-customer-key"),
            key,
        );
    }
    Ok(headers)
}

fn columns(rowtype: Raw<'_>) -> Vec<ColumnType> {
    let column = |column: RawColumn<'_>| ColumnType {
        name: text(column.name).unwrap_or_default(),
        kind: text(column.r#type).unwrap_or_default().to_ascii_lowercase(),
        nullable: truth(column.nullable).unwrap_or(true),
        precision: integer(column.precision),
        scale: integer(column.scale),
        length: integer(column.length),
        extended: text(column.ext_type_name).filter(|name| !name.is_empty()),
        vector_dimension: integer(column.vector_dimension),
    };
    list(rowtype).into_iter().map(column).collect()
}

fn dml_stats(stats: Raw<'_>) -> Option<DmlStats> {
    object(stats).map(|stats: RawStats<'_>| DmlStats {
        inserted: count(stats.inserted),
        updated: count(stats.updated),
        deleted: count(stats.deleted),
        duplicates: count(stats.duplicates),
    })
}

fn comma_separated(value: Raw<'_>) -> Vec<String> {
    let all = text(value).unwrap_or_default();
    all.split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> QueryAnswer {
        QueryAnswer::parse(&Bytes::copy_from_slice(json.as_bytes())).unwrap()
    }

    #[test]
    fn rows_stay_as_received() {
        let body = Bytes::from_static(
            br#"{"success":true,"data":{"queryId":"q","rowset":[["1", null]],"total":1}}"#,
        );
        let answer = QueryAnswer::parse(&body).unwrap();
        let InlineRows::Json(rows) = &answer.inline else {
            panic!("{answer:?}")
        };
        assert_eq!(&rows[..], br#"[["1", null]]"#);
        assert!(
            body.as_ptr_range().contains(&rows.as_ptr()),
            "rows are a slice of the body"
        );
        assert_eq!((answer.query_id.as_deref(), answer.total), (Some("q"), Some(1)));
    }

    #[test]
    fn base64_rows_lose_their_quotes_and_escapes() {
        for (json, expected) in [(r#""QUJD""#, "QUJD"), (r#""QU\/D""#, "QU/D")] {
            let answer = parse(&format!(
                r#"{{"success":true,"data":{{"queryResultFormat":"arrow","rowsetBase64":{json}}}}}"#
            ));
            let InlineRows::ArrowBase64(rows) = &answer.inline else {
                panic!("{answer:?}")
            };
            assert_eq!(&rows[..], expected.as_bytes());
        }
        let empty = parse(r#"{"success":true,"data":{"queryResultFormat":"arrow","rowsetBase64":""}}"#);
        assert!(matches!(empty.inline, InlineRows::None));
    }

    #[test]
    fn an_error_keeps_code_state_and_place() {
        let answer = parse(
            r#"{"success":false,"code":"002003","message":"no such table","headers":null,
                "data":{"errorCode":"002003","sqlState":"42S02","queryId":"q","line":1,"pos":14}}"#,
        );
        let failure = answer.failure.unwrap();
        assert_eq!(
            failure,
            ServerFailure {
                code: "002003".into(),
                message: "no such table".into(),
                sql_state: Some("42S02".into()),
                line: Some(1),
                position: Some(14)
            }
        );
    }

    #[test]
    fn an_error_without_query_id_or_data_is_still_an_error() {
        let answer = parse(r#"{"success":false,"code":1003,"message":"bad","data":{"sqlState":"42000"}}"#);
        assert_eq!(
            (answer.query_id, answer.failure.unwrap().code),
            (None, "1003".to_owned())
        );
        assert!(
            parse(r#"{"success":false,"code":null,"message":null,"data":null}"#)
                .failure
                .is_some()
        );
    }

    #[test]
    fn chunk_headers_win_over_the_key() {
        let answer = parse(r#"{"success":true,"data":{"chunkHeaders":{"x-a":"1"},"qrmk":"key"}}"#);
        assert_eq!(answer.chunk_headers.len(), 1);
        let answer = parse(r#"{"success":true,"data":{"qrmk":"key"}}"#);
        assert_eq!(
            answer.chunk_headers["x-amz-server-side-encryption-customer-key"],
            "key"
        );
    }

    #[test]
    fn children_of_a_multi_statement_are_listed() {
        let answer = parse(r#"{"success":true,"data":{"resultIds":"a,b","resultTypes":"4096,12544"}}"#);
        assert_eq!(
            (answer.result_ids, answer.result_types),
            (vec!["a".into(), "b".into()], vec![4096, 12544])
        );
    }
}
