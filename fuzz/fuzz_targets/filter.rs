//! The same requests, through the filter's module on the host.

#![no_main]

libfuzzer_sys::fuzz_target!(|case: &[u8]| gatepost_invariants_wasm::filter::holds(case));
