//! Bodies of answers that a fault cuts short or slows down.

use std::num::NonZeroU64;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::line::Grip;
use super::message::ReplyBody;

/// A slowed body comes in pieces, so far apart.
const PIECE_INTERVAL: Duration = Duration::from_millis(50);

/// A body with its fault. It announces its whole length, whatever comes of it.
#[derive(Debug)]
pub(super) struct HurtBody {
    body: ReplyBody,
    hurt: Hurt,
}

#[derive(Debug)]
enum Hurt {
    Nothing,
    /// So many bytes more, then the end of the connection.
    Cut {
        left: u64,
        grip: Grip,
    },
    Throttle {
        /// Bytes of a piece, 1 or more.
        piece: usize,
        interval: Duration,
        /// What of a segment has not been sent yet.
        rest: Bytes,
        next: Pin<Box<Sleep>>,
    },
}

impl HurtBody {
    /// The body as it is.
    pub(super) fn whole(body: ReplyBody) -> Self {
        Self {
            body,
            hurt: Hurt::Nothing,
        }
    }

    /// The first `left` bytes; then the connection is cut.
    pub(super) fn cut(body: ReplyBody, left: u64, grip: Grip) -> Self {
        Self {
            body,
            hurt: Hurt::Cut { left, grip },
        }
    }

    /// The body at `rate` bytes a second.
    pub(super) fn throttled(body: ReplyBody, rate: NonZeroU64) -> Self {
        let per_interval = u128::from(rate.get()) * PIECE_INTERVAL.as_millis() / 1000;
        // Less than a byte in an interval: a byte at a time, farther apart.
        let (piece, interval) = match usize::try_from(per_interval).unwrap_or(usize::MAX) {
            0 => (1, Duration::from_secs_f64(1.0 / rate.get() as f64)),
            piece => (piece, PIECE_INTERVAL),
        };
        let hurt = Hurt::Throttle {
            piece,
            interval,
            rest: Bytes::new(),
            next: Box::pin(sleep_until(Instant::now())),
        };
        Self { body, hurt }
    }
}

impl Body for HurtBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self { body, hurt } = self.get_mut();
        match hurt {
            Hurt::Nothing => Pin::new(body).poll_frame(context),
            Hurt::Cut { left, grip } => {
                if *left == 0 {
                    grip.cut();
                    return Poll::Pending;
                }
                let Some(mut segment) = body.next_segment() else {
                    grip.cut();
                    return Poll::Ready(None);
                };
                segment.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= segment.len() as u64;
                if body.is_end_stream() {
                    // No further call comes after the announced length.
                    grip.cut();
                }
                Poll::Ready(Some(Ok(Frame::data(segment))))
            }
            Hurt::Throttle {
                piece,
                interval,
                rest,
                next,
            } => {
                ready!(next.as_mut().poll(context));
                while rest.is_empty() {
                    match body.next_segment() {
                        Some(segment) => *rest = segment,
                        None => return Poll::Ready(None),
                    }
                }
                let bytes = rest.split_to(rest.len().min(*piece));
                next.as_mut().reset(Instant::now() + *interval);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.hurt {
            Hurt::Nothing | Hurt::Cut { .. } => self.body.is_end_stream(),
            Hurt::Throttle { rest, .. } => rest.is_empty() && self.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let unsent = match &self.hurt {
            Hurt::Throttle { rest, .. } => rest.len() as u64,
            Hurt::Nothing | Hurt::Cut { .. } => 0,
        };
        let body = self.body.size_hint().exact().unwrap_or_default();
        SizeHint::with_exact(body + unsent)
    }
}
