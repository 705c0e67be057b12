//! One HTTP stream: its headers are read in one call, the engine decides, and the decision is
//! carried out.

use std::net::IpAddr;

use gatepost_engine::{Request, SourceAddress, parse_source_address};
use gatepost_filter_request::{Outcome, decide, fail};

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
pub(crate) fn on_request_headers(plugin: Option<&Plugin>) -> Outcome {
    let Some(plugin) = plugin else { return fail("gatepost.internal.not_configured") };
    let Some(block) = abi::request_headers() else { return fail("gatepost.internal.no_headers") };
    let Some(headers) = Pairs::new(&block) else { return fail("gatepost.internal.no_headers") };
    let request = Request { headers, source: &Downstream };
    decide(&plugin.policy, &request, |counter| plugin.count(counter))
}
