//! Builds the examples of `gatepost-proxy-wasm` for wasm32-wasip1, and removes the exports that
//! they do not use from the linked modules.

use std::path::Path;

use gatepost_wasm_build::{Build, Script};

/// What a filter with a policy exports: Envoy enters the VM once for each callback that a module
/// exports, and the SDK exports them all.
const USED: &[&str] = &[
    "memory",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
    // The SDK's dispatcher keeps a context for each stream.
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_configure",
    "proxy_on_request_headers",
    "proxy_on_request_trailers",
    "proxy_on_response_headers",
    "proxy_on_tick",
];

fn main() {
    Script::run(build);
}

fn build(script: &Script) -> Result<(), String> {
    script.depends_on(&[
        "engine/src",
        "filter/request/src",
        "filter/sdk/src",
        "filter/sdk/examples",
        "Cargo.lock",
        "Cargo.toml",
    ]);
    let build = Build {
        workspace: &script.workspace,
        package: "gatepost-proxy-wasm",
        profile: "speed",
        arguments: &["--examples"],
        folder: "sdk-wasm",
    };
    let built = build.run().map_err(|error| error.to_string())?;
    for name in ["hsts.wasm", "policy_alone.wasm"] {
        let module = built.join("examples").join(name);
        let linked = std::fs::read(&module).map_err(|error| named(&module, &error))?;
        write(&script.out.join(name), &with_exports(&linked)?)?;
    }
    Ok(())
}

/// The module with the exports that are used, and without the code that only others reached.
fn with_exports(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut module =
        walrus::Module::from_buffer(module).map_err(|error| format!("no valid module: {error}"))?;
    let unused: Vec<_> = module
        .exports
        .iter()
        .filter(|export| !USED.contains(&export.name.as_str()))
        .map(walrus::Export::id)
        .collect();
    unused.into_iter().for_each(|export| module.exports.delete(export));
    walrus::passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}

fn write(path: &Path, module: &[u8]) -> Result<(), String> {
    std::fs::write(path, module).map_err(|error| named(path, &error))
}

fn named(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
