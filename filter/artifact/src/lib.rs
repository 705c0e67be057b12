//! The Gatepost filter as the wasm module that Envoy loads. The build of this crate compiles
//! `gatepost-filter` for wasm32-wasip1, and adds that target through rustup when it is missing.
//!
//! ```
//! assert!(gatepost_filter_wasm::MODULE.starts_with(b"\0asm"));
//! ```

/// The module's bytes: proxy-wasm ABI 0.2.1. Of WASI it needs `random_get`, for the seed of its
/// hash tables, and what the standard library uses to report a panic.
pub const MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gatepost_filter.wasm"));

/// The module as tests build it: it traps for a request with the header `x-gatepost-trap`, and
/// counts its stream contexts in `gatepost.probe.created` and `gatepost.probe.deleted`.
#[cfg(feature = "probe")]
pub const PROBE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gatepost_filter_probe.wasm"));
