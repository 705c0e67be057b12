//! One type for everything that a tool reports about a file: a [`Diagnostic`] with a severity, a
//! stable code, a message, a place, and what to do. Syntax errors, errors in a policy, errors in a
//! file of tests and tests that fail are all diagnostics, so every command shows them in one way.
//!
//! The crate knows neither policies nor proxy-wasm. The reader of a file decides what is wrong with
//! it; [`Render`] shows the result to people or to programs.
//!
//! ```
//! use std::sync::Arc;
//! use gatepost_diagnostics::{Diagnostic, Render, Report, Source, Span};
//!
//! let source = Arc::new(Source::new("policy.yaml", "hosts:\n  unmaped: reject\n"));
//! let unknown = Diagnostic::error("unknown-field", "unknown field `unmaped`")
//!     .at(&source, Span::new(9, 16))
//!     .with_help(Some("did you mean `unmapped`?".to_owned()));
//! let report = Report::new(source, vec![unknown]);
//! assert!(report.to_string().starts_with("policy.yaml:2:3: unknown field `unmaped`; "));
//! assert!(Render::Text { color: false }.render(&[report]).starts_with("error[unknown-field]: "));
//! ```
#![forbid(unsafe_code)]

mod diagnostic;
mod file;
mod json;
mod nearest;
mod render;
mod report;
mod source;
mod text;

pub use diagnostic::{Comparison, Diagnostic, Location, Note, Severity};
pub use file::{FileError, MAX_MODULE_FILE, MAX_TEXT_FILE, NotRead, read_file, read_file_below};
pub use json::JSON_VERSION;
pub use nearest::{did_you_mean, suggest};
pub use render::Render;
pub use report::Report;
pub use source::{Position, Source, Span};
