//! From a policy to the configuration that runs it: [`bootstrap`] renders an Envoy configuration
//! around the filter. What a policy means is the engine's business: here it is text that is passed
//! on unread.

pub mod bootstrap;
