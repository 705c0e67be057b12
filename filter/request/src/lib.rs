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
mod hostcalls;

use gatepost_engine::{
    ChangedHeader, Counter, Counters, Forward, HeaderMutations, Headers, Mode, Owed, Policy, Reply,
    Request, SourceAddress, is_grpc,
};

pub use counters::{BufferedCounters, count_once};

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
    /// What the response will owe.
    owed: Option<Owed>,
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

    fn owe(&mut self, owed: Owed) {
        self.owed = self.enforce.then_some(owed);
    }
}

/// Decides on the request of the current stream and carries the decision out. Every error ends in a
/// reply, so no request is forwarded without a decision. `count` gets each counter to raise. What
/// the response owes is for [`restore`].
pub fn decide<'a, H: Headers<'a>, S: SourceAddress>(
    policy: &'a Policy,
    request: &Request<'a, H, S>,
    count: impl FnMut(Counter),
) -> (Outcome, Option<Owed>) {
    let enforce = policy.mode() == Mode::Enforce;
    let (mut writes, mut counters) =
        (HeaderWrites { enforce, refused: false, owed: None }, Counters::default());
    let carried_out = policy.carry_out(request, &mut writes, &mut counters);
    counters.iter().for_each(count);
    let outcome = match carried_out {
        Err(answer) if enforce => send(&answer.reply(is_grpc(request.headers.clone()))),
        _ if writes.refused => fail("gatepost.internal.write_refused"),
        Ok(Forward::Guarded) if enforce => Outcome::Continue,
        _ => Outcome::Passed,
    };
    (outcome, writes.owed.filter(|_| outcome == Outcome::Continue))
}

/// Gives the response of the current stream what it owes. `headers` are all headers of the response.
pub fn restore<'h>(
    owed: &Owed,
    headers: &impl Headers<'h>,
    count: impl FnOnce(Counter),
) -> Outcome {
    let changes = owed.changes(headers);
    if changes.is_empty() {
        return Outcome::Continue;
    }
    count(Counter::ResponseRestored);
    let is_written = |ChangedHeader { name, lines }: &ChangedHeader| {
        let (first, others) = lines
            .split_first()
            .map_or((&[][..], &[][..]), |(first, others)| (first.as_slice(), others));
        hostcalls::set_response_header(name, first)
            && others.iter().all(|line| hostcalls::add_response_header(name, line))
    };
    match changes.iter().all(is_written) {
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

/// Answers the current stream with 500 and these response code details.
#[cold]
pub fn fail(details: &str) -> Outcome {
    // Nothing more can be done if the proxy refuses the reply. The stream stays paused, so the
    // request is not forwarded.
    let _ = hostcalls::send_local_reply(500, details, "", None);
    Outcome::Answered
}

#[cold]
fn send(reply: &Reply<'_>) -> Outcome {
    let Reply { status, details, body, grpc_status } = reply;
    let _ = hostcalls::send_local_reply(*status, details, body, *grpc_status);
    Outcome::Answered
}
