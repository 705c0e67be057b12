//! EnvoyFilter: for gateways whose Istio takes no WasmPlugin. It patches what istiod makes, so a
//! mistake in it can stop every update of the gateway's listeners; the other two kinds cannot.

use serde::Serialize;

use super::attachment::Attachment;
use super::module_source::ModuleSource;
use super::plugin::Plugin;
use super::version::IstioVersion;
use crate::envoy_filter::{ConfigPatch, EnvoyFilter, Patch, WorkloadSelector};
use crate::object::{Metadata, Object};
use crate::yaml::{Noted, PolicyText, document, noted};
use crate::{RenderError, Rendered};

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// How an EnvoyFilter brings the filter into a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Insertion {
    /// As a resource of its own, which the gateway discovers (ECDS). Only there Istio's agent
    /// fetches a module, and a new policy changes no listener.
    #[default]
    Discovered,
    /// In the listener. The module must be a file.
    Inline,
}

#[derive(Serialize)]
struct Match {
    context: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<ListenerMatch>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListenerMatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    port_number: Option<Noted<u16>>,
    filter_chain: FilterChainMatch,
}

#[derive(Serialize)]
struct FilterChainMatch {
    filter: FilterMatch,
}

#[derive(Serialize)]
struct FilterMatch {
    name: &'static str,
}

/// `HttpFilter` or `TypedExtensionConfig`.
#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Discovery { name: String, config_discovery: ConfigDiscovery },
    Filter { name: String, typed_config: Wasm<'a> },
}

#[derive(Serialize)]
struct ConfigDiscovery {
    config_source: ConfigSource,
    type_urls: [&'static str; 1],
}

#[derive(Serialize)]
struct ConfigSource {
    ads: Empty,
    initial_fetch_timeout: Noted<&'static str>,
    resource_api_version: &'static str,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Wasm<'a> {
    #[serde(rename = "@type")]
    type_url: &'static str,
    config: PluginConfig<'a>,
}

/// `envoy.extensions.wasm.v3.PluginConfig`. The policy is last, because it is the longest.
#[derive(Serialize)]
struct PluginConfig<'a> {
    name: String,
    failure_policy: &'static str,
    vm_config: VmConfig<'a>,
    configuration: Configuration<'a>,
}

#[derive(Serialize)]
struct VmConfig<'a> {
    vm_id: String,
    runtime: &'static str,
    code: Code<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Code<'a> {
    Local { filename: Noted<&'a str> },
    Remote { http_uri: HttpUri, sha256: &'a str },
}

/// Istio's agent fetches the URI, and gives Envoy a local file. Envoy requires the other two
/// fields, and never uses them.
#[derive(Serialize)]
struct HttpUri {
    uri: Noted<String>,
    timeout: &'static str,
    cluster: &'static str,
}

/// A text. Envoy gives a filter the bytes of any other message, and not its JSON.
#[derive(Serialize)]
struct Configuration<'a> {
    #[serde(rename = "@type")]
    type_url: &'static str,
    value: &'a PolicyText,
}

impl Plugin<'_> {
    /// The plugin as an EnvoyFilter. It comes before all other filters, whatever the phase.
    ///
    /// # Errors
    /// When Istio is too old, an inline plugin has no file, the module needs a pull secret, which
    /// an EnvoyFilter cannot name, there are several target gateways, which it cannot select, or
    /// etcd cannot store the object.
    pub fn envoy_filter(&self, insertion: Insertion) -> Result<Rendered, RenderError> {
        if self.pull_secret.is_some() {
            return Err(RenderError::EnvoyFilterPullSecret);
        }
        if insertion == Insertion::Inline && !matches!(self.module, ModuleSource::File(_)) {
            return Err(RenderError::InlineNeedsFile);
        }
        self.fail_strategy()?;
        let labels = match &self.attachment {
            Attachment::Selector(labels) => {
                labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
            }
            Attachment::Targets(names) => match &names[..] {
                [name] => [("gateway.networking.k8s.io/gateway-name", name.as_str())].into(),
                _ => return Err(RenderError::EnvoyFilterTargets),
            },
        };
        let policy = PolicyText::new(self.policy)?;
        let config_patches = match insertion {
            Insertion::Inline => self.listener_patches(|| self.filter(&policy)),
            Insertion::Discovered => {
                let resource = ConfigPatch {
                    apply_to: "EXTENSION_CONFIG",
                    matching: Match { context: "GATEWAY", listener: None },
                    patch: Patch { operation: "ADD", value: self.filter(&policy) },
                };
                let mut patches = self.listener_patches(|| self.discovery());
                patches.push(resource);
                patches
            }
        };
        let object = Object {
            api_version: "networking.istio.io/v1alpha3",
            kind: "EnvoyFilter",
            metadata: Metadata::new(self.name, self.namespace, self.is_complete()),
            spec: EnvoyFilter { workload_selector: WorkloadSelector { labels }, config_patches },
        };
        let text = document(&self.about("an EnvoyFilter", IstioVersion::OLDEST), &object)?;
        let size = text.len();
        self.rendered("EnvoyFilter", text, size)
    }

    /// One patch for each listener, or one for all.
    fn listener_patches<'p>(
        &self,
        value: impl Fn() -> Value<'p>,
    ) -> Vec<ConfigPatch<Match, Value<'p>>> {
        let ports = self.ports.iter().map(|port| {
            Some(noted(*port, "a listener's port: the Service's targetPort, not its port"))
        });
        let all = self.ports.is_empty().then_some(None);
        let patch = |port_number| ConfigPatch {
            apply_to: "HTTP_FILTER",
            matching: Match {
                context: "GATEWAY",
                listener: Some(ListenerMatch {
                    port_number,
                    filter_chain: FilterChainMatch { filter: FilterMatch { name: MANAGER } },
                }),
            },
            patch: Patch { operation: "INSERT_FIRST", value: value() },
        };
        ports.chain(all).map(patch).collect()
    }

    fn resource(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    fn discovery<'p>(&self) -> Value<'p> {
        Value::Discovery {
            name: self.resource(),
            config_discovery: ConfigDiscovery {
                config_source: ConfigSource {
                    ads: Empty {},
                    initial_fetch_timeout: noted("0s", "a listener waits for its filter"),
                    resource_api_version: "V3",
                },
                type_urls: [WASM],
            },
        }
    }

    fn filter<'p>(&'p self, policy: &'p PolicyText) -> Value<'p> {
        let comment = self.module.comment();
        let code = match self.module {
            ModuleSource::File(path) => Code::Local { filename: noted(path, comment) },
            module => Code::Remote {
                http_uri: HttpUri {
                    uri: noted(module.url(), comment),
                    timeout: "30s",
                    cluster: "fetched-by-the-agent",
                },
                sha256: module.sha256().unwrap_or_default(),
            },
        };
        Value::Filter {
            name: self.resource(),
            typed_config: Wasm {
                type_url: WASM,
                config: PluginConfig {
                    name: self.resource(),
                    failure_policy: self.on_failure.of_envoy(),
                    vm_config: VmConfig {
                        vm_id: self.resource(),
                        runtime: "envoy.wasm.runtime.v8",
                        code,
                    },
                    configuration: Configuration {
                        type_url: "type.googleapis.com/google.protobuf.StringValue",
                        value: policy,
                    },
                },
            },
        }
    }
}
