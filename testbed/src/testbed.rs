//! A gateway with a policy and echo upstreams behind it, all on loopback. The gateway is the
//! embedded one or a real Envoy; the upstreams' responses show what it did with a request.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gatepost_authoring::suite::Case;
use gatepost_gateway::{
    AccessLog, FilterModule, Gateway, GatewayOptions, PolicyError, PolicyFilter, RouteTable, Target,
};
use gatepost_host::Metrics;
use gatepost_render::FailurePolicy;
use gatepost_render::bootstrap::{
    AccessLog as EnvoyAccessLog, Bootstrap, Module, Plugin, PluginSource, Route,
};
use tokio::task::JoinHandle;

use crate::cases::{Observation, offline, wire};
use crate::echo::Upstream;
use crate::envoy::LISTENER;
use crate::envoy::process::{Envoy, Options};

/// By when the filter flushed the counters of a request, far later than it does.
const FLUSHED: Duration = Duration::from_secs(10);

/// The gateway of a test bed.
#[derive(Clone, Debug)]
pub enum GatewayKind {
    /// The embedded gateway.
    Embedded(FilterModule),
    /// The Envoy at this path.
    Envoy(PathBuf),
}

/// Why a test bed did not start.
#[derive(Debug, thiserror::Error)]
pub enum TestbedError {
    /// An upstream or the gateway cannot listen on loopback.
    #[error("cannot listen on loopback: {0}")]
    Listen(#[from] std::io::Error),
    /// The filter refuses the policy.
    #[error(transparent)]
    Plugin(#[from] PolicyError),
    /// The gateway cannot have this route.
    #[error("the route {host}: {message}")]
    Route {
        /// Its host pattern.
        host: String,
        /// The gateway's error.
        message: String,
    },
    /// Envoy does not start, or its admin interface does not answer.
    #[error(transparent)]
    Envoy(#[from] crate::envoy::process::ProcessError),
    /// The bootstrap cannot be rendered.
    #[error(transparent)]
    Render(#[from] gatepost_render::RenderError),
}

/// A running gateway with its upstreams. Dropping it ends both.
#[derive(Debug)]
pub struct Testbed {
    address: SocketAddr,
    running: Running,
    upstreams: Vec<(String, Upstream)>,
}

#[derive(Debug)]
enum Running {
    Embedded { gateway: JoinHandle<usize>, metrics: Metrics, details: Arc<Mutex<Vec<String>>> },
    Envoy(Box<Envoy>),
}

impl Testbed {
    /// Starts an upstream for each name in `routes` (host pattern and name), and the gateway in
    /// front of them.
    ///
    /// # Errors
    /// When something cannot be started.
    pub async fn start(
        kind: &GatewayKind,
        configuration: &str,
        routes: &[(&str, &str)],
    ) -> Result<Self, TestbedError> {
        let mut upstreams: Vec<(String, Upstream)> = Vec::new();
        for (_, name) in routes {
            if !upstreams.iter().any(|(known, _)| known == name) {
                upstreams.push(((*name).to_owned(), Upstream::start(name, Some(name)).await?));
            }
        }
        let address = |name: &str| {
            upstreams.iter().find(|(known, _)| known == name).map(|(_, upstream)| upstream.addr())
        };
        let routes: Vec<(&str, SocketAddr)> =
            routes.iter().filter_map(|(host, name)| Some((*host, address(name)?))).collect();
        let (address, running) = match kind {
            GatewayKind::Embedded(module) => embedded(module, configuration, &routes).await?,
            GatewayKind::Envoy(binary) => {
                let bootstrap = bootstrap(configuration, &routes)?;
                // A static Envoy takes a second to start, most of it compiling the filter.
                let envoy = tokio::task::block_in_place(|| {
                    Envoy::start(binary, &bootstrap, &Options::default())
                })?;
                (envoy.listener(LISTENER)?, Running::Envoy(Box::new(envoy)))
            }
        };
        Ok(Self { address, running, upstreams })
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The Envoy, if the gateway is one.
    #[must_use]
    pub fn envoy(&self) -> Option<&Envoy> {
        match &self.running {
            Running::Envoy(envoy) => Some(envoy),
            Running::Embedded { .. } => None,
        }
    }

    /// The address of an upstream.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<SocketAddr> {
        self.upstreams.iter().find(|(known, _)| known == name).map(|(_, upstream)| upstream.addr())
    }

    /// Gatepost's counters by name. The filter flushes them some milliseconds after it counted, so
    /// this waits until they no longer change.
    ///
    /// # Errors
    /// When Envoy's admin interface does not answer.
    pub async fn counters(&self) -> Result<BTreeMap<String, u64>, TestbedError> {
        // The filter flushes after 25 ms.
        const PAUSE: Duration = Duration::from_millis(60);
        let mut counters = self.counters_so_far()?;
        loop {
            tokio::time::sleep(PAUSE).await;
            let now = self.counters_so_far()?;
            if now == counters {
                return Ok(now);
            }
            counters = now;
        }
    }

    /// Sends the request of one case. The upstreams answer as the case says. `counted` holds the
    /// counters before it, and is updated.
    ///
    /// # Errors
    /// When no answer comes, or the counters cannot be read.
    pub async fn observe(
        &self,
        case: &Case,
        counted: &mut BTreeMap<String, u64>,
    ) -> Result<Observation, String> {
        let given = wire::given(case).map_err(|error| error.to_string())?;
        self.upstreams.iter().for_each(|(_, upstream)| upstream.answer_with(given.clone()));
        let observed = wire::send(self.address(), case).await.map_err(|error| error.to_string())?;
        // On a busy machine the filter flushes late: what the case expects is waited for.
        let expected = case.expect.counters.as_ref().map_or(0, Vec::len);
        let waited = Instant::now();
        loop {
            let after = self.counters().await.map_err(|error| error.to_string())?;
            let raised = offline::raised(counted, &after);
            if raised.len() >= expected || waited.elapsed() > FLUSHED {
                *counted = after;
                return Ok(Observation { counters: Some(raised), ..observed });
            }
        }
    }

    /// Gatepost's counters by name, as far as the filter has flushed them.
    ///
    /// # Errors
    /// When Envoy's admin interface does not answer.
    pub fn counters_so_far(&self) -> Result<BTreeMap<String, u64>, TestbedError> {
        match &self.running {
            Running::Embedded { metrics, .. } => Ok(offline::counters(metrics)),
            Running::Envoy(envoy) => {
                let counters = tokio::task::block_in_place(|| envoy.counters())?;
                // Envoy adds a prefix to the metrics of wasm filters.
                let own = |(name, value): (String, u64)| {
                    Some((name.strip_prefix("wasmcustom.")?.to_owned(), value))
                };
                Ok(counters.into_iter().filter_map(own).collect())
            }
        }
    }

    /// The response code details of the first `count` requests, in the order in which they ended.
    /// There are fewer when a log line did not come in time.
    pub async fn details(&self, count: usize) -> Vec<String> {
        // Envoy writes its access log at most 50 ms late.
        for _ in 0..40 {
            let details = self.details_so_far();
            if details.len() >= count {
                return details;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.details_so_far()
    }

    fn details_so_far(&self) -> Vec<String> {
        match &self.running {
            Running::Embedded { details, .. } => {
                details.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
            Running::Envoy(envoy) => envoy.access_log().lines().filter_map(details_of).collect(),
        }
    }
}

/// The response code details in a line of Envoy's access log: the last word before the cluster.
fn details_of(line: &str) -> Option<String> {
    let (before, _) = line.rsplit_once(" cluster=")?;
    before.rsplit(' ').next().map(str::to_owned)
}

impl Drop for Testbed {
    fn drop(&mut self) {
        if let Running::Embedded { gateway, .. } = &self.running {
            gateway.abort();
        }
    }
}

async fn embedded(
    module: &FilterModule,
    configuration: &str,
    routes: &[(&str, SocketAddr)],
) -> Result<(SocketAddr, Running), TestbedError> {
    let metrics = Metrics::default();
    let filter = PolicyFilter::start(module, configuration, 1, metrics.clone())?;
    let mut table = RouteTable::<Target>::new();
    for (host, address) in routes {
        let failed = |message: String| TestbedError::Route { host: (*host).to_owned(), message };
        let target =
            Target::parse(&address.to_string()).map_err(|error| failed(error.to_string()))?;
        table.insert(host, target).map_err(|error| failed(error.to_string()))?;
    }
    let details = Arc::new(Mutex::new(Vec::new()));
    let seen = details.clone();
    let log = AccessLog::new(move |access| {
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(access.details.clone());
    });
    let options = GatewayOptions {
        trusted_hops: wire::TRUSTED_HOPS,
        access_log: Some(log),
        ..GatewayOptions::default()
    };
    let gateway = Gateway::bind((Ipv4Addr::LOCALHOST, 0), table, &filter, options).await?;
    let address = gateway.local_addr();
    let gateway = tokio::spawn(gateway.run(std::future::pending()));
    Ok((address, Running::Embedded { gateway, metrics, details }))
}

fn bootstrap(configuration: &str, routes: &[(&str, SocketAddr)]) -> Result<String, TestbedError> {
    let mut parsed: Vec<Route> = Vec::new();
    for (host, address) in routes {
        let route = format!("{host}={address}").parse();
        let failed = |error: gatepost_render::bootstrap::RouteError| TestbedError::Route {
            host: (*host).to_owned(),
            message: error.to_string(),
        };
        parsed.push(route.map_err(failed)?);
    }
    let bootstrap = Bootstrap {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        admin: None,
        routes: &parsed,
        trusted_hops: wire::TRUSTED_HOPS,
        access_log: EnvoyAccessLog::Stdout,
        plugin: PluginSource::Static(Plugin {
            module: Module::Inline(gatepost_filter_wasm::MODULE),
            configuration,
            on_failure: FailurePolicy::Closed,
        }),
    };
    Ok(bootstrap.render()?)
}
