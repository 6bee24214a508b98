//! Runs SQL in sessions.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use snowflake_session_proto::v1;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::query_service_server::QueryService;
use tonic::{Request, Response, Status};
use tracing::Span;

use super::convert;
use super::grpc_timeout::grpc_timeout;
use super::status::status;
use crate::domain::error::Error;
use crate::domain::query::QueryEvent;
use crate::sessions::{QueryStream, Sessions};

/// Runs SQL in sessions.
pub(super) struct Queries {
    pub(super) sessions: Sessions,
}

#[tonic::async_trait]
impl QueryService for Queries {
    type ExecuteQueryStream = EventStream;

    async fn execute_query(
        &self,
        request: Request<v1::ExecuteQueryRequest>,
    ) -> Result<Response<EventStream>, Status> {
        let call_timeout = grpc_timeout(request.metadata());
        let query =
            convert::query_request(request.into_inner(), call_timeout).map_err(|error| status(&error))?;
        let span =
            tracing::info_span!("query", session = tracing::field::Empty, request_id = %query.request_id);
        let stream = self
            .sessions
            .submit(query)
            .await
            .map_err(|error| span.in_scope(|| status(&error)))?;
        span.record("session", stream.session.as_str());
        Ok(Response::new(EventStream::new(stream, span)))
    }

    async fn cancel_query(
        &self,
        request: Request<v1::CancelQueryRequest>,
    ) -> Result<Response<v1::CancelQueryResponse>, Status> {
        let request = request.into_inner();
        let named = convert::session_name(&request.session)
            .and_then(|session| Ok((session, convert::request_id(&request.query)?)));
        let (session, request_id) = named.map_err(|error| status(&error))?;
        let (outcome, request_id) = self
            .sessions
            .cancel(&session, request_id)
            .await
            .map_err(|error| status(&error))?;
        Ok(Response::new(v1::CancelQueryResponse {
            outcome: convert::cancel_outcome(outcome).into(),
            request_id: request_id.map(|id| id.to_string()).unwrap_or_default(),
            query_id: String::new(),
        }))
    }

    async fn submit_query(
        &self,
        _request: Request<v1::SubmitQueryRequest>,
    ) -> Result<Response<v1::SubmitQueryResponse>, Status> {
        Err(Status::unimplemented("SubmitQuery"))
    }

    async fn get_query(
        &self,
        _request: Request<v1::GetQueryRequest>,
    ) -> Result<Response<v1::GetQueryResponse>, Status> {
        Err(Status::unimplemented("GetQuery"))
    }

    async fn list_queries(
        &self,
        _request: Request<v1::ListQueriesRequest>,
    ) -> Result<Response<v1::ListQueriesResponse>, Status> {
        Err(Status::unimplemented("ListQueries"))
    }

    type WatchQueryStream = futures_util::stream::Empty<Result<v1::WatchQueryResponse, Status>>;

    async fn watch_query(
        &self,
        _request: Request<v1::WatchQueryRequest>,
    ) -> Result<Response<Self::WatchQueryStream>, Status> {
        Err(Status::unimplemented("WatchQuery"))
    }

    type ReadQueryResultsStream = futures_util::stream::Empty<Result<v1::ReadQueryResultsResponse, Status>>;

    async fn read_query_results(
        &self,
        _request: Request<v1::ReadQueryResultsRequest>,
    ) -> Result<Response<Self::ReadQueryResultsStream>, Status> {
        Err(Status::unimplemented("ReadQueryResults"))
    }
}

/// The events of one query: `accepted`, then what the session sends. Dropping it cancels the query.
pub(super) struct EventStream {
    accepted: Option<v1::QueryAccepted>,
    query: QueryStream,
    span: Span,
    ended: bool,
}

impl EventStream {
    fn new(query: QueryStream, span: Span) -> Self {
        let accepted = v1::QueryAccepted {
            request_id: query.request_id.to_string(),
            session: query.session.to_string(),
            connection: query.connection.to_string(),
        };
        Self {
            accepted: Some(accepted),
            query,
            span,
            ended: false,
        }
    }
}

impl Stream for EventStream {
    type Item = Result<v1::ExecuteQueryResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(accepted) = self.accepted.take() {
            return Poll::Ready(Some(Ok(v1::ExecuteQueryResponse {
                event: Some(Event::Accepted(accepted)),
            })));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let item = std::task::ready!(self.query.events.poll_recv(context));
        self.ended = !matches!(item, Some(Ok(QueryEvent::Schema(_) | QueryEvent::Batch { .. })));
        Poll::Ready(Some(match item {
            Some(Ok(event)) => Ok(convert::query_event(event)),
            Some(Err(error)) => Err(self.span.in_scope(|| status(&error))),
            None => Err(self
                .span
                .in_scope(|| status(&Error::internal("the session ended before the query did")))),
        }))
    }
}
