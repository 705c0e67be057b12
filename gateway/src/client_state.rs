//! What is known of one client's connection: whether it waits for the client, and since when. The
//! listener closes connections by it when there is no room for another one.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Context;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

/// The answer to a request that hyper must not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Early {
    /// Its head is one that Envoy refuses and hyper takes.
    BadRequest,
    /// Its head did not come in time.
    Timeout,
}

/// The state of a connection. What `client_io` reads and what `service` answers meet here.
pub(crate) struct ClientState {
    opened: Instant,
    /// How many requests are being answered.
    requests: AtomicUsize,
    /// How many requests were answered.
    answered: AtomicU64,
    /// Whether a request is not whole yet, or none has begun.
    is_waiting: AtomicBool,
    /// Milliseconds after `opened` at which the connection began to wait.
    waits_since: AtomicU64,
    early: OnceLock<Early>,
    /// Woken when a request was answered.
    reader: AtomicWaker,
}

impl ClientState {
    pub(crate) fn new() -> Self {
        Self {
            opened: Instant::now(),
            requests: AtomicUsize::new(0),
            answered: AtomicU64::new(0),
            is_waiting: AtomicBool::new(true),
            waits_since: AtomicU64::new(0),
            early: OnceLock::new(),
            reader: AtomicWaker::new(),
        }
    }

    /// More of a request must come from the client.
    pub(crate) fn waits(&self) {
        if !self.is_waiting.swap(true, Ordering::Relaxed) {
            self.note_time();
        }
    }

    /// A request came whole.
    pub(crate) fn has_request(&self) {
        self.is_waiting.store(false, Ordering::Relaxed);
    }

    /// Its bytes are not followed, as those of HTTP/2: it waits when no request is answered.
    pub(crate) fn is_not_followed(&self) {
        self.has_request();
    }

    /// Whether the request that is being answered is not whole yet.
    pub(crate) fn waits_for_body(&self) -> bool {
        self.is_waiting.load(Ordering::Relaxed)
    }

    /// Whether no request is being answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// How many requests were answered, or given up.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// Wakes this task when one more was.
    pub(crate) fn wake_when_answered(&self, cx: &Context<'_>) {
        self.reader.register(cx.waker());
    }

    /// Since when the connection waits for its client, if it does.
    pub(crate) fn waits_since(&self) -> Option<Instant> {
        let waits = self.is_waiting.load(Ordering::Relaxed) || self.is_idle();
        let since = Duration::from_millis(self.waits_since.load(Ordering::Relaxed));
        waits.then(|| self.opened + since)
    }

    /// The next request is answered with this. Nothing of the client is read after it.
    pub(crate) fn answer_early(&self, early: Early) {
        let _ = self.early.set(early);
    }

    pub(crate) fn early(&self) -> Option<Early> {
        self.early.get().copied()
    }

    fn note_time(&self) {
        let since = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.waits_since.store(since, Ordering::Relaxed);
    }

    /// A request begins; it ends when what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> ActiveRequest {
        self.requests.fetch_add(1, Ordering::Relaxed);
        ActiveRequest(self.clone())
    }
}

/// A request that is being answered.
pub(crate) struct ActiveRequest(Arc<ClientState>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        self.0.answered.fetch_add(1, Ordering::Release);
        self.0.reader.wake();
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.note_time();
        }
    }
}
