//! What a Gatepost policy means: a document is compiled to tables, and the tables give a decision
//! for each request. Pure: no I/O, no proxy-wasm, no YAML. The filter inside Envoy and every tool
//! outside it use this one crate, so they agree.
//!
//! ```
//! use gatepost_engine::{Request, Verdict, compile_json};
//!
//! let policy = compile_json(br#"{
//!   "apiVersion": "gatepost/v1",
//!   "hosts": { "mappings": [{ "host": "my-service.test.com", "authority": "my-service.default.example.com" }] }
//! }"#).expect("no faults");
//!
//! let headers = [(":method", "GET"), (":path", "/"), (":authority", "My-Service.test.com.:443")];
//! let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
//! let decision = policy.decide(&Request { headers, source: &None });
//!
//! let Verdict::Forward(writes) = decision.verdict else { panic!("refused") };
//! assert_eq!(writes.authority.as_deref(), Some("my-service.default.example.com"));
//! ```
//!
//! A request's way: [`Policy::decide`] in `decide.rs` walks through the rules in the order that the
//! policy language fixes. A document's way: [`compile_json`] in `policy.rs` reads each section with
//! the reader beside its type.

// A panic in the filter kills the VM of a whole worker thread, so nothing here may be able to.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        clippy::unreachable
    )
)]
#![forbid(unsafe_code)]
// Without std the filter has no panic messages, no backtraces and no names of operating system
// errors in it.
#![cfg_attr(not(test), no_std)]

#[macro_use]
extern crate alloc;

mod address_text;
mod authority;
mod choose;
mod cidr;
mod code;
mod decide;
mod decision;
mod environment;
mod fault;
mod header;
mod health_check;
mod host;
mod host_table;
mod hosts;
mod labels;
mod lenient;
mod message;
mod nearest;
mod number;
mod pattern;
mod plain;
mod policy;
mod reader;
mod records;
mod request;
mod same;
mod source;
mod template;
mod text_match;
mod trace;
mod write;

pub use authority::{Authority, AuthorityError, HostKind, MAX_LABEL, MAX_NAME};
pub use decision::{
    Answer, Counter, Counters, Decision, Effects, Refusal, Reply, SetHeader, Verdict, Writes,
};
pub use environment::{MAX_ENVIRONMENTS, MAX_HINT_HEADERS};
pub use fault::{Fault, FaultKind, Path, Place, Segment};
pub use health_check::{Condition, MAX_HEALTH_CHECKS};
pub use hosts::{MAX_MAPPINGS, MAX_PRIVATE};
pub use nearest::nearest;
pub use pattern::PatternError;
pub use plain::decimal;
#[cfg(feature = "serde")]
pub use policy::compile;
pub use policy::{API_VERSION, MAX_CONFIGURATION, MAX_STRIP, Mode, Policy, compile_json};
pub use request::{Headers, Request, SourceAddress, is_grpc, parse_source_address};
pub use template::TemplateError;
pub use trace::{EnvironmentReason, Finding, NoTrace, Origin, Step, Trace};
