//! A connection that changed its protocol: bytes pass both ways until an end closes, or until
//! nothing passed for too long. What they are is not known here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Connects the two ends once both have changed their protocol.
pub(crate) async fn run(client: OnUpgrade, upstream: OnUpgrade, idle: Option<Duration>) {
    let Ok((client, upstream)) = tokio::try_join!(client, upstream) else { return };
    let clock = Arc::new(Clock { began: Instant::now(), last_read: AtomicU64::new(0) });
    let mut client = Watched { inner: TokioIo::new(client), clock: clock.clone() };
    let mut upstream = Watched { inner: TokioIo::new(upstream), clock: clock.clone() };
    // Either end may close in any way.
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut upstream) => {}
        () = clock.silence(idle) => {}
    }
}

struct Clock {
    began: Instant,
    /// Milliseconds after `began`.
    last_read: AtomicU64,
}

impl Clock {
    /// Waits until nothing was read for as long as this.
    async fn silence(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let last = Duration::from_millis(self.last_read.load(Ordering::Relaxed));
            let end = self.began + last + limit;
            if Instant::now() >= end {
                return;
            }
            tokio::time::sleep_until(end.into()).await;
        }
    }
}

/// Notes when something is read.
struct Watched<I> {
    inner: I,
    clock: Arc<Clock>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if polled.is_ready() {
            let since = u64::try_from(self.clock.began.elapsed().as_millis());
            self.clock.last_read.store(since.unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
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
}
