//! `gatepost render routes`: routes for what a policy writes.

use std::path::{Path, PathBuf};

use gatepost_authoring::{MAX_TEXT_FILE, read_file};
use gatepost_render::Rendered;
use gatepost_render::routes::{Api, Backends, GatewayName, Routes, ServicesFile};

use super::plugin::{CHART_LISTENERS, label};
use crate::commands::arguments::{object_name, read_manifests, read_policy};
use crate::commands::exit::CommandError;

/// The label by which Istio marks the pods of a Gateway of the Gateway API.
const GATEWAY_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

/// Routes for what a policy writes: health checks to the pod itself, environments by host, mapped
/// services; on standard output
#[derive(clap::Args)]
pub struct Arguments {
    /// The policy file, YAML or JSON
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The Gateway object that the routes belong to
    #[arg(long, value_name = "NAMESPACE/NAME")]
    gateway: Option<GatewayName>,
    /// Write HTTPRoutes and GRPCRoutes for a Gateway of the Gateway API, instead of VirtualServices
    #[arg(long)]
    gateway_api: bool,
    /// The namespace of the gateway's pods [default: istio-system, and the Gateway's with
    /// --gateway-api]
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    namespace: Option<String>,
    /// A label of the gateway's pods, as many as needed [default: istio=ingressgateway, and the
    /// Gateway's name with --gateway-api]
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    selector: Vec<(String, String)>,
    /// The ports of the gateway's listeners [default: 80,443,8080,8443, and 80,443 with
    /// --gateway-api]
    #[arg(
        long,
        value_name = "PORT,...",
        value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    ports: Vec<u16>,
    /// Which Service answers which authority: see docs/istio.md
    #[arg(long, value_name = "FILE")]
    services: Option<PathBuf>,
    /// Manifests with the cluster's Services and routes: a folder or a file, also as `kubectl get
    /// services,virtualservices -A -o yaml` prints them
    #[arg(long, value_name = "PATH")]
    manifests: Option<PathBuf>,
}

pub fn render(arguments: &Arguments) -> Result<Rendered, CommandError> {
    let policy = read_policy(&arguments.policy)?;
    let listed = arguments.services.as_deref().map(services).transpose()?.unwrap_or_default();
    let manifests = arguments.manifests.as_deref().map(read_manifests).transpose()?;
    let manifests = manifests.unwrap_or_default();
    let gateway = arguments.gateway.as_ref();
    let of_gateway_api = gateway.filter(|_| arguments.gateway_api);
    let namespace = arguments.namespace.as_deref();
    let namespace = namespace.or(of_gateway_api.map(GatewayName::namespace));
    let (api, ports) = match arguments.gateway_api {
        false => (Api::Istio, &CHART_LISTENERS[..]),
        true => (Api::Gateway, &[80, 443][..]),
    };
    let selector: Vec<(&str, &str)> = match (&arguments.selector[..], of_gateway_api) {
        ([], None) => vec![("istio", "ingressgateway")],
        ([], Some(gateway)) => vec![(GATEWAY_LABEL, gateway.name())],
        (labels, _) => labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect(),
    };
    let routes = Routes {
        results: &policy.policy.results(),
        gateway,
        namespace: namespace.unwrap_or("istio-system"),
        api,
        ports: if arguments.ports.is_empty() { ports } else { &arguments.ports },
        selector: &selector,
        backends: &Backends { listed, manifests },
    };
    routes.render().map_err(CommandError::other)
}

fn services(path: &Path) -> Result<ServicesFile, CommandError> {
    let unreadable = |error| CommandError::Unreadable { path: path.to_owned(), error };
    let bytes = read_file(path, MAX_TEXT_FILE).map_err(unreadable)?;
    let file = ServicesFile::parse(&String::from_utf8_lossy(&bytes));
    file.map_err(|error| CommandError::other(InServices { path: path.to_owned(), error }))
}

#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
struct InServices {
    path: PathBuf,
    error: gatepost_render::routes::ServicesFileError,
}
