//! Renders the configuration that runs a policy: [`bootstrap`] writes an Envoy configuration around
//! the filter. The policy is text here, passed on unread; what it means is in the engine.

pub mod bootstrap;
