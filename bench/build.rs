//! Builds what the benchmark compares Gatepost with: the modules in `guests/` for wasm32-wasip1,
//! each a workspace of its own with the versions that its lock names, and the native module.

use std::env;
use std::process::Command;

use gatepost_wasm_build::{Build, Script};

const GUESTS: [&str; 2] = ["naive", "three-headers"];

/// The package in `native/`. It holds the engine, so it is a member of Gatepost's workspace.
const NATIVE: &str = "gatepost-native";

fn main() {
    Script::run(|script| {
        let named = |name: &str, error| format!("the benchmark's module {name}: {error}");
        for name in GUESTS {
            guest(script, name).map_err(|error| named(name, error))?;
        }
        native(script).map_err(|error| named(NATIVE, error))
    });
}

fn guest(script: &Script, name: &str) -> Result<(), String> {
    let source = format!("bench/guests/{name}");
    let inputs = ["src", "Cargo.toml", "Cargo.lock"].map(|input| format!("{source}/{input}"));
    script.depends_on(&inputs.each_ref().map(String::as_str));
    let build = Build {
        workspace: &script.workspace.join(source),
        package: name,
        profile: "release",
        arguments: &["--locked"],
        folder: "bench-guests",
    };
    let modules = build.run().map_err(|error| error.to_string())?;
    let module = modules.join(format!("{}.wasm", name.replace('-', "_")));
    script.copy(&module, &format!("{name}.wasm"))
}

/// With a cargo and a folder of its own, because it is compiled for speed in every build.
fn native(script: &Script) -> Result<(), String> {
    script.depends_on(&["bench/native", "engine/src", "Cargo.lock", "Cargo.toml"]);
    // target/<profile>/build/<package>/out
    let target_dir = script.out.ancestors().nth(4).unwrap_or(&script.out).join("bench-native");
    let cargo = env::var_os("CARGO").ok_or("cargo sets CARGO for build scripts")?;
    let output = Command::new(cargo)
        .current_dir(&script.workspace)
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
    script.copy(&target_dir.join("speed").join(name), "native.so")
}
