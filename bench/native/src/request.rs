//! One request: the engine decides on Envoy's own headers, and the decision is carried out.

use std::borrow::Cow;
use std::net::IpAddr;

use gatepost_engine::{Mode, Request, SourceAddress, Verdict, Writes, parse_source_address};
use smallvec::SmallVec;

use crate::abi::{Header, Stream};
use crate::config::Config;

/// The request goes on.
const CONTINUE: u32 = 0;
/// The request was answered.
pub(crate) const STOP: u32 = 1;

/// Headers of a request that need no memory of their own.
const FEW: usize = 32;

impl SourceAddress for Stream {
    fn source_address(&self) -> Option<IpAddr> {
        parse_source_address(Stream::source_address(self)?)
    }
}

/// Decides on a request, and gives what Envoy does with the stream next.
pub(crate) fn decide(config: &Config, stream: Stream) -> u32 {
    let count = stream.header_count();
    let mut headers = SmallVec::<[Header; FEW]>::with_capacity(count);
    // SAFETY: there is room for `count` headers, and Envoy fills them all when it says so.
    unsafe {
        if !stream.headers(headers.as_mut_ptr()) {
            stream.reply(500, "", "gatepost.internal.no_headers");
            return STOP;
        }
        headers.set_len(count);
    }
    // SAFETY: Envoy leaves the headers as they are until `write`, which keeps no view of a header
    // that it has changed.
    let pairs = headers.iter().map(|header| unsafe { header.pair() });
    let decision = config.policy.decide(&Request { headers: pairs, source: &stream });
    decision.counters.iter().for_each(|counter| config.count(stream, counter));
    if config.policy.mode() == Mode::Observe {
        return CONTINUE;
    }
    match decision.verdict {
        Verdict::Forward(writes) if writes.is_empty() => CONTINUE,
        Verdict::Forward(writes) => {
            if !write(stream, writes) {
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

/// Writes the changes, and gives whether Envoy took them all. A change may hold a view of a header,
/// which is invalid once that header was changed. So `:authority` is written last, because
/// `x-forwarded-host` may hold its old value, and where headers are removed, values are copied
/// before that.
fn write(stream: Stream, mut writes: Writes<'_>) -> bool {
    if !writes.remove.is_empty() {
        for header in &mut writes.set {
            header.value = Cow::Owned(header.value.to_string());
        }
    }
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
