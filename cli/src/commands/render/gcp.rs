//! `gatepost render gcp-plugin`: the filter inside Google Cloud's load balancer.

use std::path::PathBuf;

use gatepost_gateway::FilterModule;
use gatepost_render::Rendered;
use gatepost_render::gcp::{GcpImage, GcpPlugin};

use crate::cache;
use crate::commands::arguments::{object_name, read_manifests, read_policy};
use crate::commands::exit::CommandError;

/// A GCPWasmPlugin and its GCPEdgeExtension for a GKE Gateway, on standard output
#[derive(clap::Args)]
pub struct Arguments {
    /// The policy file, YAML or JSON
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The image of the module, in Artifact Registry
    #[arg(long, value_name = "IMAGE")]
    image: Option<GcpImage>,
    /// The image of the policy, whose one file is plugin.config
    #[arg(long, value_name = "IMAGE")]
    policy_image: Option<GcpImage>,
    /// The Gateway, in the same namespace
    #[arg(long, value_name = "NAME", value_parser = object_name)]
    gateway: Option<String>,
    /// The namespace of the objects: the Gateway's
    #[arg(long, value_name = "NAME", default_value = "default", value_parser = object_name)]
    namespace: String,
    /// The name of the objects
    #[arg(long, value_name = "NAME", default_value = "gatepost", value_parser = object_name)]
    name: String,
    /// Manifests of the cluster, a folder or a file: a GKE Ingress among them shows that the
    /// balancer is a classic one, which takes no plugin
    #[arg(long, value_name = "PATH")]
    manifests: Option<PathBuf>,
}

pub fn render(arguments: &Arguments) -> Result<Rendered, CommandError> {
    let policy = read_policy(&arguments.policy)?;
    let manifests = arguments.manifests.as_deref().map(read_manifests).transpose()?;
    let (module, state) = FilterModule::load(cache::directory()).map_err(CommandError::other)?;
    cache::report(&state);
    let memory = module.memory_bytes(&policy.json).map_err(CommandError::other)?;
    let plugin = GcpPlugin {
        name: &arguments.name,
        namespace: &arguments.namespace,
        gateway: arguments.gateway.as_deref(),
        module: arguments.image.as_ref(),
        policy: arguments.policy_image.as_ref(),
        results: &policy.policy.results(),
        memory,
        manifests: &manifests.unwrap_or_default(),
    };
    plugin.render().map_err(CommandError::other)
}
