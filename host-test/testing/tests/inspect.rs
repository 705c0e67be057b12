//! A look inside modules that can be run, and inside some that cannot.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::wasm;
use gatepost_host::AbiVersion;
use gatepost_host_testing::Inspection;
use gatepost_host_testing::inspect::{Memory, Role};

#[test]
fn a_module_is_told_with_its_sizes_its_roles_and_what_is_not_served() {
    let imports = r#"(import "env" "proxy_dance" (func (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_raise" (func (param i32) (result i32)))"#;
    let body = r#"(func (export "_initialize")) (func (export "proxy_on_tick") (param i32))
        (func (export "helper"))
        (global (export "__heap_base") i32 (i32.const 0))"#;
    let wasm = wasm(AbiVersion::V0_2_0, imports, body);
    let found = Inspection::of("m.wasm", &wasm).unwrap();
    assert_eq!((found.abi, found.size), (Some(AbiVersion::V0_2_0), wasm.len() as u64));
    assert_eq!(found.memory, Some(Memory { min_pages: 1, max_pages: None, imported: false }));
    assert_eq!(found.unused_exports, ["helper", "__heap_base"]);
    let roles: Vec<Role> = found.exports.iter().map(|export| export.role).collect();
    assert_eq!(
        roles,
        [
            Role::Abi,
            Role::Memory,
            Role::Memory,
            Role::Startup,
            Role::Callback,
            Role::Unused,
            Role::Unused
        ],
        "{:?}",
        found.exports
    );
    let unserved: Vec<(&str, Option<&str>)> = found
        .imports
        .iter()
        .filter(|import| !import.served)
        .map(|import| (import.name.as_str(), import.answer))
        .collect();
    assert_eq!(unserved, [("proxy_dance", Some("Unimplemented")), ("proc_raise", Some("ENOSYS"))]);
    assert!(found.sections.is_sorted_by_key(|section| std::cmp::Reverse(section.size)));
    assert!(found.sections.iter().any(|section| section.name == "code" && section.size > 0));
    assert!(!found.is_served() && found.problem.is_none());
    assert!(found.text().contains("env.proxy_dance"));
}

#[test]
fn a_module_that_is_no_plugin_is_looked_at_nevertheless() {
    let wasm = wat::parse_str(
        r#"(module (import "env" "memory" (memory 2 4)) (func (export "add") (param i32))
            (@custom "note" "x"))"#,
    );
    let found = Inspection::of("m.wasm", &wasm.unwrap()).unwrap();
    assert_eq!((found.abi, &found.unused_exports[..]), (None, &["add".to_owned()][..]));
    assert_eq!(found.memory, Some(Memory { min_pages: 2, max_pages: Some(4), imported: true }));
    assert!(
        found.problem.as_ref().is_some_and(|problem| problem.contains("not a proxy-wasm module"))
    );
    assert!(found.sections.iter().any(|section| section.name == "custom note"));
}

#[test]
fn bytes_that_are_no_module_are_an_error() {
    let error = Inspection::of("m.wasm", b"hello").unwrap_err();
    assert_eq!(
        error.to_string(),
        r"m.wasm: not a wasm module: its first bytes are not those of wasm"
    );
    let error = Inspection::of("m.wasm", b"\0asm\x01\0\0\0\x7f").unwrap_err();
    assert!(error.to_string().starts_with("m.wasm: not a valid wasm module: "), "{error}");
}

#[test]
fn every_import_that_a_host_has_not_is_marked_and_what_envoy_says_stands_there() {
    let imports = r#"(import "env" "abort" (func (param i32 i32 i32 i32)))
        (import "env" "unheard_of" (func))
        (import "other" "proxy_log" (func))
        (import "env" "proxy_dance" (func (result i32)))
        (import "env" "g" (global i32))"#;
    let found = Inspection::of("m.wasm", &wasm(AbiVersion::V0_2_1, imports, "")).unwrap();
    let text = found.text();
    for line in [
        "env.abort  Envoy has none",
        "env.unheard_of  unknown: neither this host nor Envoy has it",
        "other.proxy_log  unknown: neither this host nor Envoy has it",
        "env.proxy_dance  not served: answers Unimplemented; Envoy has none",
        "env.g  unknown: neither this host nor Envoy has it",
        "Envoy does not load it: missing import: env.abort",
        "cannot be run: m.wasm: imports env.unheard_of, other.proxy_log, env.g: the host has no \
         such functions, and neither has Envoy",
    ] {
        let plain =
            text.replace("\u{1b}[31m", "").replace("\u{1b}[32m", "").replace("\u{1b}[0m", "");
        assert!(plain.contains(line), "{line}\n{plain}");
    }
    assert!(!found.is_served());
    let only_here = r#"(import "env" "abort" (func (param i32 i32 i32 i32)))"#;
    let found = Inspection::of("m.wasm", &wasm(AbiVersion::V0_2_1, only_here, "")).unwrap();
    assert!(found.problem.is_none() && !found.is_served(), "Envoy refuses it");
}

#[test]
fn a_feature_that_no_host_runs_is_named() {
    let text = "(module (memory (export \"memory\") 65536 (pagesize 1)))";
    let found = Inspection::of("m.wasm", &wat::parse_str(text).unwrap()).unwrap();
    let problem = found.problem.unwrap();
    assert_eq!(problem, "m.wasm: uses pages of another size than 64 KiB, which Envoy refuses, too");
    assert_eq!(found.envoy.as_deref(), Some("Failed to load Wasm bytecode"));
}
