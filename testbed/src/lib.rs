//! What the demonstration, the tests on a real Envoy and the benchmark share: echo upstreams, a
//! gateway in front of them (the embedded one or a real Envoy), the policies that ship, and policy
//! tests run and judged. Nothing here is for production.

pub mod cases;
pub mod echo;
pub mod envoy;
pub mod shipped;
mod testbed;

pub use testbed::{Kind, Testbed, TestbedError};
