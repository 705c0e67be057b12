//! A policy carried out on a request inside a proxy: the engine decides, each change is written by
//! a hostcall, a refusal is sent as a local reply, and counts are buffered. Gatepost's own module
//! and filters that are written with the SDK share it. Reading the request is theirs.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::unreachable
)]

mod counters;
mod gauges;
mod hostcalls;

use gatepost_engine::{
    ChangedHeader, Changes, Counter, Counters, Forward, HeaderMutations, Headers, Mode, Owed,
    Policy, Reply, Request, SourceAddress, is_grpc,
};

use counters::count_failure;
pub use counters::{BufferedCounters, count_accepted, count_once, count_rejected};
pub use gauges::PolicyGauges;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an answered request must be paused"]
pub enum Outcome {
    /// The request goes on, with the changes that the policy asked for. [`guard_trailers`] must see
    /// its trailers.
    Continue,
    /// The request goes on as it came, and so do its trailers: a health check passes it, or the
    /// policy only observes.
    Passed,
    /// The request was answered here. The callback must return `Pause` and do nothing else to the
    /// request.
    Answered,
}

/// Writes the changes of the current stream's request, each as the engine makes it.
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
        self.write(|| hostcalls::set_request_header(":authority", value));
    }

    fn set_path(&mut self, value: &'a str) {
        self.write(|| hostcalls::set_request_header(":path", value.as_bytes()));
    }

    fn remove(&mut self, name: &'a str) {
        self.write(|| hostcalls::remove_request_header(name));
    }

    fn set(&mut self, name: &'a str, value: &[u8], replaces: bool) {
        self.write(|| {
            if replaces {
                hostcalls::set_request_header(name, value)
            } else {
                hostcalls::add_request_header(name, value)
            }
        });
    }
}

/// Decides on the request of the current stream and carries the decision out. Every error ends in a
/// reply, so no request is forwarded without a decision. `count` gets each counter to raise. What
/// the response owes is for [`complete`]; an answer from here has it already.
pub fn decide<'a, H: Headers<'a>, S: SourceAddress>(
    policy: &'a Policy,
    request: &Request<'a, H, S>,
    count: impl FnMut(Counter),
) -> (Outcome, Option<Box<Owed>>) {
    let enforce = policy.mode() == Mode::Enforce;
    let mut writes = HeaderWrites { enforce, refused: false };
    let (mut owed, mut counters) = (Owed::default(), Counters::default());
    let carried_out = policy.carry_out(request, &mut writes, &mut owed, &mut counters);
    counters.iter().for_each(count);
    match carried_out {
        Err(answer) if enforce => {
            let reply = answer.reply(is_grpc(request.headers.clone()));
            (send(&reply, &owed), None)
        }
        _ if writes.refused => (fail("gatepost.internal.write_refused"), None),
        Ok(Forward::Guarded) if enforce => {
            (Outcome::Continue, (!owed.is_empty()).then(|| Box::new(owed)))
        }
        _ => (Outcome::Passed, None),
    }
}

/// Gives the response of the current stream what it owes. `headers` gives all headers of the
/// response. They are read only if a header is there that may change and may have several lines:
/// asking for one that is missing costs a fifth of reading all, see `docs/design/hostcalls.md`.
pub fn complete<'h, H: Headers<'h>>(
    owed: &Owed,
    headers: impl Fn() -> Option<H>,
    count: impl FnOnce(Counter),
) -> Outcome {
    let mut is_read = true;
    let Changes { headers, is_restored } = owed.changes_of(&mut |name| {
        let Some(first) = hostcalls::response_header(name) else { return Vec::new() };
        // Envoy makes one line of several.
        if name == "location" {
            return vec![first];
        }
        let Some(headers) = headers() else {
            is_read = false;
            return Vec::new();
        };
        let lines = headers.filter(|(header, _)| *header == name.as_bytes());
        lines.map(|(_, line)| line.to_vec()).collect()
    });
    if !is_read {
        return fail("gatepost.internal.no_headers");
    }
    if is_restored {
        count(Counter::ResponseRestored);
    }
    let is_written = |ChangedHeader { name, lines, replaces }: &ChangedHeader| {
        let mut replaces = *replaces;
        lines.iter().all(|line| match std::mem::take(&mut replaces) {
            true => hostcalls::set_response_header(name, line),
            false => hostcalls::add_response_header(name, line),
        })
    };
    match headers.iter().all(is_written) {
        true => Outcome::Continue,
        false => fail("gatepost.internal.write_refused"),
    }
}

/// Removes the trailers of the current stream's request whose names the policy guards. `names` are
/// those of all its trailers.
pub fn guard_trailers<'n>(policy: &Policy, names: impl Iterator<Item = &'n [u8]>) -> Outcome {
    if policy.mode() == Mode::Observe {
        return Outcome::Passed;
    }
    for name in names.filter(|name| policy.guards(name)) {
        if !hostcalls::remove_request_trailer(name) {
            return fail("gatepost.internal.write_refused");
        }
    }
    Outcome::Continue
}

/// Answers the current stream with 500 and these response code details, and raises the counter of
/// the same name.
#[cold]
pub fn fail(details: &'static str) -> Outcome {
    count_failure(details);
    // Nothing more can be done if the proxy refuses the reply. The stream stays paused, so the
    // request is not forwarded.
    let _ = hostcalls::send_local_reply(500, details, "", &[], None);
    Outcome::Answered
}

#[cold]
fn send(reply: &Reply<'_>, owed: &Owed) -> Outcome {
    let Reply { status, details, body, grpc_status } = reply;
    let headers = owed.changes_of(&mut |_| Vec::new()).headers;
    let headers = header_map(headers.iter().flat_map(|ChangedHeader { name, lines, .. }| {
        lines.iter().map(|line| (name.as_bytes(), line.as_slice()))
    }));
    let _ = hostcalls::send_local_reply(*status, details, body, &headers, *grpc_status);
    Outcome::Answered
}

/// Pairs of names and values as the ABI has them: their number, the lengths of all, and all texts,
/// each with a zero behind it.
fn header_map<'h>(pairs: impl Iterator<Item = (&'h [u8], &'h [u8])>) -> Vec<u8> {
    let (mut count, mut lengths, mut texts) = (0u32, Vec::new(), Vec::new());
    for (name, value) in pairs {
        count = count.saturating_add(1);
        for text in [name, value] {
            let length = u32::try_from(text.len()).unwrap_or_default();
            lengths.extend_from_slice(&length.to_le_bytes());
            texts.extend_from_slice(text);
            texts.push(0);
        }
    }
    [&count.to_le_bytes()[..], &lengths, &texts].concat()
}
