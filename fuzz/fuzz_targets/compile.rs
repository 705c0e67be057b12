//! Any bytes as plugin configuration.

#![no_main]

libfuzzer_sys::fuzz_target!(|configuration: &[u8]| gatepost_invariants::compile::holds(
    configuration
));
