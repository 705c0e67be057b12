//! Directories, files and sockets: there are none. These functions answer errors, with Envoy's
//! numbers, and the guest can continue.

use wasmtime::Linker;

use super::errno::{EBADF, ENOENT, ENOTSUP};
use crate::state::HostState;

pub(super) fn link(linker: &mut Linker<HostState>, wasi: &str) -> wasmtime::Result<()> {
    // A runtime asks for descriptors 3, 4, … until one is no directory. The first one is none.
    linker.func_wrap(wasi, "fd_prestat_get", |_fd: u32, _to: u32| EBADF)?;
    linker.func_wrap(wasi, "fd_prestat_dir_name", |_fd: u32, _path: u32, _len: u32| EBADF)?;

    linker.func_wrap(
        wasi,
        "path_open",
        |_fd: u32,
         _look: u32,
         _path: u32,
         _len: u32,
         _open: u32,
         _base: u64,
         _inherit: u64,
         _flags: u32,
         _to: u32| ENOENT,
    )?;
    linker.func_wrap(wasi, "path_create_directory", |_fd: u32, _path: u32, _len: u32| ENOTSUP)?;
    linker.func_wrap(
        wasi,
        "path_filestat_get",
        |_fd: u32, _look: u32, _path: u32, _len: u32, _to: u32| ENOTSUP,
    )?;
    linker.func_wrap(
        wasi,
        "path_filestat_set_times",
        |_fd: u32,
         _look: u32,
         _path: u32,
         _len: u32,
         _accessed: u64,
         _modified: u64,
         _flags: u32| ENOTSUP,
    )?;
    linker.func_wrap(
        wasi,
        "path_link",
        |_fd: u32,
         _look: u32,
         _path: u32,
         _len: u32,
         _new_fd: u32,
         _new_path: u32,
         _new_len: u32| ENOTSUP,
    )?;
    linker.func_wrap(
        wasi,
        "path_readlink",
        |_fd: u32, _path: u32, _len: u32, _to: u32, _room: u32, _used_to: u32| ENOTSUP,
    )?;
    linker.func_wrap(wasi, "path_remove_directory", |_fd: u32, _path: u32, _len: u32| ENOTSUP)?;
    linker.func_wrap(
        wasi,
        "path_rename",
        |_fd: u32, _path: u32, _len: u32, _new_fd: u32, _new_path: u32, _new_len: u32| ENOTSUP,
    )?;
    linker.func_wrap(
        wasi,
        "path_symlink",
        |_old: u32, _old_len: u32, _fd: u32, _new: u32, _new_len: u32| ENOTSUP,
    )?;
    linker.func_wrap(wasi, "path_unlink_file", |_fd: u32, _path: u32, _len: u32| ENOTSUP)?;

    linker.func_wrap(wasi, "sock_accept", |_fd: u32, _flags: u32, _to: u32| ENOTSUP)?;
    linker.func_wrap(
        wasi,
        "sock_recv",
        |_fd: u32, _vectors: u32, _count: u32, _flags: u32, _len_to: u32, _flags_to: u32| ENOTSUP,
    )?;
    linker.func_wrap(
        wasi,
        "sock_send",
        |_fd: u32, _vectors: u32, _count: u32, _flags: u32, _len_to: u32| ENOTSUP,
    )?;
    linker.func_wrap(wasi, "sock_shutdown", |_fd: u32, _how: u32| ENOTSUP)?;
    Ok(())
}
