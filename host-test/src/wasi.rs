//! The WASI preview 1 functions that modules of the Rust, C++, TinyGo and Go SDKs import. There are no files: standard output and
//! error are log lines, everything else answers an honest error number. Functions not listed here answer `ENOSYS`.

use wasmtime::{Caller, Linker};

use crate::abi::{LogLevel, Status};
use crate::effect::{EffectEvent, Fields};
use crate::memory::{Fault, HostResult};
use crate::memory::{parts, read_u32, slice, slice_mut, write, write_u32, write_u64};
use crate::state::HostState;

/// The names under which modules import WASI; old toolchains use the first.
pub(crate) const MODULES: [&str; 2] = ["wasi_unstable", "wasi_snapshot_preview1"];

/// Every function that is served.
pub(crate) const FUNCTIONS: [&str; 19] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_close",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_read",
    "fd_seek",
    "fd_write",
    "path_open",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
];

pub(crate) const ENOSYS: u32 = 52;
const SUCCESS: u32 = 0;
const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const EIO: u32 = 29;
const ENOENT: u32 = 44;
const ENOTSUP: u32 = 58;
const ESPIPE: u32 = 70;

/// The guest ended itself. A trap, except with code 0 in `_start`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the guest called proc_exit({0})")]
pub(crate) struct ProcExit(pub(crate) u32);

/// A hostcall's way of failing becomes WASI's: every wild pointer is `EFAULT`.
fn errno(result: HostResult<u32>) -> wasmtime::Result<u32> {
    match result {
        Ok(errno) => Ok(errno),
        Err(Fault::Status(_)) => Ok(EFAULT),
        Err(Fault::Trap(error)) => Err(error),
    }
}

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    for wasi in MODULES {
        descriptors(linker, wasi)?;
        process(linker, wasi)?;
    }
    Ok(())
}

fn descriptors(linker: &mut Linker<HostState>, wasi: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        wasi,
        "fd_write",
        |mut guest: Caller<'_, HostState>, fd: u32, vectors: u32, count: u32, written_to: u32| {
            errno(fd_write(&mut guest, fd, vectors, count, written_to))
        },
    )?;
    linker.func_wrap(wasi, "fd_read", |_fd: u32, _vectors: u32, _count: u32, _read_to: u32| ENOSYS)?;
    linker.func_wrap(wasi, "fd_seek", |fd: u32, _offset: i64, _whence: u32, _to: u32| if fd <= 2 { ESPIPE } else { EBADF })?;
    linker.func_wrap(wasi, "fd_close", |fd: u32| if fd <= 2 { SUCCESS } else { EBADF })?;
    linker.func_wrap(wasi, "fd_fdstat_get", |mut guest: Caller<'_, HostState>, fd: u32, to: u32| {
        errno(fd_fdstat_get(&mut guest, fd, to))
    })?;
    linker.func_wrap(wasi, "fd_fdstat_set_flags", |_fd: u32, _flags: u32| ENOSYS)?;
    // No directory is open: a module that asks for descriptor 3 hears so and goes on.
    linker.func_wrap(wasi, "fd_prestat_get", |_fd: u32, _to: u32| EBADF)?;
    linker.func_wrap(wasi, "fd_prestat_dir_name", |_fd: u32, _path: u32, _len: u32| EBADF)?;
    linker.func_wrap(
        wasi,
        "path_open",
        |_fd: u32, _look: u32, _path: u32, _len: u32, _open: u32, _base: i64, _inherit: i64, _flags: u32, _to: u32| ENOENT,
    )?;
    linker.func_wrap(wasi, "poll_oneoff", |_in: u32, _out: u32, _count: u32, _to: u32| ENOSYS)?;
    Ok(())
}

fn process(linker: &mut Linker<HostState>, wasi: &str) -> wasmtime::Result<()> {
    linker.func_wrap(wasi, "args_sizes_get", |mut guest: Caller<'_, HostState>, count_to: u32, size_to: u32| {
        errno(sizes(&mut guest, count_to, size_to, |_| (0, 0)))
    })?;
    linker.func_wrap(wasi, "args_get", |_to: u32, _buffer: u32| SUCCESS)?;
    linker.func_wrap(wasi, "environ_sizes_get", |mut guest: Caller<'_, HostState>, count_to: u32, size_to: u32| {
        errno(sizes(&mut guest, count_to, size_to, |state| {
            (state.environment.len(), state.environment.iter().map(|(key, value)| key.len() + value.len() + 2).sum())
        }))
    })?;
    linker.func_wrap(wasi, "environ_get", |mut guest: Caller<'_, HostState>, to: u32, buffer: u32| {
        errno(environ_get(&mut guest, to, buffer))
    })?;
    linker.func_wrap(wasi, "clock_time_get", |mut guest: Caller<'_, HostState>, id: u32, _precision: i64, to: u32| {
        errno(clock_time_get(&mut guest, id, to))
    })?;
    linker.func_wrap(wasi, "clock_res_get", |mut guest: Caller<'_, HostState>, id: u32, to: u32| {
        errno(clock_res_get(&mut guest, id, to))
    })?;
    linker.func_wrap(wasi, "random_get", |mut guest: Caller<'_, HostState>, to: u32, len: u32| {
        errno(random_get(&mut guest, to, len))
    })?;
    linker.func_wrap(wasi, "sched_yield", || SUCCESS)?;
    linker.func_wrap(wasi, "proc_exit", |code: u32| -> wasmtime::Result<()> { Err(wasmtime::Error::new(ProcExit(code))) })?;
    Ok(())
}

type Guest<'a, 'b> = &'a mut Caller<'b, HostState>;

/// One write is one log line, without the newline at its end, as in Envoy. A write longer than a log line may be is cut, and the
/// guest told how much was taken.
fn fd_write(guest: Guest<'_, '_>, fd: u32, vectors: u32, count: u32, written_to: u32) -> HostResult<u32> {
    let level = match fd {
        1 => LogLevel::Info,
        2 => LogLevel::Error,
        _ => return Ok(EBADF),
    };
    let (memory, state) = parts(guest)?;
    let mut text = Vec::new();
    for i in 0..count {
        let vector = i.checked_mul(8).and_then(|offset| vectors.checked_add(offset)).ok_or(Status::InvalidMemoryAccess)?;
        let length = vector.checked_add(4).ok_or(Status::InvalidMemoryAccess)?;
        let part = slice(memory, read_u32(memory, vector)?, read_u32(memory, length)?)?;
        let room = state.limits.log_bytes.saturating_sub(text.len());
        text.extend_from_slice(part.get(..room).unwrap_or(part));
        if text.len() >= state.limits.log_bytes {
            break;
        }
    }
    let written = u32::try_from(text.len()).map_err(|_| Status::InternalFailure)?;
    if !text.is_empty() {
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        if state.recorder.is_some() {
            let arguments = Fields(vec![("fd", fd.into()), ("data", (&text[..]).into())]);
            state.record(EffectEvent::Called {
                hostcall: "fd_write",
                arguments,
                status: Status::Ok,
                returned: Fields::default(),
            });
        }
        state.log(level, line);
    }
    write_u32(memory, written_to, written)?;
    Ok(SUCCESS)
}

/// Standard output and error: of unknown type, and may be written.
fn fd_fdstat_get(guest: Guest<'_, '_>, fd: u32, to: u32) -> HostResult<u32> {
    const RIGHT_TO_WRITE: u64 = 64;
    if fd != 1 && fd != 2 {
        return Ok(EBADF);
    }
    let (memory, _) = parts(guest)?;
    let stat = slice_mut(memory, to, 24)?;
    stat.fill(0);
    write_u64(stat, 8, RIGHT_TO_WRITE)?;
    Ok(SUCCESS)
}

fn sizes(guest: Guest<'_, '_>, count_to: u32, size_to: u32, of: impl FnOnce(&HostState) -> (usize, usize)) -> HostResult<u32> {
    let (memory, state) = parts(guest)?;
    let (count, size) = of(state);
    write_u32(memory, count_to, u32::try_from(count).unwrap_or(u32::MAX))?;
    write_u32(memory, size_to, u32::try_from(size).unwrap_or(u32::MAX))?;
    Ok(SUCCESS)
}

fn environ_get(guest: Guest<'_, '_>, mut to: u32, mut buffer: u32) -> HostResult<u32> {
    let (memory, state) = parts(guest)?;
    for (key, value) in &state.environment {
        let entry = format!("{key}={value}\0");
        write_u32(memory, to, buffer)?;
        write(memory, buffer, entry.as_bytes())?;
        let len = u32::try_from(entry.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        buffer = buffer.checked_add(len).ok_or(Status::InvalidMemoryAccess)?;
        to = to.checked_add(4).ok_or(Status::InvalidMemoryAccess)?;
    }
    Ok(SUCCESS)
}

fn clock_time_get(guest: Guest<'_, '_>, id: u32, to: u32) -> HostResult<u32> {
    let (memory, state) = parts(guest)?;
    let now = match id {
        0 => state.host.clock.wall_nanos(),
        1 => state.host.clock.monotonic_nanos(),
        _ => return Ok(ENOTSUP),
    };
    write_u64(memory, to, now)?;
    Ok(SUCCESS)
}

fn clock_res_get(guest: Guest<'_, '_>, id: u32, to: u32) -> HostResult<u32> {
    if id > 1 {
        return Ok(ENOTSUP);
    }
    let (memory, _) = parts(guest)?;
    write_u64(memory, to, 1)?;
    Ok(SUCCESS)
}

fn random_get(guest: Guest<'_, '_>, to: u32, len: u32) -> HostResult<u32> {
    let (memory, state) = parts(guest)?;
    match state.random.fill(slice_mut(memory, to, len)?) {
        Ok(()) => Ok(SUCCESS),
        Err(_) => Ok(EIO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_what_the_linker_defines_under_both_names() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        let state =
            HostState::new(crate::abi::AbiVersion::V0_2_1, crate::state::Host::default(), crate::vm::VmOptions::default());
        let mut store = wasmtime::Store::new(&engine, state);
        let mut defined: Vec<(String, String)> =
            linker.iter(&mut store).map(|(module, name, _)| (module.to_owned(), name.to_owned())).collect();
        defined.sort();
        let mut listed: Vec<(String, String)> =
            MODULES.iter().flat_map(|module| FUNCTIONS.iter().map(|name| ((*module).to_owned(), (*name).to_owned()))).collect();
        listed.sort();
        assert_eq!(defined, listed);
    }
}
