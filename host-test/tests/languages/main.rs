//! The imports and the start-up of each toolchain's modules, as the smallest module that does the
//! same. Modules that the toolchains built run in the end-to-end tests; these are for toolchains
//! that are too large to download.

#[path = "../common/mod.rs"]
mod common;

mod assemblyscript;
mod emscripten;
mod tinygo;

use std::sync::Arc;

use gatepost_host::{
    Engine, EngineOptions, HOSTCALLS, Host, MemoryLog, Module, PluginConfig, VirtualClock, Vm,
    VmOptions,
};

/// A module with these imports, each `name params->result`, under the name of WASI that the
/// toolchain uses.
fn imports(wasi: &str, list: &[&str]) -> String {
    let types = |letters: &str| letters.chars().map(common::value_type).collect::<String>();
    list.iter()
        .map(|line| {
            let (name, signature) = line.split_once(' ').unwrap();
            let (params, results) = signature.split_once("->").unwrap();
            let from = if HOSTCALLS.iter().any(|call| call.name == name) { "env" } else { wasi };
            format!(
                "(import \"{from}\" \"{name}\" (func ${name} (param{}) (result{})))\n",
                types(params),
                types(results)
            )
        })
        .collect()
}

/// Loads a module that has no import the host does not serve, starts a plugin of it, and returns
/// what it logged.
fn started(text: &str) -> (Vm, MemoryLog) {
    let engine = Engine::new(EngineOptions::default()).unwrap();
    let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let module = Module::new(&engine, "guest", &wasm).unwrap();
    assert_eq!(module.capabilities().unserved, []);
    let log = MemoryLog::default();
    let clock = Arc::new(VirtualClock::at(1_000_000_000));
    let host = Host { log: Arc::new(log.clone()), clock, ..Host::default() };
    let mut vm = Vm::new(&module, host, VmOptions::default()).unwrap();
    vm.start_plugin(PluginConfig::default()).unwrap();
    (vm, log)
}
