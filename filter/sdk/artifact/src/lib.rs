//! The example filters of `gatepost-proxy-wasm` as wasm modules, built when this crate is built.
//! The exports that they do not use are removed. It holds no code of its own.

/// The example `hsts`: a policy, and a header on responses.
pub const HSTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hsts.wasm"));

/// The example `policy_alone`: nothing but the policy, so its cost can be compared with that of
/// Gatepost's module.
pub const POLICY_ALONE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/policy_alone.wasm"));
