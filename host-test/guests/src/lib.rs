//! What the guest modules in examples/ share: the hostcalls of the ABI, declared here and not by an
//! SDK, so that every status is visible (`abi`), a small language of hostcalls ([`script`]) and its
//! interpreter (`run`). Guests check nothing: a test reads what they log.
//!
//! The `probe` guests take a script as plugin configuration. A line names a callback and a
//! hostcall. Each callback logs its arguments, and each hostcall logs its status and its results:
//!
//! ```text
//! request_headers: get request_headers x-a
//! request_headers: replace request_headers x-b "two words"
//! request_body.end: set_body request 0 0 "first "
//! response_headers#1: reply 403 denied "go away" -1
//! ```

pub mod pairs;
pub mod script;

#[cfg(target_arch = "wasm32")]
pub mod abi;
#[cfg(target_arch = "wasm32")]
pub mod commands;
#[cfg(target_arch = "wasm32")]
pub mod contexts;
#[cfg(target_arch = "wasm32")]
pub mod dialect;
#[cfg(target_arch = "wasm32")]
pub mod exports;
#[cfg(target_arch = "wasm32")]
pub mod run;
