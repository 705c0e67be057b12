//! The WASI preview 1 functions that modules of the Rust, C++, TinyGo, Go and AssemblyScript
//! toolchains import, under both names that modules know them by. There are no files, directories
//! or sockets. Standard output and error are log lines, standard input is at its end, and a sleep
//! takes no time of the host's. What is not listed here answers `ENOSYS`.

mod absent;
mod options;
mod process;
mod stdio;
mod time;

pub use options::WasiOptions;
use wasmtime::{Caller, Linker};

pub(crate) use self::options::Wasi;
pub(crate) use self::process::ProcExit;
use crate::memory::{Fault, HostResult};
use crate::state::HostState;

/// The names under which modules import WASI; old toolchains use the first.
pub(crate) const MODULES: [&str; 2] = ["wasi_unstable", "wasi_snapshot_preview1"];

/// Every function that is served: all of preview 1 but `proc_raise`, which no toolchain's runtime
/// calls and Envoy lacks too.
pub(crate) const FUNCTIONS: [&str; 45] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
    "sock_accept",
    "sock_recv",
    "sock_send",
    "sock_shutdown",
];

pub(crate) const ENOSYS: u32 = 52;
const SUCCESS: u32 = 0;
const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const EINVAL: u32 = 28;
const EIO: u32 = 29;
const ENOENT: u32 = 44;
const ENOTDIR: u32 = 54;
const ENOTSUP: u32 = 58;
const ESPIPE: u32 = 70;

type Guest<'a, 'b> = &'a mut Caller<'b, HostState>;

/// A hostcall's way of failing becomes WASI's: every wild pointer is `EFAULT`.
fn errno(result: HostResult<u32>) -> wasmtime::Result<u32> {
    match result {
        Ok(errno) => Ok(errno),
        Err(Fault::Status(_)) => Ok(EFAULT),
        Err(Fault::Trap(error)) => Err(error),
    }
}

/// The error for a descriptor: standard input, output and error are open and nothing else is.
const fn open_or_bad(descriptor: u32, if_open: u32) -> u32 {
    if descriptor <= 2 { if_open } else { EBADF }
}

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    for wasi in MODULES {
        stdio::link(linker, wasi)?;
        process::link(linker, wasi)?;
        time::link(linker, wasi)?;
        absent::link(linker, wasi)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_what_the_linker_defines_under_both_names() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        let state = HostState::new(
            crate::abi::AbiVersion::V0_2_1,
            crate::state::Host::default(),
            crate::vm::VmOptions::default(),
        );
        let mut store = wasmtime::Store::new(&engine, state);
        let mut defined: Vec<(String, String)> = linker
            .iter(&mut store)
            .map(|(module, name, _)| (module.to_owned(), name.to_owned()))
            .collect();
        defined.sort();
        let mut listed: Vec<(String, String)> = MODULES
            .iter()
            .flat_map(|module| {
                FUNCTIONS.iter().map(|name| ((*module).to_owned(), (*name).to_owned()))
            })
            .collect();
        listed.sort();
        assert_eq!(defined, listed);
    }

    #[test]
    fn the_documentation_names_every_function() {
        let table = include_str!("../../../docs/host/wasi.md");
        for name in FUNCTIONS {
            let told = table
                .lines()
                .filter(|line| line.starts_with('|'))
                .any(|line| line.contains(&format!("`{name}`")));
            assert!(told, "docs/host/wasi.md does not say what {name} answers");
        }
    }
}
