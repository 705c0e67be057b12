//! The guest modules that tests run, as bytes: the examples of `gatepost-guests`, built together
//! with this crate.

/// Runs a script, on ABI 0.2.1.
pub const PROBE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe.wasm"));

/// Runs a script, on ABI 0.2.0.
pub const PROBE_V0_2_0: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe_v0_2_0.wasm"));

/// Runs a script, on ABI 0.1.0.
pub const PROBE_V0_1_0: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe_v0_1_0.wasm"));

/// Exports one callback.
pub const FEW_EXPORTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/few_exports.wasm"));

/// A guest, by the name of its example.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static [u8]> {
    match name {
        "probe" => Some(PROBE),
        "probe_v0_2_0" => Some(PROBE_V0_2_0),
        "probe_v0_1_0" => Some(PROBE_V0_1_0),
        "few_exports" => Some(FEW_EXPORTS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_guest_is_a_wasm_module() {
        for name in ["probe", "probe_v0_2_0", "probe_v0_1_0", "few_exports"] {
            assert!(
                super::by_name(name).is_some_and(|module| module.starts_with(b"\0asm")),
                "{name}"
            );
        }
    }
}
