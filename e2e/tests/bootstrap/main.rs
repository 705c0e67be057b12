//! Bootstraps that `render` wrote, in a real Envoy: which it takes and refuses, where requests go,
//! and a policy that changes while Envoy serves.

mod discovery;
mod proxying;
mod rendered;
mod support;
