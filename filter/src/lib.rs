//! The engine inside Envoy: proxy-wasm callbacks come in, header writes go out. A request goes
//! through `callbacks.rs` (the functions that Envoy calls), `stream.rs` (reads the headers, calls
//! the engine, carries the decision out) and `abi.rs` (the functions of Envoy that are called).
//!
//! It speaks the proxy-wasm ABI 0.2.1 itself instead of through an SDK. An SDK's dispatcher exports
//! every callback and keeps an object for each stream, and Envoy enters the VM for each callback
//! that is exported; it also panics on a status that it does not expect. docs/speed has what that
//! costs. A filter that is written with the SDK uses `gatepost-proxy-wasm`.

// A trap kills the VM of a whole worker thread: every request after it gets 503. So no code here
// may be able to panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::string_slice,
        clippy::unreachable
    )
)]
// A native build has only the parts that need no proxy, for their unit tests.
#![cfg_attr(all(not(target_arch = "wasm32"), not(test)), allow(dead_code))]

mod contexts;
mod pairs;

#[cfg(target_arch = "wasm32")]
mod abi;
#[cfg(target_arch = "wasm32")]
mod allocator;
#[cfg(target_arch = "wasm32")]
mod callbacks;
#[cfg(target_arch = "wasm32")]
mod counters;
#[cfg(target_arch = "wasm32")]
mod plugin;
#[cfg(all(target_arch = "wasm32", feature = "probe"))]
mod probe;
#[cfg(target_arch = "wasm32")]
mod stream;
