//! Rendered bootstraps in a real Envoy: which ones it accepts, where requests go, and a policy that
//! changes while Envoy serves.

mod discovery;
mod proxying;
mod rendered;
mod support;
