//! What the gateway counts. The caller names and shows the values; see [`Stats`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a gateway, which only grow, but for those that are called active. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Stats(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    connections: AtomicU64,
    active_connections: AtomicU64,
    closed_for_room: AtomicU64,
    requests: AtomicU64,
    active_requests: AtomicU64,
    /// By the status' first digit: 1xx to 5xx, and others at the end.
    responses: [AtomicU64; 6],
    connect_failures: AtomicU64,
    upstream_failures: AtomicU64,
    timeouts: AtomicU64,
}

/// The classes of [`StatsSnapshot::responses`].
pub const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// The values at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Connections that clients opened.
    pub connections: u64,
    /// How many of them are open.
    pub active_connections: u64,
    /// Connections that were closed while they waited for their client, to make room for others.
    pub closed_for_room: u64,
    /// Requests that began.
    pub requests: u64,
    /// How many of them are being answered.
    pub active_requests: u64,
    /// Responses to clients, by [`CLASSES`].
    pub responses: [u64; 6],
    /// Requests that failed because no connection to the upstream could be opened.
    pub connect_failures: u64,
    /// Requests whose upstream ended the exchange, or sent what is refused.
    pub upstream_failures: u64,
    /// Requests whose upstream took too long.
    pub timeouts: u64,
}

/// Lowers a counter of active things when it is dropped.
pub(crate) struct Active(Stats, fn(&Counters) -> &AtomicU64);

impl Drop for Active {
    fn drop(&mut self) {
        (self.1)(&self.0.0).fetch_sub(1, Ordering::Relaxed);
    }
}

impl Stats {
    /// The values now.
    #[must_use]
    pub fn snapshot(&self) -> StatsSnapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.0;
        StatsSnapshot {
            connections: get(&counters.connections),
            active_connections: get(&counters.active_connections),
            closed_for_room: get(&counters.closed_for_room),
            requests: get(&counters.requests),
            active_requests: get(&counters.active_requests),
            responses: std::array::from_fn(|class| get(&counters.responses[class])),
            connect_failures: get(&counters.connect_failures),
            upstream_failures: get(&counters.upstream_failures),
            timeouts: get(&counters.timeouts),
        }
    }

    pub(crate) fn connection(&self) -> Active {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        self.active(|counters| &counters.active_connections)
    }

    pub(crate) fn connections_closed_for_room(&self, count: usize) {
        self.0.closed_for_room.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn request(&self) -> Active {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.active(|counters| &counters.active_requests)
    }

    pub(crate) fn response(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100).checked_sub(1);
        let class = class.unwrap_or(usize::MAX).min(CLASSES.len() - 1);
        self.0.responses[class].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connect_failed(&self) {
        self.0.connect_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn upstream_failed(&self) {
        self.0.upstream_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn timed_out(&self) {
        self.0.timeouts.fetch_add(1, Ordering::Relaxed);
    }

    fn active(&self, counter: fn(&Counters) -> &AtomicU64) -> Active {
        counter(&self.0).fetch_add(1, Ordering::Relaxed);
        Active(self.clone(), counter)
    }
}
