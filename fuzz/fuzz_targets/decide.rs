//! Any request, decided on by the engine under one of the policies of `gatepost_invariants::case`.

#![no_main]

libfuzzer_sys::fuzz_target!(|case: &[u8]| gatepost_invariants::case::holds(case));
