//! Tests that run inside the mesh's network, which a process can enter only before it has threads.
//! So their program has a `main` of its own, which calls [`run`].

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use crate::command;
use gatepost_testbed::mesh;
use libtest_mimic::{Arguments, Trial};

/// Where the mesh's programs are built and Envoy is kept.
pub const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");

/// A test: it panics when it fails.
pub type Test<W> = Box<dyn FnOnce(&mut W) + Send>;

/// Runs tests by their names, one after the other in their order. `start` makes what they share:
/// for the first that runs, and for the first after one that failed, because that left what it
/// applied.
pub fn run<W: Send + 'static>(tests: Vec<(String, Test<W>)>, start: fn() -> W) -> ExitCode {
    if let Some(ended) = command::called() {
        return ended;
    }
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    if !arguments.list
        && let Err(error) = mesh::enter(Path::new(TARGET))
    {
        eprintln!("error: {error}");
        return ExitCode::FAILURE;
    }
    let world: Arc<Mutex<Option<W>>> = Arc::default();
    let trial = |(name, test): (String, Test<W>)| {
        let world = world.clone();
        Trial::test(name, move || {
            let mut shared = world.lock().unwrap_or_else(|failed| {
                world.clear_poison();
                let mut shared = failed.into_inner();
                *shared = None;
                shared
            });
            test(shared.get_or_insert_with(start));
            Ok(())
        })
    };
    let ended = libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect());
    drop(world);
    ended.exit_code()
}
