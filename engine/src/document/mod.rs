//! Reading a policy document into the engine's own types in one pass, gathering every error with
//! its path instead of stopping at the first. Serde's derive cannot do that, and a generic tree
//! would hold a map of its own for each of 100,000 mappings.
//!
//! `json.rs` walks through the text with `serde_json` and shows each [`Value`] as it comes. A
//! section of the policy language says what its fields mean ([`Section`]); what it does not expect
//! becomes an error in the [`Context`], and reading goes on.

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
pub(crate) use value::{Read, Value};
