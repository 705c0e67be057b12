//! Renders the configuration that runs a policy: [`istio`] writes the objects that load the filter
//! into a gateway of Istio's, [`routes`] those for the requests that it rewrites, [`gcp`] those for
//! Google Cloud's load balancer, and [`bootstrap`] an Envoy configuration around the filter. What a
//! policy means is in the engine. And the filter's module as an OCI [`image`], in a [`registry`].

pub mod bootstrap;
mod envoy_filter;
mod error;
mod failure_policy;
pub mod gcp;
pub mod image;
pub mod istio;
mod object;
pub mod registry;
mod rendered;
pub mod routes;
mod size;
mod yaml;

pub use error::RenderError;
pub use failure_policy::FailurePolicy;
pub use rendered::Rendered;
pub use yaml::join;
