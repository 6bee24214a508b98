//! Queries of the stand-in.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use snowflake_session_proto::v1::execute_query_response::Event;
use snowflake_session_proto::v1::query_service_server::QueryService;
use snowflake_session_proto::v1::read_query_results_response::Part;
use snowflake_session_proto::v1::{
    CancelQueryRequest, CancelQueryResponse, ErrorReason, ExecuteQueryRequest, ExecuteQueryResponse,
    GetQueryRequest, GetQueryResponse, ListQueriesRequest, ListQueriesResponse, Query, QueryState,
    ReadQueryResultsRequest, ReadQueryResultsResponse, SearchHistoryRequest, SearchHistoryResponse,
    SubmitQueryRequest, SubmitQueryResponse, WatchQueryRequest, WatchQueryResponse,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Script, Stand, State, error};

impl State {
    fn job(&self, query: &str) -> Result<Query, Status> {
        let jobs = self.jobs.lock().unwrap();
        let found = jobs
            .iter()
            .find(|job| query == "last" || job.query_id == query || job.request_id == query);
        found.cloned().ok_or_else(|| {
            let message = format!("there is no query `{query}`");
            error(ErrorReason::NotFound, &message, &[])
        })
    }
}

#[tonic::async_trait]
impl QueryService for Stand {
    type ExecuteQueryStream = ReceiverStream<Result<ExecuteQueryResponse, Status>>;
    type WatchQueryStream = ReceiverStream<Result<WatchQueryResponse, Status>>;
    type ReadQueryResultsStream = ReceiverStream<Result<ReadQueryResultsResponse, Status>>;

    async fn execute_query(
        &self,
        request: Request<ExecuteQueryRequest>,
    ) -> Result<Response<Self::ExecuteQueryStream>, Status> {
        self.0.admit(&request)?;
        let request = request.into_inner();
        self.0.queries.lock().unwrap().push(request.clone());
        let session = self.0.find_or_make(&request.session, &request.connection);
        self.0.acknowledge(&session, request.accept_loss)?;
        let script = self.0.script.lock().unwrap().clone();
        Self::play(script, &self.0, Some)
    }

    async fn submit_query(
        &self,
        request: Request<SubmitQueryRequest>,
    ) -> Result<Response<SubmitQueryResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        self.0.submitted.lock().unwrap().push(request.clone());
        let session = self.0.find_or_make(&request.session, &request.connection);
        self.0.acknowledge(&session, request.accept_loss)?;
        let mut jobs = self.0.jobs.lock().unwrap();
        let query = Query {
            query_id: format!("01ab-{}", jobs.len() + 1),
            request_id: request.request_id,
            session: session.name,
            connection: session.connection,
            state: QueryState::Running.into(),
            sql: request.sql,
            submitted: true,
            ..Query::default()
        };
        jobs.insert(0, query.clone());
        Ok(Response::new(SubmitQueryResponse { query: Some(query) }))
    }

    async fn get_query(
        &self,
        request: Request<GetQueryRequest>,
    ) -> Result<Response<GetQueryResponse>, Status> {
        self.0.check(&request)?;
        let query = Some(self.0.job(&request.into_inner().query)?);
        Ok(Response::new(GetQueryResponse { query }))
    }

    async fn list_queries(
        &self,
        request: Request<ListQueriesRequest>,
    ) -> Result<Response<ListQueriesResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        self.0.listed.lock().unwrap().push(request.clone());
        let jobs = self.0.jobs.lock().unwrap();
        let wanted: Vec<Query> = jobs
            .iter()
            .filter(|job| job.submitted || !request.submitted_only)
            .filter(|job| request.session.is_empty() || job.session == request.session)
            .cloned()
            .collect();
        let (queries, next_page_token) = page(&wanted, &request.page_token);
        Ok(Response::new(ListQueriesResponse {
            queries,
            next_page_token,
        }))
    }

    async fn watch_query(
        &self,
        request: Request<WatchQueryRequest>,
    ) -> Result<Response<Self::WatchQueryStream>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        self.0.watched.lock().unwrap().push(request.clone());
        let watch = self.0.watch.lock().unwrap().clone();
        let states = if watch.states.is_empty() {
            vec![self.0.job(&request.query)?]
        } else {
            watch.states
        };
        let (sender, receiver) = mpsc::channel(1);
        let state = Arc::clone(&self.0);
        tokio::spawn(async move {
            for query in states {
                if sender
                    .send(Ok(WatchQueryResponse { query: Some(query) }))
                    .await
                    .is_err()
                {
                    state.dropped.store(true, Ordering::SeqCst);
                    return;
                }
            }
            if watch.hangs {
                sender.closed().await;
                state.dropped.store(true, Ordering::SeqCst);
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn read_query_results(
        &self,
        request: Request<ReadQueryResultsRequest>,
    ) -> Result<Response<Self::ReadQueryResultsStream>, Status> {
        self.0.admit(&request)?;
        self.0.read.lock().unwrap().push(request.into_inner());
        let rest = self.0.rests.lock().unwrap().pop_front();
        let script = rest.unwrap_or_else(|| self.0.script.lock().unwrap().clone());
        Self::play(script, &self.0, |response| {
            let part = match response.event {
                Some(Event::Schema(schema)) => Part::Schema(schema),
                Some(Event::Batch(batch)) => Part::Batch(batch),
                Some(Event::Summary(summary)) => Part::Summary(summary),
                Some(Event::Accepted(_)) | None => return None,
            };
            Some(ReadQueryResultsResponse { part: Some(part) })
        })
    }

    async fn search_history(
        &self,
        request: Request<SearchHistoryRequest>,
    ) -> Result<Response<SearchHistoryResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        self.0.searched.lock().unwrap().push(request.clone());
        let history = self.0.history.lock().unwrap();
        let (records, next_page_token) = page(&history, &request.page_token);
        Ok(Response::new(SearchHistoryResponse {
            records,
            next_page_token,
        }))
    }

    async fn cancel_query(
        &self,
        request: Request<CancelQueryRequest>,
    ) -> Result<Response<CancelQueryResponse>, Status> {
        self.0.check(&request)?;
        let request = request.into_inner();
        let request_id = request.query.clone();
        self.0.cancels.lock().unwrap().push(request);
        let outcome = *self.0.cancel_outcome.lock().unwrap();
        Ok(Response::new(CancelQueryResponse {
            outcome: outcome.into(),
            request_id,
            query_id: String::new(),
        }))
    }
}

impl Stand {
    /// Answers the script, each event as the call has it.
    fn play<M: Send + 'static>(
        script: Script,
        state: &Arc<State>,
        convert: fn(ExecuteQueryResponse) -> Option<M>,
    ) -> Result<Response<ReceiverStream<Result<M, Status>>>, Status> {
        if let Script::Fails(events, status) = &script
            && events.is_empty()
        {
            return Err(status.clone());
        }
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(play(script, convert, sender, Arc::clone(state)));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Plays a script into a stream and notes when the client drops it.
async fn play<M>(
    script: Script,
    convert: fn(ExecuteQueryResponse) -> Option<M>,
    sender: mpsc::Sender<Result<M, Status>>,
    state: Arc<State>,
) {
    let (events, ending) = match script {
        Script::Events(events) => (events, Ending::End),
        Script::Fails(events, status) => (events, Ending::Error(status)),
        Script::Hangs(events) => (events, Ending::Hang),
        Script::Endless(events) => (events, Ending::Repeat),
        Script::Dies(events) => (events, Ending::Die),
    };
    let last = events.last().cloned();
    for event in events.into_iter().filter_map(convert) {
        if sender.send(Ok(event)).await.is_err() {
            state.dropped.store(true, Ordering::SeqCst);
            return;
        }
    }
    match ending {
        Ending::End => {}
        Ending::Error(status) => {
            let _ = sender.send(Err(status)).await;
        }
        Ending::Hang => {
            sender.closed().await;
            state.dropped.store(true, Ordering::SeqCst);
        }
        Ending::Repeat => {
            let again = || convert(last.clone().unwrap()).unwrap();
            while sender.send(Ok(again())).await.is_ok() {}
            state.dropped.store(true, Ordering::SeqCst);
        }
        Ending::Die => {
            state.die();
            // The stream must break, not end: it is held until it does.
            sender.closed().await;
        }
    }
}

enum Ending {
    End,
    Error(Status),
    Hang,
    Repeat,
    Die,
}

/// One thing a page, so that every list of two proves that pages are followed.
pub(super) fn page<T: Clone>(all: &[T], token: &str) -> (Vec<T>, String) {
    let start: usize = token.parse().unwrap_or(0);
    let next = if start + 1 < all.len() {
        (start + 1).to_string()
    } else {
        String::new()
    };
    (all.iter().skip(start).take(1).cloned().collect(), next)
}
