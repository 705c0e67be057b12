//! Standard input, output and error: the only descriptors that are open. Input is at its end;
//! output and error are log lines, unless [`WasiOptions`](crate::WasiOptions) gives a writer for
//! them.

use wasmtime::{Caller, Linker};

use super::errno::{EBADF, EINVAL, EIO, ENOTDIR, ENOTSUP, ESPIPE, SUCCESS, open_or_bad, serve};
use crate::abi::{LogLevel, Status};
use crate::memory::{
    Guest, HostcallResult, parts, read_u32, slice, slice_mut, write_u32, write_u64,
};
use crate::recording::{Fields, RecordedEvent};
use crate::state::HostState;

pub(super) const INPUT: u32 = 0;
pub(super) const OUTPUT: u32 = 1;
pub(super) const ERROR: u32 = 2;

pub(super) fn link(linker: &mut Linker<HostState>, wasi: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        wasi,
        "fd_write",
        |mut guest: Caller<'_, HostState>, fd: u32, vectors: u32, count: u32, written_to: u32| {
            serve(&mut guest, |guest| fd_write(guest, fd, vectors, count, written_to))
        },
    )?;
    linker.func_wrap(
        wasi,
        "fd_read",
        |mut guest: Caller<'_, HostState>, fd: u32, _vectors: u32, _count: u32, read_to: u32| {
            serve(&mut guest, |guest| fd_read(guest, fd, read_to))
        },
    )?;
    linker.func_wrap(
        wasi,
        "fd_fdstat_get",
        |mut guest: Caller<'_, HostState>, fd: u32, to: u32| {
            serve(&mut guest, |guest| fd_fdstat_get(guest, fd, to))
        },
    )?;
    // The record has four bytes more in the newer version; the guest allocates its own version's.
    let stat_bytes = if wasi == "wasi_unstable" { 56 } else { 64 };
    linker.func_wrap(
        wasi,
        "fd_filestat_get",
        move |mut guest: Caller<'_, HostState>, fd: u32, to: u32| {
            serve(&mut guest, |guest| fd_filestat_get(guest, fd, to, stat_bytes))
        },
    )?;
    linker.func_wrap(wasi, "fd_close", |fd: u32| open_or_bad(fd, SUCCESS))?;
    linker.func_wrap(
        wasi,
        "fd_renumber",
        |fd: u32, to: u32| if fd <= 2 && to <= 2 { ENOTSUP } else { EBADF },
    )?;
    // Nothing blocks, so a guest may ask for non-blocking descriptors.
    linker
        .func_wrap(wasi, "fd_fdstat_set_flags", |fd: u32, _flags: u32| open_or_bad(fd, SUCCESS))?;
    linker.func_wrap(wasi, "fd_fdstat_set_rights", |fd: u32, _base: u64, _inheriting: u64| {
        open_or_bad(fd, SUCCESS)
    })?;
    // What is written is passed on at once.
    linker.func_wrap(wasi, "fd_sync", |fd: u32| open_or_bad(fd, SUCCESS))?;
    linker.func_wrap(wasi, "fd_datasync", |fd: u32| open_or_bad(fd, SUCCESS))?;
    // Streams have no positions, sizes, times or entries.
    linker.func_wrap(wasi, "fd_seek", |fd: u32, _offset: i64, _whence: u32, _to: u32| {
        open_or_bad(fd, ESPIPE)
    })?;
    linker.func_wrap(wasi, "fd_tell", |fd: u32, _to: u32| open_or_bad(fd, ESPIPE))?;
    linker.func_wrap(
        wasi,
        "fd_pread",
        |fd: u32, _vectors: u32, _count: u32, _offset: u64, _to: u32| open_or_bad(fd, ESPIPE),
    )?;
    linker.func_wrap(
        wasi,
        "fd_pwrite",
        |fd: u32, _vectors: u32, _count: u32, _offset: u64, _to: u32| open_or_bad(fd, ESPIPE),
    )?;
    linker.func_wrap(wasi, "fd_advise", |fd: u32, _offset: u64, _len: u64, _advice: u32| {
        open_or_bad(fd, ESPIPE)
    })?;
    linker.func_wrap(wasi, "fd_allocate", |fd: u32, _offset: u64, _len: u64| {
        open_or_bad(fd, ESPIPE)
    })?;
    linker
        .func_wrap(wasi, "fd_filestat_set_size", |fd: u32, _size: u64| open_or_bad(fd, EINVAL))?;
    linker.func_wrap(wasi, "fd_filestat_set_times", |fd: u32, _a: u64, _m: u64, _flags: u32| {
        open_or_bad(fd, ENOTSUP)
    })?;
    linker.func_wrap(
        wasi,
        "fd_readdir",
        |fd: u32, _to: u32, _len: u32, _cookie: u64, _used_to: u32| open_or_bad(fd, ENOTDIR),
    )?;
    Ok(())
}

/// Each write is one log line, without the newline at its end, as in Envoy. A write longer than a
/// log line is cut: the guest gets the number of bytes that were taken, and writes the rest again.
fn fd_write(
    guest: Guest<'_, '_>,
    fd: u32,
    vectors: u32,
    count: u32,
    written_to: u32,
) -> HostcallResult<u32> {
    let level = match fd {
        OUTPUT => LogLevel::Info,
        ERROR => LogLevel::Error,
        _ => return Ok(EBADF),
    };
    let (memory, state) = parts(guest)?;
    let text = gather(memory, vectors, count, state)?;
    let written = u32::try_from(text.len()).map_err(|_| Status::InternalFailure)?;
    // Checked first: a guest that gets an error must not have written anything.
    slice_mut(memory, (written_to, 4))?;
    let raw = if fd == OUTPUT { &mut state.wasi.stdout } else { &mut state.wasi.stderr };
    if let Some(raw) = raw {
        if raw.write_all(&text).and_then(|()| raw.flush()).is_err() {
            return Ok(EIO);
        }
    } else if !text.is_empty() {
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        if state.recorder.is_some() {
            let arguments = Fields(vec![("fd", fd.into()), ("data", (&text[..]).into())]);
            state.record(RecordedEvent::Called {
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

/// The pieces of a write, joined, up to a limit of bytes.
fn gather(
    memory: &[u8],
    vectors: u32,
    count: u32,
    state: &mut HostState,
) -> Result<Vec<u8>, Status> {
    let limit = state.limits.log_bytes;
    let mut text = Vec::new();
    for i in 0..count {
        let vector = i
            .checked_mul(8)
            .and_then(|offset| vectors.checked_add(offset))
            .ok_or(Status::InvalidMemoryAccess)?;
        let length = vector.checked_add(4).ok_or(Status::InvalidMemoryAccess)?;
        let part = slice(memory, (read_u32(memory, vector)?, read_u32(memory, length)?))?;
        state.work.entries(1);
        let left = limit.saturating_sub(text.len());
        text.extend_from_slice(part.get(..left).unwrap_or(part));
        if text.len() >= limit {
            break;
        }
    }
    state.work.bytes(text.len());
    Ok(text)
}

fn fd_read(guest: Guest<'_, '_>, fd: u32, read_to: u32) -> HostcallResult<u32> {
    if fd != INPUT {
        return Ok(EBADF);
    }
    let (memory, _) = parts(guest)?;
    write_u32(memory, read_to, 0)?;
    Ok(SUCCESS)
}

/// Descriptors are of unknown type, as in Envoy, so a C library does not take them for a terminal.
/// Input can be read, the others written.
fn fd_fdstat_get(guest: Guest<'_, '_>, fd: u32, to: u32) -> HostcallResult<u32> {
    const RIGHT_TO_READ: u64 = 2;
    const RIGHT_TO_WRITE: u64 = 64;
    let rights = match fd {
        INPUT => RIGHT_TO_READ,
        OUTPUT | ERROR => RIGHT_TO_WRITE,
        _ => return Ok(EBADF),
    };
    let (memory, _) = parts(guest)?;
    let stat = slice_mut(memory, (to, 24))?;
    stat.fill(0);
    write_u64(stat, 8, rights)?;
    Ok(SUCCESS)
}

/// Descriptors are of unknown type and have no size.
fn fd_filestat_get(guest: Guest<'_, '_>, fd: u32, to: u32, bytes: u32) -> HostcallResult<u32> {
    if fd > 2 {
        return Ok(EBADF);
    }
    let (memory, _) = parts(guest)?;
    slice_mut(memory, (to, bytes))?.fill(0);
    Ok(SUCCESS)
}
