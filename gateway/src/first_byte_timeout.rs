//! A timeout for a connection's first bytes. hyper's own header timeout starts only when it knows
//! the protocol, for which it waits for up to 24 bytes (the HTTP/2 preface); a client that sends
//! fewer would hold its connection for ever.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The HTTP/2 preface's length, and less than any HTTP/1.1 request with a Host.
const PREFACE: usize = 24;

/// Reads from `inner` fail when the first bytes did not come in time.
pub(crate) struct FirstByteTimeout<I> {
    inner: I,
    /// `None` once enough bytes came.
    deadline: Option<Pin<Box<Sleep>>>,
    received: usize,
}

impl<I> FirstByteTimeout<I> {
    pub(crate) fn new(inner: I, limit: Duration) -> Self {
        Self { inner, deadline: Some(Box::pin(tokio::time::sleep(limit))), received: 0 }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for FirstByteTimeout<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buffer);
        let Some(deadline) = &mut this.deadline else { return polled };
        if polled.is_ready() {
            this.received += buffer.filled().len().saturating_sub(before);
            if this.received >= PREFACE {
                this.deadline = None;
            }
            return polled;
        }
        match deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for FirstByteTimeout<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }
}
