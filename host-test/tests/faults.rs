//! Guests that misbehave: each stops only itself, and the error names the guest, the callback and
//! the limit.

mod common;

use common::{config, engine, on_request, ordinary, start, start_with, wasm};
use gatepost_host::{
    AbiVersion, CallError, Engine, EngineOptions, FinalMaps, HOSTCALLS, Host, Limits, Module,
    ModuleError, StartError, Vm, VmOptions,
};

/// A guest on an engine with fuel and epochs, under these limits.
fn limited(body: &str, limits: Limits) -> (Engine, common::Bench) {
    let engine =
        Engine::new(EngineOptions { fuel: true, epochs: true, ..EngineOptions::default() })
            .unwrap();
    let module = Module::new(&engine, "guest", &wasm(AbiVersion::V0_2_1, "", body)).unwrap();
    (engine, start_with(&module, VmOptions { limits, ..VmOptions::default() }, config("test")))
}

#[test]
fn a_trap_poisons_its_vm_and_no_other() {
    let body = on_request("(call $number (i32.load (i32.const 0x7fffffff)))");
    let (mut bad, mut good) = (start(&body), start(""));
    let stream = bad.stream();
    let mut headers = ordinary();
    let error = bad.vm.request_headers(stream, &mut headers, true).unwrap_err();
    assert!(matches!(error, CallError::Trapped(_)));
    let report = error.trap().unwrap();
    assert_eq!(
        (report.guest.as_str(), report.callback),
        ("guest (plugin test)", "proxy_on_request_headers")
    );
    assert!(report.trap.contains("out of bounds memory access"), "{report}");
    assert_eq!(headers, ordinary(), "the caller has its headers back");

    let again = bad.vm.request_headers(stream, &mut headers, true).unwrap_err();
    assert!(matches!(&again, CallError::Poisoned(_)));
    assert!(again.to_string().contains("proxy_on_request_headers"), "{again}");
    assert!(matches!(
        bad.vm.stream(bad.plugin, gatepost_host::StreamInfo::default()),
        Err(CallError::Poisoned(_))
    ));
    assert!(matches!(
        bad.vm.start_plugin(config("late")),
        Err(StartError::Call(CallError::Poisoned(_)))
    ));
    assert!(matches!(bad.vm.finish(stream, FinalMaps::default()), Err(CallError::Poisoned(_))));

    let stream = good.stream();
    let _ = good.vm.request_headers(stream, &mut ordinary(), true).unwrap();
}

#[test]
fn wild_pointers_and_lengths_are_a_status_in_every_hostcall() {
    let out_of_range = [u32::MAX, 0x7fff_ffff, 65_535];
    for call in
        HOSTCALLS.iter().filter(|call| call.until == AbiVersion::V0_2_1 && call.results == "i")
    {
        for value in out_of_range {
            // In many hostcalls the first parameter is a map, a buffer or a level: try valid ones,
            // too.
            for first in [0, value] {
                let arguments: String = call
                    .params
                    .chars()
                    .enumerate()
                    .map(|(i, c)| {
                        let value = if i == 0 { first } else { value };
                        if c == 'I' {
                            format!("(i64.const {value}) ")
                        } else {
                            format!("(i32.const {}) ", value.cast_signed())
                        }
                    })
                    .collect();
                let mut bench = start(&on_request(&format!(
                    "(call $status (call ${} {arguments}))",
                    call.name
                )));
                let lines = bench.request(&mut ordinary());
                assert_eq!(lines.len(), 1, "{} with {value}", call.name);
            }
        }
    }
}

#[test]
fn a_pointer_past_the_end_is_an_invalid_memory_access() {
    let lines = start(&on_request(
        "(call $status (call $proxy_log (i32.const 2) (i32.const 65535) (i32.const 2)))
         (call $status (call $proxy_get_header_map_value (i32.const 0) (i32.const -1) (i32.const -1)
             (i32.const 200) (i32.const 204)))
         (call $status (call $proxy_get_header_map_value (i32.const 0) @\"env\" (i32.const -2)
             (i32.const 204)))
         (call $status (call $proxy_get_current_time_nanoseconds (i32.const 65529)))
         (call $status (call $proxy_define_metric (i32.const 0) (i32.const 0) (i32.const 65537)
             (i32.const 200)))",
    ))
    .request(&mut ordinary());
    assert_eq!(lines, ["06", "06", "06", "06", "06"]);
}

/// A module of its own, because the common one has a good allocator.
fn with_malloc(malloc: &str) -> Module {
    let text = format!(
        r#"(module
            (import "env" "proxy_get_header_map_value"
                (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "env")
            (func (export "proxy_abi_version_0_2_1"))
            (func $ask (result i32) (call $get (i32.const 0) (i32.const 0) (i32.const 3)
                (i32.const 200) (i32.const 204)))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) {malloc})
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (if (i32.ne (call $ask) (i32.const 6)) (then unreachable)) (i32.const 0)))"#
    );
    Module::new(&engine(), "guest", &wat::parse_str(text).unwrap()).unwrap()
}

#[test]
fn an_allocator_that_gives_nothing_or_nonsense_fails_the_hostcall() {
    for malloc in ["(i32.const 0)", "(i32.const -1)", "(i32.const 65534)"] {
        let mut bench = start_with(&with_malloc(malloc), VmOptions::default(), config("test"));
        bench.request(&mut ordinary());
    }
}

#[test]
fn an_allocator_that_calls_back_without_end_overflows_its_own_stack_only() {
    let mut bench = start_with(&with_malloc("(call $ask)"), VmOptions::default(), config("test"));
    let stream = bench.stream();
    let error = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap_err();
    assert!(error.trap().unwrap().trap.contains("stack"), "{error}");
}

#[test]
fn an_endless_loop_runs_out_of_fuel() {
    let (_, mut bench) = limited(
        &on_request("(loop $l (br $l))"),
        Limits { fuel_per_callback: Some(10_000), ..Limits::default() },
    );
    let stream = bench.stream();
    let error = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap_err();
    assert_eq!(error.trap().unwrap().limit, Some("fuel_per_callback"));
    assert_eq!(bench.vm.fuel_used(), Some(10_000));
}

#[test]
fn fuel_is_given_anew_to_each_callback() {
    let (_, mut bench) =
        limited(&on_request(""), Limits { fuel_per_callback: Some(100), ..Limits::default() });
    for _ in 0..100 {
        bench.request(&mut ordinary());
    }
    assert!(bench.vm.fuel_used().unwrap() < 100);
}

#[test]
fn an_endless_loop_ends_when_its_epochs_are_over() {
    let (engine, mut bench) = limited(
        &on_request("(loop $l (br $l))"),
        Limits { epochs_per_callback: Some(1), ..Limits::default() },
    );
    let stream = bench.stream();
    let ticker = std::thread::spawn(move || {
        for _ in 0..100 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            engine.tick_epoch();
        }
    });
    let error = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap_err();
    assert_eq!(error.trap().unwrap().limit, Some("epochs_per_callback"));
    ticker.join().unwrap();
}

#[test]
fn memory_cannot_grow_beyond_its_limit_and_the_trap_that_follows_names_it() {
    let body =
        on_request("(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))");
    let (_, mut bench) = limited(&body, Limits { memory_bytes: 2 << 16, ..Limits::default() });
    bench.request(&mut ordinary());
    assert_eq!(bench.vm.memory_bytes(), 2 << 16);
    let stream = bench.stream();
    let error = bench.vm.request_headers(stream, &mut ordinary(), true).unwrap_err();
    assert_eq!(error.trap().unwrap().limit, Some("memory_bytes"));
}

#[test]
fn a_module_that_wants_more_than_its_limit_does_not_start() {
    let limits = Limits { memory_bytes: 1, ..Limits::default() };
    let error =
        Vm::new(&common::module(""), Host::default(), VmOptions { limits, ..VmOptions::default() })
            .unwrap_err();
    assert!(matches!(error, StartError::Instantiate { .. }), "{error}");
}

#[test]
fn a_limit_that_the_engine_does_not_count_is_refused() {
    let limits = Limits { fuel_per_callback: Some(1), ..Limits::default() };
    let error =
        Vm::new(&common::module(""), Host::default(), VmOptions { limits, ..VmOptions::default() })
            .unwrap_err();
    assert!(matches!(
        error,
        StartError::LimitNeedsEngine { limit: "fuel_per_callback", option: "fuel" }
    ));
}

#[test]
fn a_trap_while_starting_is_an_error_of_that_plugin() {
    let (host, _) = common::host();
    let body = "(func (export \"proxy_on_configure\") (param i32 i32) (result i32) unreachable)";
    let mut vm = Vm::new(&common::module(body), host, VmOptions::default()).unwrap();
    let error = vm.start_plugin(config("p")).unwrap_err();
    assert!(
        matches!(
            &error,
            StartError::Call(CallError::Trapped(report))
                if report.callback == "proxy_on_configure"
        ),
        "{error}"
    );
}

#[test]
fn modules_that_are_none_say_what_is_missing() {
    let load =
        |text: &str| Module::new(&engine(), "m", &wat::parse_str(text).unwrap()).unwrap_err();
    assert!(matches!(Module::new(&engine(), "m", b"not wasm"), Err(ModuleError::Compile { .. })));
    assert!(matches!(load("(module)"), ModuleError::NoAbiVersion { .. }));
    let abi = "(func (export \"proxy_abi_version_0_2_1\"))";
    assert!(matches!(
        load(&format!("(module {abi})")),
        ModuleError::MissingExport { export: "memory", .. }
    ));
    let memory = "(memory (export \"memory\") 1)";
    assert!(matches!(load(&format!("(module {abi} {memory})")), ModuleError::MissingExport { .. }));
    let foreign = "(import \"other\" \"f\" (func))";
    let malloc = "(func (export \"malloc\") (param i32) (result i32) (i32.const 0))";
    let error = load(&format!("(module {foreign} {abi} {memory} {malloc})"));
    assert!(error.to_string().contains("other.f"), "{error}");
    let wrong = "(import \"env\" \"proxy_log\" (func (param i64)))";
    assert!(matches!(
        load(&format!("(module {wrong} {abi} {memory} {malloc})")),
        ModuleError::Link { .. }
    ));
}

#[test]
fn a_callback_with_the_wrong_signature_is_named() {
    let module = common::module("(func (export \"proxy_on_tick\"))");
    let error = Vm::new(&module, Host::default(), VmOptions::default()).unwrap_err();
    assert!(matches!(error, StartError::Signature { export: "proxy_on_tick", .. }), "{error}");
}

#[test]
fn every_unknown_import_and_every_unknown_feature_is_named() {
    let load =
        |text: &str| Module::new(&engine(), "m", &wat::parse_str(text).unwrap()).unwrap_err();
    let error = load(
        r#"(module (import "env" "one" (func)) (import "other" "two" (func))
        (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#,
    );
    assert_eq!(
        error.to_string(),
        "m: imports env.one, other.two: the host has no such functions, and neither has Envoy"
    );
    let error = load("(module (tag $e) (func try throw $e catch $e end))");
    assert_eq!(
        error.to_string(),
        "m: uses exceptions in their first form (build with -mllvm -wasm-use-legacy-eh=false), \
         which this host cannot run though Envoy can"
    );
    let error = load("(module (memory 1 1 shared))");
    assert!(error.to_string().starts_with("m: uses a shared memory, which this host cannot run"));
    let component = wat::parse_str("(component)").unwrap();
    let error = Module::new(&engine(), "m", &component).unwrap_err();
    assert_eq!(error.to_string(), "m: uses the component model, which Envoy refuses, too");
}
