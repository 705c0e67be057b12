//! A plugin is one root context with its policy. Envoy keeps several in one VM: different
//! configurations of the same module, and, while a configuration is being replaced, the old one
//! beside the new.

use alloc::vec::Vec;
use core::cell::RefCell;

use gatepost_engine::{Counter, Fault, Policy, compile_json};

use crate::abi::{self, Level};
use crate::mark;
use crate::roots::Roots;
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
                refuse(&faults.iter().map(Fault::line).collect::<Vec<_>>());
                return None;
            }
        };
        if policy.is_pass_through() {
            abi::log(
                Level::Warn,
                "gatepost: the configuration is empty: every request passes untouched",
            );
        }
        let tallies = Tallies::define(policy.counters());
        count("gatepost.config.accepted");
        Some(Self { policy, tallies })
    }

    pub fn count(&self, counter: Counter) {
        self.tallies.raise(counter);
    }
}

fn refuse(why: &[impl AsRef<str>]) {
    for why in why {
        abi::log(Level::Error, &["gatepost: configuration refused: ", why.as_ref()].concat());
    }
    count("gatepost.config.rejected");
}

fn count(name: &str) {
    abi::define_counter(name).into_iter().for_each(|id| abi::increment(id, 1));
}

// The proxy re-enters the VM only to allocate, which touches none of this.
static ROOTS: OneThread<RefCell<Roots<Plugin>>> = OneThread::new(RefCell::new(Roots::new()));

fn with_roots<T>(f: impl FnOnce(&mut Roots<Plugin>) -> T) -> Option<T> {
    ROOTS.get().try_borrow_mut().ok().map(|mut roots| f(&mut roots))
}

/// Frees the policies of roots that are gone. The proxy is not asked to tell when a context ends,
/// because it would tell of every stream.
fn sweep(roots: &mut Roots<Plugin>, current: u32) {
    roots.retain(|root| root == current || abi::is_there(root, current));
}

/// A root gets its policy; a refused configuration leaves it with the one that it had.
pub(crate) fn configure(root: u32, configuration: &[u8]) -> bool {
    // What is free before a policy is compiled is room for it: a VM never gives memory back.
    let known = with_roots(|roots| {
        sweep(roots, root);
        roots.add(root, || mark::give(root))
    });
    if known != Some(true) {
        refuse(&[NOT_TOLD_APART]);
        return false;
    }
    let Some(plugin) = Plugin::configure(configuration) else { return false };
    with_roots(|roots| roots.set(root, plugin)).is_some()
}

const NOT_TOLD_APART: &str = "this proxy has no expr_create, so two plugins in one VM cannot be told apart: give each a vm_id of its own";

/// Does something with the plugin of the current stream.
#[inline(always)]
pub(crate) fn with_plugin_of<T>(stream: u32, f: impl FnOnce(Option<&Plugin>) -> T) -> T {
    let mut roots = ROOTS.get().try_borrow_mut();
    f(roots
        .as_mut()
        .ok()
        .and_then(|roots| roots.of_stream(mark::of_stream, |root| abi::is_there(root, stream))))
}

/// A root's timer fired. What roots that are gone did not tell yet is told now, too; and they are
/// forgotten, because with one root left no stream has to be asked for its own.
pub(crate) fn tick(root: u32) {
    with_roots(|roots| {
        let mut told = false;
        for plugin in roots.iter() {
            told |= plugin.tallies.tell();
        }
        if roots.are_several() {
            sweep(roots, root);
        }
        if let Some(plugin) = roots.get(root).filter(|_| !told) {
            plugin.tallies.rest();
        }
    });
}

/// Whether the context is a root.
#[cfg(feature = "probe")]
pub(crate) fn is_root(context: u32) -> bool {
    with_roots(|roots| roots.knows(context)).unwrap_or(false)
}
