//! Builds the modules in `guests/` for wasm32-wasip1: each is a workspace of its own, with the
//! versions that its lock names.

use std::env;
use std::path::PathBuf;

use gatepost_wasm_build::Build;

const GUESTS: &[&str] = &["naive", "three-headers"];

fn main() {
    for guest in GUESTS {
        if let Err(message) = build(guest) {
            eprintln!("error: the benchmark's module {guest}: {message}");
            std::process::exit(1);
        }
    }
}

fn build(guest: &str) -> Result<(), String> {
    let variable =
        |name: &str| env::var(name).map(PathBuf::from).map_err(|error| format!("{name}: {error}"));
    let source = variable("CARGO_MANIFEST_DIR")?.join("guests").join(guest);
    for input in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", source.join(input).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    let arguments = &["--locked"];
    let build = Build {
        workspace: &source,
        package: guest,
        profile: "release",
        arguments,
        folder: "bench-guests",
    };
    let modules = build.run().map_err(|error| error.to_string())?;
    let module = modules.join(format!("{}.wasm", guest.replace('-', "_")));
    let path = variable("OUT_DIR")?.join(format!("{guest}.wasm"));
    std::fs::copy(&module, &path)
        .map(drop)
        .map_err(|error| format!("{}: {error}", module.display()))
}
