//! Arguments, environment variables, random bytes, and the end of the process.

use wasmtime::{Caller, Linker};

use super::errno::{EIO, SUCCESS, serve};
use crate::abi::Status;
use crate::memory::{Guest, HostcallResult, parts, slice_mut, write, write_u32};
use crate::state::HostState;

/// The guest called `proc_exit`. It is a trap, except with code 0 in `_start`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the guest called proc_exit({0})")]
pub(crate) struct ProcExit(pub(crate) u32);

pub(super) fn link(linker: &mut Linker<HostState>, wasi: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        wasi,
        "args_sizes_get",
        |mut guest: Caller<'_, HostState>, count_to: u32, size_to: u32| {
            serve(&mut guest, |guest| {
                sizes(guest, count_to, size_to, |state| {
                    let args = &state.wasi.args;
                    (args.len(), args.iter().map(|arg| arg.len() + 1).sum())
                })
            })
        },
    )?;
    linker.func_wrap(
        wasi,
        "args_get",
        |mut guest: Caller<'_, HostState>, to: u32, buffer: u32| {
            serve(&mut guest, |guest| args_get(guest, to, buffer))
        },
    )?;
    linker.func_wrap(
        wasi,
        "environ_sizes_get",
        |mut guest: Caller<'_, HostState>, count_to: u32, size_to: u32| {
            serve(&mut guest, |guest| {
                sizes(guest, count_to, size_to, |state| {
                    (
                        state.environment.len(),
                        state
                            .environment
                            .iter()
                            .map(|(key, value)| key.len() + value.len() + 2)
                            .sum(),
                    )
                })
            })
        },
    )?;
    linker.func_wrap(
        wasi,
        "environ_get",
        |mut guest: Caller<'_, HostState>, to: u32, buffer: u32| {
            serve(&mut guest, |guest| environ_get(guest, to, buffer))
        },
    )?;
    linker.func_wrap(
        wasi,
        "random_get",
        |mut guest: Caller<'_, HostState>, to: u32, len: u32| {
            serve(&mut guest, |guest| random_get(guest, to, len))
        },
    )?;
    // A guest has one thread, so there is no other to run.
    linker.func_wrap(wasi, "sched_yield", || SUCCESS)?;
    linker.func_wrap(wasi, "proc_exit", |code: u32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::new(ProcExit(code)))
    })?;
    Ok(())
}

fn sizes(
    guest: Guest<'_, '_>,
    count_to: u32,
    size_to: u32,
    of: impl FnOnce(&HostState) -> (usize, usize),
) -> HostcallResult<u32> {
    let (memory, state) = parts(guest)?;
    let (count, size) = of(state);
    write_u32(memory, count_to, u32::try_from(count).unwrap_or(u32::MAX))?;
    write_u32(memory, size_to, u32::try_from(size).unwrap_or(u32::MAX))?;
    Ok(SUCCESS)
}

fn args_get(guest: Guest<'_, '_>, to: u32, buffer: u32) -> HostcallResult<u32> {
    let (memory, state) = parts(guest)?;
    write_strings(memory, to, buffer, state.wasi.args.iter().map(|arg| format!("{arg}\0")))
}

fn environ_get(guest: Guest<'_, '_>, to: u32, buffer: u32) -> HostcallResult<u32> {
    let (memory, state) = parts(guest)?;
    write_strings(
        memory,
        to,
        buffer,
        state.environment.iter().map(|(key, value)| format!("{key}={value}\0")),
    )
}

/// Writes the strings one after another into the buffer, and a pointer to each.
fn write_strings(
    memory: &mut [u8],
    mut to: u32,
    mut buffer: u32,
    strings: impl Iterator<Item = String>,
) -> HostcallResult<u32> {
    for string in strings {
        write_u32(memory, to, buffer)?;
        write(memory, buffer, string.as_bytes())?;
        let len = u32::try_from(string.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        buffer = buffer.checked_add(len).ok_or(Status::InvalidMemoryAccess)?;
        to = to.checked_add(4).ok_or(Status::InvalidMemoryAccess)?;
    }
    Ok(SUCCESS)
}

fn random_get(guest: Guest<'_, '_>, to: u32, len: u32) -> HostcallResult<u32> {
    let (memory, state) = parts(guest)?;
    state.work.uncompressed(len as usize);
    match state.random.fill(slice_mut(memory, (to, len))?) {
        Ok(()) => Ok(SUCCESS),
        Err(_) => Ok(EIO),
    }
}
