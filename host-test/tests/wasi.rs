//! WASI as the runtimes of the SDKs use it, and imports that are not served.

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{config, engine, host, on_request, ordinary, start_with, wasm};
use gatepost_host::{
    AbiVersion, Host, LogLevel, Module, SeededRandom, StartError, Unserved, VirtualClock, Vm,
    VmOptions, WasiOptions,
};

const IMPORTS: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write"
        (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_fdstat_get"
        (func $fd_fdstat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get"
        (func $fd_prestat_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get"
        (func $environ_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "args_sizes_get"
        (func $args_sizes_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get"
        (func $clock_time_get (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_get"
        (func $fd_filestat_get (param i32 i32) (result i32)))
    (import "wasi_unstable" "fd_filestat_get"
        (func $fd_filestat_get_old (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_pread"
        (func $fd_pread (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_readdir"
        (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_renumber" (func $fd_renumber (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file"
        (func $path_unlink_file (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sock_accept"
        (func $sock_accept (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff"
        (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (import "wasi_unstable" "poll_oneoff"
        (func $poll_oneoff_old (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_raise" (func $proc_raise (param i32) (result i32)))
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
         (call $number (call $fd_write (i32.const 1) (i32.const 65532) (i32.const 1)
             (i32.const 416)))
         (call $number (call $fd_write (i32.const 1) (i32.const 400) (i32.const -1)
             (i32.const 416)))"
    );
    let mut bench = start_with(&load(&on_request(&body)), VmOptions::default(), config("test"));
    assert_eq!(bench.request(&mut ordinary()), ["abc", "0", "4", "abc", "0", "8", "21", "21"]);
    let levels: Vec<_> = bench
        .log
        .lines()
        .into_iter()
        .filter(|line| line.message == "abc")
        .map(|line| line.level)
        .collect();
    assert_eq!(levels, [LogLevel::Info, LogLevel::Error]);
}

#[test]
fn standard_streams_are_open_and_nothing_else_is() {
    let body = "
        (i32.store (i32.const 416) (i32.const 99))
        (call $number (call $fd_read (i32.const 0) (i32.const 400) (i32.const 1) (i32.const 416)))
        (call $number (i32.load (i32.const 416)))
        (call $number (call $fd_read (i32.const 1) (i32.const 400) (i32.const 1) (i32.const 416)))
        (call $number (call $fd_seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0)))
        (call $number (call $fd_close (i32.const 5)))
        (call $number (call $fd_prestat_get (i32.const 3) (i32.const 0)))
        (call $number (call $fd_fdstat_get (i32.const 0) (i32.const 400)))
        (call $number (i32.load (i32.const 408)))
        (call $number (call $fd_fdstat_get (i32.const 1) (i32.const 400)))
        (call $number (i32.load (i32.const 408)))
        (call $number (call $fd_fdstat_get (i32.const 1) (i32.const 65520)))
        (call $number (call $fd_fdstat_get (i32.const 3) (i32.const 400)))
        (call $number (call $fd_pread (i32.const 0) (i32.const 400) (i32.const 1) (i64.const 0)
            (i32.const 416)))
        (call $number (call $fd_readdir (i32.const 0) (i32.const 400) (i32.const 1) (i64.const 0)
            (i32.const 416)))
        (call $number (call $fd_renumber (i32.const 0) (i32.const 1)))
        (call $number (call $fd_renumber (i32.const 0) (i32.const 7)))";
    let answers =
        ["0", "0", "8", "70", "8", "8", "0", "2", "0", "64", "21", "8", "70", "54", "58", "8"];
    assert_eq!(lines(body, VmOptions::default()), answers);
}

#[test]
fn files_and_sockets_do_not_exist_and_say_so() {
    let body = "
        (call $number (call $path_open (i32.const 3) (i32.const 0) (i32.const 400) (i32.const 4)
            (i32.const 0) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 416)))
        (call $number (call $path_unlink_file (i32.const 3) (i32.const 400) (i32.const 4)))
        (call $number (call $sock_accept (i32.const 3) (i32.const 0) (i32.const 400)))";
    assert_eq!(lines(body, VmOptions::default()), ["44", "58", "58"]);
}

#[test]
fn a_file_record_is_as_long_as_its_version_of_wasi_has_it() {
    let body = "
        (i32.store (i32.const 456) (i32.const 99)) (i32.store (i32.const 464) (i32.const 99))
        (call $number (call $fd_filestat_get_old (i32.const 1) (i32.const 400)))
        (call $number (i32.load (i32.const 456)))
        (call $number (call $fd_filestat_get (i32.const 1) (i32.const 400)))
        (call $number (i32.load (i32.const 456)))
        (call $number (i32.load (i32.const 464)))
        (call $number (call $fd_filestat_get (i32.const 1) (i32.const 65500)))
        (call $number (call $fd_filestat_get (i32.const 4) (i32.const 400)))";
    assert_eq!(lines(body, VmOptions::default()), ["0", "99", "0", "0", "99", "21", "8"]);
}

/// Takes what a guest writes, for the test to read.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_command_has_arguments_and_writes_bytes_where_it_is_told_to() {
    let body = format!(
        "{WRITE}
         (drop (call $args_sizes_get (i32.const 600) (i32.const 604)))
         (call $number (i32.load (i32.const 600))) (call $number (i32.load (i32.const 604)))
         (call $number (call $args_get (i32.const 600) (i32.const 700)))
         (drop (call $proxy_log (i32.const 2) (i32.load (i32.const 604)) (i32.const 5)))
         (call $number (call $args_get (i32.const 600) (i32.const 65530)))
         (call $number (call $fd_write (i32.const 1) (i32.const 400) (i32.const 2) (i32.const 416)))
         (call $number (call $fd_write (i32.const 2) (i32.const 400) (i32.const 1)
             (i32.const 416)))"
    );
    let (out, err) = (Written::default(), Written::default());
    let wasi = WasiOptions {
        args: vec!["module.wasm".to_owned(), "--all".to_owned()],
        stdout: Some(Box::new(out.clone())),
        stderr: Some(Box::new(err.clone())),
    };
    assert_eq!(
        lines(&body, VmOptions { wasi, ..VmOptions::default() }),
        ["2", "18", "0", "--all", "21", "0", "0"]
    );
    assert_eq!(*out.0.lock().unwrap(), b"abc\n");
    assert_eq!(*err.0.lock().unwrap(), b"ab");
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
    let environment =
        [("A", "first"), ("B", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    assert_eq!(
        lines(body, VmOptions { environment, ..VmOptions::default() }),
        ["0", "2", "12", "B=2", "21"]
    );
}

#[test]
fn time_and_randomness_come_from_the_host() {
    let body = "
        (drop (call $clock_time_get (i32.const 0) (i64.const 0) (i32.const 400)))
            (call $number (i32.load (i32.const 400)))
        (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 400)))
            (call $number (i32.load (i32.const 400)))
        (call $number (call $clock_time_get (i32.const 2) (i64.const 0) (i32.const 400)))
        (drop (call $proxy_get_current_time_nanoseconds (i32.const 400)))
            (call $number (i32.load (i32.const 400)))
        (call $number (call $random_get (i32.const 400) (i32.const 4)))
            (call $number (i32.load (i32.const 400)))
        (call $number (call $random_get (i32.const 400) (i32.const -1)))";
    let run = || {
        let clock = VirtualClock::at(1_000);
        clock.advance(Duration::from_nanos(7));
        let (host, log) = host();
        let host = Host { clock: Arc::new(clock), ..host };
        let options =
            VmOptions { random: Some(Box::new(SeededRandom::new(1))), ..VmOptions::default() };
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
    let at = |export: &str, code: u32| {
        format!("(func (export \"{export}\") (call $proc_exit (i32.const {code})))")
    };
    Vm::new(&load(&at("_start", 0)), Host::default(), VmOptions::default()).unwrap();
    for (export, code) in [("_start", 3), ("_initialize", 0)] {
        let error =
            Vm::new(&load(&at(export, code)), Host::default(), VmOptions::default()).unwrap_err();
        assert!(matches!(&error, StartError::Call(_)), "{error}");
        assert!(error.to_string().contains(&format!("proc_exit({code})")), "{error}");
    }
}

#[test]
fn a_reactor_runs_initialize_then_main() {
    let says = |export: &str, ty: &str, end: &str| {
        format!(
            "(func (export \"{export}\") {ty}
                 (drop (call $proxy_log (i32.const 2) @\"{export}\")) {end})"
        )
    };
    let body = says("_initialize", "", "")
        + &says("main", "(param i32 i32) (result i32)", "(i32.const 0)")
        + &says("_start", "", "");
    let (host, log) = host();
    Vm::new(&load(&body), host, VmOptions::default()).unwrap();
    assert_eq!(log.messages(), ["_initialize", "main"]);
}

#[test]
fn what_is_not_served_is_reported_and_answers_so() {
    let body = on_request(
        "(call $number (call $unknown (i64.const 1)))
         (call $number (call $proc_raise (i32.const 0)))",
    );
    let module = load(&body);
    let unserved = |module: &str, name: &str, answer| Unserved {
        module: module.into(),
        name: name.into(),
        answer,
    };
    assert_eq!(
        module.capabilities().unserved,
        [
            unserved("wasi_snapshot_preview1", "proc_raise", "ENOSYS"),
            unserved("env", "proxy_not_yet_invented", "Unimplemented")
        ]
    );
    assert_eq!(module.abi(), AbiVersion::V0_2_1);
    assert!(
        module.capabilities().exports.iter().any(|export| export == "proxy_on_request_headers")
    );
    let mut bench = start_with(&module, VmOptions::default(), config("test"));
    assert_eq!(bench.request(&mut ordinary()), ["12", "52"]);
}

/// Subscriptions, each at its own place: at 1000 the monotonic clock in a second, at 1048 the wall
/// clock in a minute, at 1096 standard input, at 1144 standard output, at 1192 descriptor 9, at
/// 1240 the clock of CPU time, at 1288 a kind that there is not.
const SUBSCRIPTIONS: &str = r#"
    (data (i32.const 1000) "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
        "\01\00\00\00\00\00\00\00\00\ca\9a\3b")
    (data (i32.const 1048) "\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
        "\00\00\00\00\00\00\00\00\00\58\47\f8\0d")
    (data (i32.const 1096) "\03\00\00\00\00\00\00\00\01")
    (data (i32.const 1144) "\04\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\01")
    (data (i32.const 1192) "\05\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\09")
    (data (i32.const 1240) "\06\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\03")
    (data (i32.const 1288) "\07\00\00\00\00\00\00\00\03")
    (func $seconds (param $id i32) (result i32)
        (drop (call $clock_time_get (local.get $id) (i64.const 0) (i32.const 400)))
        (i32.wrap_i64 (i64.div_u (i64.load (i32.const 400)) (i64.const 1000000000))))
    (func $poll (param $at i32) (param $count i32)
        (i32.store (i32.const 416) (i32.const 0))
        (call $number (call $poll_oneoff (local.get $at) (i32.const 2000) (local.get $count)
            (i32.const 416)))
        (call $number (i32.load (i32.const 416))))
    (func $event (param $i i32) (local $at i32)
        (local.set $at (i32.add (i32.const 2000) (i32.mul (local.get $i) (i32.const 32))))
        (call $number (i32.load (local.get $at)))
        (call $number (i32.load16_u offset=8 (local.get $at)))
        (call $number (i32.load8_u offset=10 (local.get $at))))
"#;

/// What a guest logs that asks for events, on a clock that stands at 100 seconds.
fn polled(body: &str) -> Vec<String> {
    let (host, log) = host();
    let host = Host { clock: Arc::new(VirtualClock::at(100_000_000_000)), ..host };
    let module = load(&format!("{SUBSCRIPTIONS}{}", on_request(body)));
    let mut vm = Vm::new(&module, host, VmOptions::default()).unwrap();
    let plugin = vm.start_plugin(config("p")).unwrap();
    let stream = vm.stream(plugin, gatepost_host::StreamInfo::default()).unwrap();
    let _ = vm.request_headers(stream, &mut ordinary(), true).unwrap();
    log.messages()
}

#[test]
fn a_sleep_is_over_at_once_and_moves_the_guests_clocks() {
    let body = "
        (call $poll (i32.const 1000) (i32.const 2)) (call $event (i32.const 0))
        (call $number (call $seconds (i32.const 0))) (call $number (call $seconds (i32.const 1)))
        (call $poll (i32.const 1048) (i32.const 1)) (call $event (i32.const 0))
        (call $number (call $seconds (i32.const 0))) (call $number (call $seconds (i32.const 1)))";
    let monotonic_second = ["0", "1", "1", "0", "0", "101", "1"];
    let wall_minute = ["0", "1", "2", "0", "0", "161", "61"];
    assert_eq!(polled(body), [monotonic_second, wall_minute].concat());
}

#[test]
fn an_absolute_moment_is_waited_for_once() {
    // A timer of the wall clock at 160 seconds, a minute from now, and then one that has passed.
    let body = "
        (i64.store (i32.const 1072) (i64.const 160000000000))
            (i32.store16 (i32.const 1088) (i32.const 1))
        (call $poll (i32.const 1048) (i32.const 1)) (call $number (call $seconds (i32.const 0)))
        (call $poll (i32.const 1048) (i32.const 1)) (call $number (call $seconds (i32.const 0)))
        (call $number (call $seconds (i32.const 1)))";
    assert_eq!(polled(body), ["0", "1", "160", "0", "1", "160", "60"]);
}

#[test]
fn what_is_ready_is_told_before_anything_is_waited_for() {
    let body = "
        (call $poll (i32.const 1000) (i32.const 6))
        (call $event (i32.const 0)) (call $number (i32.load16_u (i32.const 2024)))
        (call $event (i32.const 1)) (call $event (i32.const 2)) (call $event (i32.const 3))
        (call $number (call $seconds (i32.const 1)))";
    // Standard input at its end, standard output, an unknown descriptor and an unknown clock; no
    // time has passed.
    let input = ["3", "0", "1", "1"];
    assert_eq!(
        polled(body),
        [&["0", "4"][..], &input, &["4", "0", "2"], &["5", "8", "2"], &["6", "58", "0"], &["0"]]
            .concat()
    );
}

#[test]
fn the_first_wasi_has_its_clock_subscriptions_eight_bytes_longer() {
    let body = "
        (i32.store8 (i32.const 3000) (i32.const 8))
        (i32.store (i32.const 3024) (i32.const 1))
            (i64.store (i32.const 3032) (i64.const 5000000000))
        (i32.store8 (i32.const 3056) (i32.const 9))
        (i32.store (i32.const 3080) (i32.const 1))
            (i64.store (i32.const 3088) (i64.const 5000000000))
        (call $number (call $poll_oneoff_old (i32.const 3000) (i32.const 2000) (i32.const 2)
            (i32.const 416)))
        (call $number (i32.load (i32.const 416))) (call $event (i32.const 0))
            (call $event (i32.const 1))
        (call $number (call $seconds (i32.const 1)))";
    assert_eq!(polled(body), ["0", "2", "8", "0", "0", "9", "0", "0", "5"]);
}

#[test]
fn impossible_polls_are_refused_and_move_no_clock() {
    let body = "
        (call $poll (i32.const 1000) (i32.const 0))
        (call $poll (i32.const 1288) (i32.const 1))
        (call $poll (i32.const 65500) (i32.const 1))
        (call $poll (i32.const 1000) (i32.const -1))
        (i64.store (i32.const 1024) (i64.const -1)) (call $poll (i32.const 1000) (i32.const 1))
        (call $number (call $seconds (i32.const 1)))";
    assert_eq!(polled(body), ["28", "0", "28", "0", "21", "0", "21", "0", "28", "0", "0"]);
}
