//! Builds `gatepost-filter` for wasm32-wasip1.

use std::env;
use std::path::{Path, PathBuf};

use gatepost_wasm_build::Build;

/// What the module is made from, under the workspace.
const INPUTS: [&str; 9] = [
    "engine/src",
    "engine/Cargo.toml",
    "filter/src",
    "filter/request/src",
    "filter/request/Cargo.toml",
    "filter/build.rs",
    "filter/Cargo.toml",
    "Cargo.lock",
    "Cargo.toml",
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
    let workspace =
        manifest.ancestors().nth(2).ok_or("the workspace is two folders above this crate")?;
    for input in INPUTS {
        println!("cargo:rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    build_module(workspace, &[], "filter-wasm", &out.join("gatepost_filter.wasm"))?;
    if env::var_os("CARGO_FEATURE_PROBE").is_some() {
        let arguments = ["--features", "probe"];
        let probe = out.join("gatepost_filter_probe.wasm");
        build_module(workspace, &arguments, "filter-wasm-probe", &probe)?;
    }
    Ok(())
}

fn build_module(
    workspace: &Path,
    arguments: &[&str],
    folder: &str,
    module: &Path,
) -> Result<(), String> {
    let (package, profile) = ("gatepost-filter", "filter");
    let build = Build { workspace, package, profile, arguments, folder };
    let built = build.run().map_err(|error| error.to_string())?.join("gatepost_filter.wasm");
    let copied = std::fs::copy(&built, module);
    copied.map(drop).map_err(|error| format!("{}: {error}", built.display()))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}
