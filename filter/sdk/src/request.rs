//! One request: its headers are read in one call, the engine decides, and the decision is carried
//! out.

use std::net::IpAddr;

use gatepost_engine::{
    Counters, HeaderMutations, Mode, Policy, Reply, Request, SourceAddress, is_grpc,
    parse_source_address,
};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;

use crate::abi;
use crate::counters::BufferedCounters;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an answered request must be paused"]
pub enum Outcome {
    /// The request goes on, with the changes that the policy asked for. The filter's own logic
    /// decides what happens next.
    Continue,
    /// The request was answered here. The callback must return
    /// [`Action::Pause`](proxy_wasm::types::Action::Pause) and do nothing else to the request.
    Answered,
}

/// Reads `source.address` when the engine asks for it, which it does after every cheaper condition
/// held.
struct Downstream;

impl SourceAddress for Downstream {
    fn source_address(&self) -> Option<IpAddr> {
        let address = hostcalls::get_property(vec!["source", "address"]).ok()??;
        parse_source_address(&address)
    }
}

/// Writes the changes of the current request as the engine finds them.
struct HeaderWrites {
    /// Whether changes are written at all.
    enforce: bool,
    /// Whether the proxy refused one.
    refused: bool,
}

impl HeaderWrites {
    fn write(&mut self, write: impl FnOnce() -> bool) {
        if self.enforce {
            self.refused |= !write();
        }
    }
}

impl<'a> HeaderMutations<'a> for HeaderWrites {
    fn set_authority(&mut self, value: &[u8]) {
        self.write(|| abi::set_request_header(":authority", value));
    }

    fn set_path(&mut self, value: &'a str) {
        self.write(|| abi::set_request_header(":path", value.as_bytes()));
    }

    fn remove(&mut self, name: &'a str) {
        self.write(|| abi::remove_request_header(name));
    }

    fn set(&mut self, name: &'a str, value: &[u8], replaces: bool) {
        self.write(|| {
            if replaces {
                abi::set_request_header(name, value)
            } else {
                abi::add_request_header(name, value)
            }
        });
    }
}

/// Decides on the request of the current stream. Every failure ends in an answer.
pub(crate) fn decide(policy: &Policy, counters: &BufferedCounters) -> Outcome {
    let Ok(headers) = hostcalls::get_map_bytes(MapType::HttpRequestHeaders) else {
        return fail("gatepost.internal.no_headers");
    };
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice()));
    let enforce = policy.mode() == Mode::Enforce;
    let (mut writes, mut raised) = (HeaderWrites { enforce, refused: false }, Counters::default());
    let request = Request { headers: headers.clone(), source: &Downstream };
    let carried_out = policy.carry_out(&request, &mut writes, &mut raised);
    raised.iter().for_each(|counter| counters.raise(counter));
    match carried_out {
        Err(refused) if enforce => answer(&refused.reply(is_grpc(headers))),
        _ if writes.refused => fail("gatepost.internal.write_refused"),
        _ => Outcome::Continue,
    }
}

/// Answers 500 with these response code details.
#[cold]
pub(crate) fn fail(details: &str) -> Outcome {
    // Nothing is left to do where the proxy refuses the reply: a paused request goes nowhere.
    let _ = abi::send_local_reply(500, details, "", None);
    Outcome::Answered
}

#[cold]
fn answer(reply: &Reply<'_>) -> Outcome {
    let Reply { status, details, body, grpc_status } = reply;
    let _ = abi::send_local_reply(*status, details, body, *grpc_status);
    Outcome::Answered
}
