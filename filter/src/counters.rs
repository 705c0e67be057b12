//! Counters are raised here first and told to the proxy a moment later: raising one of the proxy's
//! own costs as much as everything that the engine does for a request. The proxy's timer runs only
//! while there is something to tell.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;

use gatepost_engine::Counter;

use crate::abi;

/// How long a count may wait before the proxy knows it, in milliseconds.
const PERIOD: u32 = 25;

/// The counters of one plugin.
pub(crate) struct Tallies {
    /// By the counters' numbers.
    counters: Vec<Option<Tally>>,
    /// The timer runs.
    armed: Cell<bool>,
}

struct Tally {
    /// The proxy's number of the counter.
    id: u32,
    /// What the proxy does not know yet.
    pending: Cell<i64>,
}

impl Tallies {
    /// Defines counters, each with its name. One that the proxy refuses is not counted.
    pub fn define(counters: Vec<(Counter, String)>) -> Self {
        let mut tallies = Vec::new();
        for (counter, name) in counters {
            let number = counter.number();
            if number >= tallies.len() {
                tallies.resize_with(number.saturating_add(1), || None);
            }
            if let Some(tally) = tallies.get_mut(number) {
                *tally = abi::define_counter(&name).map(|id| Tally { id, pending: Cell::new(0) });
            }
        }
        Self { counters: tallies, armed: Cell::new(false) }
    }

    /// Raises a counter by one.
    #[inline(never)]
    pub fn raise(&self, counter: Counter) {
        if let Some(Some(tally)) = self.counters.get(counter.number()) {
            tally.pending.set(tally.pending.get().saturating_add(1));
            if !self.armed.get() {
                self.arm();
            }
        }
    }

    #[cold]
    fn arm(&self) {
        self.armed.set(abi::set_tick_period(PERIOD));
        // A host without timers is told at once.
        if !self.armed.get() {
            self.tell();
        }
    }

    /// The timer fired, and there was nothing to tell: it stops.
    pub fn rest(&self) {
        self.armed.set(!abi::set_tick_period(0));
    }

    /// Tells the proxy what it does not know yet. Whether there was anything.
    pub fn tell(&self) -> bool {
        let mut any = false;
        for tally in self.counters.iter().flatten() {
            let pending = tally.pending.replace(0);
            if pending > 0 {
                abi::increment(tally.id, pending);
                any = true;
            }
        }
        any
    }
}

impl Drop for Tallies {
    fn drop(&mut self) {
        self.tell();
    }
}
