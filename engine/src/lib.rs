//! What a Gatepost policy means: a document is compiled to tables, and the tables give a decision
//! for each request. Pure: no I/O, no proxy-wasm, no YAML. The filter inside Envoy and every tool
//! outside it use this one crate, so what a tool explains is what the filter does.
//!
//! ```
//! use gatepost_engine::{Request, Verdict, compile_json};
//!
//! let policy = compile_json(br#"{
//!   "apiVersion": "gatepost/v1",
//!   "hosts": { "mappings": [
//!     { "host": "my-service.test.com", "authority": "my-service.default.example.com" }
//!   ] }
//! }"#).expect("no errors");
//!
//! let headers = [(":method", "GET"), (":path", "/"), (":authority", "My-Service.test.com.:443")];
//! let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
//! let decision = policy.decide(&Request { headers, source: &None });
//!
//! let Verdict::Forward(writes) = decision.verdict else { panic!("refused") };
//! assert_eq!(writes.authority.as_deref(), Some("my-service.default.example.com"));
//! ```
//!
//! `decide.rs` handles a request: [`Policy::decide`] evaluates the rules in the order that the
//! policy language fixes. `policy.rs` reads a document: [`compile_json`] reads each section with
//! the code in that section's folder (`environment/`, `health_check/`, `host/`) and with the reader
//! in `document/`. `errors/` defines what can be wrong with a document.

// A panic in the filter kills the VM of a whole worker thread, so no code here may be able
// to panic.
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

mod counter;
mod decide;
mod decision;
mod document;
mod environment;
mod errors;
mod headers;
mod health_check;
mod host;
mod policy;
mod policy_fingerprint;
mod reply;
mod request;
mod response;
mod results;
mod trace;
mod write;

pub use counter::{Counter, Counters};
pub use decision::{Decision, Forward, HeaderMutations, SetHeader, Verdict, Writes};
pub use document::MAX_TEXT;
pub use environment::{
    MAX_COOKIE_AGE, MAX_ENVIRONMENTS, MAX_HINT_HEADERS, MAX_NAME_PATTERNS, MAX_SOURCES,
};
pub use errors::{
    AuthorityError, Path, PatternError, Place, PolicyError, PolicyErrorKind, Segment,
    TemplateError, nearest,
};
pub use headers::MAX_HEADER_NAME;
pub use health_check::{ConditionKind, MAX_HEALTH_CHECKS, is_check_name};
pub use host::{
    Authority, HostKind, MAX_LABEL, MAX_MAPPINGS, MAX_NAME, MAX_PLACEHOLDERS, MAX_PRIVATE,
    MAX_PRIVATE_BLOCKS, MAX_TEMPLATE,
};
pub use policy::{API_VERSION, MAX_CONFIGURATION, MAX_STRIP, Mode, Policy, compile_json};
pub use reply::{Answer, Refusal, Reply};
pub use request::{Headers, Request, SourceAddress, is_grpc, parse_source_address};
pub use response::{ChangedHeader, Changes, Owed};
pub use results::{EnvironmentResults, ProbeRewrite, Results, WrittenText};
pub use trace::{EnvironmentReason, NoTrace, Origin, SourceFinding, Step, Trace};
