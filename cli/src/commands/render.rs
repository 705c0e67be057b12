//! `gatepost render`: the configuration that runs a policy, on standard output. What a person must
//! know about it goes to standard error.

mod envoy;
mod failure;
mod gcp;
mod plugin;
mod routes;

use clap::Subcommand;
use gatepost_render::Rendered;

use super::exit::{CommandError, Exit};
use super::output::print;

/// Write a configuration that runs a policy
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Subcommand)]
enum Kind {
    #[command(name = "wasmplugin")]
    WasmPlugin(plugin::WasmPluginArguments),
    #[command(name = "trafficextension")]
    TrafficExtension(plugin::TrafficExtensionArguments),
    #[command(name = "envoyfilter")]
    EnvoyFilter(plugin::EnvoyFilterArguments),
    Routes(routes::Arguments),
    #[command(name = "gcp-plugin")]
    GcpPlugin(gcp::Arguments),
    Envoy(envoy::EnvoyArguments),
    Ecds(envoy::EcdsArguments),
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    match &arguments.kind {
        Kind::WasmPlugin(arguments) => write(&plugin::wasm_plugin(arguments)?),
        Kind::TrafficExtension(arguments) => write(&plugin::traffic_extension(arguments)?),
        Kind::EnvoyFilter(arguments) => write(&plugin::envoy_filter(arguments)?),
        Kind::Routes(arguments) => write(&routes::render(arguments)?),
        Kind::GcpPlugin(arguments) => write(&gcp::render(arguments)?),
        Kind::Envoy(arguments) => write(&envoy::envoy(arguments)?),
        Kind::Ecds(arguments) => write(&envoy::ecds(arguments)?),
    }
}

fn write(rendered: &Rendered) -> Result<Exit, CommandError> {
    for note in &rendered.notes {
        anstream::eprintln!("gatepost: {note}");
    }
    print(&rendered.text)?;
    Ok(Exit::Success)
}
