//! `gatepost render envoy` and `ecds`: a complete bootstrap for an Envoy of one's own, and the file
//! that it watches.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gatepost_render::bootstrap::{AccessLog, Bootstrap, Module, Plugin, PluginSource, Route};
use gatepost_render::{FailurePolicy, Rendered};

use super::failure::OnFailure;
use crate::commands::arguments::{address, read_policy};
use crate::commands::exit::CommandError;

/// A complete Envoy bootstrap on standard output, for `envoy -c`
#[derive(clap::Args)]
pub struct EnvoyArguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Which upstream serves a host: exact, `*.suffix`, or `*` for every other host (404 without
    /// it); as many as there are hosts
    #[arg(long = "route", value_name = "HOST=ADDRESS:PORT", num_args = 1..)]
    routes: Vec<Route>,
    /// Where Envoy accepts connections
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        value_parser = address,
        default_value = "0.0.0.0:8080"
    )]
    listen: SocketAddr,
    /// Envoy's admin interface, on loopback only; off without it
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    admin: Option<SocketAddr>,
    /// The host that the policy writes for health checks: it leads to `/ready` of the admin
    /// interface, and to nothing else of it
    #[arg(long, value_name = "HOST", requires = "admin")]
    readiness: Option<String>,
    /// The file from which Envoy takes the filter and its policy, and which it watches: as
    /// `gatepost render ecds` writes it, and renamed into its place; without it both are in the
    /// bootstrap
    #[arg(long, value_name = "FILE", conflicts_with_all = ["wasm", "on_failure"])]
    ecds: Option<PathBuf>,
    /// How many proxies in front are trusted to have written `x-forwarded-for`; 2 behind a Google
    /// Cloud load balancer
    #[arg(long, value_name = "N", default_value_t = 0)]
    trusted_hops: u32,
    /// Log a line for each request, with the rule that answered it
    #[arg(long)]
    access_log: bool,
}

/// The file that the Envoy of `gatepost render envoy --ecds FILE` watches, on standard output
#[derive(clap::Args)]
pub struct EcdsArguments {
    #[command(flatten)]
    filter: FilterArguments,
}

#[derive(clap::Args)]
struct FilterArguments {
    /// The policy file, YAML or JSON
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Where Envoy finds the filter's module, as `gatepost filter` writes it; without it the module
    /// is in the output
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// What happens to requests when the filter's VM has failed [default: reload]
    #[arg(long, value_name = "BEHAVIOUR", value_enum)]
    on_failure: Option<OnFailure>,
}

impl FilterArguments {
    fn plugin<'a>(&'a self, policy: &'a str) -> Plugin<'a> {
        let inline = Module::Inline(gatepost_filter_wasm::MODULE);
        Plugin {
            module: self.wasm.as_deref().map_or(inline, Module::File),
            configuration: policy,
            on_failure: self.on_failure.map_or(FailurePolicy::Reload, FailurePolicy::from),
        }
    }
}

pub fn envoy(arguments: &EnvoyArguments) -> Result<Rendered, CommandError> {
    let policy = read_policy(&arguments.filter.policy)?;
    let plugin = match arguments.ecds.as_deref().map(Path::new) {
        Some(path) => PluginSource::FileEcds { path },
        None => PluginSource::Static(arguments.filter.plugin(&policy.json)),
    };
    let is_complete = !arguments.routes.is_empty();
    let mut routes = arguments.routes.clone();
    if let (Some(host), Some(admin)) = (&arguments.readiness, arguments.admin) {
        routes.insert(0, Route::readiness(host, admin).map_err(CommandError::other)?);
    }
    if !is_complete {
        routes.push(Route::placeholder());
    }
    let bootstrap = Bootstrap {
        listen: arguments.listen,
        admin: arguments.admin,
        routes: &routes,
        trusted_hops: arguments.trusted_hops,
        access_log: if arguments.access_log { AccessLog::Stdout } else { AccessLog::Off },
        plugin,
    };
    let document = bootstrap.render().map_err(CommandError::other)?;
    let no_route = "the bootstrap has no route, and its Envoy answers 503: give --route";
    let notes = (!is_complete).then(|| no_route.to_owned());
    Ok(Rendered { text: document, notes: notes.into_iter().collect() })
}

pub fn ecds(arguments: &EcdsArguments) -> Result<Rendered, CommandError> {
    let policy = read_policy(&arguments.filter.policy)?;
    let plugin = arguments.filter.plugin(&policy.json);
    let document = plugin.render_ecds(env!("CARGO_PKG_VERSION")).map_err(CommandError::other)?;
    Ok(Rendered { text: document, notes: Vec::new() })
}
