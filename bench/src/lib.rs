//! Side-by-side measurements of Gatepost. No figure is taken alone: all arms run interleaved in one
//! process for at least eleven rounds, and the median counts. A control arm, which is another arm
//! measured a second time, shows how much of a difference is noise.
//!
//! [`rounds`] is the method. [`host`] measures the embedding SDK. [`envoy`] measures the filter in
//! a real Envoy, beside other ways to do its work, and [`counted`] counts the instructions and
//! cache misses of the same requests. [`serve`] compares the embedded gateway with Envoy. No test
//! is decided by time: `tests/` holds what must be true on any machine, such as that nothing leaks
//! and that each arm does the work that it is measured at.

pub mod alloc;
pub mod browser;
pub mod clock;
pub mod counted;
pub mod envoy;
pub mod error;
pub mod goal;
pub mod host;
pub mod page;
pub mod report;
pub mod rounds;
pub mod serve;
