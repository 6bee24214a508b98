//! Tells [`Arrivals`](super::arrivals::Arrivals) of each call, before anything looks at it, until its answer begins.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};

use super::connection::Origin;

/// Puts [`CountCalls`] around a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct CountCallsLayer;

impl<S> Layer<S> for CountCallsLayer {
    type Service = CountCalls<S>;

    fn layer(&self, inner: S) -> CountCalls<S> {
        CountCalls { inner }
    }
}

/// A service whose calls are counted.
#[derive(Debug, Clone)]
pub(super) struct CountCalls<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for CountCalls<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let call = request.extensions().get::<Origin>().map(Origin::call);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(call);
            answer
        })
    }
}
