//! What a module imports: Envoy loads no module with an import that it does not have.

use std::collections::BTreeSet;

use gatepost_host::{AbiVersion, HOSTCALLS, ImportState};

use super::{envoy_starts, host_starts, module};

const MEMORY: &str = r#"(memory (export "memory") 1)"#;

/// The functions of WASI that the host documents.
fn wasi() -> BTreeSet<&'static str> {
    let rows = include_str!("../../../docs/host/wasi.md").lines();
    rows.filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect()
}

/// Whether Envoy loads a module with this import, or at least knows its name.
fn envoy_knows(module_name: &str, name: &str, ty: &str) -> bool {
    let import = format!("(import \"{module_name}\" \"{name}\" {ty})");
    let wasm = module(&format!("{import} (func $works (result i32) (i32.const 1))"), MEMORY);
    match envoy_starts(&wasm) {
        Ok(()) => true,
        Err(log) if log.contains("import type mismatch") => true,
        Err(log) => {
            assert!(log.contains(&format!("missing import: {module_name}.{name}")), "{log}");
            false
        }
    }
}

#[test]
fn envoy_has_the_hostcalls_that_are_said_to_be_its() {
    let abi = AbiVersion::V0_2_1;
    let others = ["unheard_of", "proxy_unheard_of", "__cxa_throw"];
    for name in HOSTCALLS.iter().map(|call| call.name).chain(others) {
        let is_known = envoy_knows("env", name, "(func (param i64 i64))");
        let is_said = ImportState::of(abi, "env", name) == ImportState::Served;
        assert_eq!(is_known, is_said, "env.{name}");
    }
}

#[test]
fn envoy_has_the_functions_of_wasi_that_are_said_to_be_its() {
    let abi = AbiVersion::V0_2_1;
    for from in ["wasi_snapshot_preview1", "wasi_unstable"] {
        for name in wasi().into_iter().chain(["proc_raise", "unheard_of"]) {
            let is_known = envoy_knows(from, name, "(func (param i64 i64 i64))");
            let is_said = ImportState::of(abi, from, name) == ImportState::Served;
            assert_eq!(is_known, is_said, "{from}.{name}");
        }
    }
}

#[test]
fn what_is_no_function_is_told_apart() {
    let starts = |import: &str, memory: &str| {
        let wasm = module(&format!("{import} (func $works (result i32) (i32.const 1))"), memory);
        (envoy_starts(&wasm).is_ok(), host_starts(&wasm).unwrap_err())
    };
    let exported = r#"(export "memory" (memory 0))"#;
    let (in_envoy, error) = starts(r#"(import "env" "memory" (memory 1))"#, exported);
    let end = "imports the memory env.memory: Envoy makes one, and this host does not";
    assert!(in_envoy && error.ends_with(end), "{error}");
    let (in_envoy, error) = starts(r#"(import "env" "t" (table 1 funcref))"#, MEMORY);
    let end = "imports the table env.t: Envoy makes one, and this host does not";
    assert!(in_envoy && error.ends_with(end), "{error}");
    let (in_envoy, error) = starts(r#"(import "env" "g" (global i32))"#, MEMORY);
    let end = "imports env.g: the host has no such function, and neither has Envoy";
    assert!(!in_envoy && error.ends_with(end), "{error}");
}
