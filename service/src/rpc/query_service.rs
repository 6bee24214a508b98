//! Runs SQL in sessions.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;
use futures_util::stream::BoxStream;
use snowflake_session_proto::v1;
use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::query_service_server::QueryService;
use tokio::sync::mpsc;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Request, Response, Status};
use tracing::Span;

use super::caller::caller;
use super::connection::Origin;
use super::convert;
use super::dismissal::Dismissal;
use super::grpc_timeout::grpc_timeout;
use super::status::status;
use crate::domain::audit::AuditSearch;
use crate::domain::error::Error;
use crate::domain::query::QueryEvent;
use crate::sessions::{QueryStream, Sessions};
use crate::traces;

/// Runs SQL in sessions.
pub(super) struct Queries {
    pub(super) sessions: Sessions,
    pub(super) audit: Arc<dyn AuditSearch>,
}

#[tonic::async_trait]
impl QueryService for Queries {
    type ExecuteQueryStream = EventStream<v1::ExecuteQueryResponse>;
    type WatchQueryStream = BoxStream<'static, Result<v1::WatchQueryResponse, Status>>;
    type ReadQueryResultsStream = EventStream<v1::ReadQueryResultsResponse>;

    async fn execute_query(
        &self,
        request: Request<v1::ExecuteQueryRequest>,
    ) -> Result<Response<Self::ExecuteQueryStream>, Status> {
        let call_timeout = grpc_timeout(request.metadata());
        let (caller, leash) = (caller(&request), Leash::of(&request));
        let query = convert::query_request(request.into_inner(), call_timeout, caller)
            .map_err(|error| status(&error))?;
        let span = tracing::info_span!(
            "query",
            session = tracing::field::Empty,
            request_id = %query.request_id,
            peer = query.caller.peer(),
            trace_id = traces::current(),
        );
        let executed = self.sessions.execute(query).await;
        let stream = executed.map_err(|error| span.in_scope(|| status(&error)))?;
        span.record("session", stream.session.as_str());
        Ok(Response::new(EventStream {
            first: Some(accepted(&stream)),
            events: stream.events,
            leash,
            convert: convert::query_event,
            span,
            ended: false,
        }))
    }

    async fn submit_query(
        &self,
        request: Request<v1::SubmitQueryRequest>,
    ) -> Result<Response<v1::SubmitQueryResponse>, Status> {
        let caller = caller(&request);
        let query = convert::submit_request(request.into_inner(), caller).map_err(|error| status(&error))?;
        let span = tracing::info_span!(
            "submit",
            request_id = %query.request_id,
            peer = query.caller.peer(),
            trace_id = traces::current(),
        );
        let submitted = self.sessions.submit(query).await;
        let record = submitted.map_err(|error| span.in_scope(|| status(&error)))?;
        Ok(Response::new(v1::SubmitQueryResponse {
            query: Some(convert::query(record)),
        }))
    }

    async fn get_query(
        &self,
        request: Request<v1::GetQueryRequest>,
    ) -> Result<Response<v1::GetQueryResponse>, Status> {
        let request = request.into_inner();
        let got = async {
            let target = convert::query_target(&request.session, &request.connection, &request.query)?;
            self.sessions.get_query(&target).await
        };
        let record = got.await.map_err(|error| status(&error))?;
        Ok(Response::new(v1::GetQueryResponse {
            query: Some(convert::query(record)),
        }))
    }

    async fn list_queries(
        &self,
        request: Request<v1::ListQueriesRequest>,
    ) -> Result<Response<v1::ListQueriesResponse>, Status> {
        let request = request.into_inner();
        let (session, before, size) = convert::list_request(&request).map_err(|error| status(&error))?;
        let page = self
            .sessions
            .list_queries(session.as_ref(), request.submitted_only, before, size);
        Ok(Response::new(convert::page(page)))
    }

    async fn watch_query(
        &self,
        request: Request<v1::WatchQueryRequest>,
    ) -> Result<Response<Self::WatchQueryStream>, Status> {
        let request = request.into_inner();
        let watched = async {
            let target = convert::query_target(&request.session, &request.connection, &request.query)?;
            self.sessions.watch_query(&target).await
        };
        let watch = watched.await.map_err(|error| status(&error))?;
        let states = futures_util::stream::unfold(watch, |mut watch| async move {
            let told = watch.next().await?;
            let response = told
                .map(|record| v1::WatchQueryResponse {
                    query: Some(convert::query(record)),
                })
                .map_err(|error| status(&error));
            Some((response, watch))
        });
        Ok(Response::new(Box::pin(states)))
    }

    async fn read_query_results(
        &self,
        request: Request<v1::ReadQueryResultsRequest>,
    ) -> Result<Response<Self::ReadQueryResultsStream>, Status> {
        let (call_timeout, caller) = (grpc_timeout(request.metadata()), caller(&request));
        let leash = Leash::of(&request);
        let request = request.into_inner();
        let span = tracing::info_span!(
            "read",
            query = request.query,
            peer = caller.peer(),
            trace_id = traces::current(),
        );
        let read = async {
            let request = convert::read_request(&request, call_timeout)?;
            self.sessions.read_results(request).await
        };
        let read = read.await.map_err(|error| span.in_scope(|| status(&error)))?;
        Ok(Response::new(EventStream {
            first: None,
            events: read.events,
            leash,
            convert: convert::result_part,
            span,
            ended: false,
        }))
    }

    async fn search_history(
        &self,
        request: Request<v1::SearchHistoryRequest>,
    ) -> Result<Response<v1::SearchHistoryResponse>, Status> {
        let found = async {
            let (filter, before, size) = convert::search_request(request.into_inner())?;
            self.audit.search(filter, before, size).await
        };
        let page = found.await.map_err(|error| status(&error))?;
        Ok(Response::new(convert::audit_page(page)))
    }

    async fn cancel_query(
        &self,
        request: Request<v1::CancelQueryRequest>,
    ) -> Result<Response<v1::CancelQueryResponse>, Status> {
        let request = request.into_inner();
        let cancelled = async {
            if request.query.is_empty() {
                let session = convert::session_asked(&request.session)?;
                let connection = convert::connection_name(&request.connection)?;
                return self
                    .sessions
                    .cancel_running(session.as_ref(), connection.as_ref())
                    .await;
            }
            let target = convert::query_target(&request.session, &request.connection, &request.query)?;
            self.sessions.cancel_query(&target).await
        };
        let cancellation = cancelled.await.map_err(|error| status(&error))?;
        Ok(Response::new(convert::cancellation(cancellation)))
    }
}

fn accepted(stream: &QueryStream) -> v1::ExecuteQueryResponse {
    let accepted = v1::QueryAccepted {
        request_id: stream.request_id.to_string(),
        session: stream.session.to_string(),
        connection: stream.connection.to_string(),
    };
    v1::ExecuteQueryResponse {
        event: Some(Event::Accepted(accepted)),
    }
}

/// The events of one result, as they come from the session. Dropping it tells the session that nobody reads.
pub(super) struct EventStream<T> {
    /// What goes before them.
    first: Option<T>,
    events: mpsc::Receiver<Result<QueryEvent, Error>>,
    leash: Option<Leash>,
    convert: fn(QueryEvent) -> T,
    span: Span,
    ended: bool,
}

impl<T: Unpin> Stream for EventStream<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(cut) = self.leash.as_mut().and_then(|leash| leash.poll_cut(context)) {
            self.ended = true;
            // Whose result it is hears that nobody reads it.
            self.events.close();
            return Poll::Ready(Some(Err(self.span.in_scope(|| status(&cut)))));
        }
        let item = std::task::ready!(self.events.poll_recv(context));
        if let (Some(leash), Some(Ok(event))) = (&mut self.leash, &item) {
            leash.passed(event);
        }
        self.ended = !matches!(item, Some(Ok(QueryEvent::Schema(_) | QueryEvent::Batch { .. })));
        Poll::Ready(Some(match item {
            Some(Ok(event)) => Ok((self.convert)(event)),
            Some(Err(error)) => Err(self.span.in_scope(|| status(&error))),
            None => Err(self
                .span
                .in_scope(|| status(&Error::internal("the session ended before the query did")))),
        }))
    }
}

/// Cuts the result of a client that is dismissed, with what it takes to read on.
struct Leash {
    dismissal: Dismissal,
    told: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whose result it is, once its rows are on their way.
    query_id: Option<String>,
    /// Rows of the result up to the last that was passed on.
    rows: u64,
}

impl Leash {
    /// That of the client of a request, if it can be dismissed.
    fn of<T>(request: &Request<T>) -> Option<Self> {
        let dismissal = request.extensions().get::<Origin>()?.dismissal()?;
        Some(Self {
            told: Box::pin(dismissal.told()),
            dismissal,
            query_id: None,
            rows: 0,
        })
    }

    fn passed(&mut self, event: &QueryEvent) {
        match event {
            QueryEvent::Schema(schema) => self.query_id = Some(schema.query_id.clone()),
            QueryEvent::Batch { batch, row_offset } => self.rows = row_offset + batch.row_count,
            QueryEvent::Summary(_) | QueryEvent::Write(_) => {}
        }
    }

    /// The error that cuts the result, once the client is dismissed. What ends before its rows come ends as any call does.
    fn poll_cut(&mut self, context: &mut Context<'_>) -> Option<Error> {
        let query_id = self.query_id.as_deref()?;
        let is_told = self.told.as_mut().poll(context).is_ready();
        is_told.then(|| self.dismissal.cut_result(query_id, self.rows))
    }
}
