//! `gatepost render envoy`: a complete bootstrap for an Envoy of one's own.

use std::net::SocketAddr;
use std::path::PathBuf;

use gatepost_render::bootstrap::{AccessLog, Bootstrap, Module, Plugin, PluginSource, Route};

use super::failure::OnFailure;
use crate::commands::arguments::{address, read_policy};
use crate::commands::exit::{CommandError, Exit};
use crate::commands::output::print;

/// A complete static Envoy bootstrap on standard output, for `envoy -c`
#[derive(clap::Args)]
pub struct Arguments {
    /// The policy file, YAML or JSON
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Which upstream serves a host: exact, `*.suffix`, or `*` for every other host (404 without
    /// it); as many as there are hosts
    #[arg(long = "route", value_name = "HOST=ADDRESS:PORT", num_args = 1.., required = true)]
    routes: Vec<Route>,
    /// Where Envoy accepts connections
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    listen: SocketAddr,
    /// Envoy's admin interface, on loopback only; off without it
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    admin: Option<SocketAddr>,
    /// Where Envoy finds the filter's module, as `gatepost filter` writes it; without it the module
    /// is in the bootstrap
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// How many proxies in front are trusted to have written `x-forwarded-for`; 2 behind a Google
    /// Cloud load balancer
    #[arg(long, value_name = "N", default_value_t = 0)]
    trusted_hops: u32,
    /// Log a line for each request, with the rule that answered it
    #[arg(long)]
    access_log: bool,
    /// What happens to requests when the filter's VM has failed
    #[arg(long, value_name = "BEHAVIOUR", value_enum, default_value = "reload")]
    on_failure: OnFailure,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let policy = read_policy(&arguments.policy)?;
    let bootstrap = Bootstrap {
        listen: arguments.listen,
        admin: arguments.admin,
        routes: &arguments.routes,
        trusted_hops: arguments.trusted_hops,
        access_log: if arguments.access_log { AccessLog::Stdout } else { AccessLog::Off },
        plugin: PluginSource::Static(Plugin {
            module: arguments
                .wasm
                .as_deref()
                .map_or(Module::Inline(gatepost_filter_wasm::MODULE), Module::File),
            configuration: &policy.json,
            on_failure: arguments.on_failure.into(),
        }),
    };
    let mut document = bootstrap.render().map_err(CommandError::other)?;
    if !document.ends_with('\n') {
        document.push('\n');
    }
    print(&document)?;
    Ok(Exit::Success)
}
