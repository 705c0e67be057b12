//! `gatepost serve`: the embedded gateway with a policy, which is read again whenever its file
//! changes.

mod descriptors;
mod limits;
mod protections;
mod reload;
mod statistics;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatepost_authoring::{FileError, PolicyFile};
use gatepost_gateway::{
    AccessLog, Admin, FilterModule, Gateway, GatewayOptions, Page, PolicyFilter, RouteTable, Target,
};
use gatepost_host::{CacheState, Metrics};
use tokio::runtime::Handle;

use self::limits::Limits;
use self::reload::{Reloader, RunningPolicy};
use self::statistics::Statistics;
use super::arguments::address;
use super::exit::{CommandError, Exit};
use super::output::for_people;
use super::service::lines::Lines;
use super::service::signal::stop_signal;
use super::service::watch::FileWatch;
use super::service::{self, FLUSH, logger};
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
    /// Where to serve `/ready`, `/stats/prometheus` and `/policy`, for operators only
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = address)]
    admin: Option<SocketAddr>,
    #[command(flatten)]
    limits: Limits,
}

pub fn run(arguments: Arguments) -> Result<Exit, CommandError> {
    let requests = arguments.access_log.then(|| Lines::to(std::io::stdout()));
    let served = service::run(async |messages| serve(arguments, messages, requests.as_ref()).await);
    if let Some(lines) = requests {
        lines.flush(FLUSH);
    }
    served
}

async fn serve(
    arguments: Arguments,
    messages: &Lines,
    requests: Option<&Lines>,
) -> Result<Exit, CommandError> {
    let watched = FileWatch::start(&arguments.policy);
    let policy = PolicyFile::read(&arguments.policy).map_err(|error| refused(&arguments, error))?;
    let routes = RouteTable::<Target>::parse(&arguments.routes).map_err(CommandError::other)?;
    let (module, cache) = FilterModule::load(cache::directory()).map_err(CommandError::other)?;
    if let CacheState::Unusable(problem) = cache {
        log::warn!("the compiled filter is not kept for the next start: {problem}");
    }
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let workers = arguments.workers.map_or_else(cores, usize::from);
    let metrics = Metrics::default();
    let access_log = |lines: Lines| AccessLog::new(move |access| lines.push(access.to_string()));
    let possible = descriptors::raise();
    let options = GatewayOptions {
        trusted_hops: arguments.trusted_hops,
        drain_timeout: Duration::from_secs(arguments.drain),
        timeouts: arguments.limits.timeouts(),
        upgrades: arguments.limits.upgrades(),
        max_connections: arguments.limits.max_connections(possible),
        access_log: requests.cloned().map(access_log),
        ..GatewayOptions::default()
    };
    let filter = PolicyFilter::start(&module, &policy.json, workers, metrics.clone())
        .map_err(CommandError::other)?;
    let gateway = Gateway::bind(arguments.listen, routes, &filter, options).await;
    let gateway =
        gateway.map_err(|error| CommandError::Listen { address: arguments.listen, error })?;
    let running = RunningPolicy::new(&policy.json);
    let is_draining = Arc::new(AtomicBool::new(false));
    let admin = match arguments.admin {
        Some(address) => Some(
            Admin::bind(address).await.map_err(|error| CommandError::Listen { address, error })?,
        ),
        None => None,
    };
    if let Some(admin) = admin {
        let statistics = Statistics {
            gateway: gateway.stats(),
            filter: metrics.clone(),
            policy: running.clone(),
            logs: [messages].into_iter().chain(requests).cloned().collect(),
        };
        // Before the gateway, so that a program that waits for the gateway's line knows both.
        log::info!("statistics on http://{}/stats/prometheus", admin.local_addr());
        let is_draining = is_draining.clone();
        tokio::spawn(admin.run(move |path| page(path, &statistics, &is_draining)));
    }
    log::info!("serving {} on http://{}", arguments.policy.display(), gateway.local_addr());
    let reloader = Reloader {
        path: arguments.policy,
        running,
        module,
        workers,
        metrics,
        slot: gateway.filter(),
    };
    let unwatched = |error: &dyn std::error::Error| {
        log::error!("the policy's file is not watched, so a change needs a restart: {error}");
    };
    match watched.map(|watch| reloader.follow(watch, Handle::current())) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => unwatched(&error),
        Err(error) => unwatched(&error),
    }
    match gateway.run(stop_signal(&is_draining)).await {
        0 => {}
        1 => log::warn!("1 connection was cut because its requests did not end in time"),
        cut => {
            log::warn!("{cut} connections were cut because their requests did not end in time");
        }
    }
    Ok(Exit::Success)
}

/// A page of the admin listener, which begins to serve when the gateway accepts connections.
fn page(path: &str, statistics: &Statistics, is_draining: &AtomicBool) -> Option<Page> {
    let page = |content_type, body| Some(Page { status: 200, content_type, body });
    let text = "text/plain; charset=utf-8";
    match path {
        "/ready" if is_draining.load(Ordering::Relaxed) => {
            Some(Page { status: 503, content_type: text, body: "DRAINING\n".to_owned() })
        }
        "/ready" => page(text, "LIVE\n".to_owned()),
        "/stats/prometheus" => page(statistics::CONTENT_TYPE, statistics.text()),
        "/policy" => page("application/json", statistics.policy.json().to_string()),
        _ => None,
    }
}

/// A policy that cannot be used at the start.
fn refused(arguments: &Arguments, error: FileError) -> CommandError {
    match error {
        FileError::Invalid(report) => {
            log::error!(target: logger::REPORT, "{}\n", for_people().render(&[report]).trim_end());
            CommandError::Findings(format!("{} cannot be used", arguments.policy.display()))
        }
        error => CommandError::Other(error.to_string().into()),
    }
}
