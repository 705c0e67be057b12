//! The bodies that pass through the gateway. A request's body reports its end, which starts the
//! upstream's timeout; a response's body keeps its place on the upstream connection until it ends.
//! Nothing is buffered: frames, trailers included, pass one by one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tower::BoxError;

use crate::client_state::ActiveRequest;
use crate::http2_streams::Stream;
use crate::options::Timeouts;
use crate::stats::Active;

/// The body of a response that came through the filter.
pub(crate) type AnswerBody = UnsyncBoxBody<Bytes, BoxError>;

/// The body of a response: the gateway's own few bytes, or the filter's body.
pub(crate) type ResponseBody = Either<Full<Bytes>, AnswerBody>;

/// The body of a response as hyper sends it. Until it is dropped its request is being answered.
pub(crate) struct ClientBody {
    inner: ResponseBody,
    _request: (ActiveRequest, Active),
}

impl ClientBody {
    pub(crate) fn new(inner: ResponseBody, request: (ActiveRequest, Active)) -> Self {
        Self { inner, _request: request }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A request's body on its way to an upstream.
pub(crate) struct RequestBody {
    /// `None` when the body is empty or has ended.
    inner: Option<UnsyncBoxBody<Bytes, BoxError>>,
    /// Dropped when the body has ended.
    unfinished: Option<oneshot::Sender<()>>,
    progress: Arc<Progress>,
}

/// How far a request's body came.
struct Progress {
    began: Instant,
    /// Milliseconds after `began` at which the last frame came.
    last_frame: AtomicU64,
    is_aborted: AtomicBool,
}

/// Watches a [`RequestBody`] that was handed to an upstream connection.
pub(crate) struct RequestBodyEnd {
    finished: Option<oneshot::Receiver<()>>,
    progress: Arc<Progress>,
}

impl RequestBody {
    pub(crate) fn new<B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static>(
        body: B,
    ) -> Self {
        let inner = (!body.is_end_stream()).then(|| body.map_err(Into::into).boxed_unsync());
        let progress = Progress {
            began: Instant::now(),
            last_frame: AtomicU64::new(0),
            is_aborted: AtomicBool::new(false),
        };
        Self { inner, unfinished: None, progress: Arc::new(progress) }
    }

    /// A watcher that learns of this body's end.
    pub(crate) fn watch(&mut self) -> RequestBodyEnd {
        let mut finished = None;
        if self.inner.is_some() {
            let (sender, receiver) = oneshot::channel();
            (self.unfinished, finished) = (Some(sender), Some(receiver));
        }
        RequestBodyEnd { finished, progress: Arc::clone(&self.progress) }
    }
}

impl RequestBodyEnd {
    /// Waits until the whole body was passed on, or the body was dropped.
    pub(crate) async fn finished(&mut self) {
        std::future::poll_fn(|cx| self.poll_finished(cx)).await;
    }

    pub(crate) fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(finished) = &mut self.finished {
            // The sender is only ever dropped, so the error is the signal.
            let _ = ready!(Pin::new(finished).poll(cx));
            self.finished = None;
        }
        Poll::Ready(())
    }

    /// When the body began.
    pub(crate) fn began(&self) -> Instant {
        self.progress.began
    }

    /// When the last part of it came.
    pub(crate) fn last_frame(&self) -> Instant {
        let since = self.progress.last_frame.load(Ordering::Relaxed);
        self.progress.began + Duration::from_millis(since)
    }

    /// Whether reading from the client failed: it hung up, or sent a malformed body.
    pub(crate) fn is_aborted(&self) -> bool {
        self.progress.is_aborted.load(Ordering::Relaxed)
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
            self.progress.is_aborted.store(true, Ordering::Relaxed);
        }
        if is_over {
            (self.inner, self.unfinished) = (None, None);
        } else {
            let since = u64::try_from(self.progress.began.elapsed().as_millis());
            self.progress.last_frame.store(since.unwrap_or(u64::MAX), Ordering::Relaxed);
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
/// upstream connection. It fails when it takes too long.
///
/// It reports no length: an upstream that knows the length sends it in the headers.
#[derive(Debug)]
pub struct UpstreamBody {
    inner: Incoming,
    _stream: Option<Stream>,
    limits: ResponseLimits,
}

/// The time that a response's body has.
pub(crate) struct ResponseLimits {
    pub(crate) timeouts: Timeouts,
    /// The route's time-out begins with the request's end.
    pub(crate) request_end: RequestBodyEnd,
    /// When the request was whole, or now if it has no end yet.
    whole_since: Option<Instant>,
    last_frame: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a response broke off.
#[derive(Debug, thiserror::Error)]
#[error("the upstream's response took too long")]
struct TooLate;

impl ResponseLimits {
    pub(crate) fn new(
        timeouts: Timeouts,
        request_end: RequestBodyEnd,
        whole_since: Option<Instant>,
    ) -> Self {
        Self { timeouts, request_end, whole_since, last_frame: None, timer: None }
    }

    /// Whether the time is over. Called when no frame is there.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        if self.whole_since.is_none() && self.request_end.poll_finished(cx).is_ready() {
            self.whole_since = Some(Instant::now());
        }
        let last_frame = *self.last_frame.get_or_insert_with(Instant::now);
        let route = self.timeouts.route.zip(self.whole_since).map(|(limit, since)| since + limit);
        // A request that goes on keeps its stream from being idle.
        let last = last_frame.max(self.request_end.last_frame());
        let idle = self.timeouts.stream_idle.map(|limit| last + limit);
        let Some(end) = route.into_iter().chain(idle).min() else { return false };
        let end = tokio::time::Instant::from_std(end);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end)));
        if timer.deadline() != end {
            timer.as_mut().reset(end);
        }
        timer.as_mut().poll(cx).is_ready()
    }
}

impl std::fmt::Debug for ResponseLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseLimits").finish_non_exhaustive()
    }
}

impl UpstreamBody {
    pub(crate) fn new(inner: Incoming, stream: Option<Stream>, limits: ResponseLimits) -> Self {
        Self { inner, _stream: stream, limits }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.limits.last_frame = None;
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending if self.limits.is_over(cx) => Poll::Ready(Some(Err(Box::new(TooLate)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}
