//! Builds `gatepost-filter` for wasm32-wasip1 with a cargo of its own, because a build cannot depend on a crate for another
//! target, and prepares the module for a proxy.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip1";

/// Kept in step with `EXPORTS` by a test in `src/lib.rs`.
const EXPORTS: &[&str] = &[
    "memory",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_request_headers",
    "proxy_on_delete",
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
    let workspace = manifest.ancestors().nth(2).ok_or("the workspace is two folders above this crate")?.to_owned();
    for input in ["engine/src", "engine/Cargo.toml", "filter/src", "filter/Cargo.toml", "Cargo.lock", "Cargo.toml"] {
        println!("cargo:rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo:rerun-if-changed=build.rs");
    ensure_target()?;
    let module = compile(&workspace, &out)?;
    let module = prepare(&std::fs::read(&module).map_err(|error| format!("{}: {error}", module.display()))?)?;
    let path = out.join("gatepost_filter.wasm");
    std::fs::write(&path, module).map_err(|error| format!("{}: {error}", path.display()))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

/// Adds the wasm target to the toolchain that builds this crate, where it is missing.
fn ensure_target() -> Result<(), String> {
    if has_target()? {
        return Ok(());
    }
    println!("cargo:warning=adding the Rust target {TARGET} through rustup, to build the Gatepost filter");
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

fn compile(workspace: &Path, out: &Path) -> Result<PathBuf, String> {
    // target/<profile>/build/<package>/out: one folder beside the profiles serves them all, since the module does not
    // depend on theirs.
    let target_dir = out.ancestors().nth(4).unwrap_or(out).join("filter-wasm");
    let cargo = variable("CARGO")?;
    let mut command = Command::new(&cargo);
    command
        .current_dir(workspace)
        .args(["build", "--package", "gatepost-filter", "--profile", "filter", "--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace));
    // What was meant for the outer build: its flags, its lints, its target.
    for name in ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "CARGO_BUILD_RUSTFLAGS"] {
        command.env_remove(name);
    }
    let output = command.output().map_err(|error| format!("{cargo}: {error}"))?;
    if !output.status.success() {
        return Err(format!("the filter does not build:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(target_dir.join(TARGET).join("filter").join("gatepost_filter.wasm"))
}

/// Paths in panic messages would name the machine that built the module, and make it another module on every machine.
fn rustflags(workspace: &Path) -> String {
    let home =
        env::var("CARGO_HOME").map(PathBuf::from).or_else(|_| env::var("HOME").map(|home| Path::new(&home).join(".cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=gatepost", workspace.display())];
    flags.extend(home.map(|home| format!("--remap-path-prefix={}=cargo", home.display())));
    flags.join("\u{1f}")
}

/// Drops the exports that no proxy needs, and then whatever nothing refers to any more.
fn prepare(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut config = walrus::ModuleConfig::new();
    config.generate_name_section(false).generate_producers_section(false);
    let mut module = config.parse(module).map_err(|error| format!("the filter is no valid module: {error}"))?;
    let unused: Vec<_> =
        module.exports.iter().filter(|export| !EXPORTS.contains(&export.name.as_str())).map(walrus::Export::id).collect();
    unused.into_iter().for_each(|export| module.exports.delete(export));
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}
