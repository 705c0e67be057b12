//! The bodies that pass through the gateway. A request's body reports its end, which starts the
//! upstream's timeout; a response's body keeps its place on the upstream connection until it ends.
//! Nothing is buffered: frames, trailers included, pass one by one.

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

/// The body of a response that came through the filter.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// The body that the client gets: the gateway's own few bytes, or the filter's body.
pub(crate) type ResponseBody = Either<Full<Bytes>, AnswerBody>;

/// A request's body on its way to an upstream.
pub(crate) struct RequestBody {
    /// `None` when the body is empty or has ended.
    inner: Option<UnsyncBoxBody<Bytes, BoxError>>,
    /// Dropped when the body has ended.
    unfinished: Option<oneshot::Sender<()>>,
    aborted: Arc<AtomicBool>,
}

/// Watches a [`RequestBody`] that was handed to an upstream connection.
pub(crate) struct RequestBodyEnd {
    finished: Option<oneshot::Receiver<()>>,
    aborted: Arc<AtomicBool>,
}

impl RequestBody {
    pub(crate) fn new<B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static>(
        body: B,
    ) -> Self {
        let inner = (!body.is_end_stream()).then(|| body.map_err(Into::into).boxed_unsync());
        Self { inner, unfinished: None, aborted: Arc::default() }
    }

    /// A watcher that learns of this body's end.
    pub(crate) fn watch(&mut self) -> RequestBodyEnd {
        let mut finished = None;
        if self.inner.is_some() {
            let (sender, receiver) = oneshot::channel();
            (self.unfinished, finished) = (Some(sender), Some(receiver));
        }
        RequestBodyEnd { finished, aborted: Arc::clone(&self.aborted) }
    }
}

impl RequestBodyEnd {
    /// Waits until the whole body was passed on, or the body was dropped.
    pub(crate) async fn finished(&mut self) {
        if let Some(finished) = &mut self.finished {
            // The sender is only ever dropped, so the error is the signal.
            let _ = finished.await;
        }
    }

    /// Whether reading from the client failed: it hung up, or sent a malformed body.
    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Relaxed)
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
            self.aborted.store(true, Ordering::Relaxed);
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

/// An upstream's body on its way to the client. Until it is dropped it counts as a stream of its
/// upstream connection.
///
/// It reports no length: an upstream that knows the length sends it in the headers.
#[derive(Debug)]
pub struct UpstreamBody {
    inner: Incoming,
    _permit: Option<OwnedSemaphorePermit>,
}

impl UpstreamBody {
    pub(crate) fn new(inner: Incoming, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { inner, _permit: permit }
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
