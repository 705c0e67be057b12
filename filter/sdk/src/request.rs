//! One request: its headers are read in one call, the engine decides, and the decision is carried
//! out.

use std::cell::OnceCell;
use std::net::IpAddr;

use gatepost_engine::{Owed, Policy, Request, SourceAddress, parse_source_address};
use gatepost_filter_request::{BufferedCounters, Outcome, fail};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

/// Reads `source.address` when the engine asks for it, which it does after every cheaper condition
/// held.
struct Downstream;

impl SourceAddress for Downstream {
    fn source_address(&self) -> Option<IpAddr> {
        let address = hostcalls::get_property(vec!["source", "address"]).ok()??;
        parse_source_address(&address)
    }
}

/// Decides on the request of the current stream. Every failure ends in an answer.
pub(crate) fn decide(policy: &Policy, counters: &BufferedCounters) -> (Outcome, Option<Box<Owed>>) {
    let Ok(headers) = hostcalls::get_map_bytes(MapType::HttpRequestHeaders) else {
        return (fail("gatepost.internal.no_headers"), None);
    };
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
    let request = Request { headers, source: &Downstream };
    gatepost_filter_request::decide(policy, &request, |counter| {
        counters.raise(counter);
    })
}

/// Gives the response of the current stream what it owes.
pub(crate) fn complete(owed: &Owed, counters: &BufferedCounters) -> Outcome {
    let read = OnceCell::new();
    let headers = || {
        let headers = read.get_or_init(|| hostcalls::get_map_bytes(MapType::HttpResponseHeaders));
        let headers = headers.as_ref().ok()?.iter();
        Some(headers.map(|(name, value)| (name.as_bytes(), value.as_slice())))
    };
    gatepost_filter_request::complete(owed, headers, |counter| {
        counters.raise(counter);
    })
}

/// Removes the trailers of the current stream's request that the policy guards.
pub(crate) fn guard_trailers(policy: &Policy) -> Outcome {
    let Ok(trailers) = hostcalls::get_map_bytes(MapType::HttpRequestTrailers) else {
        return fail("gatepost.internal.no_trailers");
    };
    let names = trailers.iter().map(|(name, _)| name.as_bytes());
    gatepost_filter_request::guard_trailers(policy, names)
}
