//! `proxy_log` and `proxy_get_log_level`.

use wasmtime::{Caller, Linker};

use super::Guest;
use crate::abi::{AbiVersion, LogLevel, Status};
use crate::memory::{HostResult, parts, serve, slice, write_u32};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>, abi: AbiVersion) -> wasmtime::Result<()> {
    linker.func_wrap(
        "env",
        "proxy_log",
        |mut guest: Caller<'_, HostState>, level: u32, message: u32, len: u32| {
            serve(&mut guest, "proxy_log", |guest| log(guest, level, message, len))
        },
    )?;
    if abi >= AbiVersion::V0_2_1 {
        linker.func_wrap(
            "env",
            "proxy_get_log_level",
            |mut guest: Caller<'_, HostState>, to: u32| {
                serve(&mut guest, "proxy_get_log_level", |guest| level(guest, to))
            },
        )?;
    }
    Ok(())
}

fn log(guest: Guest<'_, '_>, level: u32, message: u32, len: u32) -> HostResult {
    let level = LogLevel::from_code(level).ok_or(Status::BadArgument)?;
    let (memory, state) = parts(guest)?;
    let message = slice(memory, message, len)?;
    state.note(|note| note.arg("level", level).arg("message", message));
    state.log(level, message);
    Ok(())
}

fn level(guest: Guest<'_, '_>, to: u32) -> HostResult {
    let (memory, state) = parts(guest)?;
    let level = state.host.log.level();
    state.note(|note| note.ret("level", level));
    Ok(write_u32(memory, to, level as u32)?)
}
