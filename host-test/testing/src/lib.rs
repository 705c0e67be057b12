//! Test files for any proxy-wasm module, run without a proxy, and a look inside the module.
//!
//! [`TestFile::read`] takes Gatepost's own format ([`suite`]), in YAML or JSON, and the
//! `tests.textpb` of Google's Service Extensions samples ([`textproto`]). A [`Runner`] holds the
//! module under test and runs files one after another; what came of them is a [`Report`], for
//! people or for programs. [`Inspection`] says what a module imports from its host and what it
//! exports, without running it.
//!
//! The crate knows no policy and opens no connection: upstreams and callouts answer what the test
//! file says. What is wrong with a file, and what a test finds different, are
//! [`Diagnostic`](gatepost_diagnostics::Diagnostic)s.
#![forbid(unsafe_code)]

pub mod inspect;
mod log;
mod modules;
mod quote;
mod re2;
pub mod report;
pub mod runner;
pub mod suite;
pub mod textproto;

pub use gatepost_diagnostics::FileError;
pub use inspect::Inspection;
pub use modules::RunnerError;
pub use report::{CaseReport, FileReport, Report};
pub use runner::{Runner, TestFile};

/// The largest file of data that a test may name, in bytes.
pub const MAX_DATA_FILE: u64 = 64 << 20;
