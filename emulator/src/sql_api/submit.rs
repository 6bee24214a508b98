//! `POST /api/v2/statements`: runs a statement, or finds the one that the request repeats.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::SqlApi;
use super::answer;
use super::lone::LoneSession;
use super::order::Order;
use super::refusal::Refusal;
use super::repeats::Entered;
use crate::protocol::{ClientSession, Connector, Delivery, Query, Reply, forget_requests, start};
use crate::session::Submission;

/// A submission that was answered: the statement, and how.
pub(super) struct Submitted {
    pub(super) query: Arc<Query>,
    pub(super) reply: Reply,
}

/// Runs what a request asks for, and answers with the outcome or with where to ask for it.
pub(super) async fn submit(
    api: &SqlApi,
    connector: &Arc<Connector>,
    order: Order,
) -> Result<Submitted, Refusal> {
    let manner = order.manner;
    let user = order.spec.user.clone();
    let entered = api
        .repeats
        .enter(connector, &user, manner.request_id, manner.is_retry, |handle| {
            let place = api.places.take(&user)?;
            begin(api, connector, order, handle, Box::new(place))
        })?;
    let (Entered::New(query) | Entered::Repeated(query)) = entered;
    // Who does not want to wait does not look for rows in this answer, even when there are some already.
    let reply = if manner.is_async {
        answer::running(&query)
    } else {
        query.wait(connector.settings.answer_wait_max).await;
        answer::ended(api, connector, &query, manner.request_id).await?
    };
    Ok(Submitted { query, reply })
}

/// Starts the statement in a session of its own.
fn begin(
    api: &SqlApi,
    connector: &Arc<Connector>,
    order: Order,
    handle: Uuid,
    place: Box<dyn Send + Sync>,
) -> Result<Arc<Query>, Refusal> {
    let user = order.spec.user.clone();
    let prepared = match order.refused {
        Some(error) => Err(error),
        None => Ok(order.spec),
    };
    let lone = LoneSession::new(Arc::clone(&connector.backend), prepared);
    let session = ClientSession::new_json(user, lone, connector.now());
    let request_id = order.manner.request_id.map(|id| id.to_string());
    let text = connector.text(&order.statement);
    let query = Arc::new(Query::new(&session, handle, request_id, text));
    let displaced = connector
        .queries
        .insert(&query)
        .map_err(|full| Refusal::too_many_kept(&full))?;
    forget_requests(&displaced);
    let rows_max = match (order.rows_max, api.settings.result_rows_max) {
        (Some(asked), Some(limit)) => Some(asked.min(limit)),
        (asked, limit) => asked.or(limit),
    };
    let mut delivery = Delivery::in_style(connector, Arc::new(order.style), rows_max, place);
    if let Some(bytes) = order.partition_bytes_max {
        delivery.limit_chunks(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    let submission = Submission {
        query_id: handle,
        sql: order.statement,
        bindings: order.bindings,
        bind_stage: None,
        parameters: BTreeMap::new(),
        describe_only: false,
        statement_count: order.statement_count,
    };
    start(connector, &session, Arc::clone(&query), submission, delivery);
    Ok(query)
}
