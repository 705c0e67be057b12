//! Counters are raised here first and flushed to the proxy a moment later. Raising a counter of the
//! proxy costs as much as the engine's whole work for a request. The proxy's timer
//! runs only while there is something to flush.

use std::cell::Cell;

use gatepost_engine::Counter;

use crate::abi;

/// How long a count may wait before it is flushed to the proxy, in milliseconds.
const PERIOD: u32 = 25;

/// The counters of one plugin.
pub(crate) struct BufferedCounters {
    /// The counters, indexed by [`Counter`]'s number.
    counters: Vec<Option<Buffered>>,
    timer_runs: Cell<bool>,
}

struct Buffered {
    /// The proxy's number of the counter.
    id: u32,
    /// What is not flushed yet.
    pending: Cell<i64>,
}

impl BufferedCounters {
    /// Defines counters, each with its name. A counter that the proxy refuses is not counted.
    pub fn define(names: Vec<(Counter, String)>) -> Self {
        let mut counters = Vec::new();
        for (counter, name) in names {
            let number = counter.number();
            if number >= counters.len() {
                counters.resize_with(number.saturating_add(1), || None);
            }
            if let Some(slot) = counters.get_mut(number) {
                let pending = Cell::new(0);
                *slot = abi::define_counter(&name).map(|id| Buffered { id, pending });
            }
        }
        Self { counters, timer_runs: Cell::new(false) }
    }

    /// Raises a counter by one.
    pub fn raise(&self, counter: Counter) {
        let Some(Some(counter)) = self.counters.get(counter.number()) else { return };
        counter.pending.set(counter.pending.get().saturating_add(1));
        if !self.timer_runs.get() {
            self.start_timer();
        }
    }

    #[cold]
    fn start_timer(&self) {
        self.timer_runs.set(abi::set_tick_period(PERIOD));
        // A host without timers gets the counts at once.
        if !self.timer_runs.get() {
            self.flush();
        }
    }

    /// Stops the timer, which fired when there was nothing to flush.
    pub fn stop_timer(&self) {
        self.timer_runs.set(!abi::set_tick_period(0));
    }

    /// Raises the proxy's counters by the pending counts. Returns whether there were any.
    pub fn flush(&self) -> bool {
        let mut any = false;
        for Buffered { id, pending } in self.counters.iter().flatten() {
            let pending = pending.replace(0);
            if pending > 0 {
                abi::increment(*id, pending);
                any = true;
            }
        }
        any
    }
}

impl Drop for BufferedCounters {
    fn drop(&mut self) {
        self.flush();
    }
}
