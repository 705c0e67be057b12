//! Bodies on their way through: a client's, whose end starts the upstream's clock, and a response's, which holds what it needs
//! until it ends. Nothing is buffered here; frames, trailers included, pass one by one.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// What the gateway answers with: its own few bytes, or an upstream's stream.
pub(super) type ResponseBody = Either<Full<Bytes>, UpstreamBody>;

/// A client's body on its way to an upstream.
pub(super) struct ClientBody {
    inner: Incoming,
    /// Dropped when the body is over.
    unfinished: Option<oneshot::Sender<()>>,
    broken: Arc<AtomicBool>,
}

/// The other end of a [`ClientBody`]: what became of it.
pub(super) struct ClientBodyEnd {
    finished: oneshot::Receiver<()>,
    broken: Arc<AtomicBool>,
}

impl ClientBody {
    pub(super) fn new(inner: Incoming) -> (Self, ClientBodyEnd) {
        let (sender, finished) = oneshot::channel();
        let broken = Arc::new(AtomicBool::new(false));
        let unfinished = (!inner.is_end_stream()).then_some(sender);
        (Self { inner, unfinished, broken: broken.clone() }, ClientBodyEnd { finished, broken })
    }
}

impl ClientBodyEnd {
    /// Waits until the body was passed on whole, or dropped.
    pub(super) async fn finished(&mut self) {
        // The sender is only ever dropped, so the error is the signal.
        let _ = (&mut self.finished).await;
    }

    /// Whether the client's side failed: it went away, or sent what is no body.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        if matches!(frame, Some(Err(_))) {
            self.broken.store(true, Ordering::Relaxed);
        }
        if !matches!(frame, Some(Ok(_))) || self.inner.is_end_stream() {
            self.unfinished = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An upstream's body on its way to the client. It keeps its place on the upstream connection until it is dropped.
pub(super) struct UpstreamBody {
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

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
