//! The engine as a dynamic module of Envoy's: native code in Envoy's process, without a VM and
//! without copies of headers. The benchmark measures it to show what a filter costs at least. It is
//! not for production: an error in a native module takes Envoy down, and the interface belongs to
//! one release of Envoy.
//!
//! It carries out the benchmark's policies. What it cannot do is answer gRPC: the interface has no
//! gRPC status, and Envoy 1.40 sends 0 with such a reply.

// The linkers of other systems refuse a library whose functions only Envoy has.
#![cfg(target_os = "linux")]

mod abi;
mod config;
mod hooks;
mod request;
