//! The module that Envoy loads: its exports, its imports and its size, and that a second build
//! gives the same bytes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use gatepost_filter_wasm::MODULE;
use wasmparser::{Parser, Payload};

/// The exports of the module, and why each is there. Envoy enters the VM once for each callback
/// that it finds.
const EXPORTS: [(&str, &str); 10] = [
    ("memory", "the host reads and writes it"),
    ("_initialize", "WASI: called once, before anything else"),
    ("proxy_abi_version_0_2_1", "the version of the ABI"),
    ("proxy_on_memory_allocate", "the host allocates memory for the values that it returns"),
    ("proxy_on_context_create", "gives the root of each stream"),
    ("proxy_on_configure", "compiles the policy"),
    ("proxy_on_request_headers", "decides"),
    ("proxy_on_request_trailers", "removes what a client may not send"),
    ("proxy_on_response_headers", "gives a response what it owes"),
    ("proxy_on_tick", "flushes the counters"),
];

/// The WASI functions that the standard library uses: for seeds of hash tables, and to report
/// panics.
const WASI: [&str; 5] = ["random_get", "environ_get", "environ_sizes_get", "fd_write", "proc_exit"];

#[test]
fn the_module_exports_what_it_uses_and_nothing_else() {
    let mut exports = BTreeSet::new();
    for payload in Parser::new(0).parse_all(MODULE) {
        if let Payload::ExportSection(section) = payload.expect("a valid module") {
            exports.extend(section.into_iter().map(|export| export.expect("an export").name));
        }
    }
    assert_eq!(exports, EXPORTS.iter().map(|(name, _)| *name).collect());
}

#[test]
fn the_module_imports_only_what_envoy_serves() {
    for payload in Parser::new(0).parse_all(MODULE) {
        let Payload::ImportSection(section) = payload.expect("a valid module") else { continue };
        for import in section.into_imports() {
            let import = import.expect("an import");
            let is_served = match import.module {
                "env" => import.name.starts_with("proxy_"),
                "wasi_snapshot_preview1" => WASI.contains(&import.name),
                _ => false,
            };
            assert!(is_served, "{}.{}", import.module, import.name);
        }
    }
}

#[test]
fn the_module_has_at_most_256_kib() {
    assert!(MODULE.len() <= 256 * 1024, "{} bytes", MODULE.len());
}

#[test]
fn a_second_build_gives_the_same_bytes() {
    let workspace =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace");
    let folder = tempfile::tempdir().expect("a folder");
    let target = gatepost_wasm_build::TARGET;
    let built = Command::new(env!("CARGO"))
        .current_dir(&workspace)
        .args(["build", "--package", "gatepost-filter", "--profile", "filter", "--target", target])
        .arg("--target-dir")
        .arg(folder.path())
        .env("CARGO_ENCODED_RUSTFLAGS", gatepost_wasm_build::rustflags(&workspace))
        .env_remove("RUSTFLAGS")
        .status()
        .expect("a cargo");
    assert!(built.success());
    let module = folder.path().join(target).join("filter/gatepost_filter.wasm");
    let module = std::fs::read(module).expect("a module");
    assert!(module == MODULE, "{} and {} bytes", module.len(), MODULE.len());
}

#[test]
fn the_module_names_no_folder_of_the_machine_that_built_it() {
    let text = String::from_utf8_lossy(MODULE);
    let home = std::env::var("HOME").unwrap_or_default();
    for folder in [env!("CARGO_MANIFEST_DIR"), home.as_str()] {
        assert!(folder.len() < 2 || !text.contains(folder), "{folder}");
    }
}
