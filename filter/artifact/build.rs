//! Builds `gatepost-filter` for wasm32-wasip1, and prepares the module for a proxy.

use std::env;
use std::path::PathBuf;

use gatepost_wasm_build::Build;
use prepare::prepare;
use rehearsal::rehearsed;

#[path = "src/branches.rs"]
mod branches;
#[path = "src/exports.rs"]
mod exports;
#[path = "src/prepare.rs"]
mod prepare;
#[path = "src/rehearsal.rs"]
mod rehearsal;

/// What the test build exports beside the others.
const PROBE: &[(&str, &str)] = &[
    ("proxy_on_context_create", "counts the streams that begin"),
    ("proxy_on_delete", "counts those that end"),
];

fn main() {
    if let Err(message) = build() {
        eprintln!("error: {message}");
        std::process::exit(1);
    }
}

fn build() -> Result<(), String> {
    let manifest = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let workspace = manifest
        .ancestors()
        .nth(2)
        .ok_or("the workspace is two folders above this crate")?
        .to_owned();
    for input in [
        "engine/src",
        "engine/Cargo.toml",
        "filter/src",
        "filter/build.rs",
        "filter/Cargo.toml",
        "Cargo.lock",
        "Cargo.toml",
    ] {
        println!("cargo:rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    for input in
        ["src/branches.rs", "src/exports.rs", "src/prepare.rs", "src/rehearsal.rs", "rehearsal"]
    {
        println!("cargo:rerun-if-changed={input}");
    }
    let build = |arguments: &[&str], folder, exports: &[(&str, &str)], name: &str| {
        let filter = Build {
            workspace: &workspace,
            package: "gatepost-filter",
            profile: "filter",
            arguments,
            folder,
        };
        let module = filter.run().map_err(|error| error.to_string())?.join("gatepost_filter.wasm");
        let module = prepare(
            &std::fs::read(&module).map_err(|error| format!("{}: {error}", module.display()))?,
            exports,
        )?;
        let module = rehearsed(&module)?;
        let path = out.join(name);
        std::fs::write(&path, module).map_err(|error| format!("{}: {error}", path.display()))
    };
    build(&[], "filter-wasm", exports::EXPORTS, "gatepost_filter.wasm")?;
    if env::var_os("CARGO_FEATURE_PROBE").is_some() {
        let exports = [exports::EXPORTS, PROBE].concat();
        build(
            &["--features", "probe"],
            "filter-wasm-probe",
            &exports,
            "gatepost_filter_probe.wasm",
        )?;
    }
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
