//! TinyGo, from its runtime's source: `_start` (the default, and `-buildmode=wasi-legacy`) or
//! `_initialize` (`c-shared`), `malloc` for the host, and a scheduler that sleeps by the wall
//! clock, not the monotonic one.

use crate::{imports, started};

const IMPORTS: [&str; 17] = [
    "proxy_log iii->i",
    "args_get ii->i",
    "args_sizes_get ii->i",
    "clock_time_get iIi->i",
    "environ_get ii->i",
    "environ_sizes_get ii->i",
    "fd_close i->i",
    "fd_fdstat_get ii->i",
    "fd_prestat_dir_name iii->i",
    "fd_prestat_get ii->i",
    "fd_read iiii->i",
    "fd_seek iIii->i",
    "fd_write iiii->i",
    "path_open iiiiiIIii->i",
    "poll_oneoff iiii->i",
    "proc_exit i->",
    "random_get ii->i",
];

/// Asks for arguments, environment and a seed as the runtime does, then sleeps an hour the
/// scheduler's way, and says how many times it had to.
fn module(entry: &str, end: &str) -> String {
    format!(
        r#"(module {imports} (memory (export "memory") 1)
        (func $now (result i64) (drop (call $clock_time_get (i32.const 0) (i64.const 1000)
            (i32.const 200))) (i64.load (i32.const 200)))
        (func (export "{entry}") (local $until i64) (local $times i32)
            (if (i32.or (call $args_sizes_get (i32.const 300) (i32.const 304))
                (i32.load (i32.const 300))) (then unreachable))
            (if (call $environ_sizes_get (i32.const 300) (i32.const 304)) (then unreachable))
            (if (call $random_get (i32.const 300) (i32.const 8)) (then unreachable))
            (if (i32.ne (call $fd_prestat_get (i32.const 3) (i32.const 300)) (i32.const 8))
                (then unreachable))
            (i64.store (i32.const 432) (i64.const 1000))
            (local.set $until (i64.add (call $now) (i64.const 3600000000000)))
            (block $over (loop $again
                (br_if $over (i64.ge_u (call $now) (local.get $until)))
                (i64.store (i32.const 424) (i64.sub (local.get $until) (call $now)))
                (drop (call $poll_oneoff (i32.const 400) (i32.const 500) (i32.const 1)
                    (i32.const 600)))
                (local.set $times (i32.add (local.get $times) (i32.const 1)))
                (br $again)))
            (i32.store8 (i32.const 700) (i32.add (i32.const 48) (local.get $times)))
            (drop (call $proxy_log (i32.const 2) (i32.const 700) (i32.const 1)))
            {end})
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_abi_version_0_2_0")))"#,
        imports = imports("wasi_snapshot_preview1", &IMPORTS)
    )
}

#[test]
fn a_sleep_in_any_kind_of_module_takes_one_call_and_no_time() {
    for (entry, end) in [
        ("_start", ""),
        ("_start", "(call $proc_exit (i32.const 0)) unreachable"),
        ("_initialize", ""),
    ] {
        let (_, log) = started(&module(entry, end));
        assert_eq!(log.messages(), ["1"], "{entry} {end}");
    }
}
