//! The Gatepost filter as the wasm module that Envoy loads. The build of this crate compiles
//! `gatepost-filter` for wasm32-wasip1, adds that target through rustup when it is missing, and
//! drops every export that no proxy needs.
//!
//! ```
//! assert!(gatepost_filter_wasm::MODULE.starts_with(b"\0asm"));
//! ```

#[cfg(test)]
mod branches;
mod exports;
#[cfg(test)]
mod prepare;
#[cfg(test)]
mod rehearsal;

pub use exports::EXPORTS;

/// The module's bytes: proxy-wasm ABI 0.2.1. It needs nothing of WASI.
pub const MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gatepost_filter.wasm"));

/// The module as tests build it: it traps for a request with the header `x-gatepost-trap`, and
/// counts its stream contexts in `gatepost.probe.created` and `gatepost.probe.deleted`.
#[cfg(feature = "probe")]
pub const PROBE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gatepost_filter_probe.wasm"));

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_module_exports_what_it_uses_and_nothing_else() {
        let module = walrus::Module::from_buffer(MODULE).expect("a valid module");
        let exports: BTreeSet<&str> =
            module.exports.iter().map(|export| export.name.as_str()).collect();
        assert_eq!(exports, EXPORTS.iter().map(|(name, _)| *name).collect());
    }

    #[test]
    fn the_module_imports_only_what_envoy_serves() {
        let module = walrus::Module::from_buffer(MODULE).expect("a valid module");
        for import in module.imports.iter() {
            assert!(
                import.module == "env" && import.name.starts_with("proxy_"),
                "{}.{}",
                import.module,
                import.name
            );
        }
    }

    #[test]
    fn the_module_has_at_most_128_kib() {
        assert!(
            MODULE.len() <= 128 * 1024,
            "{} bytes; docs/design/README.md says where they go",
            MODULE.len()
        );
    }

    #[test]
    fn every_hint_stands_at_a_branch() {
        let (_, branches) = branches::telling(MODULE).expect("a valid module");
        let hints = branches::hints(MODULE);
        assert!(hints.len() > 100, "{} hints: what a request meets has more branches", hints.len());
        assert!(hints.iter().all(|(branch, _)| branches.contains(branch)));
        let taken = hints.iter().filter(|(_, taken)| *taken).count();
        assert!(taken > 0 && taken < hints.len(), "{taken} of {} are taken", hints.len());
    }

    #[test]
    fn the_policies_that_are_rehearsed_are_those_that_ship() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for policy in ["knative-gclb", "asm-grpc-env"] {
            let shipped = gatepost_authoring::PolicyFile::read(
                &here.join("../../policies").join(policy).join("policy.yaml"),
            );
            let rehearsed =
                std::fs::read(here.join("rehearsal").join(policy).with_extension("json"))
                    .expect(policy);
            let read =
                |json: &[u8]| serde_json::from_slice::<serde_json::Value>(json).expect("JSON");
            assert_eq!(read(shipped.expect(policy).json.as_bytes()), read(&rehearsed), "{policy}");
        }
    }

    #[test]
    fn a_second_build_gives_the_same_bytes() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()
            .expect("the workspace");
        let folder = tempfile::tempdir().expect("a folder");
        let built = Command::new(env!("CARGO"))
            .current_dir(&workspace)
            .args([
                "build",
                "--package",
                "gatepost-filter",
                "--profile",
                "filter",
                "--target",
                gatepost_wasm_build::TARGET,
            ])
            .arg("--target-dir")
            .arg(folder.path())
            .env("CARGO_ENCODED_RUSTFLAGS", gatepost_wasm_build::rustflags(&workspace))
            .env_remove("RUSTFLAGS")
            .status()
            .expect("a cargo");
        assert!(built.success());
        let module =
            folder.path().join(gatepost_wasm_build::TARGET).join("filter/gatepost_filter.wasm");
        let module = prepare::prepare(&std::fs::read(module).expect("a module"), EXPORTS)
            .expect("a valid module");
        let module = rehearsal::rehearsed(&module).expect("a rehearsal");
        assert!(
            module == MODULE,
            "{} and {} bytes, or the same number of others",
            module.len(),
            MODULE.len()
        );
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
