//! One HTTP stream: its headers are read in one call, the engine decides, and the decision is
//! carried out.

use std::net::IpAddr;

use gatepost_engine::{
    Counters, HeaderMutations, Mode, Reply, Request, SourceAddress, is_grpc, parse_source_address,
};

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

/// Reads the source address by a hostcall, only when the engine needs it.
struct Downstream;

impl SourceAddress for Downstream {
    fn source_address(&self) -> Option<IpAddr> {
        parse_source_address(&abi::source_address()?)
    }
}

/// Writes the changes of the current stream's request, each as the engine makes it.
struct Writing {
    enforce: bool,
    /// The proxy refused a write.
    refused: bool,
}

impl Writing {
    fn write(&mut self, write: impl FnOnce() -> bool) {
        if self.enforce {
            self.refused |= !write();
        }
    }
}

impl<'a> HeaderMutations<'a> for Writing {
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

/// Decides on the request of the current stream. Every error ends in a reply, so no request is
/// forwarded without a decision.
pub(crate) fn on_request_headers(plugin: Option<&Plugin>) -> Action {
    let Some(plugin) = plugin else { return fail("gatepost.internal.not_configured") };
    let Some(block) = abi::request_headers() else { return fail("gatepost.internal.no_headers") };
    let Some(headers) = Pairs::new(&block) else { return fail("gatepost.internal.no_headers") };
    let enforce = plugin.policy.mode() == Mode::Enforce;
    let (mut writing, mut counters) = (Writing { enforce, refused: false }, Counters::default());
    let outcome = plugin.policy.carry_out(
        &Request { headers, source: &Downstream },
        &mut writing,
        &mut counters,
    );
    counters.iter().for_each(|counter| plugin.count(counter));
    match outcome {
        Err(reply) if enforce => answer(&reply.reply(is_grpc(headers))),
        _ if writing.refused => fail("gatepost.internal.write_refused"),
        _ => Action::Continue,
    }
}

#[cold]
fn answer(reply: &Reply<'_>) -> Action {
    // Nothing more can be done if the proxy refuses the reply. The stream stays paused, so the
    // request is not forwarded.
    let _ = abi::send_local_response(reply.status, &reply.details, &reply.body, reply.grpc_status);
    Action::Pause
}

#[cold]
fn fail(details: &str) -> Action {
    let _ = abi::send_local_response(500, details, "", None);
    Action::Pause
}
