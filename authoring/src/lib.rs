//! Policy files and their tests as people write them: YAML or JSON, read with the place of every
//! key and value.
//!
//! A file is read into a tree ([`read`]), its meaning is judged by the engine ([`policy`]) or here
//! ([`suite`]), and every error comes out as a [`Diagnostic`] at line and column, all of them at
//! once.
//!
//! ```
//! use gatepost_authoring::{PolicyFile, Render};
//!
//! let text = "apiVersion: gatepost/v1\nhosts:\n  unmaped: reject\n";
//! let report = PolicyFile::parse("policy.yaml", text).unwrap_err();
//! assert_eq!(report.diagnostics[0].code, "unknown-field");
//! assert!(Render::Text { color: false }.render(&[report]).contains("unmaped"));
//! ```

mod builder;
mod configuration;
mod envoy;
pub mod manifest;
pub mod mutants;
pub mod policy;
pub mod read;
mod scalar;
pub mod suite;
mod text;
pub mod tree;
mod yaml_error;

pub use configuration::{Configuration, PluginIdentity};
pub use gatepost_diagnostics::{
    Diagnostic, FileError, MAX_MODULE_FILE, MAX_TEXT_FILE, Position, Render, Report, Severity,
    Source, Span, read_file,
};
pub use manifest::Manifest;
pub use policy::{Policies, PolicyFile};
pub use suite::Suite;
