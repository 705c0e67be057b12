//! One HTTP stream: its headers are read in one call, the engine decides, and the decision is carried out.

use core::net::IpAddr;

use gatepost_engine::{Decision, Mode, Reply, Request, SetHeader, SourceAddress, Verdict, Writes, parse_source_address};

use crate::abi;
use crate::pairs::Pairs;
use crate::plugin::Plugin;

/// What the proxy does with the stream next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Continue = 0,
    /// The stream was answered.
    Pause = 1,
}

/// The source address is a hostcall, made only when the engine asks.
struct Downstream;

impl SourceAddress for Downstream {
    fn source_address(&self) -> Option<IpAddr> {
        parse_source_address(&abi::source_address()?)
    }
}

/// Decides on the request of the current stream. Whatever goes wrong ends in an answer: nothing passes undecided.
pub(crate) fn on_request_headers(plugin: Option<&Plugin>) -> Action {
    let Some(plugin) = plugin else { return fail("gatepost.internal.not_configured") };
    if plugin.policy.is_pass_through() {
        return Action::Continue;
    }
    let Some(block) = abi::request_headers() else { return fail("gatepost.internal.no_headers") };
    let Some(headers) = Pairs::new(&block) else { return fail("gatepost.internal.no_headers") };
    let Decision { verdict, counters } = plugin.policy.decide(&Request { headers, source: &Downstream });
    counters.iter().for_each(|counter| plugin.count(counter));
    match (plugin.policy.mode(), verdict) {
        (Mode::Observe, _) => Action::Continue,
        (Mode::Enforce, Verdict::Forward(writes)) => forward(&writes),
        (Mode::Enforce, Verdict::Reply(reply)) => answer(&reply),
    }
}

fn forward(writes: &Writes<'_>) -> Action {
    let removed = writes.remove.iter().all(|name| abi::remove_request_header(name));
    let path = writes.path.is_none_or(|path| abi::set_request_header(":path", path));
    let authority = writes.authority.as_deref().is_none_or(|value| abi::set_request_header(":authority", value));
    let set = writes.set.iter().all(|SetHeader { name, value, replaces }| {
        if *replaces { abi::set_request_header(name, value) } else { abi::add_request_header(name, value) }
    });
    if removed && path && authority && set { Action::Continue } else { fail("gatepost.internal.write_refused") }
}

#[cold]
fn answer(reply: &Reply<'_>) -> Action {
    // A reply that the proxy does not take cannot be mended; pausing at least lets nothing through.
    let _ = abi::send_local_response(reply.status, &reply.details, &reply.body, reply.grpc_status);
    Action::Pause
}

#[cold]
fn fail(details: &str) -> Action {
    let _ = abi::send_local_response(500, details, "", None);
    Action::Pause
}
