//! From a policy to what runs it. [`bootstrap`] renders an Envoy configuration around the filter,
//! and [`envoy`] fetches and runs a real Envoy for tests and demonstrations. What a policy means is
//! the engine's business: here it is text that is passed on unread.

pub mod bootstrap;
pub mod envoy;
