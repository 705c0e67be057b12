//! `gatepost serve`: the embedded gateway with a policy, which is read again whenever its file
//! changes.

mod reload;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_gateway::{
    AccessLog, FilterModule, Gateway, GatewayOptions, PolicyLayer, RouteTable, Target,
};
use gatepost_host::{CacheState, Metrics};

use self::reload::PolicyWatcher;
use super::arguments::{address, read_policy, runtime};
use super::exit::{CommandError, Exit};
use crate::cache;

/// Serve as a gateway with a policy, without Envoy
///
/// Accepts HTTP/1.1 and HTTP/2 without TLS on one port, and speaks to upstreams what the client
/// speaks. The policy runs in the real filter.wasm. When its file changes it is read again. A
/// policy with errors is reported, and the old one stays in force.
#[derive(clap::Args)]
pub struct Arguments {
    /// The policy file, YAML or JSON
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Which upstream serves a host: exact, `*.suffix`, or `*` for every other host (404 without
    /// it); as many as there are hosts
    #[arg(long = "route", value_name = "HOST=URL", num_args = 1.., required = true)]
    routes: Vec<String>,
    /// Where to accept connections; port 0 takes a free one, which is printed at the start
    #[arg(
        long,
        value_name = "ADDRESS:PORT",
        value_parser = address,
        default_value = "127.0.0.1:8080"
    )]
    listen: SocketAddr,
    /// How many proxies in front are trusted to have written `x-forwarded-for`; 2 behind a Google
    /// Cloud load balancer
    #[arg(long, value_name = "N", default_value_t = 0)]
    trusted_hops: u32,
    /// How many VMs run the filter; one for each core without it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Print a line for each request on standard output, with the rule that answered it
    #[arg(long)]
    access_log: bool,
    /// How long requests in flight may take to end after SIGTERM or Ctrl-C
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain: u64,
}

pub fn run(arguments: Arguments) -> Result<Exit, CommandError> {
    let policy = read_policy(&arguments.policy)?;
    let routes = RouteTable::<Target>::parse(&arguments.routes).map_err(CommandError::other)?;
    let (module, cache) = FilterModule::load(cache::directory()).map_err(CommandError::other)?;
    if let CacheState::Unusable(problem) = cache {
        eprintln!("gatepost: the compiled filter is not kept for the next start: {problem}");
    }
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let workers = arguments.workers.map_or_else(cores, usize::from);
    let metrics = Metrics::default();
    let options = GatewayOptions {
        trusted_hops: arguments.trusted_hops,
        drain_timeout: Duration::from_secs(arguments.drain),
        access_log: arguments.access_log.then(|| AccessLog::new(|access| println!("{access}"))),
        ..GatewayOptions::default()
    };
    runtime()?.block_on(async {
        let filter = PolicyLayer::start(&module, &policy.json, workers, metrics.clone())
            .map_err(CommandError::other)?;
        let gateway = Gateway::bind(arguments.listen, routes, &filter, options).await;
        let gateway =
            gateway.map_err(|error| CommandError::Listen { address: arguments.listen, error })?;
        eprintln!(
            "gatepost: serving {} on http://{}",
            arguments.policy.display(),
            gateway.local_addr()
        );
        let slot = gateway.filter();
        let watcher = PolicyWatcher {
            path: arguments.policy,
            running: policy.json,
            module,
            workers,
            metrics,
            slot,
        };
        let watching = tokio::spawn(watcher.watch());
        let cut = gateway.run(stop_signal()).await;
        watching.abort();
        match cut {
            0 => {}
            1 => {
                eprintln!(
                    "gatepost: 1 connection was cut because its requests did not end in time"
                );
            }
            cut => eprintln!(
                "gatepost: {cut} connections were cut because their requests did not end in time"
            ),
        }
        Ok(Exit::Success)
    })
}

/// Ctrl-C, or SIGTERM as Kubernetes sends it.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    if let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        tokio::select! {
            _ = interrupt => {}
            _ = terminate.recv() => {}
        }
        eprintln!("gatepost: finishing the requests in flight");
        return;
    }
    // Where signals cannot be received, only the end of the process ends the gateway.
    if interrupt.await.is_err() {
        std::future::pending::<()>().await;
    }
}
