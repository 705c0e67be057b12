//! `gatepost render wasmplugin`, `trafficextension` and `envoyfilter`: objects that load the filter
//! into a gateway of Istio's.

use std::path::PathBuf;

use gatepost_authoring::PolicyFile;
use gatepost_render::istio::{Attachment, Insertion, IstioVersion, ModuleSource, Phase, Plugin};
use gatepost_render::{FailurePolicy, Rendered};

use super::failure::OnFailure;
use crate::commands::arguments::{object_name, read_policy};
use crate::commands::exit::CommandError;

/// The listeners of Istio's gateways for the Service's ports 80 and 443: of the Helm chart
/// `gateway`, and of `istioctl install`.
pub const CHART_LISTENERS: [u16; 4] = [80, 443, 8080, 8443];

/// A WasmPlugin for a gateway of Istio's, on standard output
#[derive(clap::Args)]
pub struct WasmPluginArguments {
    #[command(flatten)]
    plugin: PluginArguments,
    #[command(flatten)]
    place: PlaceArguments,
}

/// A TrafficExtension, WasmPlugin's successor since Istio 1.30, on standard output
#[derive(clap::Args)]
pub struct TrafficExtensionArguments {
    #[command(flatten)]
    plugin: PluginArguments,
    #[command(flatten)]
    place: PlaceArguments,
}

/// An EnvoyFilter for a gateway of Istio's, on standard output; it puts the filter before all
/// others
#[derive(clap::Args)]
pub struct EnvoyFilterArguments {
    #[command(flatten)]
    plugin: PluginArguments,
    /// Put the filter into the listener; without it, the gateway discovers it as a resource of its
    /// own (ECDS), and a new policy changes no listener
    #[arg(long)]
    inline: bool,
}

#[derive(clap::Args)]
struct PluginArguments {
    /// The policy file, YAML or JSON
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The module as an OCI image, as `gatepost push` prints it
    #[arg(
        long,
        value_name = "REGISTRY/NAME@DIGEST",
        group = "module",
        value_parser = ModuleSource::image
    )]
    image: Option<ModuleSource>,
    /// The module on an HTTP server
    #[arg(long, value_name = "URL", group = "module")]
    url: Option<String>,
    /// The SHA-256 of the module at --url, in hexadecimal
    #[arg(long, value_name = "HEX", requires = "url")]
    sha256: Option<String>,
    /// The module as a file in the gateway's container, mounted from a ConfigMap or an image
    #[arg(long, value_name = "PATH", group = "module", value_parser = ModuleSource::file)]
    file: Option<ModuleSource>,
    /// The object's name
    #[arg(long, value_name = "NAME", default_value = "gatepost", value_parser = object_name)]
    name: String,
    /// The object's namespace: the gateway's
    #[arg(long, value_name = "NAME", default_value = "istio-system", value_parser = object_name)]
    namespace: String,
    /// A label of the gateway's pods, as many as needed [default: istio=ingressgateway]
    #[arg(long, value_name = "KEY=VALUE", value_parser = label, conflicts_with = "targets")]
    selector: Vec<(String, String)>,
    /// The name of a Gateway of the Gateway API, instead of a selector; classic gateways ignore it
    #[arg(long = "target", value_name = "GATEWAY", value_parser = object_name)]
    targets: Vec<String>,
    /// The ports of the listeners that the policy is for: the Service's targetPorts [default:
    /// 80,443,8080,8443 with a selector, and all of a target]
    #[arg(
        long = "ports",
        value_name = "PORT,...",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    ports: Vec<u16>,
    /// All listeners of the pods, those inside the cluster too
    #[arg(long, conflicts_with = "ports")]
    every_listener: bool,
    /// What happens to requests when the filter's VM has failed [default: reload, and closed before
    /// Istio 1.27]
    #[arg(long, value_name = "BEHAVIOUR", value_enum)]
    on_failure: Option<OnFailure>,
    /// The release of Istio that takes the object
    #[arg(long, value_name = "VERSION", default_value_t)]
    istio: IstioVersion,
}

#[derive(clap::Args)]
struct PlaceArguments {
    /// A Secret with the credentials of the image's registry
    #[arg(long, value_name = "NAME", requires = "image", value_parser = object_name)]
    pull_secret: Option<String>,
    /// Before which of Istio's filters the policy decides
    #[arg(long, value_name = "PHASE", value_enum, default_value_t)]
    phase: PhaseArgument,
    /// The order among plugins of one phase: the highest number runs first
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    priority: Option<i32>,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum PhaseArgument {
    /// Before authentication, which probes cannot pass
    #[default]
    Authn,
    /// After authentication, before authorization
    Authz,
    /// After authorization
    Stats,
}

pub fn wasm_plugin(arguments: &WasmPluginArguments) -> Result<Rendered, CommandError> {
    render(Kind::WasmPlugin, &arguments.plugin, Some(&arguments.place))
}

pub fn traffic_extension(arguments: &TrafficExtensionArguments) -> Result<Rendered, CommandError> {
    render(Kind::TrafficExtension, &arguments.plugin, Some(&arguments.place))
}

pub fn envoy_filter(arguments: &EnvoyFilterArguments) -> Result<Rendered, CommandError> {
    let insertion = if arguments.inline { Insertion::Inline } else { Insertion::Discovered };
    render(Kind::EnvoyFilter(insertion), &arguments.plugin, None)
}

enum Kind {
    WasmPlugin,
    TrafficExtension,
    EnvoyFilter(Insertion),
}

fn render(
    kind: Kind,
    arguments: &PluginArguments,
    place: Option<&PlaceArguments>,
) -> Result<Rendered, CommandError> {
    let policy = read_policy(&arguments.policy)?;
    let attachment = attachment(arguments);
    let ports = ports(arguments, &policy, &attachment)?;
    let module = module(arguments)?;
    let default = if arguments.istio < IstioVersion::FAIL_RELOAD {
        FailurePolicy::Closed
    } else {
        FailurePolicy::Reload
    };
    let plugin = Plugin {
        name: &arguments.name,
        namespace: &arguments.namespace,
        attachment,
        ports: &ports,
        module: &module,
        pull_secret: place.and_then(|place| place.pull_secret.as_deref()),
        phase: match place.map(|place| place.phase).unwrap_or_default() {
            PhaseArgument::Authn => Phase::Authn,
            PhaseArgument::Authz => Phase::Authz,
            PhaseArgument::Stats => Phase::Stats,
        },
        priority: place.and_then(|place| place.priority),
        on_failure: arguments.on_failure.map_or(default, FailurePolicy::from),
        policy: &policy.json,
        istio: arguments.istio,
    };
    let rendered = match kind {
        Kind::WasmPlugin => plugin.wasm_plugin(),
        Kind::TrafficExtension => plugin.traffic_extension(),
        Kind::EnvoyFilter(insertion) => plugin.envoy_filter(insertion),
    };
    rendered.map_err(CommandError::other)
}

fn attachment(arguments: &PluginArguments) -> Attachment {
    match (&arguments.selector[..], &arguments.targets[..]) {
        ([], []) => Attachment::default(),
        (labels, []) => Attachment::Selector(labels.iter().cloned().collect()),
        (_, targets) => Attachment::Targets(targets.to_vec()),
    }
}

/// The listeners that the policy is for. A policy with private hosts would refuse the calls of the
/// cluster's own services at a cluster-local listener, which often has the same pods.
fn ports(
    arguments: &PluginArguments,
    policy: &PolicyFile,
    attachment: &Attachment,
) -> Result<Vec<u16>, CommandError> {
    match attachment {
        Attachment::Selector(_) if arguments.every_listener => {
            if policy.policy.results().has_private_hosts {
                return Err(CommandError::other(EveryListener));
            }
            Ok(Vec::new())
        }
        Attachment::Selector(_) if arguments.ports.is_empty() => Ok(CHART_LISTENERS.to_vec()),
        Attachment::Selector(_) | Attachment::Targets(_) => Ok(arguments.ports.clone()),
    }
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the policy refuses private hosts, and every listener of the pods can include a cluster-local \
     one (Knative's, on port 8081), where calls to them would get 404: give --ports instead of \
     --every-listener"
)]
struct EveryListener;

fn module(arguments: &PluginArguments) -> Result<ModuleSource, CommandError> {
    if let Some(url) = &arguments.url {
        let digest = arguments.sha256.as_deref();
        return ModuleSource::http(url, digest).map_err(CommandError::other);
    }
    let chosen = arguments.image.as_ref().or(arguments.file.as_ref());
    Ok(chosen.cloned().unwrap_or(ModuleSource::Missing))
}

/// Parses a label as `KEY=VALUE`.
pub fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && !value.is_empty() => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("write KEY=VALUE, as in istio=ingressgateway".to_owned()),
    }
}
