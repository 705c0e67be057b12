//! The Gatepost filter as the wasm module that Envoy loads. The build of this crate compiles `gatepost-filter` for
//! wasm32-wasip1, adds that target through rustup when it is missing, and drops every export that no proxy needs.
//!
//! ```
//! assert!(gatepost_filter_wasm::MODULE.starts_with(b"\0asm"));
//! ```

/// The module's bytes: proxy-wasm ABI 0.2.1. It needs nothing of WASI.
pub const MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gatepost_filter.wasm"));

/// The module as tests build it: it traps for a request with the header `x-gatepost-trap`, and counts its stream contexts in
/// `gatepost.probe.created` and `gatepost.probe.deleted`.
#[cfg(feature = "probe")]
pub const PROBE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gatepost_filter_probe.wasm"));

/// The exports of [`MODULE`], and why each is there. Envoy enters the VM once for each callback that it finds.
pub const EXPORTS: &[(&str, &str)] = &[
    ("memory", "the host reads and writes it"),
    ("_initialize", "WASI: called once, before anything else"),
    ("proxy_abi_version_0_2_1", "the version of the ABI"),
    ("proxy_on_memory_allocate", "the host asks for room for the values that it hands over"),
    ("proxy_on_context_create", "tells which plugin a stream belongs to"),
    ("proxy_on_configure", "compiles the policy"),
    ("proxy_on_request_headers", "decides"),
    ("proxy_on_tick", "tells the counters"),
    ("proxy_on_delete", "a policy that is no longer used is freed"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_module_exports_what_it_uses_and_nothing_else() {
        let module = walrus::Module::from_buffer(MODULE).expect("a valid module");
        let exports: BTreeSet<&str> = module.exports.iter().map(|export| export.name.as_str()).collect();
        assert_eq!(exports, EXPORTS.iter().map(|(name, _)| *name).collect());
    }

    #[test]
    fn the_module_imports_only_what_envoy_serves() {
        let module = walrus::Module::from_buffer(MODULE).expect("a valid module");
        for import in module.imports.iter() {
            assert!(import.module == "env" && import.name.starts_with("proxy_"), "{}.{}", import.module, import.name);
        }
    }

    #[test]
    fn the_module_names_no_folder_of_the_machine_that_built_it() {
        let text = String::from_utf8_lossy(MODULE);
        let home = std::env::var("HOME").unwrap_or_default();
        for folder in [env!("CARGO_MANIFEST_DIR"), home.as_str()] {
            assert!(folder.len() < 2 || !text.contains(folder), "{folder}");
        }
    }
}
