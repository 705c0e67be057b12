//! The open streams of an HTTP/2 connection to an upstream, of which the upstream allows so many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

use crate::limits::MAX_STREAMS;

/// The streams of one connection.
pub(crate) struct Streams {
    pub(crate) open: AtomicUsize,
    /// How many the upstream allows now (`SETTINGS_MAX_CONCURRENT_STREAMS`).
    pub(crate) allowed: watch::Receiver<Option<usize>>,
}

/// An open stream of a connection, until it is dropped.
pub(crate) struct Stream(pub(crate) Arc<Streams>);

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Streams {
    /// A stream, if one more may be opened. Called with the pool locked.
    pub(crate) fn open(self: &Arc<Self>) -> Option<Stream> {
        let allowed = usize::from(MAX_STREAMS).min(self.allowed.borrow().unwrap_or(0));
        if self.open.load(Ordering::Relaxed) >= allowed {
            return None;
        }
        self.open.fetch_add(1, Ordering::Relaxed);
        Some(Stream(self.clone()))
    }
}
