//! Bodies that pass the chain: read from their source when the reader wants more, shown to the
//! guests, and passed on as the guests leave them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use gatepost_host::{Direction, HeaderScope, Part};
use http_body::{Body, Frame, SizeHint};

use crate::exchange::{Exchange, Next, UpstreamSide};
use crate::message::{Unfit, headers_in, trailers_out};

/// Any error, as tower's services have it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a body ends too early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The sender of the body failed.
    #[error("the sender of the body failed: {0}")]
    Sender(#[source] BoxError),
    /// The exchange was ended while the body was on its way: a plugin answered or closed the
    /// stream, its VM trapped, or the other side is gone.
    #[error("the exchange was reset while its body was on the way")]
    Reset,
    /// A plugin has made trailers that HTTP cannot carry.
    #[error("a plugin has made trailers that cannot be sent: {0}")]
    Trailers(String),
}

impl From<Unfit> for BodyError {
    fn from(unfit: Unfit) -> Self {
        BodyError::Trailers(unfit.to_string())
    }
}

/// A body before the chain. It is boxed, because it is read both before and after it becomes part
/// of a [`WasmBody`].
pub(crate) struct Source<B> {
    body: Option<Pin<Box<B>>>,
    scope: HeaderScope,
}

impl<B: Body> Source<B>
where
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(body: B, direction: Direction) -> Self {
        let scope = match direction {
            Direction::Request => HeaderScope::RequestTrailers,
            Direction::Response => HeaderScope::ResponseTrailers,
        };
        Self { body: Some(Box::pin(body)), scope }
    }

    /// The next part of the message. Stays pending after the last one.
    pub(crate) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<Part, BoxError>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Pending };
            let part = match ready!(body.as_mut().poll_frame(cx)) {
                None => Part::Data { data: Bytes::new(), end_stream: true },
                Some(Err(error)) => {
                    self.body = None;
                    return Poll::Ready(Err(error.into()));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => {
                        let data = data.copy_to_bytes(data.remaining());
                        Part::Data { data, end_stream: body.is_end_stream() }
                    }
                    Err(frame) => match frame.into_trailers() {
                        Ok(trailers) => Part::Trailers(headers_in(self.scope, &trailers)),
                        Err(_) => continue,
                    },
                },
            };
            if part.end_stream() {
                self.body = None;
            }
            return Poll::Ready(Ok(part));
        }
    }
}

/// A body as the chain lets it through: the body of a request for the service behind the layer, or
/// of a response for the client. Dropping a response's body ends the exchange.
#[derive(Debug)]
pub struct WasmBody<B> {
    /// `None` once the body has ended.
    reader: Option<BodyReader>,
    source: Option<Source<B>>,
}

/// Which side of the exchange reads the body.
#[derive(Debug)]
enum BodyReader {
    Upstream(UpstreamSide),
    Client(Exchange),
    /// None: the body fails at once.
    Aborted,
}

impl<B> WasmBody<B> {
    /// A request's body, for the service.
    pub(crate) fn request(side: UpstreamSide, source: Option<Source<B>>) -> Self {
        Self { reader: Some(BodyReader::Upstream(side)), source }
    }

    /// A response's body, for the client. A local reply has no source.
    pub(crate) fn response(exchange: Exchange, source: Option<Source<B>>) -> Self {
        Self { reader: Some(BodyReader::Client(exchange)), source }
    }

    pub(crate) fn empty() -> Self {
        Self { reader: None, source: None }
    }

    /// A body that fails at once.
    pub(crate) fn aborted() -> Self {
        Self { reader: Some(BodyReader::Aborted), source: None }
    }
}

impl<B> Body for WasmBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let ended = loop {
            let next = match &this.reader {
                None => return Poll::Ready(None),
                Some(BodyReader::Upstream(side)) => side.next(cx.waker()),
                Some(BodyReader::Client(exchange)) => {
                    exchange.next(Direction::Response, cx.waker())
                }
                Some(BodyReader::Aborted) => Next::Reset,
            };
            match next {
                Next::Part(Part::Data { data, end_stream }) => {
                    if end_stream {
                        this.end();
                    }
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                Next::Part(Part::Trailers(trailers)) => {
                    break Some(
                        trailers_out(&trailers).map(Frame::trailers).map_err(BodyError::from),
                    );
                }
                // The headers have been taken before there was a body.
                Next::Part(Part::Headers { .. }) => {}
                Next::End => break None,
                Next::Reset => break Some(Err(BodyError::Reset)),
                Next::HoldsBack => return Poll::Pending,
                Next::Wants => {
                    let Some(source) = &mut this.source else { return Poll::Pending };
                    match ready!(source.poll_part(cx)) {
                        Ok(part) => match &this.reader {
                            Some(BodyReader::Upstream(side)) => side.feed(part),
                            Some(BodyReader::Client(exchange)) => {
                                exchange.feed(Direction::Response, part);
                            }
                            Some(BodyReader::Aborted) | None => {}
                        },
                        Err(error) => {
                            if let Some(BodyReader::Client(exchange)) = &this.reader {
                                exchange.upstream_reset("remote reset");
                            }
                            break Some(Err(BodyError::Sender(error)));
                        }
                    }
                }
            }
        };
        this.end();
        Poll::Ready(ended)
    }

    fn is_end_stream(&self) -> bool {
        self.reader.is_none()
    }

    /// Guests may still change the length, so it is known only at the end.
    fn size_hint(&self) -> SizeHint {
        if self.reader.is_none() { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}

impl<B> WasmBody<B> {
    fn end(&mut self) {
        self.reader = None;
        self.source = None;
    }
}

impl<B> std::fmt::Debug for Source<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("is_read", &self.body.is_none()).finish_non_exhaustive()
    }
}
