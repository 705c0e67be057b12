//! One request: the engine decides on Envoy's own headers, and the decision is carried out.

use std::net::IpAddr;

use gatepost_engine::{Mode, Request, SourceAddress, Verdict, Writes, parse_source_address};

use crate::abi::{Header, Stream};
use crate::config::Config;

/// The request goes on.
const CONTINUE: u32 = 0;
/// The request was answered.
pub(crate) const STOP: u32 = 1;

impl SourceAddress for Stream {
    fn source_address(&self) -> Option<IpAddr> {
        parse_source_address(Stream::source_address(self)?)
    }
}

/// Decides on a request, and gives what Envoy does with the stream next.
pub(crate) fn decide(config: &Config, stream: Stream) -> u32 {
    let count = stream.header_count();
    let mut headers = Vec::<Header>::with_capacity(count);
    // SAFETY: there is room for `count` headers, and Envoy fills them all when it says so.
    unsafe {
        if !stream.headers(headers.as_mut_ptr()) {
            stream.reply(500, "", "gatepost.internal.no_headers");
            return STOP;
        }
        headers.set_len(count);
    }
    // SAFETY: Envoy leaves the headers as they are until `write`, and what that writes are copies.
    let pairs = headers.iter().map(|header| unsafe { header.pair() });
    let decision = config.policy.decide(&Request { headers: pairs, source: &stream });
    decision.counters.iter().for_each(|counter| config.count(stream, counter));
    if config.policy.mode() == Mode::Observe {
        return CONTINUE;
    }
    match decision.verdict {
        Verdict::Forward(writes) if writes.is_empty() => CONTINUE,
        Verdict::Forward(writes) => {
            if !write(stream, &writes) {
                stream.reply(500, "", "gatepost.internal.write_refused");
                return STOP;
            }
            stream.clear_route_cache();
            CONTINUE
        }
        Verdict::Reply(reply) => {
            stream.reply(reply.status, &reply.body, &reply.details);
            STOP
        }
    }
}

/// Writes the changes, and gives whether Envoy took them all.
fn write(stream: Stream, writes: &Writes<'_>) -> bool {
    let mut written = true;
    for name in &writes.remove {
        written &= stream.remove(name);
    }
    for header in &writes.set {
        written &= stream.set(header.name, header.value.as_bytes());
    }
    if let Some(path) = writes.path {
        written &= stream.set(":path", path.as_bytes());
    }
    if let Some(authority) = &writes.authority {
        written &= stream.set(":authority", authority.as_bytes());
    }
    written
}
