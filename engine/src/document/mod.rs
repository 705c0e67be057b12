//! Reading a policy document into the engine's own types in one pass, gathering every error with
//! its path instead of stopping at the first. Serde's derive cannot do that, and a generic tree
//! would hold a map of its own for each of 100,000 mappings.
//!
//! `json.rs` reads the text with `serde_json` and passes on each [`Value`]. Each section of the
//! policy language implements [`Section`], which says what its fields mean. A field or value that
//! is not allowed becomes an error in the [`Context`], and reading goes on.

mod context;
mod json;
mod number;
mod section;
mod seen;
mod value;

pub(crate) use context::Context;
pub(crate) use json::read;
pub(crate) use section::Section;
pub(crate) use seen::Seen;
pub use value::MAX_TEXT;
pub(crate) use value::{Read, Value};
