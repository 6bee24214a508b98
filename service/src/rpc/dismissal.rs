//! Ends the calls of a client that may no longer be here, and tells it why.
//!
//! A client that hears nothing but the end of its connection takes it for a broken network. So each of its calls ends with
//! a status first, and what it calls from then on is answered with one.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::connection::Origin;
use super::status::status;
use crate::domain::error::{Error, Reason};

/// What the calls of one connection hear when its client has to leave.
#[derive(Debug, Clone, Default)]
pub(super) struct Dismissal {
    why: Arc<OnceLock<String>>,
    told: CancellationToken,
}

impl Dismissal {
    /// Tells the calls; `why` is for the client.
    pub(super) fn tell(&self, why: String) {
        let _ = self.why.set(why);
        self.told.cancel();
    }

    /// Waits until they are told.
    pub(super) fn told(&self) -> WaitForCancellationFutureOwned {
        self.told.clone().cancelled_owned()
    }

    fn reason(&self) -> String {
        let why = self.why.get().map(String::as_str).unwrap_or_default();
        format!("the service does not let this client in any more: {why}")
    }

    /// What the reader of a result hears, with what it takes to read on: over a connection with another certificate perhaps.
    pub(super) fn cut_result(&self, query_id: &str, row_offset: u64) -> Error {
        Error::cut_result(&self.reason(), query_id, row_offset)
    }

    /// What a call hears that had not begun.
    fn error(&self) -> Error {
        let error = Error::new(Reason::Draining, self.reason());
        error.with_hint("with another certificate it may; else ask whoever runs the service")
    }

    /// What a call hears of which nobody knows how far it came.
    fn ended(&self) -> Status {
        status(&self.error().with_doubt())
    }
}

/// Puts [`Dismissible`] around a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct DismissCallsLayer;

impl<S> Layer<S> for DismissCallsLayer {
    type Service = Dismissible<S>;

    fn layer(&self, inner: S) -> Dismissible<S> {
        Dismissible { inner }
    }
}

/// A service whose calls end when their client is dismissed, where it can be.
#[derive(Debug, Clone)]
pub(super) struct Dismissible<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Dismissible<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let dismissal = request.extensions().get::<Origin>().and_then(Origin::dismissal);
        if let Some(told) = dismissal
            .as_ref()
            .filter(|dismissal| dismissal.told.is_cancelled())
        {
            let refused = status(&told.error()).into_http();
            return Box::pin(async move { Ok(refused) });
        }
        let answer = self.inner.call(request);
        let Some(dismissal) = dismissal else {
            return Box::pin(answer);
        };
        Box::pin(async move {
            let answer = tokio::select! {
                biased;
                () = dismissal.told() => return Ok(dismissal.ended().into_http()),
                answer = answer => answer?,
            };
            Ok(answer.map(|body| {
                Body::new(DismissedBody {
                    inner: Some(body),
                    told: Box::pin(dismissal.told()),
                    dismissal,
                })
            }))
        })
    }
}

/// A body that ends with a status when its client is dismissed.
struct DismissedBody {
    /// Gone once that happened.
    inner: Option<Body>,
    told: Pin<Box<WaitForCancellationFutureOwned>>,
    dismissal: Dismissal,
}

impl HttpBody for DismissedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Ready(None);
        };
        // First: a body that knows more of where it was ends by itself. One that has much to send is cut with its connection.
        if let Poll::Ready(frame) = Pin::new(inner).poll_frame(context) {
            return Poll::Ready(frame);
        }
        std::task::ready!(self.told.as_mut().poll(context));
        self.inner = None;
        let mut trailers = HeaderMap::new();
        let told = self.dismissal.ended().add_header(&mut trailers);
        Poll::Ready(Some(told.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        // That of the inner one would be a promise.
        SizeHint::default()
    }
}
