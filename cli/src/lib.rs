//! The library behind the `gatepost` command: the embedded gateway, the filter on wasmtime in it,
//! and what the commands do. The tests on a real Envoy use the same pieces, so that both gateways
//! are asked the same questions.

pub mod cache;
pub mod cases;
pub mod commands;
pub mod echo;
pub mod gateway;
pub mod plugin;
pub mod reload;
pub mod shipped;
pub mod stage;
