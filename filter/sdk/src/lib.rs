//! A Gatepost policy inside any filter that is written with the [`proxy_wasm`] Rust SDK: the
//! filter's own logic and the policy run in one VM instead of two, and the request's headers are
//! read once for the policy. The policy means here what it means in Gatepost's own module, because
//! the same engine decides.
//!
//! The filter's author calls [`Gatepost::configure`] with the plugin configuration,
//! [`Gatepost::stream`] for each stream, [`Stream::on_request`] when its request headers are there,
//! [`Stream::on_request_trailers`] when its request has trailers, [`Stream::on_response`] when its
//! response headers are there, and [`Gatepost::flush_counters`] by a timer. The example
//! `examples/hsts.rs` is a whole filter:
//!
//! ```ignore
#![doc = include_str!("../examples/hsts.rs")]
//! ```
//!
//! # What the SDK adds to the cost
//! The SDK exports every callback that the ABI knows, and Envoy enters the VM for each callback
//! that a module exports. Removing those that the filter does not use from the linked module saves
//! several entries for each stream: `filter/sdk/artifact` does it in its build script. The
//! benchmark in `bench/` measures such a module beside Gatepost's own.
//!
//! # What can still trap
//! A panic traps the VM of a whole worker thread. This crate does not panic, and it makes the calls
//! that change, answer or count a request itself, because the SDK panics where the proxy refuses
//! one. The SDK still panics in these cases, which Envoy does not bring about:
//!
//! - its dispatcher, for a context that it does not know;
//! - reading the request headers, for a status other than `Ok`, for a header name that is not UTF-8
//!   and for a block of headers whose lengths contradict its size;
//! - reading `source.address` and `plugin_name`, for a status other than `Ok`, `NotFound`,
//!   `SerializationFailure` and `InternalFailure`;
//! - starting a timer or writing a log line, for a status other than `Ok`.
//!
//! The getters of [`proxy_wasm::traits`] that give a `String` also panic for a value that is not
//! UTF-8, which any client can send. A filter's own logic should use those that end in `_bytes`.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::unreachable
)]

mod request;

use std::rc::Rc;

pub use gatepost_engine::PolicyError;
use gatepost_engine::{Owed, Policy, compile_json};
pub use gatepost_filter_request::Outcome;
use gatepost_filter_request::{
    BufferedCounters, PolicyGauges, count_accepted, count_rejected, fail,
};
use proxy_wasm::hostcalls;

/// A policy in force, with its counters.
///
/// [`Gatepost::default`] holds no policy. Its streams answer every request with 500, so that
/// nothing passes before a configuration was accepted.
#[derive(Debug, Clone, Default)]
pub struct Gatepost(Option<Rc<InForce>>);

#[derive(Debug)]
struct InForce {
    policy: Policy,
    counters: BufferedCounters,
    gauges: PolicyGauges,
}

impl Gatepost {
    /// Compiles a policy: JSON of `apiVersion: gatepost/v1`, at most 8 MiB. Call this in
    /// `on_configure` of the root context.
    ///
    /// It raises the counter `gatepost.config.accepted` or `gatepost.config.rejected`, and defines
    /// the counters of the policy.
    ///
    /// # Errors
    /// Every error of the document. Each was logged as an error, in a line of its own, so
    /// `on_configure` only has to return `false`; a policy that was in force stays in force.
    pub fn configure(configuration: &[u8]) -> Result<Self, Vec<PolicyError>> {
        match compile_json(configuration) {
            Ok(policy) => {
                for warning in policy.warnings() {
                    log::warn!("gatepost: {warning}");
                }
                let counters = BufferedCounters::define(policy.counters());
                let name = hostcalls::get_property(vec!["plugin_name"]).ok().flatten();
                let gauges = PolicyGauges::new(name.as_deref(), &policy);
                count_accepted();
                Ok(Self(Some(Rc::new(InForce { policy, counters, gauges }))))
            }
            Err(errors) => {
                for error in &errors {
                    log::error!("gatepost: configuration refused: {error}");
                }
                count_rejected();
                Err(errors)
            }
        }
    }

    /// The policy for one stream. A stream keeps the policy that it began with, also when the
    /// plugin is configured anew. It costs a reference count.
    #[must_use]
    pub fn stream(&self) -> Stream {
        Stream { in_force: self.0.clone(), guards_trailers: true, owed: None }
    }

    /// Sends the counts since the last call to the proxy, and shows the policy in the gauges
    /// `gatepost.policy.<plugin name>`, its fingerprint, and `gatepost.observe.<plugin name>`. Call
    /// this in `on_tick` of the root context, and start the timer in `on_configure`; twice a second
    /// is often enough. The gauges are 0 again when the last clone is dropped; where the module's
    /// `proxy_on_delete` was removed, when the VM ends.
    ///
    /// Counts are buffered because raising a counter of the proxy costs about as much as deciding.
    /// The timer belongs to the filter's author, who may need it for other things, too. The last
    /// clone sends what is still buffered when it is dropped.
    pub fn flush_counters(&self) {
        if let Some(in_force) = &self.0 {
            in_force.counters.flush();
            in_force.gauges.show();
        }
    }
}

/// A policy for the request of one stream.
#[derive(Debug, Clone)]
pub struct Stream {
    in_force: Option<Rc<InForce>>,
    guards_trailers: bool,
    owed: Option<Box<Owed>>,
}

impl Stream {
    /// Decides on the request of the current stream and carries the decision out: writes headers or
    /// sends a local reply, and counts. Call this in `on_http_request_headers`, before the filter's
    /// own logic if that logic is to see the request as the policy leaves it.
    ///
    /// In `mode: observe` it decides and counts, changes nothing, and the outcome is always
    /// [`Outcome::Passed`]. Where there is no policy, or the proxy refuses to write a header, it
    /// answers 500: no request passes that the policy did not decide on.
    pub fn on_request(&mut self) -> Outcome {
        let (outcome, owed) = match &self.in_force {
            Some(in_force) => request::decide(&in_force.policy, &in_force.counters),
            None => (fail("gatepost.internal.not_configured"), None),
        };
        self.owed = owed;
        self.guards_trailers = outcome != Outcome::Passed;
        outcome
    }

    /// Gives the response what it owes: the client's host where it names the one that the policy
    /// wrote in its place, the headers in `Vary` that chose the environment, the cookie of a pin.
    /// Call this in `on_http_response_headers`.
    pub fn on_response(&mut self) -> Outcome {
        match (&self.in_force, self.owed.take()) {
            (Some(in_force), Some(owed)) => request::complete(&owed, &in_force.counters),
            _ => Outcome::Continue,
        }
    }

    /// Removes the trailers that a client may not send: those of the names that it may not send as
    /// headers. Call this in `on_http_request_trailers`. Trailers of a request that
    /// [passed](Outcome::Passed) stay.
    pub fn on_request_trailers(&self) -> Outcome {
        match &self.in_force {
            _ if !self.guards_trailers => Outcome::Passed,
            Some(in_force) => request::guard_trailers(&in_force.policy),
            None => fail("gatepost.internal.not_configured"),
        }
    }
}
