//! Any response to any request, under one of the policies of `gatepost_invariants::case`.

#![no_main]

libfuzzer_sys::fuzz_target!(|case: &[u8]| gatepost_invariants::case::response_holds(case));
