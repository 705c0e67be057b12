//! Builds the modules in `guests/` for wasm32-wasip1 with a cargo of its own, because a build cannot depend on a crate for
//! another target.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip1";
const GUESTS: &[&str] = &["three-headers"];

fn main() {
    for guest in GUESTS {
        if let Err(message) = build(guest) {
            eprintln!("error: the benchmark's module {guest}: {message}");
            std::process::exit(1);
        }
    }
}

fn build(guest: &str) -> Result<(), String> {
    let source = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("guests").join(guest);
    for input in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", source.join(input).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    ensure_target()?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    let module = compile(&source, guest, &out)?;
    let path = out.join(format!("{guest}.wasm"));
    std::fs::copy(&module, &path).map(drop).map_err(|error| format!("{}: {error}", module.display()))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

/// Adds the wasm target to the toolchain that builds this crate, where it is missing.
fn ensure_target() -> Result<(), String> {
    if has_target()? {
        return Ok(());
    }
    println!("cargo:warning=adding the Rust target {TARGET} through rustup, to build the benchmark's modules");
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    if let Ok(toolchain) = env::var("RUSTUP_TOOLCHAIN") {
        rustup.args(["--toolchain", &toolchain]);
    }
    let by_hand = format!("install the standard library of {TARGET} for this toolchain, as with: rustup target add {TARGET}");
    let output = rustup.output().map_err(|error| format!("rustup cannot be run ({error}); {by_hand}"))?;
    if !output.status.success() || !has_target()? {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("rustup could not add the target; {by_hand}\n{said}"));
    }
    Ok(())
}

fn has_target() -> Result<bool, String> {
    let rustc = variable("RUSTC")?;
    let output = Command::new(&rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| format!("{rustc}: {error}"))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    Ok(entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

fn compile(source: &Path, guest: &str, out: &Path) -> Result<PathBuf, String> {
    // target/<profile>/build/<package>/out: one folder beside the profiles serves them all, since a module does not depend on
    // theirs.
    let target_dir = out.ancestors().nth(4).unwrap_or(out).join("bench-guests");
    let cargo = variable("CARGO")?;
    let mut command = Command::new(&cargo);
    command
        .current_dir(source)
        .args(["build", "--release", "--locked", "--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", "");
    // What was meant for the outer build: its flags, its lints, its target.
    for name in ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_RUSTFLAGS"] {
        command.env_remove(name);
    }
    let output = command.output().map_err(|error| format!("{cargo}: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(target_dir.join(TARGET).join("release").join(format!("{}.wasm", guest.replace('-', "_"))))
}
