//! What the module shows to its host.

/// The exports of the module, and why each is there. Envoy enters the VM once for each callback
/// that it finds.
pub const EXPORTS: &[(&str, &str)] = &[
    ("memory", "the host reads and writes it"),
    ("_initialize", "WASI: called once, before anything else"),
    ("proxy_abi_version_0_2_1", "the version of the ABI"),
    ("proxy_on_memory_allocate", "the host asks for room for the values that it hands over"),
    ("proxy_on_configure", "compiles the policy"),
    ("proxy_on_request_headers", "decides"),
    ("proxy_on_tick", "tells the counters"),
];
