//! TrafficExtension: WasmPlugin's successor.

use serde::Serialize;

use super::attachment::{Selector, TargetRef};
use super::plugin::{Plugin, TrafficSelector};
use super::version::IstioVersion;
use crate::object::{Metadata, Object};
use crate::yaml::{Noted, PolicyJson, document, noted};
use crate::{RenderError, Rendered};

/// `istio.extensions.v1alpha1.TrafficExtension`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TrafficExtension<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<Selector<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_refs: Option<Vec<TargetRef<'a>>>,
    phase: Noted<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i32>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    matches: Option<[TrafficSelector; 1]>,
    wasm: Wasm<'a>,
}

/// `WasmConfig`. The policy is last, because it is the longest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wasm<'a> {
    url: Noted<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_pull_secret: Option<&'a str>,
    fail_strategy: Noted<&'static str>,
    plugin_config: PolicyJson<'a>,
}

impl Plugin<'_> {
    /// The plugin as a TrafficExtension.
    ///
    /// # Errors
    /// When the release of Istio is too old, or etcd cannot store the object.
    pub fn traffic_extension(&self) -> Result<Rendered, RenderError> {
        let needs = IstioVersion::TRAFFIC_EXTENSION;
        if self.istio < needs {
            let what = "TrafficExtension";
            return Err(RenderError::NeedsIstio { what, needs, has: self.istio });
        }
        let text = |policy| {
            let object = Object {
                api_version: "extensions.istio.io/v1alpha1",
                kind: "TrafficExtension",
                metadata: Metadata::new(self.name, self.namespace, self.is_complete()),
                spec: TrafficExtension {
                    selector: self.attachment.selector(),
                    target_refs: self.attachment.target_refs(),
                    phase: self.phase.noted(),
                    priority: self.priority,
                    matches: self.matches(),
                    wasm: Wasm {
                        url: noted(self.module.url(), self.module.comment()),
                        sha256: self.module.sha256(),
                        image_pull_secret: self.pull_secret,
                        fail_strategy: self.fail_strategy()?,
                        plugin_config: PolicyJson(policy),
                    },
                },
            };
            document(&self.about("a TrafficExtension", needs), &object)
        };
        // What YAML adds to the policy's JSON are blanks, of which an API server stores none.
        let size = text("{}")?.len() + self.policy.len();
        self.rendered("TrafficExtension", text(self.policy)?, size)
    }
}
