//! Test files for any proxy-wasm module, run without a proxy, and a look inside the module.
//!
//! [`TestFile::read`] takes Gatepost's own format ([`suite`]), in YAML or JSON, and the
//! `tests.textpb` of Google's Service Extensions samples ([`textproto`]). A [`Runner`] holds the
//! module under test and runs files one after another; what came of them is a [`Report`], for
//! people or for programs. [`Inspection`] tells what a module asks of its host and what it offers,
//! without running it.
//!
//! The crate knows no policy and drives no network: upstreams and callouts answer what the test
//! file says.
#![forbid(unsafe_code)]

pub mod fault;
pub mod inspect;
mod log;
mod matching;
mod re2;
pub mod report;
pub mod runner;
pub mod suite;
pub mod textproto;

pub use fault::{Fault, FileError};
pub use inspect::Inspection;
pub use report::{CaseReport, Difference, FileReport, Report};
pub use runner::{Runner, RunnerError, TestFile};
