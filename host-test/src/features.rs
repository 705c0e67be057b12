//! The features of WebAssembly that the host does not run. A module that uses one is told which it
//! is, and whether Envoy runs it: measured on Envoy 1.40.0, whose runtime is V8.

use wasmparser::{Parser, Payload, TypeRef, Validator, WasmFeatures};

/// A feature that keeps a module from being run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beyond {
    pub(crate) feature: &'static str,
    pub(crate) runs_in_envoy: bool,
}

pub(crate) const SHARED_MEMORY: Beyond = Beyond { feature: "a shared memory", runs_in_envoy: true };

/// Features that wasmtime does not have or that are not finished.
const FEATURES: [(WasmFeatures, &str, bool); 4] = [
    (
        WasmFeatures::LEGACY_EXCEPTIONS,
        "exceptions in their first form (build with -mllvm -wasm-use-legacy-eh=false)",
        true,
    ),
    (WasmFeatures::CUSTOM_PAGE_SIZES, "pages of another size than 64 KiB", false),
    (WasmFeatures::WIDE_ARITHMETIC, "wide arithmetic", false),
    (WasmFeatures::STACK_SWITCHING, "stack switching", false),
];

/// The first of the features that the module needs, if it is valid with all of them.
pub(crate) fn beyond(wasm: &[u8]) -> Option<Beyond> {
    let is_valid = |features| Validator::new_with_features(features).validate_all(wasm).is_ok();
    if Parser::is_component(wasm) {
        return Some(Beyond { feature: "the component model", runs_in_envoy: false });
    }
    if !is_valid(WasmFeatures::all()) {
        return None;
    }
    let needed = FEATURES.iter().find(|(feature, ..)| !is_valid(WasmFeatures::all() - *feature));
    needed.map(|(_, feature, runs_in_envoy)| Beyond { feature, runs_in_envoy: *runs_in_envoy })
}

/// Shared memory is beyond the reach of a VM's limits, and proxy-wasm has no threads.
pub(crate) fn has_shared_memory(wasm: &[u8]) -> bool {
    Parser::new(0).parse_all(wasm).flatten().any(|payload| match payload {
        Payload::MemorySection(memories) => memories.into_iter().flatten().any(|one| one.shared),
        Payload::ImportSection(imports) => imports
            .into_imports()
            .flatten()
            .any(|import| matches!(import.ty, TypeRef::Memory(memory) if memory.shared)),
        _ => false,
    })
}
