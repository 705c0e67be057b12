//! Go's own compiler, `GOOS=wasip1`, as a reactor: a garbage collector, goroutines and a scheduler
//! in the guest.

use std::sync::LazyLock;

use gatepost_host::Module;

use crate::filter::{self, Filter};
use crate::toolchain;

static MODULE: LazyLock<Module> =
    LazyLock::new(|| filter::module(&toolchain::go(&toolchain::fixtures().join("go"))));

#[test]
fn a_go_module_does_what_the_filter_does() {
    filter::does_what_the_filter_does(&MODULE, "go");
}

#[test]
fn go_has_goroutines_the_environment_a_clock_and_no_files() {
    let mut filter = Filter::start(&MODULE, "").unwrap();
    let lines = filter.request("/runtime").unwrap();
    assert_eq!(
        lines[..lines.len() - 1],
        [
            "squares [0 1 4 9 16 25 36 49 64 81]",
            r#"mode "test" args 0 file missing true"#,
            "year 2026",
            "stdin 0 EOF",
            "to standard error"
        ]
    );
}

#[test]
fn go_sleeps_and_waits_in_no_time() {
    filter::sleeps_in_no_time(&MODULE, "slept true, timed out true");
}

#[test]
fn go_collects_its_garbage() {
    filter::keeps_its_memory_in_bounds(&MODULE, "collected true, kept 1000");
}

#[test]
fn a_panic_or_a_deadlock_in_go_is_contained() {
    filter::is_contained(&MODULE, "/panic", "panic: asked to");
    filter::is_contained(&MODULE, "/deadlock", "all goroutines are asleep - deadlock!");
}
