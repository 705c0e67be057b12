//! Buffered counters with the timer that flushes them, which runs only while there is something to
//! flush.

use std::cell::Cell;

use gatepost_engine::Counter;
use gatepost_filter_request::BufferedCounters;

use crate::abi;

/// How long a count may wait before the proxy knows it, in milliseconds.
const PERIOD: u32 = 25;

/// The counters of one plugin.
pub(crate) struct TimedCounters {
    counters: BufferedCounters,
    timer_runs: Cell<bool>,
}

impl TimedCounters {
    /// Defines counters, each with its name.
    pub fn define(names: Vec<(Counter, String)>) -> Self {
        Self { counters: BufferedCounters::define(names), timer_runs: Cell::new(false) }
    }

    /// Raises a counter by one.
    pub fn raise(&self, counter: Counter) {
        if self.counters.raise(counter) && !self.timer_runs.get() {
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

    /// Sends the counts to the proxy. Whether there were any.
    pub fn flush(&self) -> bool {
        self.counters.flush()
    }
}
