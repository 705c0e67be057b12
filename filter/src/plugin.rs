//! A plugin is one root context with its policy. Envoy keeps several in one VM: different configurations of the same module,
//! and, while a configuration is being replaced, the old one beside the new.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

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

/// The stream that began last, with its root: the proxy brings its headers next, so hardly ever does another one come in between.
static LAST: OneThread<Cell<Option<(u32, u32)>>> = OneThread::new(Cell::new(None));

/// A root and its plugin.
type Root = (u32, Rc<Plugin>);

/// The root whose stream was asked for last.
static RECENT: OneThread<Cell<Option<Root>>> = OneThread::new(Cell::new(None));

fn with_state<T>(f: impl FnOnce(&mut State) -> T) -> Option<T> {
    STATE.get().try_borrow_mut().ok().map(|mut state| f(&mut state))
}

/// A context begins: a root, whose parent is 0, or a stream of a root.
pub(crate) fn create(context: u32, parent: u32) {
    if parent == 0 {
        with_state(|state| state.roots.insert(context, None));
    } else if let Some((before, root)) = LAST.get().replace(Some((context, parent))) {
        wait(before, root, context);
    }
}

#[cold]
fn wait(stream: u32, root: u32, current: u32) {
    with_state(|state| state.streams.insert(stream, root, |other| abi::is_there(other, current)));
}

/// Frees the policies of roots that are gone, before `root` gets one. The proxy is not asked to tell when a context ends, because
/// it would tell of every stream; and memory that was freed earlier would only lie idle until now.
pub(crate) fn sweep(root: u32) {
    RECENT.get().set(None);
    with_state(|state| state.roots.retain(|other| other == root || abi::is_there(other, root)));
}

/// A root gets its policy; a refused configuration leaves it with the one that it had.
pub(crate) fn configure(root: u32, configuration: &[u8]) -> bool {
    let Some(plugin) = Plugin::configure(configuration) else { return false };
    with_state(|state| state.roots.insert(root, Some(Rc::new(plugin)))).is_some()
}

/// Does something with the plugin of a stream whose headers are there now. It is asked once, so the stream is forgotten.
#[inline(always)]
pub(crate) fn with_plugin_of<T>(stream: u32, f: impl FnOnce(Option<&Plugin>) -> T) -> T {
    let root = match LAST.get().take() {
        Some((last, root)) if last == stream => Some(root),
        last => waiting(stream, last),
    };
    let recent = match RECENT.get().take() {
        Some((recent, plugin)) if Some(recent) == root => Some((recent, plugin)),
        _ => find(root),
    };
    let done = f(recent.as_ref().map(|(_, plugin)| &**plugin));
    RECENT.get().set(recent);
    done
}

/// The root of a stream that another one came in front of.
#[cold]
fn waiting(stream: u32, last: Option<(u32, u32)>) -> Option<u32> {
    LAST.get().set(last);
    with_state(|state| state.streams.remove(stream)).flatten()
}

#[cold]
fn find(root: Option<u32>) -> Option<Root> {
    let root = root?;
    with_state(|state| state.roots.get(root).cloned().flatten()).flatten().map(|plugin| (root, plugin))
}

/// A root's timer fired. What roots that are gone did not tell yet is told now, too.
pub(crate) fn tick(root: u32) {
    with_state(|state| {
        let mut told = false;
        for plugin in state.roots.iter().flatten() {
            told |= plugin.tallies.tell();
        }
        if let Some(Some(plugin)) = state.roots.get(root).filter(|_| !told) {
            plugin.tallies.rest();
        }
    });
}

/// Whether the context is a root.
#[cfg(feature = "probe")]
pub(crate) fn is_root(context: u32) -> bool {
    with_state(|state| state.roots.get(context).is_some()).unwrap_or(false)
}
