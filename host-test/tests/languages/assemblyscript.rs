//! AssemblyScript with its SDK. The modules do what those of compiler 0.14.9 and
//! `@solo-io/proxy-runtime` 0.1.8 do, built with `--use abort=abort_proc_exit`. Without that flag a
//! module imports `env.abort`, and `env.seed` for `Math.random`.

use gatepost_host::{AbiVersion, StreamInfo};

use crate::{common, imports, started};

fn module() -> String {
    format!(
        r#"(module {} (memory (export "memory") 1) (data (i32.const 64) "top level")
        (start $top)
        (func $top (drop (call $proxy_log (i32.const 2) (i32.const 64) (i32.const 9))))
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_abi_version_0_2_0"))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $proc_exit (i32.const 255)) unreachable))"#,
        imports("wasi_unstable", &["proxy_log iii->i", "proc_exit i->"])
    )
}

#[test]
fn the_top_level_runs_as_the_start_function_before_anything_else() {
    let (vm, log) = started(&module());
    assert_eq!(log.messages(), ["top level"]);
    assert!(vm.trap().is_none());
}

#[test]
fn an_abort_is_a_trap_that_says_proc_exit() {
    let wasm = wat::parse_str(module()).unwrap();
    let module = gatepost_host::Module::new(&common::engine(), "guest", &wasm).unwrap();
    assert_eq!(module.abi(), AbiVersion::V0_2_0);
    let mut bench =
        common::start_with(&module, gatepost_host::VmOptions::default(), common::config("test"));
    let stream = bench.vm.stream(bench.plugin, StreamInfo::default()).unwrap();
    let error = bench.vm.request_headers(stream, &mut common::ordinary(), true).unwrap_err();
    assert_eq!(error.trap().unwrap().trap, "the guest called proc_exit(255)");
}

/// A module whose request headers' callback does this. It has the strings `index out of range` at
/// 104 and `filter.ts` at 154, as the runtime keeps them: their bytes before them, in UTF-16.
fn plain(body: &str) -> gatepost_host::Module {
    let utf16 = |text: &str| text.chars().map(|c| format!("{c}\\00")).collect::<String>();
    let text = format!(
        r#"(module {} (memory (export "memory") 1)
        (data (i32.const 100) "\24\00\00\00{}") (data (i32.const 150) "\12\00\00\00{}")
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body}
            (i32.const 0)))"#,
        imports("wasi_unstable", &["proxy_log iii->i", "abort iiii->", "seed ->F"]),
        utf16("index out of range"),
        utf16("filter.ts"),
    );
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    gatepost_host::Module::new(&common::engine(), "guest", &wasm).unwrap()
}

#[test]
fn an_abort_of_a_plain_module_says_what_and_where() {
    for (strings, trap) in [
        ("(i32.const 104) (i32.const 154)", "abort: index out of range, at filter.ts:12:5"),
        ("(i32.const 0) (i32.const 0)", "abort: without a message, at unknown file:12:5"),
        ("(i32.const -2) (i32.const 70000)", "abort: without a message, at unknown file:12:5"),
    ] {
        let module = plain(&format!("(call $abort {strings} (i32.const 12) (i32.const 5))"));
        assert_eq!(module.capabilities().unserved, []);
        let mut bench = common::start_with(
            &module,
            gatepost_host::VmOptions::default(),
            common::config("test"),
        );
        let stream = bench.vm.stream(bench.plugin, StreamInfo::default()).unwrap();
        let error = bench.vm.request_headers(stream, &mut common::ordinary(), true).unwrap_err();
        assert_eq!(error.trap().unwrap().trap, trap);
    }
}

#[test]
fn a_seed_comes_from_the_vms_source_of_randomness() {
    let module = plain(
        "(i32.store8 (i32.const 8) (i32.add (i32.const 48)
             (i32.rem_u (i32.trunc_f64_u (call $seed)) (i32.const 10))))
         (drop (call $proxy_log (i32.const 2) (i32.const 8) (i32.const 1)))",
    );
    let digits = |seed| {
        let random: Option<Box<dyn gatepost_host::RandomSource>> =
            Some(Box::new(gatepost_host::SeededRandom::new(seed)));
        let options = gatepost_host::VmOptions { random, ..gatepost_host::VmOptions::default() };
        let mut bench = common::start_with(&module, options, common::config("test"));
        (0..8).flat_map(|_| bench.request(&mut common::ordinary())).collect::<String>()
    };
    assert_eq!(digits(1), digits(1));
    assert_ne!(digits(1), digits(2));
}
