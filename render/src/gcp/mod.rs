//! The filter inside Google Cloud's load balancer: a GCPWasmPlugin and the GCPEdgeExtension that
//! runs it before routing. Only balancers of a GKE Gateway take plugins.
//!
//! The fields are those of GKE's CRDs (`networking.gke.io/v1`). The policy is not in the objects:
//! the platform reads it from an image of its own.

mod image;

#[cfg(test)]
mod tests;

use serde::Serialize;

use gatepost_engine::Results;
use gatepost_manifests::Manifests;

use crate::object::{Metadata, Object};
use crate::yaml::{Noted, document, noted};
use crate::{RenderError, Rendered, join};

pub use image::{GcpImage, NoGcpImage};

/// The memory that the platform gives a plugin, in bytes.
pub const MEMORY: usize = 16 << 20;

/// The share of requests that a version gets when it gets all, in millionths.
const ALL: u32 = 1_000_000;

/// The filter in a load balancer.
#[derive(Clone, Debug)]
pub struct GcpPlugin<'a> {
    /// The name of both objects.
    pub name: &'a str,
    /// Their namespace, which is the Gateway's.
    pub namespace: &'a str,
    /// The Gateway; without one a placeholder.
    pub gateway: Option<&'a str>,
    /// The image of the module, in Artifact Registry; without one a placeholder.
    pub module: Option<&'a GcpImage>,
    /// The image of the policy, whose one file is `plugin.config`; without one a placeholder.
    pub policy: Option<&'a GcpImage>,
    /// What the policy does.
    pub results: &'a Results,
    /// The linear memory that the filter takes with it, in bytes.
    pub memory: usize,
    /// The cluster's objects, as far as they are known.
    pub manifests: &'a Manifests,
}

/// `GCPWasmPluginSpec`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmPlugin {
    versions: [Version; 1],
    log_config: LogConfig,
}

#[derive(Serialize)]
struct Version {
    name: &'static str,
    image: Noted<String>,
    #[serde(rename = "pluginConfigURI")]
    plugin_config_uri: Noted<String>,
    weight: Noted<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogConfig {
    enabled: bool,
    min_log_level: Noted<&'static str>,
}

/// `GCPEdgeExtensionSpec`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EdgeExtension<'a> {
    target_refs: [TargetRef<'a>; 1],
    extension_chains: [Chain<'a>; 1],
}

#[derive(Serialize)]
struct TargetRef<'a> {
    group: &'static str,
    kind: &'static str,
    name: &'a str,
}

#[derive(Serialize)]
struct Chain<'a> {
    name: &'static str,
    extensions: [Extension<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Extension<'a> {
    name: &'static str,
    backend_ref: BackendRef<'a>,
    supported_events: [&'static str; 1],
    fail_open: Noted<bool>,
}

#[derive(Serialize)]
struct BackendRef<'a> {
    group: &'static str,
    kind: &'static str,
    name: &'a str,
}

impl GcpPlugin<'_> {
    /// Both objects as YAML documents.
    ///
    /// # Errors
    /// When the policy does nothing there, needs more memory than the platform gives, or the
    /// cluster's balancer takes no plugin.
    pub fn render(&self) -> Result<Rendered, RenderError> {
        if self.results.is_of_probes_alone {
            return Err(RenderError::GcpProbesAlone);
        }
        if self.memory > MEMORY {
            return Err(RenderError::GcpMemory { needed: self.memory, limit: MEMORY });
        }
        if let Some(ingress) = self.manifests.ingresses.iter().find(|found| found.is_of_gke()) {
            let origin = ingress.origin.clone();
            return Err(RenderError::GcpClassic { origin: Box::new(origin) });
        }
        let mut notes = Vec::new();
        let missing: Vec<&str> = [
            (self.gateway.is_none(), "--gateway"),
            (self.module.is_none(), "--image"),
            (self.policy.is_none(), "--policy-image"),
        ]
        .into_iter()
        .filter_map(|(is_missing, option)| is_missing.then_some(option))
        .collect();
        if !missing.is_empty() {
            notes.push(format!(
                "the objects have placeholders, and no API server takes them: give {}",
                missing.join(", ")
            ));
        }
        if !self.results.rewrites.is_empty() {
            notes.push(
                "the balancer's own probes pass no plugin, so the policy's health checks match \
                 nothing there: use a HealthCheckPolicy for the backend"
                    .to_owned(),
            );
        }
        let plugin = self.wasm_plugin()?;
        Ok(Rendered { text: join(&[plugin, self.edge_extension()?]), notes })
    }

    fn wasm_plugin(&self) -> Result<String, RenderError> {
        let is_complete = self.module.is_some() && self.policy.is_some();
        let image = |image: Option<&GcpImage>, what: &str, complete: &str| match image {
            Some(image) => noted(image.to_string(), complete),
            None => noted(format!("REGION-docker.pkg.dev/PROJECT/REPLACE-ME/{what}"), "REPLACE ME"),
        };
        let object = Object {
            api_version: "networking.gke.io/v1",
            kind: "GCPWasmPlugin",
            metadata: Metadata::new(self.name, self.namespace, is_complete),
            spec: WasmPlugin {
                versions: [Version {
                    name: "v1",
                    image: image(self.module, "gatepost", "the module, as plugin.wasm"),
                    plugin_config_uri: image(self.policy, "policy", "the policy, as plugin.config"),
                    weight: noted(ALL, "exactly one version has a weight"),
                }],
                log_config: LogConfig {
                    enabled: true,
                    min_log_level: noted("WARN", "a refused policy is logged as an error"),
                },
            },
        };
        let about = "Gatepost in the load balancer of a GKE Gateway. There are no counters of its \
                     own there.\nA new policy is a new image, and a new version here.";
        document(about, &object)
    }

    fn edge_extension(&self) -> Result<String, RenderError> {
        let name = self.gateway.unwrap_or("REPLACE-ME");
        let object = Object {
            api_version: "networking.gke.io/v1",
            kind: "GCPEdgeExtension",
            metadata: Metadata::new(self.name, self.namespace, self.gateway.is_some()),
            spec: EdgeExtension {
                target_refs: [TargetRef {
                    group: "gateway.networking.k8s.io",
                    kind: "Gateway",
                    name,
                }],
                extension_chains: [Chain {
                    name: "gatepost",
                    extensions: [Extension {
                        name: "gatepost",
                        backend_ref: BackendRef {
                            group: "networking.gke.io",
                            kind: "GCPWasmPlugin",
                            name: self.name,
                        },
                        supported_events: ["RequestHeaders"],
                        fail_open: noted(false, "a request that was not checked gets 500"),
                    }],
                }],
            },
        };
        document("Runs the plugin before the balancer chooses a backend.", &object)
    }
}
