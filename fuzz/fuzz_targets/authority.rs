//! Any bytes as an authority.

#![no_main]

libfuzzer_sys::fuzz_target!(|raw: &[u8]| gatepost_invariants::authority::holds(raw));
