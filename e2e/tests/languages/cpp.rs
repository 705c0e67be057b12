//! C++ with WASI's C library and a C++ library, as a reactor and as a command, which Emscripten
//! makes of a `main`.

use std::sync::LazyLock;

use gatepost_host::Module;

use crate::filter::{self, Filter};
use crate::toolchain;

fn build(flags: &[&str]) -> Module {
    filter::module(&toolchain::cpp(&toolchain::fixtures().join("filter.cc"), flags))
}

static REACTOR: LazyLock<Module> =
    LazyLock::new(|| build(&["-mexec-model=reactor", "-Wl,--export=malloc"]));

#[test]
fn a_cpp_reactor_does_what_the_filter_does() {
    assert!(REACTOR.capabilities().exports.iter().any(|name| name == "_initialize"));
    filter::does_what_the_filter_does(&REACTOR, "c++");
}

#[test]
fn a_cpp_reactor_needs_no_malloc_when_it_exports_the_old_name() {
    let module = build(&["-mexec-model=reactor"]);
    assert!(!module.capabilities().exports.iter().any(|name| name == "malloc"));
    filter::does_what_the_filter_does(&module, "c++");
}

#[test]
fn a_cpp_command_runs_its_main_first() {
    let module = build(&["-DWITH_MAIN"]);
    assert!(module.capabilities().exports.iter().any(|name| name == "_start"));
    let mut filter = Filter::start(&module, "x").unwrap();
    assert_eq!(filter.logged(), ["init", "main", "configured: x"]);
    assert_eq!(filter.request("/a").unwrap(), ["done: /a"]);
}

#[test]
fn cpp_has_streams_the_environment_a_clock_and_no_files() {
    let mut filter = Filter::start(&REACTOR, "").unwrap();
    let lines = filter.request("/runtime").unwrap();
    assert_eq!(
        lines[..lines.len() - 1].concat(),
        "mode testfile missing 1year 2026stdin -1to standard error"
    );
}

#[test]
fn cpp_sleeps_in_no_time() {
    filter::sleeps_in_no_time(&REACTOR, "slept true");
}

#[test]
fn cpp_frees_its_memory() {
    filter::keeps_its_memory_in_bounds(&REACTOR, "kept 1000");
}

#[test]
fn an_abort_in_cpp_is_contained() {
    filter::is_contained(&REACTOR, "/panic", "");
}
