//! The open connections. When there is no room for another one, those that wait for their clients
//! the longest are closed: clients that send nothing, or half a request, keep no API server out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, Id, JoinSet};

/// A client has this long to send something before its connection may be closed for another one's
/// sake.
const GRACE: Duration = Duration::from_millis(100);

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    opened: Instant,
    has_asked: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// How many requests are being answered.
    requests: usize,
    since: Instant,
}

impl Connection {
    pub fn new() -> Self {
        let opened = Instant::now();
        let waiting = Mutex::new(Waiting { requests: 0, since: opened });
        Self { opened, has_asked: AtomicBool::new(false), waiting }
    }

    /// Whether a request came.
    pub fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    /// A request came. Its time begins now, and that of the first one when the connection began. It
    /// is being answered until what this gives is dropped.
    pub fn request(self: &Arc<Self>) -> (Instant, Answering) {
        let begun =
            if self.has_asked.swap(true, Ordering::Relaxed) { Instant::now() } else { self.opened };
        let mut waiting = self.waiting();
        waiting.requests = waiting.requests.saturating_add(1);
        (begun, Answering(Arc::clone(self)))
    }

    /// Since when it waits for its client; `None` while it answers.
    pub fn waits_since(&self) -> Option<Instant> {
        let waiting = self.waiting();
        (waiting.requests == 0).then_some(waiting.since)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Connection>);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting();
        waiting.requests = waiting.requests.saturating_sub(1);
        waiting.since = Instant::now();
    }
}

/// All open connections.
#[derive(Default)]
pub(crate) struct Connections {
    tasks: JoinSet<()>,
    open: HashMap<Id, (Arc<Connection>, AbortHandle)>,
}

impl Connections {
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Serves a connection in a task of its own.
    pub fn spawn(
        &mut self,
        connection: Arc<Connection>,
        serving: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.tasks.spawn(serving);
        self.open.insert(task.id(), (connection, task));
    }

    /// Waits until a connection ended. Never ready when none is open.
    pub async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.open.remove(&id)),
            Some(Err(error)) => drop(self.open.remove(&error.id())),
            None => std::future::pending().await,
        }
    }

    /// Closes connections that wait for their clients: those that wait the longest, at most one in
    /// sixteen, and only after [`GRACE`].
    pub fn make_room(&mut self) {
        let waiting = self.open.values().filter_map(|(connection, task)| {
            let since = connection.waits_since().filter(|since| since.elapsed() >= GRACE)?;
            Some((since, task))
        });
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_unstable_by_key(|(since, _)| *since);
        for (_, task) in waiting.into_iter().take((self.open.len() / 16).max(1)) {
            task.abort();
        }
    }

    /// Waits until all ended.
    pub async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
