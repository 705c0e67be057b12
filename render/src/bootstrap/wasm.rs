//! Envoy's wasm HTTP filter: either with the module and the policy in it, or as a reference to a
//! file that holds both and that Envoy watches (extension configuration discovery, ECDS).

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::message::{Any, Empty, Extension, to_json, utf8};
use crate::{FailurePolicy, RenderError};

/// The name of the filter, of its plugin and of its ECDS resource, which Envoy finds by the
/// filter's name.
const NAME: &str = "gatepost";
const WASM_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// Where Envoy reads the filter from.
#[derive(Clone, Debug)]
pub enum PluginSource<'a> {
    /// Written into the bootstrap. Envoy refuses to start when the filter refuses its
    /// configuration.
    Static(Plugin<'a>),
    /// A file that [`Plugin::render_ecds`] wrote. It must exist when Envoy starts. To replace it,
    /// rename a new file over it: Envoy watches its folder for moves, not for writes. A new version
    /// of a mounted ConfigMap is such a move. When Envoy or the filter refuses the new file, the
    /// old one stays in force. When the first file is refused, Envoy runs
    /// and answers 500 until a valid one comes (measured: e2e/tests/bootstrap/discovery.rs). The
    /// name must end in `.json` or `.yaml`.
    FileEcds {
        /// The file's path for Envoy's process; a relative path starts at Envoy's working
        /// directory.
        path: &'a Path,
    },
}

/// A module with its configuration.
#[derive(Clone, Debug)]
pub struct Plugin<'a> {
    /// The filter.
    pub module: Module<'a>,
    /// The policy as JSON. The filter gets it byte for byte: Envoy passes the content of a
    /// `google.protobuf.StringValue` unchanged. A `Struct` would turn every number into a double.
    pub configuration: &'a str,
    /// What happens to requests after the module trapped.
    pub on_failure: FailurePolicy,
}

/// A wasm module.
#[derive(Clone)]
pub enum Module<'a> {
    /// In the document, as base64.
    Inline(&'a [u8]),
    /// In a file, with its path for Envoy's process; a relative path starts at Envoy's working
    /// directory.
    File(&'a Path),
}

impl fmt::Debug for Module<'_> {
    /// Shows the length of an inline module instead of its bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

impl<'a> Plugin<'a> {
    /// The content of the file that [`PluginSource::FileEcds`] names: a discovery response with
    /// this plugin. `version` is only shown in the admin interface's `/config_dump`. Write the new
    /// file beside the old one and rename it over the old one.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn render_ecds(&self, version: &str) -> Result<String, RenderError> {
        to_json(&DiscoveryResponse {
            version_info: version,
            resources: [Any {
                type_url: "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
                message: Extension { name: NAME, typed_config: self.wasm()? },
            }],
        })
    }

    fn wasm(&self) -> Result<Any<Wasm<'a>>, RenderError> {
        let local = match self.module {
            Module::Inline(bytes) => DataSource::InlineBytes(STANDARD.encode(bytes)),
            Module::File(path) => DataSource::Filename(utf8(path)?),
        };
        Ok(Any {
            type_url: WASM_TYPE,
            message: Wasm {
                config: PluginConfig {
                    name: NAME,
                    failure_policy: self.on_failure.of_envoy(),
                    configuration: Any {
                        type_url: "type.googleapis.com/google.protobuf.StringValue",
                        message: StringValue { value: self.configuration },
                    },
                    vm_config: VmConfig {
                        vm_id: NAME,
                        runtime: "envoy.wasm.runtime.v8",
                        code: Code { local },
                    },
                },
            },
        })
    }
}

/// `HttpFilter`, in the three forms that the connection manager holds.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum HttpFilter<'a> {
    Static { name: &'static str, typed_config: Any<Wasm<'a>> },
    Discovered { name: &'static str, config_discovery: ConfigDiscovery<'a> },
    Router(Extension<Empty>),
}

impl<'a> HttpFilter<'a> {
    pub(super) fn of(source: &PluginSource<'a>) -> Result<Self, RenderError> {
        match source {
            PluginSource::Static(plugin) => {
                Ok(Self::Static { name: NAME, typed_config: plugin.wasm()? })
            }
            PluginSource::FileEcds { path } => {
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = utf8(folder.unwrap_or(Path::new(".")))?;
                Ok(Self::Discovered {
                    name: NAME,
                    config_discovery: ConfigDiscovery {
                        config_source: ConfigSource {
                            path_config_source: PathConfigSource {
                                path: utf8(path)?,
                                watched_directory: WatchedDirectory { path: folder },
                            },
                            resource_api_version: "V3",
                        },
                        type_urls: [WASM_TYPE],
                    },
                })
            }
        }
    }
}

/// `ExtensionConfigSource`, without a default: the listener waits until the file was read once, and
/// until a configuration is accepted each request is answered with 500.
#[derive(Serialize)]
pub(super) struct ConfigDiscovery<'a> {
    config_source: ConfigSource<'a>,
    type_urls: [&'static str; 1],
}

#[derive(Serialize)]
struct ConfigSource<'a> {
    path_config_source: PathConfigSource<'a>,
    resource_api_version: &'static str,
}

#[derive(Serialize)]
struct PathConfigSource<'a> {
    path: &'a str,
    watched_directory: WatchedDirectory<'a>,
}

/// Without it Envoy watches the file alone. A file of a mounted ConfigMap is never moved itself: it
/// is a link through another one, and that one is.
#[derive(Serialize)]
struct WatchedDirectory<'a> {
    path: &'a str,
}

#[derive(Serialize)]
struct DiscoveryResponse<'a> {
    version_info: &'a str,
    resources: [Any<Extension<Wasm<'a>>>; 1],
}

/// `extensions.filters.http.wasm.v3.Wasm`.
#[derive(Serialize)]
pub(super) struct Wasm<'a> {
    config: PluginConfig<'a>,
}

/// `extensions.wasm.v3.PluginConfig`. The VM is last because it holds the module.
#[derive(Serialize)]
struct PluginConfig<'a> {
    name: &'static str,
    failure_policy: &'static str,
    configuration: Any<StringValue<'a>>,
    vm_config: VmConfig<'a>,
}

#[derive(Serialize)]
struct StringValue<'a> {
    value: &'a str,
}

/// On each worker, Envoy shares one VM between plugins with equal `vm_id` and code, so a new policy
/// alone keeps the VM.
#[derive(Serialize)]
struct VmConfig<'a> {
    vm_id: &'static str,
    runtime: &'static str,
    code: Code<'a>,
}

#[derive(Serialize)]
struct Code<'a> {
    local: DataSource<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum DataSource<'a> {
    InlineBytes(String),
    Filename(&'a str),
}
