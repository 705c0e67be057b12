//! Builds `gatepost-filter` for wasm32-wasip1.

use gatepost_wasm_build::{Build, Script};

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
    Script::run(build);
}

fn build(script: &Script) -> Result<(), String> {
    script.depends_on(&INPUTS);
    build_module(script, &[], "filter-wasm", "gatepost_filter.wasm")?;
    if std::env::var_os("CARGO_FEATURE_PROBE").is_some() {
        let arguments = ["--features", "probe"];
        build_module(script, &arguments, "filter-wasm-probe", "gatepost_filter_probe.wasm")?;
    }
    Ok(())
}

fn build_module(
    script: &Script,
    arguments: &[&str],
    folder: &str,
    module: &str,
) -> Result<(), String> {
    let (package, profile) = ("gatepost-filter", "filter");
    let build = Build { workspace: &script.workspace, package, profile, arguments, folder };
    let built = build.run().map_err(|error| error.to_string())?;
    script.copy(&built.join("gatepost_filter.wasm"), module)
}
