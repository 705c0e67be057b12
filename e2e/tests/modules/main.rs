//! Which modules a real Envoy loads, and which the host does: by the features of WebAssembly that
//! they use, and by what they import.

mod features;
mod imports;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use gatepost_host::{Engine, EngineOptions, Host, Module, PluginConfig, Vm, VmOptions};
use serde_json::json;

static ENVOY: LazyLock<PathBuf> =
    LazyLock::new(|| gatepost_e2e::envoy().unwrap_or_else(|error| panic!("{error}")));

/// What a module must have to be loaded, and nothing else.
const LEAST: &str = r#"
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
"#;

/// A module whose plugin starts when its feature works: `$works` returns 1.
fn module(text: &str, memory: &str) -> Vec<u8> {
    let text = format!(
        r#"(module {text} {LEAST} {memory}
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $works)))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Whether Envoy loads a module and starts its plugin; else the reason that it logs.
fn envoy_starts(wasm: &[u8]) -> Result<(), String> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(wasm).expect("a file that can be written");
    let wasm = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {"vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": file.path()}},
        }},
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.\
                  http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "modules",
        "http_filters": [{"name": "wasm", "typed_config": wasm}, {
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
        }],
        "route_config": {"name": "none"},
    });
    let bootstrap = json!({"static_resources": {"listeners": [{
        "name": "modules",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }]}],
    }]}});
    gatepost_testbed::envoy::process::validate(&ENVOY, &bootstrap.to_string())
        .map_err(|error| error.to_string())
}

/// Whether the host loads a module and starts its plugin; else its error.
fn host_starts(wasm: &[u8]) -> Result<(), String> {
    let engine = Engine::new(EngineOptions::default()).expect("an engine");
    let module = Module::new(&engine, "module", wasm).map_err(|error| error.to_string())?;
    let mut vm = Vm::new(&module, Host::default(), VmOptions::default())
        .map_err(|error| error.to_string())?;
    vm.start_plugin(PluginConfig::default()).map(drop).map_err(|error| error.to_string())
}
