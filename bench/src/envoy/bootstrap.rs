//! The bootstrap of an Envoy with a listener for each arm and policy. Its connection managers do as
//! little as possible beside routing: no request ids, no dynamic statistics, no access log.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::arm::{Arm, Kind};
use super::policy::{Shape, Size};
use super::routes;
use crate::error::BenchError;

/// Renders the bootstrap. Modules are written to files in `folder`, which must exist until Envoy
/// has started.
///
/// # Errors
/// When a policy is wrong or a file cannot be written.
pub fn render(
    arms: &[Arm],
    shapes: &[Shape],
    size: Size,
    folder: &Path,
) -> Result<String, BenchError> {
    let mut files = Files { folder, written: HashMap::new() };
    let mut listeners = Vec::new();
    for arm in arms {
        for shape in shapes {
            listeners.push(listener(arm, *shape, size, &mut files)?);
        }
    }
    Ok(json!({ "static_resources": { "listeners": listeners } }).to_string())
}

struct Files<'a> {
    folder: &'a Path,
    written: HashMap<Vec<u8>, PathBuf>,
}

impl Files<'_> {
    fn path(&mut self, module: &[u8], ending: &str) -> Result<String, BenchError> {
        if !self.written.contains_key(module) {
            let path = self.folder.join(format!("{}.{ending}", self.written.len()));
            std::fs::write(&path, module)
                .map_err(|error| BenchError::Process { what: path.display().to_string(), error })?;
            self.written.insert(module.to_vec(), path);
        }
        Ok(self.written.get(module).map(|path| path.display().to_string()).unwrap_or_default())
    }
}

fn listener(
    arm: &Arm,
    shape: Shape,
    size: Size,
    files: &mut Files<'_>,
) -> Result<Value, BenchError> {
    let name = arm.listener(shape);
    let routes = match arm.kind {
        Kind::Routes(selection) => routes::alone(shape, size, selection),
        _ => routes::behind_a_filter(shape, size),
    };
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "dynamic_stats": false,
            "suppress_envoy_headers": true,
        },
    });
    let filters: Vec<Value> =
        filter(arm, shape, size, files)?.into_iter().chain([router]).collect();
    Ok(json!({
        "name": name,
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
        "filter_chains": [{
            "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.\
                        http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": name,
                    "codec_type": "HTTP1",
                    "generate_request_id": false,
                    "use_remote_address": true,
                    "normalize_path": true,
                    "route_config": routes,
                    "http_filters": filters,
                },
            }],
        }],
    }))
}

fn filter(
    arm: &Arm,
    shape: Shape,
    size: Size,
    files: &mut Files<'_>,
) -> Result<Option<Value>, BenchError> {
    Ok(match &arm.kind {
        Kind::Nothing | Kind::Routes(_) => None,
        Kind::Lua => Some(json!({
            "name": "envoy.filters.http.lua",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
                "default_source_code": { "inline_string": shape.lua(size) },
            },
        })),
        Kind::Native(module) => Some(json!({
            "name": "envoy.filters.http.dynamic_modules",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.\
                    dynamic_modules.v3.DynamicModuleFilter",
                "filter_name": "gatepost",
                "dynamic_module_config": {
                    "module": { "local": { "filename": files.path(module, "so")? } },
                    "do_not_close": true,
                },
                "filter_config": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": shape.configuration(size)?,
                },
            },
        })),
        Kind::Wasm { module, works } => {
            let configuration = if *works { shape.configuration(size)? } else { String::new() };
            // Each listener has its own VM. A VM that two shared would be warmed up for both by
            // one.
            let name = arm.listener(shape);
            Some(json!({
                "name": "envoy.filters.http.wasm",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                    "config": {
                        "name": name,
                        "failure_policy": "FAIL_CLOSED",
                        "configuration": {
                            "@type": "type.googleapis.com/google.protobuf.StringValue",
                            "value": configuration,
                        },
                        "vm_config": {
                            "vm_id": name,
                            "runtime": "envoy.wasm.runtime.v8",
                            "code": { "local": { "filename": files.path(module, "wasm")? } },
                        },
                    },
                },
            }))
        }
    })
}
