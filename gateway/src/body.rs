//! Bodies on their way through: a request's, whose end starts the upstream's clock, and a
//! response's, which holds what it needs until it ends. Nothing is buffered here; frames, trailers
//! included, pass one by one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tower::BoxError;

use super::filter::AnswerBody;

/// What the gateway answers with: its own few bytes, or what the filter gave.
pub(super) type ResponseBody = Either<Full<Bytes>, AnswerBody>;

/// A request's body on its way to an upstream.
pub(super) struct RequestBody {
    /// None: there is none, or no more of it.
    inner: Option<UnsyncBoxBody<Bytes, BoxError>>,
    /// Dropped when the body is over.
    unfinished: Option<oneshot::Sender<()>>,
    broken: Arc<AtomicBool>,
}

/// The other end of a [`RequestBody`]: what became of it.
pub(super) struct RequestBodyEnd {
    finished: Option<oneshot::Receiver<()>>,
    broken: Arc<AtomicBool>,
}

impl RequestBody {
    pub(super) fn new<B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static>(
        body: B,
    ) -> Self {
        let inner = (!body.is_end_stream()).then(|| body.map_err(Into::into).boxed_unsync());
        Self { inner, unfinished: None, broken: Arc::default() }
    }

    /// Who is told of its end.
    pub(super) fn watched(&mut self) -> RequestBodyEnd {
        let mut finished = None;
        if self.inner.is_some() {
            let (sender, receiver) = oneshot::channel();
            (self.unfinished, finished) = (Some(sender), Some(receiver));
        }
        RequestBodyEnd { finished, broken: Arc::clone(&self.broken) }
    }
}

impl RequestBodyEnd {
    /// Waits until the body was passed on whole, or dropped.
    pub(super) async fn finished(&mut self) {
        if let Some(finished) = &mut self.finished {
            // The sender is only ever dropped, so the error is the signal.
            let _ = finished.await;
        }
    }

    /// Whether the client's side failed: it went away, or sent what is no body.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *inner).poll_frame(cx));
        let is_over = !matches!(frame, Some(Ok(_))) || inner.is_end_stream();
        if matches!(frame, Some(Err(_))) {
            self.broken.store(true, Ordering::Relaxed);
        }
        if is_over {
            (self.inner, self.unfinished) = (None, None);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// An upstream's body on its way to the client. It keeps its place on the upstream connection until
/// it is dropped.
///
/// It does not tell its length: an upstream that knows it has said so in the headers.
#[derive(Debug)]
pub struct UpstreamBody {
    inner: Incoming,
    _place: Option<OwnedSemaphorePermit>,
}

impl UpstreamBody {
    pub(super) fn new(inner: Incoming, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { inner, _place: place }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}
