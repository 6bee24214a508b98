//! Results as the service would send them.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};
use bytes::Bytes;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::{
    ExecuteQueryResponse, QueryAccepted, QuerySummary, ResultBatch, ResultSchema, SessionContext,
    StatementKind,
};

/// A batch of named columns.
pub(crate) fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// Two rows of a number and a text.
pub(crate) fn two_rows() -> RecordBatch {
    batch(vec![
        ("N", Arc::new(Int64Array::from(vec![1, 2]))),
        ("T", Arc::new(StringArray::from(vec![Some("one"), None]))),
    ])
}

/// Rows 0 to `count` of a number and a text.
pub(crate) fn numbered(count: i64) -> RecordBatch {
    let texts = (0..count).map(|number| format!("row number {number}"));
    batch(vec![
        ("N", Arc::new(Int64Array::from_iter_values(0..count))),
        ("T", Arc::new(StringArray::from_iter_values(texts))),
    ])
}

/// The messages of a schema and its batches.
pub(crate) fn messages(batches: &[RecordBatch]) -> Vec<Bytes> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    let mut messages = vec![Bytes::from(std::mem::take(writer.get_mut()))];
    for batch in batches {
        writer.write(batch).unwrap();
        messages.push(Bytes::from(std::mem::take(writer.get_mut())));
    }
    messages
}

/// The whole stream of a finished query.
pub(crate) fn events(batches: &[RecordBatch]) -> Vec<ExecuteQueryResponse> {
    let mut events = head(batches);
    events.push(summary(batches));
    events
}

/// The stream of a query without its end.
pub(crate) fn head(batches: &[RecordBatch]) -> Vec<ExecuteQueryResponse> {
    let mut messages = messages(batches).into_iter();
    let schema = messages.next().unwrap();
    let mut events = vec![
        event(Event::Accepted(QueryAccepted {
            request_id: "r-1".to_owned(),
            session: "default".to_owned(),
            connection: "local".to_owned(),
        })),
        event(Event::Schema(ResultSchema {
            arrow_schema: schema,
            query_id: "01ab".to_owned(),
            statement_kind: StatementKind::Query.into(),
        })),
    ];
    let mut row_offset = 0;
    for (message, batch) in messages.zip(batches) {
        let row_count = batch.num_rows() as i64;
        events.push(event(Event::Batch(ResultBatch {
            arrow_batch: message,
            row_count,
            row_offset,
        })));
        row_offset += row_count;
    }
    events
}

/// The end of a query with these rows.
pub(crate) fn summary(batches: &[RecordBatch]) -> ExecuteQueryResponse {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    event(Event::Summary(QuerySummary {
        query_id: "01ab".to_owned(),
        row_count: rows as i64,
        row_count_total: rows as i64,
        truncated: false,
        elapsed: Some(prost_types::Duration {
            seconds: 0,
            nanos: 12_000_000,
        }),
        session: "default".to_owned(),
        connection: "local".to_owned(),
        context: Some(SessionContext {
            database: "DB".to_owned(),
            schema: "PUBLIC".to_owned(),
            warehouse: String::new(),
            role: "SYSADMIN".to_owned(),
        }),
        statement_kind: StatementKind::Query.into(),
        dml: None,
        transaction_open: false,
        notices: Vec::new(),
    }))
}

pub(crate) fn event(event: Event) -> ExecuteQueryResponse {
    ExecuteQueryResponse { event: Some(event) }
}
