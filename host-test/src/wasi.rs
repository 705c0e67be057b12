//! The WASI preview 1 functions that modules of the Rust, C++, TinyGo, Go and AssemblyScript
//! toolchains import, under both module names. There are no files, directories or sockets. Standard
//! output and standard error become log lines, standard input is at its end, and a sleep ends at
//! once. A function that is not listed here answers `ENOSYS`.

mod absent;
mod errno;
mod process;
mod stdio;
mod time;

use wasmtime::Linker;

pub(crate) use self::errno::ENOSYS;
pub(crate) use self::process::ProcExit;
use crate::state::HostState;

/// The module names under which WASI is imported; old toolchains use the first.
pub(crate) const MODULES: [&str; 2] = ["wasi_unstable", "wasi_snapshot_preview1"];

/// Every function that is served: all of preview 1 but `proc_raise`, which no toolchain's runtime
/// calls and Envoy does not have.
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
    use crate::abi::AbiVersion;
    use crate::host::Host;
    use crate::vm_options::VmOptions;

    #[test]
    fn the_list_is_what_the_linker_defines_under_both_names() {
        let engine = wasmtime::Engine::default();
        let mut linker = Linker::new(&engine);
        link(&mut linker).unwrap();
        let state = HostState::new(AbiVersion::V0_2_1, Host::default(), VmOptions::default());
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
        let table = include_str!("../../docs/host/wasi.md");
        for name in FUNCTIONS {
            let documented = table
                .lines()
                .filter(|line| line.starts_with('|'))
                .any(|line| line.contains(&format!("`{name}`")));
            assert!(documented, "docs/host/wasi.md does not say what {name} answers");
        }
    }
}
