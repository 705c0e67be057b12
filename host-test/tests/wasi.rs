//! WASI as the SDKs' runtimes use it, and imports that nobody serves.

mod common;

use std::time::Duration;

use common::{config, engine, host, on_request, ordinary, start_with, wasm};
use gatepost_host::{AbiVersion, Host, LogLevel, Module, SeededRandom, StartError, Unserved, VirtualClock, Vm, VmOptions};

const IMPORTS: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (import "wasi_snapshot_preview1" "path_link" (func $path_link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_not_yet_invented" (func $unknown (param i64) (result i32)))
"#;

fn load(body: &str) -> Module {
    Module::new(&engine(), "guest", &wasm(AbiVersion::V0_2_1, IMPORTS, body)).unwrap()
}

fn lines(body: &str, options: VmOptions) -> Vec<String> {
    start_with(&load(&on_request(body)), options, config("test")).request(&mut ordinary())
}

/// Two pieces that are written as one: "ab" and "c\n".
const WRITE: &str = "
    (i32.store (i32.const 400) (i32.const 500)) (i32.store (i32.const 404) (i32.const 2))
    (i32.store (i32.const 408) (i32.const 502)) (i32.store (i32.const 412) (i32.const 2))
    (i32.store (i32.const 500) (i32.const 0x0a636261))";

#[test]
fn standard_output_and_error_become_log_lines() {
    let body = format!(
        "{WRITE}
         (call $number (call $fd_write (i32.const 1) (i32.const 400) (i32.const 2) (i32.const 416)))
         (call $number (i32.load (i32.const 416)))
         (call $number (call $fd_write (i32.const 2) (i32.const 400) (i32.const 2) (i32.const 416)))
         (call $number (call $fd_write (i32.const 3) (i32.const 400) (i32.const 2) (i32.const 416)))
         (call $number (call $fd_write (i32.const 1) (i32.const 65532) (i32.const 1) (i32.const 416)))
         (call $number (call $fd_write (i32.const 1) (i32.const 400) (i32.const -1) (i32.const 416)))"
    );
    let mut bench = start_with(&load(&on_request(&body)), VmOptions::default(), config("test"));
    assert_eq!(bench.request(&mut ordinary()), ["abc", "0", "4", "abc", "0", "8", "21", "21"]);
    let levels: Vec<_> = bench.log.lines().into_iter().filter(|line| line.message == "abc").map(|line| line.level).collect();
    assert_eq!(levels, [LogLevel::Info, LogLevel::Error]);
}

#[test]
fn files_do_not_exist_and_say_so() {
    let body = "
        (call $number (call $fd_read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
        (call $number (call $fd_seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0)))
        (call $number (call $fd_close (i32.const 5)))
        (call $number (call $fd_prestat_get (i32.const 3) (i32.const 0)))
        (call $number (call $fd_fdstat_get (i32.const 1) (i32.const 400)))
        (call $number (i32.load (i32.const 408)))
        (call $number (call $fd_fdstat_get (i32.const 1) (i32.const 65520)))
        (call $number (call $fd_fdstat_get (i32.const 0) (i32.const 400)))";
    assert_eq!(lines(body, VmOptions::default()), ["52", "70", "8", "8", "0", "64", "21", "8"]);
}

#[test]
fn the_environment_is_what_the_vm_was_given_and_there_are_no_arguments() {
    let body = "
        (drop (call $args_sizes_get (i32.const 400) (i32.const 404)))
        (call $number (i32.load (i32.const 400)))
        (drop (call $environ_sizes_get (i32.const 400) (i32.const 404)))
        (call $number (i32.load (i32.const 400)))
        (call $number (i32.load (i32.const 404)))
        (drop (call $environ_get (i32.const 400) (i32.const 500)))
        (drop (call $proxy_log (i32.const 2) (i32.load (i32.const 404)) (i32.const 3)))
        (call $number (call $environ_get (i32.const 400) (i32.const 65530)))";
    let environment = [("A", "first"), ("B", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    assert_eq!(lines(body, VmOptions { environment, ..VmOptions::default() }), ["0", "2", "12", "B=2", "21"]);
}

#[test]
fn time_and_randomness_come_from_the_host() {
    let body = "
        (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 400))) (call $number (i32.load (i32.const 400)))
        (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 400))) (call $number (i32.load (i32.const 400)))
        (call $number (call $clock_time_get (i32.const 2) (i64.const 0) (i32.const 400)))
        (drop (call $proxy_get_current_time_nanoseconds (i32.const 400))) (call $number (i32.load (i32.const 400)))
        (call $number (call $random_get (i32.const 400) (i32.const 4))) (call $number (i32.load (i32.const 400)))
        (call $number (call $random_get (i32.const 400) (i32.const -1)))";
    let run = || {
        let clock = VirtualClock::at(1_000);
        clock.advance(Duration::from_nanos(7));
        let (host, log) = host();
        let host = Host { clock: std::sync::Arc::new(clock), ..host };
        let options = VmOptions { random: Some(Box::new(SeededRandom::new(1))), ..VmOptions::default() };
        let mut vm = Vm::new(&load(&on_request(body)), host, options).unwrap();
        let plugin = vm.start_plugin(config("p")).unwrap();
        let stream = vm.stream(plugin, gatepost_host::StreamInfo::default()).unwrap();
        let _ = vm.request_headers(stream, &mut ordinary(), true).unwrap();
        log.messages()
    };
    let first = run();
    assert_eq!(first[..5], ["1007", "7", "58", "1007", "0"]);
    assert_eq!(first[6], "21");
    assert_eq!(first, run());
}

#[test]
fn a_process_exit_is_a_trap_except_at_the_end_of_start() {
    let at = |export: &str, code: u32| format!("(func (export \"{export}\") (call $proc_exit (i32.const {code})))");
    Vm::new(&load(&at("_start", 0)), Host::default(), VmOptions::default()).unwrap();
    for (export, code) in [("_start", 3), ("_initialize", 0)] {
        let error = Vm::new(&load(&at(export, code)), Host::default(), VmOptions::default()).unwrap_err();
        assert!(matches!(&error, StartError::Call(_)), "{error}");
        assert!(error.to_string().contains(&format!("proc_exit({code})")), "{error}");
    }
}

#[test]
fn a_reactor_runs_initialize_then_main() {
    let says = |export: &str, ty: &str, end: &str| {
        format!("(func (export \"{export}\") {ty} (drop (call $proxy_log (i32.const 2) @\"{export}\")) {end})")
    };
    let body =
        says("_initialize", "", "") + &says("main", "(param i32 i32) (result i32)", "(i32.const 0)") + &says("_start", "", "");
    let (host, log) = host();
    Vm::new(&load(&body), host, VmOptions::default()).unwrap();
    assert_eq!(log.messages(), ["_initialize", "main"]);
}

#[test]
fn what_is_not_served_is_reported_and_answers_so() {
    let body = on_request(
        "(call $number (call $unknown (i64.const 1)))
         (call $number (call $path_link (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))",
    );
    let module = load(&body);
    let unserved = |module: &str, name: &str, answer| Unserved { module: module.into(), name: name.into(), answer };
    assert_eq!(
        module.capabilities().unserved,
        [unserved("wasi_snapshot_preview1", "path_link", "ENOSYS"), unserved("env", "proxy_not_yet_invented", "Unimplemented")]
    );
    assert_eq!(module.abi(), AbiVersion::V0_2_1);
    assert!(module.capabilities().exports.iter().any(|export| export == "proxy_on_request_headers"));
    let mut bench = start_with(&module, VmOptions::default(), config("test"));
    assert_eq!(bench.request(&mut ordinary()), ["12", "52"]);
}
