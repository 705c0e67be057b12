//! The library behind the `gatepost` command: the commands, and what only they need.

pub mod cache;
pub mod commands;
pub mod reload;
