//! Sending the calls that guests start. The pool makes a request of `http` from each HTTP call,
//! gRPC call and gRPC stream, and reads the response. The embedder knows where a cluster is and how
//! to connect to it.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use gatepost_host::CalloutKind;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::body::BoxError;

/// What comes back for a callout.
pub type CalloutResponse = http::Response<UnsyncBoxBody<Bytes, BoxError>>;

/// A callout that is being sent. It is dropped when the guest no longer waits: the call was
/// cancelled or timed out, or the VM is gone.
pub type CalloutFuture =
    Pin<Box<dyn Future<Output = Result<CalloutResponse, CalloutError>> + Send>>;

/// Sends callouts.
pub trait Callouts: Send + Sync + 'static {
    /// Sends a request to a cluster. Its URI has the scheme, the authority and the path that the
    /// guest gave. A gRPC request is one of HTTP/2, and its messages are framed; the body of a gRPC
    /// stream's request grows while the guest sends.
    ///
    /// The future needs no timeout: the pool drops it when the guest's timeout is over.
    fn send(
        &self,
        cluster: &str,
        kind: CalloutKind,
        request: http::Request<CalloutBody>,
    ) -> CalloutFuture;
}

/// Why no answer came to a callout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalloutError {
    /// The cluster does not exist, or accepts no connection.
    #[error("the cluster cannot be reached")]
    Unreachable,
    /// The other side ended the call before its response began, for a reason in Envoy's words, as
    /// in `remote reset`.
    #[error("the call was reset: {0}")]
    Reset(Cow<'static, str>),
}

/// Sends nothing: guests find every cluster unreachable.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCallouts;

impl Callouts for NoCallouts {
    fn send(
        &self,
        _cluster: &str,
        _kind: CalloutKind,
        _request: http::Request<CalloutBody>,
    ) -> CalloutFuture {
        Box::pin(std::future::ready(Err(CalloutError::Unreachable)))
    }
}

/// A message of a gRPC stream that waits to be sent, and its part of the room for all of them.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: Bytes,
    pub(crate) _room: OwnedSemaphorePermit,
}

/// The body of a callout's request.
#[derive(Debug)]
pub struct CalloutBody(Content);

#[derive(Debug)]
enum Content {
    /// What is left of a body that is known.
    Whole { data: Bytes, trailers: Option<HeaderMap> },
    /// What a guest sends on a gRPC stream, framed.
    Stream(mpsc::Receiver<Outgoing>),
}

impl CalloutBody {
    pub(crate) fn whole(data: Bytes, trailers: Option<HeaderMap>) -> Self {
        Self(Content::Whole { data, trailers: trailers.filter(|trailers| !trailers.is_empty()) })
    }

    pub(crate) fn stream(more: mpsc::Receiver<Outgoing>) -> Self {
        Self(Content::Stream(more))
    }
}

impl Body for CalloutBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.0 {
            Content::Whole { data, trailers } => {
                let data = std::mem::take(data);
                let frame = if data.is_empty() {
                    trailers.take().map(Frame::trailers)
                } else {
                    Some(Frame::data(data))
                };
                Poll::Ready(frame.map(Ok))
            }
            Content::Stream(more) => {
                more.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data.frame))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Content::Whole { data, trailers: None } if data.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Whole { data, .. } => SizeHint::with_exact(data.len() as u64),
            Content::Stream(_) => SizeHint::default(),
        }
    }
}
