//! Runs policy tests. Each case of a suite is sent to the filter in a wasm host ([`offline`]) or to
//! a gateway ([`wire`]); the result is an [`Observation`], and [`judge`] compares it with what the
//! case expects.

mod judge;
mod observation;
pub mod offline;
pub mod wire;

pub use judge::judge;
pub use observation::{Forwarded, Observation, Outcome, Replied};
