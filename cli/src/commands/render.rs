//! `gatepost render`: the configuration that runs a policy, on standard output.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Subcommand;
use gatepost_render::bootstrap::{
    AccessLog, Bootstrap, FailurePolicy, Module, Plugin, PluginSource, Route,
};

use super::arguments::{address, read_policy};
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
    Envoy(EnvoyArguments),
}

/// A complete static Envoy bootstrap on standard output, for `envoy -c`
#[derive(clap::Args)]
struct EnvoyArguments {
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
    #[arg(long, value_name = "BEHAVIOUR", value_enum, default_value_t)]
    on_failure: OnFailure,
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
enum OnFailure {
    /// 503 until Envoy restarts
    Closed,
    /// 503 until the VM is built anew, a second later
    #[default]
    Reload,
    /// They pass without the filter
    Open,
}

pub fn run(arguments: &Arguments) -> Result<Exit, CommandError> {
    let Kind::Envoy(arguments) = &arguments.kind;
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
            on_failure: match arguments.on_failure {
                OnFailure::Closed => FailurePolicy::Closed,
                OnFailure::Reload => FailurePolicy::Reload,
                OnFailure::Open => FailurePolicy::Open,
            },
        }),
    };
    let mut document = bootstrap.render().map_err(CommandError::other)?;
    if !document.ends_with('\n') {
        document.push('\n');
    }
    print(&document)?;
    Ok(Exit::Success)
}
