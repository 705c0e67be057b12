//! Commands: programs that run once, from `_start` to their end, and may make hostcalls.

use std::io::Write;
use std::sync::{Arc, Mutex};

use gatepost_host::{
    AbiVersion, Engine, EngineOptions, Host, Limits, MemoryLog, Module, ModuleError, StartError,
    Vm, VmOptions, WasiOptions,
};

fn module(body: &str, options: EngineOptions) -> Result<Module, ModuleError> {
    let wasm = wat::parse_str(format!(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (import "wasi_snapshot_preview1" "args_sizes_get"
                (func $args_sizes_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "args_get"
                (func $args_get (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write"
                (func $fd_write (param i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_header_map_value"
                (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_get_buffer_bytes"
                (func $body (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_set_property"
                (func $set_property (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "hello")
            {body})"#
    ))
    .unwrap();
    Module::command(&Engine::new(options).unwrap(), "program", &wasm)
}

fn run(body: &str, options: VmOptions) -> Result<u32, StartError> {
    Vm::run_command(&module(body, EngineOptions::default()).unwrap(), Host::default(), options)
}

#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_program_ends_with_its_exit_code_or_without_one() {
    let code = |body: &str| {
        run(&format!(r#"(func (export "_start") {body})"#), VmOptions::default()).unwrap()
    };
    assert_eq!(code(""), 0);
    assert_eq!(code("(call $exit (i32.const 0))"), 0);
    assert_eq!(code("(call $exit (i32.const 101))"), 101);
    assert_eq!(code("(call $exit (i32.const -1))"), u32::MAX);
}

#[test]
fn its_arguments_and_its_output_are_the_callers() {
    let body = r#"(func (export "_start")
        (drop (call $args_sizes_get (i32.const 100) (i32.const 104)))
        (drop (call $args_get (i32.const 200) (i32.const 300)))
        (i32.store (i32.const 400) (i32.const 300))
        (i32.store (i32.const 404) (i32.load (i32.const 104)))
        (drop (call $fd_write (i32.const 1) (i32.const 400) (i32.const 1) (i32.const 408))))"#;
    let output = Output::default();
    let wasi = WasiOptions {
        args: vec!["p".into(), "--a".into()],
        stdout: Some(Box::new(output.clone())),
        stderr: None,
    };
    assert_eq!(run(body, VmOptions { wasi, ..VmOptions::default() }).unwrap(), 0);
    assert_eq!(*output.0.lock().unwrap(), b"p\0--a\0");
}

#[test]
fn hostcalls_answer_as_outside_of_every_stream_and_lines_are_logged() {
    // The exit code is the statuses' sum, each in a decimal place of its own.
    let body = r#"(func (export "_start")
        (drop (call $log (i32.const 2) (i32.const 0) (i32.const 5)))
        (call $exit (i32.add
            (i32.add
                (call $get (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 100)
                    (i32.const 104))
                (i32.mul (i32.const 100) (call $body (i32.const 0) (i32.const 0) (i32.const 9)
                    (i32.const 100) (i32.const 104))))
            (i32.mul (i32.const 10000) (call $set_property (i32.const 0) (i32.const 5) (i32.const 0)
                (i32.const 5))))))"#;
    let log = MemoryLog::default();
    let host = Host { log: Arc::new(log.clone()), ..Host::default() };
    let module = module(body, EngineOptions::default()).unwrap();
    assert_eq!(module.abi(), AbiVersion::V0_2_1);
    let code = Vm::run_command(&module, host, VmOptions::default()).unwrap();
    // There are no headers, a body is empty, and a property cannot be kept.
    assert_eq!((code % 100, code / 100 % 100, code / 10_000), (2, 0, 1));
    assert_eq!(log.messages(), ["hello"]);
}

#[test]
fn only_start_is_run_even_where_there_is_an_initialisation_too() {
    let body = r#"(func (export "_initialize") unreachable)
        (func (export "_start") (call $exit (i32.const 7)))"#;
    assert_eq!(run(body, VmOptions::default()).unwrap(), 7);
}

#[test]
fn a_trap_and_a_limit_are_told() {
    let trap = run(r#"(func (export "_start") unreachable)"#, VmOptions::default()).unwrap_err();
    assert!(trap.to_string().starts_with("program: trapped in _start: "), "{trap}");
    let endless = module(
        r#"(func (export "_start") (loop (br 0)))"#,
        EngineOptions { fuel: true, ..EngineOptions::default() },
    );
    let limits = Limits { fuel_per_callback: Some(10_000), ..Limits::default() };
    let error = Vm::run_command(
        &endless.unwrap(),
        Host::default(),
        VmOptions { limits, ..VmOptions::default() },
    )
    .unwrap_err();
    assert!(error.to_string().contains("limit fuel_per_callback"), "{error}");
}

#[test]
fn what_has_no_start_is_no_program_and_a_program_is_no_filter() {
    let error = module("", EngineOptions::default()).unwrap_err();
    assert!(matches!(error, ModuleError::NotACommand { .. }), "{error}");
    let wasm = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
        .unwrap();
    let engine = Engine::new(EngineOptions::default()).unwrap();
    assert!(matches!(
        Module::new(&engine, "program", &wasm),
        Err(ModuleError::NoAbiVersion { .. })
    ));
}
