//! A plugin is one root context with its policy.

use std::cell::RefCell;

use gatepost_engine::{Counter, Owed, Policy, compile_json};
use gatepost_filter_request::{Outcome, PolicyGauges, count_accepted, count_rejected, fail};

use crate::abi::{self, Level};
use crate::contexts::{Contexts, Expected, Presence, Trailers};
use crate::counters::TimedCounters;

/// A policy in force.
pub(crate) struct Plugin {
    pub policy: Policy,
    counters: TimedCounters,
    gauges: PolicyGauges,
}

impl Plugin {
    /// Compiles a configuration, or logs what is wrong with it: one line for each error.
    fn configure(configuration: &[u8]) -> Option<Self> {
        let policy = match compile_json(configuration) {
            Ok(policy) => policy,
            Err(errors) => {
                for error in errors {
                    let line = format!("gatepost: configuration refused: {error}");
                    abi::log(Level::Error, &line);
                }
                count_rejected();
                return None;
            }
        };
        for warning in policy.warnings() {
            abi::log(Level::Warn, &format!("gatepost: {warning}"));
        }
        let counters = TimedCounters::define(policy.counters());
        let gauges = PolicyGauges::new(abi::plugin_name().as_deref(), &policy);
        if !counters.has_timer() {
            gauges.show();
        }
        count_accepted();
        Some(Self { policy, counters, gauges })
    }

    pub fn count(&self, counter: Counter) {
        self.counters.raise(counter);
    }
}

thread_local! {
    // The proxy re-enters the VM only to allocate, which does not borrow this.
    static CONTEXTS: RefCell<Contexts<Plugin>> = const { RefCell::new(Contexts::new()) };
}

fn with_contexts<T>(f: impl FnOnce(&mut Contexts<Plugin>) -> T) -> Option<T> {
    CONTEXTS.with(|contexts| Some(f(&mut *contexts.try_borrow_mut().ok()?)))
}

/// Sets the policy of a root. If the configuration is refused, the root keeps its old policy.
pub(crate) fn configure(root: u32, configuration: &[u8]) -> bool {
    // A VM never gives memory back, so the policies of roots that have ended are freed first.
    with_contexts(|contexts| remove_ended(contexts, root));
    let Some(plugin) = Plugin::configure(configuration) else { return false };
    with_contexts(|contexts| contexts.set_root(root, plugin)).is_some()
}

/// Adds a stream of a root.
pub(crate) fn add_stream(stream: u32, root: u32) {
    with_contexts(|contexts| {
        contexts.add_stream(stream, root, |waiting| abi::presence(waiting, stream));
    });
}

/// Calls `f` with the plugin of a stream whose request headers have arrived. `has_more` says
/// whether a body or trailers follow.
pub(crate) fn on_request_headers(
    stream: u32,
    has_more: bool,
    f: impl FnOnce(Option<&Plugin>) -> (Outcome, Option<Box<Owed>>),
) -> Outcome {
    CONTEXTS.with(|contexts| match contexts.try_borrow_mut() {
        Ok(mut contexts) => contexts.on_headers(stream, |plugin| {
            let (outcome, owed) = f(plugin);
            let has_trailers = has_more && outcome != Outcome::Answered;
            let passes_trailers = has_trailers.then_some(outcome == Outcome::Passed);
            (outcome, Expected { passes_trailers, owed })
        }),
        Err(_) => f(None).0,
    })
}

/// Calls `f` with what the response of a stream owes, if its headers have arrived and it owes
/// something, and with the stream's plugin.
pub(crate) fn on_response_headers(
    stream: u32,
    f: impl FnOnce(&Owed, Option<&Plugin>) -> Outcome,
) -> Outcome {
    let outcome = with_contexts(|contexts| {
        let (owed, plugin) = contexts.on_response(stream)?;
        Some(f(&owed, plugin))
    });
    outcome.flatten().unwrap_or(Outcome::Continue)
}

/// Calls `f` with the policies by which the trailers of a stream's request are guarded. There is
/// one, but for a stream that is not known any more.
pub(crate) fn on_request_trailers(
    stream: u32,
    f: impl Fn(&mut dyn Iterator<Item = &Policy>) -> Outcome,
) -> Outcome {
    let outcome = with_contexts(|contexts| match contexts.on_trailers(stream) {
        Trailers::Pass => Outcome::Passed,
        Trailers::Of(plugin) => f(&mut std::iter::once(&plugin.policy)),
        Trailers::OfAny => f(&mut contexts.roots().map(|(_, plugin)| &plugin.policy)),
    });
    outcome.unwrap_or_else(|| fail("gatepost.internal.not_configured"))
}

/// Removes the roots that have ended. The module exports no callback for the end of a root, because
/// it would run for every stream, too. `current` is the root of the running callback.
fn remove_ended(contexts: &mut Contexts<Plugin>, current: u32) {
    contexts
        .retain_roots(|known| known == current || abi::presence(known, current) != Presence::Gone);
}

/// Shows the policy of each plugin. During an update it is the new one.
fn show_policies(contexts: &Contexts<Plugin>) {
    for (root, Plugin { gauges, .. }) in contexts.roots() {
        let of_same_name =
            contexts.roots().filter(|(_, other)| other.gauges.name() == gauges.name());
        if of_same_name.last().is_some_and(|(newest, _)| newest == root) {
            gauges.show();
        }
    }
}

/// Called when a root's timer fires. The counts of roots that have ended are flushed, too.
pub(crate) fn tick(root: u32) {
    with_contexts(|contexts| {
        remove_ended(contexts, root);
        show_policies(contexts);
        let mut any = false;
        for (_, plugin) in contexts.roots() {
            any |= plugin.counters.flush();
        }
        let mut roots = contexts.roots();
        if let Some((_, plugin)) = roots.find(|(known, _)| *known == root && !any) {
            plugin.counters.slow_down();
        }
    });
}

/// Whether the context is a root.
#[cfg(feature = "probe")]
pub(crate) fn is_root(context: u32) -> bool {
    with_contexts(|contexts| contexts.roots().any(|(root, _)| root == context)).unwrap_or(false)
}
