//! OCI images that bring a wasm module into a mesh: what [`Image::of`] writes, and what Istio's
//! agent makes of one ([`read`]). Both are functions of bytes; the network is in
//! [`registry`](crate::registry).
//!
//! The rules are those of `pkg/wasm/imagefetcher.go` in Istio (read at the end of August 2026), and
//! the formats those of the OCI image specification.

mod archive;
mod build;
mod digest;
mod manifest;
mod module;
pub mod read;

pub use archive::{directory, tar};
pub use build::{Blob, Image, Layout};
pub use digest::{Digest, NoDigest};
pub use manifest::{Descriptor, Index, Manifest, Platform, media_type};
pub use module::{LARGEST_MODULE, NoWasm, check_module};
