//! A plugin is one root context with its policy. Envoy keeps several in one VM: different configurations of the same module,
//! and, while a configuration is being replaced, the old one beside the new.

use alloc::rc::Rc;
use core::cell::RefCell;

use gatepost_engine::{Counter, Fault, Policy, compile_json};

use crate::abi::{self, Level};
use crate::contexts::{Sorted, Streams};
use crate::runtime::OneThread;
use crate::tally::Tallies;

/// A policy in force.
pub(crate) struct Plugin {
    pub policy: Policy,
    tallies: Tallies,
}

impl Plugin {
    /// Compiles a configuration, or says in the log what is wrong with it: one line for each fault.
    pub fn configure(configuration: &[u8]) -> Option<Self> {
        let policy = match compile_json(configuration) {
            Ok(policy) => policy,
            Err(faults) => {
                report(&faults);
                count("gatepost.config.rejected");
                return None;
            }
        };
        if policy.is_pass_through() {
            abi::log(Level::Warn, "gatepost: the configuration is empty: every request passes untouched");
        }
        let tallies = Tallies::define(policy.counters());
        count("gatepost.config.accepted");
        Some(Self { policy, tallies })
    }

    pub fn count(&self, counter: Counter) {
        self.tallies.raise(counter);
    }
}

fn report(faults: &[Fault]) {
    for fault in faults {
        abi::log(Level::Error, &["gatepost: configuration refused: ", &fault.line()].concat());
    }
}

fn count(name: &str) {
    abi::define_counter(name).into_iter().for_each(|id| abi::increment(id, 1));
}

/// The contexts of this VM.
struct State {
    roots: Sorted<Option<Rc<Plugin>>>,
    streams: Streams,
}

// The proxy re-enters the VM only to allocate, which touches none of this.
static STATE: OneThread<RefCell<State>> = OneThread::new(RefCell::new(State { roots: Sorted::new(), streams: Streams::new() }));

fn with_state<T>(f: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.get().try_borrow_mut().ok().map(|mut state| f(&mut state))
}

/// A context begins: a root, whose parent is 0, or a stream of a root.
pub(crate) fn create(context: u32, parent: u32) {
    with_state(|state| match parent {
        0 => state.roots.insert(context, None),
        root => state.streams.insert(context, root),
    });
}

/// A root gets its policy; a refused configuration leaves it with the one that it had.
pub(crate) fn configure(root: u32, configuration: &[u8]) -> bool {
    let Some(plugin) = Plugin::configure(configuration) else { return false };
    with_state(|state| state.roots.insert(root, Some(Rc::new(plugin)))).is_some()
}

/// The plugin of a stream whose headers are there now. It is asked once, so the stream is forgotten.
pub(crate) fn of_stream(context: u32) -> Option<Rc<Plugin>> {
    with_state(|state| {
        let root = state.streams.remove(context)?;
        state.roots.get(root).cloned().flatten()
    })
    .flatten()
}

/// A root's timer fired.
pub(crate) fn tick(root: u32) {
    let plugin = with_state(|state| state.roots.get(root).cloned().flatten()).flatten();
    plugin.iter().for_each(|plugin| plugin.tallies.tick());
}

/// A context ends. Whether it was a root.
pub(crate) fn delete(context: u32) -> bool {
    with_state(|state| state.streams.remove(context).is_none() && state.roots.remove(context)).unwrap_or(false)
}
