//! Invariants of every authority, every policy and every request. Each invariant is one function
//! that panics when it is broken. The engine's property tests and the tests of this crate call them
//! with generated inputs, and the targets in `fuzz/` with inputs that coverage selects.
//!
//! ```
//! gatepost_invariants::authority::holds(b"My-Service.TEST.com.:443");
//! gatepost_invariants::case::holds(
//!     b"knative-gclb\n35.191.0.1:4711\n:method: GET\n:path: /\n:authority: 10.0.0.1\n",
//! );
//! ```
//!
//! An expected result never comes from the engine, but from a parser or matcher of this crate,
//! written as simply as possible, or from another crate.

pub mod addresses;
pub mod authority;
pub mod carried;
pub mod case;
pub mod compile;
pub mod decision;
pub mod document;
pub mod pattern;
pub mod readings;
pub mod response;
