//! What holds for every authority, every policy and every request, whoever wrote them. Each
//! invariant is one function that panics when it is broken. The engine's property tests call them,
//! the tests of this crate do, and the targets in `fuzz/` do with inputs that coverage has chosen.
//!
//! ```
//! gatepost_invariants::authority::holds(b"My-Service.TEST.com.:443");
//! gatepost_invariants::case::holds(
//!     b"knative-gclb\n35.191.0.1:4711\n:method: GET\n:path: /\n:authority: 10.0.0.1\n",
//! );
//! ```
//!
//! Where an invariant needs to know what is right, it asks a reader or matcher of its own, written
//! as plainly as it can be, or somebody else's, and never the engine's.

pub mod authority;
pub mod carried;
pub mod case;
pub mod compile;
pub mod decision;
pub mod document;
pub mod pattern;
pub mod readings;
