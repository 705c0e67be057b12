//! The test bed that the demonstration, the tests and the benchmark share: echo upstreams, a
//! client, a gateway between them (the embedded one or a real Envoy), the policies that ship, and a
//! runner for policy tests. Nothing here is for production.

pub mod cases;
pub mod client;
pub mod docker_registry;
pub mod echo;
pub mod envoy;
mod file_error;
#[cfg(feature = "mesh")]
pub mod mesh;
mod reserved;
pub mod shipped;
mod testbed;

pub use file_error::FileError;
pub use reserved::{refusing_address, reserved_address};
pub use testbed::{GatewayKind, Testbed, TestbedError};
