//! The engine as a dynamic module of Envoy's: native code in Envoy's process, without a VM and
//! without copies of headers. The benchmark measures it to show what a filter costs at least. It is
//! not for production: an error in a native module takes Envoy down, and the interface belongs to
//! one release of Envoy.
//!
//! It carries out what the benchmark's policies need. A reply to a gRPC request has the status that
//! Envoy derives from the HTTP status, because the interface has no other.

// Envoy, and the linker that leaves its functions undefined in a shared object.
#![cfg(target_os = "linux")]

mod abi;
mod config;
mod hooks;
mod request;
