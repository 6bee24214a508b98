//! Calls about queries.

use std::time::Duration;

use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::query_service_client::QueryServiceClient;
use snowflake_session_proto::v1::read_query_results_response::Part;
use snowflake_session_proto::v1::{
    AuditRecord, CancelQueryRequest, CancelQueryResponse, ExecuteQueryRequest, ExecuteQueryResponse,
    GetQueryRequest, ListQueriesRequest, Query, ReadQueryResultsRequest, ReadQueryResultsResponse,
    SearchHistoryRequest, SubmitQueryRequest, WatchQueryRequest, WatchQueryResponse,
};
use tonic::Streaming;
use tonic::transport::Channel;

use super::{CALL_WAIT_MAX, Client, MESSAGE_BYTES_MAX, answer, next, present, told};
use crate::failure::Failure;

/// Records of the audit log that are asked for at once.
const HISTORY_PAGE_RECORDS: usize = 500;

/// A query that exists, and through which session to ask for it.
#[derive(Clone, Debug)]
pub(crate) struct QueryName {
    /// Session; empty means any that knows the query.
    pub(crate) session: String,
    /// Connection of that session; empty means its own.
    pub(crate) connection: String,
    /// The query's id, its request id, or `last`.
    pub(crate) query: String,
}

/// The events of a result, whether its query runs now or ran before.
pub(crate) enum ResultEvents {
    Executed(Streaming<ExecuteQueryResponse>),
    Read(Streaming<ReadQueryResultsResponse>),
}

impl ResultEvents {
    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        match self {
            ResultEvents::Executed(stream) => {
                let response = next(stream).await?;
                Ok(response.and_then(|response| response.event))
            }
            ResultEvents::Read(stream) => {
                let response = next(stream).await?;
                Ok(response
                    .and_then(|response| response.part)
                    .map(|part| match part {
                        Part::Schema(schema) => Event::Schema(schema),
                        Part::Batch(batch) => Event::Batch(batch),
                        Part::Summary(summary) => Event::Summary(summary),
                    }))
            }
        }
    }
}

/// How a query is, again and again.
pub(crate) struct QueryStates(Streaming<WatchQueryResponse>);

impl QueryStates {
    /// How it is now; `None` after its end was told.
    pub(crate) async fn next(&mut self) -> Result<Option<Query>, Failure> {
        Ok(next(&mut self.0).await?.and_then(|response| response.query))
    }
}

impl Client {
    /// Starts a query. Dropping the events cancels it.
    pub(crate) async fn execute(&self, message: ExecuteQueryRequest) -> Result<ResultEvents, Failure> {
        let response = self.queries_client().execute_query(self.request(message)).await;
        Ok(ResultEvents::Executed(told(response)?.into_inner()))
    }

    /// Reads a query's result. Dropping the events changes nothing.
    pub(crate) async fn read_results(
        &self,
        message: ReadQueryResultsRequest,
    ) -> Result<ResultEvents, Failure> {
        let response = self
            .queries_client()
            .read_query_results(self.request(message))
            .await;
        Ok(ResultEvents::Read(told(response)?.into_inner()))
    }

    /// Submits a query and answers when it has an id. The user's time limit is the statement's, not the call's.
    pub(crate) async fn submit(&self, message: SubmitQueryRequest) -> Result<Query, Failure> {
        let mut client = self.queries_client();
        let call = client.submit_query(self.request(message));
        present("query", answer(CALL_WAIT_MAX, call).await?.query)
    }

    /// Tells how a query is.
    pub(crate) async fn query(&self, name: QueryName) -> Result<Query, Failure> {
        let mut client = self.queries_client();
        let message = GetQueryRequest {
            session: name.session,
            connection: name.connection,
            query: name.query,
        };
        present(
            "query",
            answer(self.wait_max(), client.get_query(self.request(message)))
                .await?
                .query,
        )
    }

    /// Lists the queries that the service remembers, of one session or of all, the latest first.
    pub(crate) async fn queries(&self, session: &str, submitted_only: bool) -> Result<Vec<Query>, Failure> {
        let mut client = self.queries_client();
        let (mut queries, mut page_token) = (Vec::new(), String::new());
        loop {
            let message = ListQueriesRequest {
                session: session.to_owned(),
                submitted_only,
                page_size: 0,
                page_token,
            };
            let page = answer(self.wait_max(), client.list_queries(self.request(message))).await?;
            queries.extend(page.queries);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(queries);
            }
        }
    }

    /// Searches the audit log, the latest first, for at most `records_max` records; true when there are more.
    pub(crate) async fn history(
        &self,
        search: SearchHistoryRequest,
        records_max: usize,
    ) -> Result<(Vec<AuditRecord>, bool), Failure> {
        let mut client = self.queries_client();
        let (mut records, mut page_token) = (Vec::new(), String::new());
        loop {
            let left = records_max.saturating_sub(records.len());
            let message = SearchHistoryRequest {
                page_size: i32::try_from(left.min(HISTORY_PAGE_RECORDS)).unwrap_or(0),
                page_token,
                ..search.clone()
            };
            let page = answer(self.wait_max(), client.search_history(self.request(message))).await?;
            records.extend(page.records);
            page_token = page.next_page_token;
            if page_token.is_empty() || records.len() >= records_max {
                let more = !page_token.is_empty() || records.len() > records_max;
                records.truncate(records_max);
                return Ok((records, more));
            }
        }
    }

    /// Tells how a query is until it has ended.
    pub(crate) async fn watch(&self, name: QueryName) -> Result<QueryStates, Failure> {
        let message = WatchQueryRequest {
            session: name.session,
            connection: name.connection,
            query: name.query,
        };
        let response = self.queries_client().watch_query(self.request(message)).await;
        Ok(QueryStates(told(response)?.into_inner()))
    }

    /// Cancels a query and waits at most `wait_max` for what came of it.
    pub(crate) async fn cancel(
        &self,
        name: QueryName,
        wait_max: Duration,
    ) -> Result<CancelQueryResponse, Failure> {
        let mut client = self.queries_client();
        let message = CancelQueryRequest {
            session: name.session,
            connection: name.connection,
            query: name.query,
        };
        answer(wait_max, client.cancel_query(self.request(message))).await
    }

    fn queries_client(&self) -> QueryServiceClient<Channel> {
        QueryServiceClient::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}
