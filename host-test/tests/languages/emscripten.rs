//! Emscripten, with which the C++ SDK is built. The modules do what those of release 3.1.6 do,
//! built with `-sSTANDALONE_WASM --no-entry` and with a `main`. With `-fexceptions` a module
//! imports `invoke_…` and `__cxa_…` besides, which no proxy has.

use crate::{imports, started};

const IMPORTS: [&str; 13] = [
    "proxy_log iii->i",
    "pthread_equal ii->i",
    "emscripten_notify_memory_growth i->",
    "clock_time_get iIi->i",
    "proc_exit i->",
    "fd_write iiii->i",
    "fd_read iiii->i",
    "fd_close i->i",
    "fd_seek iIii->i",
    "environ_sizes_get ii->i",
    "environ_get ii->i",
    "args_sizes_get ii->i",
    "args_get ii->i",
];

fn module(exports: &str) -> String {
    format!(
        r#"(module {} (memory (export "memory") 1) (data (i32.const 64) "constructorsmain")
        (func $ctors
            (call $emscripten_notify_memory_growth (i32.const 0))
            (drop (call $proxy_log (i32.const 2) (i32.const 64) (i32.const 12))))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_abi_version_0_2_1"))
        {exports})"#,
        imports("wasi_snapshot_preview1", &IMPORTS)
    )
}

#[test]
fn a_reactors_constructors_run_in_its_initialize() {
    let (_, log) = started(&module(r#"(func (export "_initialize") (call $ctors))"#));
    assert_eq!(log.messages(), ["constructors"]);
}

#[test]
fn a_command_runs_constructors_and_main_and_may_end_by_proc_exit() {
    let (_, log) = started(&module(
        r#"(func (export "_start") (call $ctors)
            (drop (call $proxy_log (i32.const 2) (i32.const 76) (i32.const 4)))
                (call $proc_exit (i32.const 0)) unreachable)
        (func (export "main") (param i32 i32) (result i32) unreachable)"#,
    ));
    assert_eq!(log.messages(), ["constructors", "main"]);
}
