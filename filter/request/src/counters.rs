//! Counters that are raised in the VM first and sent to the proxy when a timer fires: raising one
//! of the proxy's own costs as much as everything that the engine does for a request.

use std::cell::{Cell, RefCell};

use gatepost_engine::Counter;

use crate::hostcalls::{define_counter, increment};

/// The counters of one policy.
#[derive(Debug)]
pub struct BufferedCounters {
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
    /// Defines counters, each with its name. One that the proxy refuses is not counted.
    #[must_use]
    pub fn define(names: Vec<(Counter, String)>) -> Self {
        let mut counters = Vec::new();
        for (counter, name) in names {
            let number = counter.number();
            if number >= counters.len() {
                counters.resize_with(number.saturating_add(1), || None);
            }
            if let Some(slot) = counters.get_mut(number) {
                *slot = define_counter(&name).map(|id| Buffered { id, pending: Cell::new(0) });
            }
        }
        Self { counters }
    }

    /// Raises a counter by one. Whether the proxy has it.
    pub fn raise(&self, counter: Counter) -> bool {
        let Some(Some(counter)) = self.counters.get(counter.number()) else { return false };
        counter.pending.set(counter.pending.get().saturating_add(1));
        true
    }

    /// Sends what was counted since the last flush. Whether there was anything.
    pub fn flush(&self) -> bool {
        let mut any = false;
        for Buffered { id, pending } in self.counters.iter().flatten() {
            let pending = pending.replace(0);
            if pending > 0 {
                increment(*id, pending);
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

/// Counts a configuration that was accepted.
pub fn count_accepted() {
    count_once("gatepost.config.accepted");
    // The proxy keeps a counter for as long as a VM has it. One that refuses its configuration ends
    // at once, so what it counts would not be seen.
    define_counter(REJECTED);
}

/// Counts a configuration that was refused.
pub fn count_rejected() {
    count_once(REJECTED);
}

const REJECTED: &str = "gatepost.config.rejected";

/// Raises a counter of the proxy by one, at once.
pub fn count_once(name: &str) {
    define_counter(name).into_iter().for_each(|id| increment(id, 1));
}

thread_local! {
    /// The counters of failures that were raised so far, and their ids. Each call that defines a
    /// counter takes memory of the proxy's.
    static FAILURES: RefCell<Vec<(&'static str, u32)>> = const { RefCell::new(Vec::new()) };
}

/// Raises the counter of a failure by one, at once.
pub(crate) fn count_failure(name: &'static str) {
    FAILURES.with(|failures| {
        let Ok(mut failures) = failures.try_borrow_mut() else { return };
        let known = failures.iter().find(|(known, _)| *known == name).map(|(_, id)| *id);
        let id = known.or_else(|| {
            let id = define_counter(name)?;
            failures.push((name, id));
            Some(id)
        });
        id.into_iter().for_each(|id| increment(id, 1));
    });
}
