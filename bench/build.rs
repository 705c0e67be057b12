//! Builds what the benchmark compares Gatepost with: the modules in `guests/` for wasm32-wasip1,
//! each a workspace of its own with the versions that its lock names, and the native module.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use gatepost_wasm_build::Build;

const GUESTS: &[&str] = &["naive", "three-headers"];

/// The package in `native/`. It holds the engine, so it is a member of Gatepost's workspace.
const NATIVE: &str = "gatepost-native";

fn main() {
    let guests = GUESTS.iter().map(|name| (*name, guest(name)));
    for (name, built) in guests.chain([(NATIVE, native())]) {
        if let Err(message) = built {
            eprintln!("error: the benchmark's module {name}: {message}");
            std::process::exit(1);
        }
    }
}

fn guest(name: &str) -> Result<(), String> {
    let source = path("CARGO_MANIFEST_DIR")?.join("guests").join(name);
    for input in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", source.join(input).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    let build = Build {
        workspace: &source,
        package: name,
        profile: "release",
        arguments: &["--locked"],
        folder: "bench-guests",
    };
    let modules = build.run().map_err(|error| error.to_string())?;
    let module = modules.join(format!("{}.wasm", name.replace('-', "_")));
    copy(&module, &path("OUT_DIR")?.join(format!("{name}.wasm")))
}

/// With a cargo and a folder of its own, because it is compiled for speed in every build.
fn native() -> Result<(), String> {
    let (manifest, out) = (path("CARGO_MANIFEST_DIR")?, path("OUT_DIR")?);
    for input in ["native", "../engine/src", "../Cargo.lock", "../Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", manifest.join(input).display());
    }
    // target/<profile>/build/<package>/out
    let target_dir = out.ancestors().nth(4).unwrap_or(&out).join("bench-native");
    let output = Command::new(path("CARGO")?)
        .current_dir(&manifest)
        .args(["build", "--package", NATIVE, "--profile", "speed", "--target-dir"])
        .arg(&target_dir)
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let name = format!("{}gatepost_native{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    copy(&target_dir.join("speed").join(name), &out.join("native.so"))
}

fn path(variable: &str) -> Result<PathBuf, String> {
    env::var(variable).map(PathBuf::from).map_err(|error| format!("{variable}: {error}"))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    std::fs::copy(from, to).map(drop).map_err(|error| format!("{}: {error}", from.display()))
}
