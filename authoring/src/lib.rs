//! Policy files and their tests as people write them: YAML or JSON, read with the place of every
//! key and value.
//!
//! A file is read into a tree ([`read`]), its meaning is judged ([`policy`] by the engine,
//! [`suite`] here), and whatever is wrong comes out as diagnostics at line and column
//! ([`diagnostic`], [`render`]), all of them at once.
//!
//! ```
//! use gatepost_authoring::{PolicyFile, Render};
//!
//! let text = "apiVersion: gatepost/v1\nhosts:\n  unmaped: reject\n";
//! let report = PolicyFile::parse("policy.yaml", text).unwrap_err();
//! assert_eq!(report.diagnostics[0].start.line, 3);
//! assert!(Render::Text { color: false }.render(&[report]).contains("unmaped"));
//! ```

pub mod diagnostic;
pub mod policy;
mod problem;
pub mod read;
pub mod render;
mod scalar;
pub mod source;
pub mod suite;
pub mod tree;

pub use diagnostic::{Diagnostic, Report, Severity};
pub use policy::{FileError, PolicyFile};
pub use problem::{Problem, ProblemKind};
pub use render::Render;
pub use source::{Position, Source, Span};
pub use suite::Suite;
