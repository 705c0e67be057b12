//! One HTTP stream: its headers are read in one call, the engine decides, and the decision is
//! carried out.

use std::cell::OnceCell;
use std::net::IpAddr;

use gatepost_engine::{Owed, Policy, Request, SourceAddress, parse_source_address};
use gatepost_filter_request::{Outcome, complete, decide, fail, guard_trailers};

use crate::abi;
use crate::pairs::Pairs;
use crate::plugin::Plugin;

/// Reads the source address by a hostcall, only when the engine needs it.
struct Downstream;

impl SourceAddress for Downstream {
    fn source_address(&self) -> Option<IpAddr> {
        parse_source_address(&abi::source_address()?)
    }
}

/// Decides on the request of the current stream. Every error ends in a reply, so no request is
/// forwarded without a decision.
pub(crate) fn on_request_headers(plugin: Option<&Plugin>) -> (Outcome, Option<Box<Owed>>) {
    let failed = |details| (fail(details), None);
    let Some(plugin) = plugin else { return failed("gatepost.internal.not_configured") };
    let Some(block) = abi::request_headers() else { return failed("gatepost.internal.no_headers") };
    let Some(headers) = Pairs::new(&block) else { return failed("gatepost.internal.no_headers") };
    let request = Request { headers, source: &Downstream };
    decide(&plugin.policy, &request, |counter| plugin.count(counter))
}

/// Gives the response of the current stream what it owes. A plugin that is gone counts nothing.
pub(crate) fn on_response_headers(owed: &Owed, plugin: Option<&Plugin>) -> Outcome {
    let block = OnceCell::new();
    let headers = || Pairs::new(block.get_or_init(abi::response_headers).as_deref()?);
    complete(owed, headers, |counter| plugin.into_iter().for_each(|plugin| plugin.count(counter)))
}

/// Removes the trailers of the current stream's request that these policies guard.
pub(crate) fn on_request_trailers(policies: &mut dyn Iterator<Item = &Policy>) -> Outcome {
    let Some(block) = abi::request_trailers() else { return fail("gatepost.internal.no_trailers") };
    let Some(trailers) = Pairs::new(&block) else { return fail("gatepost.internal.no_trailers") };
    let mut guarded = policies.map(|policy| guard_trailers(policy, trailers.map(|(name, _)| name)));
    let answered = guarded.find(|outcome| *outcome == Outcome::Answered);
    answered.unwrap_or(Outcome::Continue)
}
