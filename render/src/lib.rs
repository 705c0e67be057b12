//! Renders the configuration that runs a policy: [`bootstrap`] writes an Envoy configuration around
//! the filter. The policy is text here, passed on unread; what it means is in the engine. And it
//! brings the filter's module into a mesh: as an OCI [`image`], into a [`registry`].

pub mod bootstrap;
pub mod image;
pub mod registry;
