//! Puts a span around each call, where calls are traced. Elsewhere this is not in the way of any.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::body::Body;
use tower::{Layer, Service};

use super::caller::caller_of;
use crate::traces::{Call, Traces};

/// Our own services; health and reflection are asked too often, and by programs that nobody follows.
const PACKAGE: &str = "/snowflake_session.v1.";

/// Longest path that is told; those of our methods are shorter.
const PATH_BYTES_MAX: usize = 128;

/// Puts a span around each call.
#[derive(Clone)]
pub(super) struct TraceCalls(pub(super) Traces);

impl<S> Layer<S> for TraceCalls {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced {
            inner,
            traces: self.0.clone(),
        }
    }
}

/// A service whose calls are traced.
#[derive(Clone)]
pub(super) struct Traced<S> {
    inner: S,
    traces: Traces,
}

impl<S> Traced<S> {
    fn call_of<B>(&self, request: &Request<B>) -> Option<Call> {
        let path = request.uri().path();
        if path.len() > PATH_BYTES_MAX || !path.starts_with(PACKAGE) {
            return None;
        }
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        let headers = request.headers();
        Some(
            self.traces
                .call(service, method, headers, caller_of(None, headers)),
        )
    }
}

impl<S, B> Service<Request<B>> for Traced<S>
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
        let Some(call) = self.call_of(&request) else {
            return Box::pin(self.inner.call(request));
        };
        let answer = call.run(|| self.inner.call(request));
        let answer = call.run_future(answer);
        Box::pin(async move {
            let (head, body) = answer.await?.into_parts();
            // An answer that is an error and nothing else has its status in its head.
            let body = match code(&head.headers) {
                Some(code) => {
                    call.end(code);
                    body
                }
                None => Body::new(TracedBody {
                    inner: body,
                    call: Some(call),
                }),
            };
            Ok(Response::from_parts(head, body))
        })
    }
}

/// A body that ends its call's span with its trailers.
struct TracedBody {
    inner: Body,
    call: Option<Call>,
}

impl HttpBody for TracedBody {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(code) = frame.trailers_ref().and_then(code)
            && let Some(call) = self.call.take()
        {
            call.end(code);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

fn code(headers: &HeaderMap) -> Option<i32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}
