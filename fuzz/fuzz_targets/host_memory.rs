//! Any program of a guest that gives the host invalid pointers, lengths, maps and buffers.

#![no_main]

libfuzzer_sys::fuzz_target!(|program: &[u8]| gatepost_invariants_wasm::wild::holds(program));
