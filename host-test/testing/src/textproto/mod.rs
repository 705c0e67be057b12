//! The test files of Google's Service Extensions samples, `tests.textpb`, as they are: every field
//! of every version, and their second form, `tests.yaml`. They call the callbacks of one stream one
//! after another, without a proxy around them, and so does this; the rules are those of Google's
//! runner, not of a proxy.
//!
//! Paths of contents and of expected texts are relative to the file; `wasm_path` and `config_path`
//! to the working folder, and, where nothing is there, to the file. Benchmarks are not run, and
//! `log_path` is not written.

mod check;
mod http1;
mod input;
mod lists;
mod map;
mod read;
mod run;
pub mod schema;
mod yaml;

pub use read::Suite;
pub(crate) use run::configuration;
pub(crate) use yaml::is_googles;
