//! The engine inside Envoy: proxy-wasm callbacks come in, header writes go out. A request's way
//! through this crate is `callbacks.rs` (what Envoy calls), `stream.rs` (reads the headers, asks
//! the engine, carries the decision out) and `abi.rs` (what is called in Envoy).
//!
//! It speaks the proxy-wasm ABI 0.2.1 itself instead of through an SDK. An SDK's dispatcher wants a
//! context object and five more callbacks for each stream, and Envoy enters the VM for each of
//! them; its string getters trap the VM on a byte that is not UTF-8. Thirteen hostcalls, all
//! byte-valued, are less code than working around that.

// A trap kills the VM of a whole worker thread: every request after it gets 503. So nothing here
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
// Without std there are no panic messages, no backtraces and no names of operating system errors in
// the module, and it imports nothing of WASI.
#![cfg_attr(all(target_arch = "wasm32", not(test)), no_std)]
// Natively there are only the parts that need no proxy, for their unit tests.
#![cfg_attr(all(not(target_arch = "wasm32"), not(test)), allow(dead_code))]

extern crate alloc;

mod pairs;
mod roots;

#[cfg(target_arch = "wasm32")]
mod abi;
#[cfg(target_arch = "wasm32")]
mod callbacks;
#[cfg(target_arch = "wasm32")]
mod mark;
#[cfg(target_arch = "wasm32")]
mod plugin;
#[cfg(all(target_arch = "wasm32", feature = "probe"))]
mod probe;
#[cfg(target_arch = "wasm32")]
mod runtime;
#[cfg(target_arch = "wasm32")]
mod stream;
#[cfg(target_arch = "wasm32")]
mod tally;
