//! A policy in force, with the counters that Envoy defined for it.

use gatepost_engine::{Counter, Policy};

use crate::abi::{EnvoyConfig, Stream, define_counter};

/// A policy in force, for all worker threads.
pub(crate) struct Config {
    pub(crate) policy: Policy,
    /// Envoy's ids of the policy's counters, by [`Counter::number`].
    counters: Vec<Option<usize>>,
}

impl Config {
    /// Defines the policy's counters.
    pub(crate) fn new(envoy: EnvoyConfig, policy: Policy) -> Self {
        let mut counters = Vec::new();
        for (counter, name) in policy.counters() {
            let number = counter.number();
            counters.resize(counters.len().max(number + 1), None);
            counters[number] = define_counter(envoy, &name);
        }
        Self { policy, counters }
    }

    /// Raises a counter by one.
    pub(crate) fn count(&self, stream: Stream, counter: Counter) {
        if let Some(Some(id)) = self.counters.get(counter.number()) {
            stream.count(*id);
        }
    }
}
