//! What the guest modules in examples/ share: the hostcalls of the ABI, declared here rather than
//! by an SDK so that every status is visible (`abi`), a small language of hostcalls ([`script`])
//! and its interpreter (`run`). It holds no expectations: what a guest logs is for a test to judge.
//!
//! The `probe` guests take a script as plugin configuration. A line names a callback and a
//! hostcall; each callback that runs logs its entry, and each hostcall logs its status and what it
//! returned:
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
pub mod exports;
#[cfg(target_arch = "wasm32")]
pub mod run;
