//! Builds the examples of `gatepost-guests`, each a guest module.

use std::path::{Path, PathBuf};

use gatepost_wasm_build::Build;

const GUESTS: [&str; 4] = ["probe", "probe_v0_2_0", "probe_v0_1_0", "few_exports"];

fn main() {
    if let Err(message) = build() {
        eprintln!("error: {message}");
        std::process::exit(1);
    }
}

fn build() -> Result<(), String> {
    let variable = |name: &str| {
        std::env::var(name).map(PathBuf::from).map_err(|error| format!("{name}: {error}"))
    };
    let manifest = variable("CARGO_MANIFEST_DIR")?;
    let out = variable("OUT_DIR")?;
    let workspace =
        manifest.ancestors().nth(3).ok_or("the workspace is three folders above this crate")?;
    for input in ["src", "examples", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", manifest.join("..").join(input).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    let build = Build {
        workspace,
        package: "gatepost-guests",
        profile: "filter",
        arguments: &["--examples"],
        folder: "guests-wasm",
    };
    let modules = build.run().map_err(|error| error.to_string())?.join("examples");
    GUESTS.iter().try_for_each(|guest| copy(&modules.join(format!("{guest}.wasm")), &out))
}

fn copy(module: &Path, folder: &Path) -> Result<(), String> {
    let name = module.file_name().ok_or("a module has a name")?;
    std::fs::copy(module, folder.join(name))
        .map(|_| ())
        .map_err(|error| format!("{}: {error}", module.display()))
}
