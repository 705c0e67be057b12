//! Side-by-side measurements of Gatepost. A figure is never taken alone: its arms run interleaved
//! in one process, at least eleven rounds, and the median counts; a control arm, which is another
//! arm over again, shows how much of a difference is noise.
//!
//! [`rounds`] is the method. [`host`] has the measurements of the embedding SDK; [`envoy`] those of the filter in a real Envoy, beside other ways to do its
//! work, and [`counted`] counts its instructions and cache misses there instead of its time.
//! Nothing here decides a test by time; `tests/` holds what must be true on any machine, however
//! slow: that nothing is lost, and that each arm does the work that it is measured at.

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
