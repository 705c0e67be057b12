//! Counters that are raised in the VM first and sent to the proxy when the filter's timer fires.

use std::cell::Cell;

use gatepost_engine::Counter;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

/// The counters of one policy.
#[derive(Debug)]
pub(crate) struct BufferedCounters {
    /// By [`Counter::number`].
    counters: Vec<Option<Buffered>>,
}

#[derive(Debug)]
struct Buffered {
    /// The proxy's id of the counter.
    id: u32,
    /// What was counted since the last flush.
    pending: Cell<i64>,
}

impl BufferedCounters {
    /// Defines counters, each with its name.
    pub(crate) fn define(named: Vec<(Counter, String)>) -> Self {
        let mut counters = Vec::new();
        for (counter, name) in named {
            let number = counter.number();
            if number >= counters.len() {
                counters.resize_with(number.saturating_add(1), || None);
            }
            if let Some(place) = counters.get_mut(number) {
                *place = define(&name).map(|id| Buffered { id, pending: Cell::new(0) });
            }
        }
        Self { counters }
    }

    /// Raises a counter by one.
    pub(crate) fn raise(&self, counter: Counter) {
        if let Some(Some(counter)) = self.counters.get(counter.number()) {
            counter.pending.set(counter.pending.get().saturating_add(1));
        }
    }

    /// Sends what was counted since the last flush.
    pub(crate) fn flush(&self) {
        for counter in self.counters.iter().flatten() {
            let pending = counter.pending.replace(0);
            if pending > 0 {
                increment(counter.id, pending);
            }
        }
    }
}

impl Drop for BufferedCounters {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Raises a counter of the proxy by one, at once.
pub(crate) fn raise(name: &str) {
    if let Some(id) = define(name) {
        increment(id, 1);
    }
}

fn define(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Counter, name).ok()
}

/// A counter that the proxy does not raise is no reason to fail a request.
fn increment(id: u32, by: i64) {
    let _ = hostcalls::increment_metric(id, by);
}
