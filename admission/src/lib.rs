//! The validating webhook: an AdmissionReview of a Kubernetes API server in, a verdict out. What
//! the filter would refuse is denied with every error, as `gatepost check` shows them; what its
//! author should know is a warning that `kubectl` prints. Every other object is let through.
//!
//! [`Judge`] has no I/O: `review` reads and writes reviews, `object` reads objects, `ours` says
//! which are Gatepost's, and `wording` keeps to the limits of Kubernetes. [`Server`] is the
//! listener around it: `certificate` has its TLS, `server` with `connections` accepts, `exchange`
//! answers one request, and `stats` counts.
//!
//! ```
//! use gatepost_admission::Judge;
//!
//! let review = br#"{
//!   "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
//!   "request": { "uid": "1", "operation": "CREATE", "object": {
//!     "apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin",
//!     "metadata": { "name": "gatepost" },
//!     "spec": { "pluginConfig": { "apiVersion": "gatepost/v1", "hots": {} } }
//!   } }
//! }"#;
//! let judged = Judge::default().review(review).expect("a review");
//! assert!(judged.response.contains("unknown field `hots`"), "{}", judged.response);
//! ```

// The webhook is in the way of every apply, and what it reads comes from anybody: nothing here may
// be able to panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        clippy::unreachable
    )
)]
#![forbid(unsafe_code)]

mod certificate;
mod connections;
mod exchange;
mod judge;
mod object;
mod ours;
mod review;
mod server;
mod stats;
mod wording;

pub use certificate::{Certificate, CertificateError};
pub use judge::{Judge, Judged, Verdict};
pub use ours::Ours;
pub use review::ReviewError;
pub use server::Server;
pub use stats::{CONTENT_TYPE, Stats};
