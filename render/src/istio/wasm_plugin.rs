//! WasmPlugin: what most gateways of Istio's take.

use serde::Serialize;

use super::attachment::{Selector, TargetRef};
use super::plugin::{Plugin, TrafficSelector};
use super::version::IstioVersion;
use crate::object::{Metadata, Object};
use crate::yaml::{Noted, PolicyJson, document, noted};
use crate::{RenderError, Rendered};

/// `istio.extensions.v1alpha1.WasmPlugin`. The policy is last, because it is the longest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmPlugin<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<Selector<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_refs: Option<Vec<TargetRef<'a>>>,
    url: Noted<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_pull_secret: Option<&'a str>,
    phase: Noted<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
    fail_strategy: Noted<&'static str>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    matches: Option<[TrafficSelector; 1]>,
    plugin_config: PolicyJson<'a>,
}

impl Plugin<'_> {
    /// The plugin as a WasmPlugin.
    ///
    /// # Errors
    /// When the release of Istio is too old for what it says, or etcd cannot store the object.
    pub fn wasm_plugin(&self) -> Result<Rendered, RenderError> {
        let text = |policy| {
            let object = Object {
                api_version: "extensions.istio.io/v1alpha1",
                kind: "WasmPlugin",
                metadata: Metadata::new(self.name, self.namespace, self.is_complete()),
                spec: WasmPlugin {
                    selector: self.attachment.selector(),
                    target_refs: self.attachment.target_refs(),
                    url: noted(self.module.url(), self.module.comment()),
                    sha256: self.module.sha256(),
                    image_pull_secret: self.pull_secret,
                    phase: self.phase.noted(),
                    priority: self.priority,
                    fail_strategy: self.fail_strategy()?,
                    matches: self.matches(),
                    plugin_config: PolicyJson(policy),
                },
            };
            document(&self.about("a WasmPlugin", IstioVersion::OLDEST), &object)
        };
        // What YAML adds to the policy's JSON are blanks, of which an API server stores none.
        let size = text("{}")?.len() + self.policy.len();
        self.rendered("WasmPlugin", text(self.policy)?, size)
    }
}
