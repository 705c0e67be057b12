//! Renders the configuration that runs a policy: [`istio`] writes the objects that load the filter
//! into a gateway of Istio's, and [`bootstrap`] an Envoy configuration around the filter. The policy
//! is text here, passed on unread; what it means is in the engine.

pub mod bootstrap;
mod error;
mod failure_policy;
pub mod istio;
mod object;
mod rendered;
mod size;
mod yaml;

pub use error::RenderError;
pub use failure_policy::FailurePolicy;
pub use rendered::Rendered;
pub use yaml::join;
