//! Buffered counters with the timer that flushes them, which is fast only while there is something
//! to flush.

use std::cell::Cell;

use gatepost_engine::Counter;
use gatepost_filter_request::BufferedCounters;

use crate::abi;

/// How long a count may wait before the proxy knows it, in milliseconds.
const PERIOD: u32 = 25;

/// How often the timer fires while there is nothing to flush, in milliseconds: so soon the gauges
/// show that another policy ended.
const IDLE_PERIOD: u32 = 5000;

/// The counters of one plugin.
pub(crate) struct TimedCounters {
    counters: BufferedCounters,
    timer_is_fast: Cell<bool>,
}

impl TimedCounters {
    /// Defines counters, each with its name, and starts the timer.
    pub fn define(names: Vec<(Counter, String)>) -> Self {
        let counters = BufferedCounters::define(names);
        Self { counters, timer_is_fast: Cell::new(abi::set_tick_period(PERIOD)) }
    }

    /// Whether the host has timers. Only known just after the counters were defined.
    pub fn has_timer(&self) -> bool {
        self.timer_is_fast.get()
    }

    /// Raises a counter by one.
    pub fn raise(&self, counter: Counter) {
        if self.counters.raise(counter) && !self.timer_is_fast.get() {
            self.start_timer();
        }
    }

    #[cold]
    fn start_timer(&self) {
        self.timer_is_fast.set(abi::set_tick_period(PERIOD));
        // A host without timers gets the counts at once.
        if !self.timer_is_fast.get() {
            self.flush();
        }
    }

    /// Slows the timer down, which fired when there was nothing to flush.
    pub fn slow_down(&self) {
        if self.timer_is_fast.get() {
            self.timer_is_fast.set(!abi::set_tick_period(IDLE_PERIOD));
        }
    }

    /// Sends the counts to the proxy. Whether there were any.
    pub fn flush(&self) -> bool {
        self.counters.flush()
    }
}
