//! The library behind the `gatepost` command. Only the command and its tests use it.

pub mod cache;
pub mod commands;
mod wait;
