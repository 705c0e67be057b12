//! Istio's objects that load the filter into a gateway: WasmPlugin, TrafficExtension and
//! EnvoyFilter. Each is a pure function of one description, [`Plugin`].
//!
//! What the fields do is Istio's: its references of the three kinds, and where they are silent its
//! source (`pilot/pkg/networking/core/extension`, `pkg/wasm`). The tests apply the objects to a
//! real control plane.
//!
//! ```
//! use gatepost_render::FailurePolicy;
//! use gatepost_render::istio::{Attachment, IstioVersion, ModuleSource, Phase, Plugin};
//!
//! let plugin = Plugin {
//!     name: "gatepost",
//!     namespace: "istio-system",
//!     attachment: Attachment::default(),
//!     ports: &[8080, 8443],
//!     module: &ModuleSource::File("/var/lib/gatepost/filter.wasm".to_owned()),
//!     pull_secret: None,
//!     phase: Phase::Authn,
//!     priority: None,
//!     on_failure: FailurePolicy::Reload,
//!     policy: r#"{"apiVersion": "gatepost/v1", "mode": "observe"}"#,
//!     istio: IstioVersion::default(),
//! };
//! let rendered = plugin.wasm_plugin()?;
//! assert!(rendered.text.contains("kind: WasmPlugin\n"));
//! assert!(rendered.notes.is_empty());
//! # Ok::<(), gatepost_render::RenderError>(())
//! ```

mod attachment;
mod envoy_filter;
mod module_source;
mod plugin;
mod traffic_extension;
mod version;
mod wasm_plugin;

#[cfg(test)]
mod tests;

pub use attachment::Attachment;
pub use envoy_filter::Insertion;
pub use module_source::{ModuleSource, ModuleSourceError};
pub use plugin::{Phase, Plugin};
pub use version::{IstioVersion, VersionError};
