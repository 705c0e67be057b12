//! The Rust SDK, for WASI and for the target without a system, whose modules name their allocator
//! `malloc`.

use std::sync::LazyLock;

use gatepost_host::Module;

use crate::filter::{self, Filter};
use crate::toolchain;

fn build(target: &str) -> Module {
    filter::module(&toolchain::rust(&toolchain::fixtures().join("rust"), target))
}

static WASI: LazyLock<Module> = LazyLock::new(|| build("wasm32-wasip1"));
static BARE: LazyLock<Module> = LazyLock::new(|| build("wasm32-unknown-unknown"));

#[test]
fn a_rust_module_does_what_the_filter_does_on_both_targets() {
    filter::does_what_the_filter_does(&WASI, "rust");
    filter::does_what_the_filter_does(&BARE, "rust");
}

#[test]
fn rust_has_hash_maps_the_environment_a_clock_and_no_files() {
    let mut filter = Filter::start(&WASI, "").unwrap();
    let lines = filter.request("/runtime").unwrap();
    assert_eq!(
        lines[..lines.len() - 1],
        [
            "squares 285",
            r#"mode Some("test") args 0"#,
            "file missing true",
            "year 2026",
            "stdin Some(0)",
            "to standard error"
        ]
    );
}

#[test]
fn rust_sleeps_in_no_time() {
    filter::sleeps_in_no_time(&WASI, "slept true");
}

#[test]
fn rust_frees_its_memory_on_both_targets() {
    filter::keeps_its_memory_in_bounds(&WASI, "kept 1000");
    filter::keeps_its_memory_in_bounds(&BARE, "kept 1000");
}

#[test]
fn a_panic_in_rust_is_contained_on_both_targets() {
    filter::is_contained(&WASI, "/panic", "asked to");
    filter::is_contained(&BARE, "/panic", "asked to");
}
