//! The real filter.wasm with a policy: as the gateway's filter, in a pool of VMs behind a tower
//! layer, or as a worker that runs one request after the other without a network.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepost_host::{
    CacheState, CallError, Chain, ChainOptions, ChainPlugin, Engine, EngineOptions, FailPolicy,
    Host, LocalReplySent, LogLevel, LogLine, LogRecord, LogSink, Metrics, Module, ModuleError,
    PluginConfig, StartError, VirtualClock, Worker,
};
use gatepost_host_tower::{
    ConnectionInfo, Pool, PoolError, PoolOptions, UpstreamFailure, WasmBody, WasmLayer, WasmService,
};
use http::{Request, Response};
use hyper::body::Incoming;
use tower::Layer;
use tower::util::{MapRequest, MapResponse};

use crate::{Details, LocalReply, Origin, Router, UpstreamBody};

/// The plugin's name in logs and properties.
const NAME: &str = "gatepost";

/// The compiled filter, from which plugins are started. Compiling takes longer than everything else
/// together, so it is done once for a process.
#[derive(Clone, Debug)]
pub struct FilterModule(Module);

/// Why a policy is not in force.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The filter refused the configuration: one line for each fault, each with the path in the
    /// document.
    #[error("the filter refuses the policy:\n{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// The VMs would not start.
    #[error(transparent)]
    Start(PoolError),
}

impl FilterModule {
    /// Compiles the module that this build carries.
    ///
    /// # Errors
    /// When wasmtime cannot work on this machine.
    pub fn compile() -> Result<Self, ModuleError> {
        Self::load(None).map(|(module, _)| module)
    }

    /// Takes the compiled module from a directory where an earlier process has left it, or else
    /// compiles it and leaves it there; and what became of the directory.
    ///
    /// # Errors
    /// When wasmtime cannot work on this machine. A directory that cannot be used is no error.
    pub fn load(cache: Option<PathBuf>) -> Result<(Self, CacheState), ModuleError> {
        let engine = Engine::new(EngineOptions { cache, ..EngineOptions::default() })?;
        let module = Module::new(&engine, NAME, gatepost_filter_wasm::MODULE)?;
        Ok((Self(module), engine.cache()))
    }

    /// Any other module in its place.
    #[must_use]
    pub fn of(module: Module) -> Self {
        Self(module)
    }

    /// Starts the filter with a plugin configuration (a policy as JSON, or nothing) in one VM,
    /// which is built anew at once when it traps, and whose time is this clock's.
    ///
    /// # Errors
    /// When the filter refuses the configuration, with every line that it logged.
    pub fn worker(&self, configuration: &str, clock: VirtualClock) -> Result<Worker, PluginError> {
        let options = ChainOptions { reload_backoff: Duration::ZERO, ..ChainOptions::default() };
        let chain = self.chain(configuration, options);
        started(Host { clock: Arc::new(clock), ..Host::default() }, |host| {
            Worker::new(&chain, host).map_err(PoolError::from)
        })
    }

    /// With `FAIL_RELOAD`: a VM that has trapped fails requests until the back-off is over, and is
    /// then built anew.
    fn chain(&self, configuration: &str, options: ChainOptions) -> Chain {
        let config = PluginConfig {
            name: NAME.to_owned(),
            configuration: configuration.to_owned().into(),
            fail_policy: FailPolicy::Reload,
            ..PluginConfig::default()
        };
        Chain::with_options(vec![ChainPlugin { module: self.0.clone(), config }], options)
    }
}

/// A policy in force: a tower layer for the gateway's [`Router`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PolicyLayer(WasmLayer<fn(&LocalReply) -> UpstreamFailure>);

impl PolicyLayer {
    /// Starts the filter with a plugin configuration (a policy as JSON, or nothing) in `workers`
    /// VMs. `metrics` may be shared with earlier ones, so that counters go on over a reload. It
    /// runs inside a tokio runtime.
    ///
    /// # Errors
    /// When the filter refuses the configuration, with every line that it logged; or when there is
    /// no runtime.
    pub fn start(
        module: &FilterModule,
        configuration: &str,
        workers: usize,
        metrics: Metrics,
    ) -> Result<Self, PluginError> {
        let chain = module.chain(configuration, ChainOptions::default());
        let on_trap = |error: &CallError| eprintln!("gatepost: {error}");
        let options =
            PoolOptions { workers, on_trap: Some(Arc::new(on_trap)), ..PoolOptions::default() };
        let pool = started(Host { metrics, ..Host::default() }, |host| {
            Pool::start(&chain, host, options)
        })?;
        Ok(Self(WasmLayer::new(pool).map_errors(upstream_failure)))
    }
}

impl Layer<Router> for PolicyLayer {
    type Service = MapResponse<
        MapRequest<
            WasmService<Router, fn(&LocalReply) -> UpstreamFailure>,
            fn(Request<Incoming>) -> Request<Incoming>,
        >,
        fn(Response<WasmBody<UpstreamBody>>) -> Response<WasmBody<UpstreamBody>>,
    >;

    fn layer(&self, router: Router) -> Self::Service {
        MapResponse::new(MapRequest::new(self.0.layer(router), with_connection), with_details)
    }
}

/// Shows the filter where the request came from.
fn with_connection(mut request: Request<Incoming>) -> Request<Incoming> {
    if let Some(Origin { source, scheme }) = request.extensions_mut().remove() {
        let info = ConnectionInfo {
            source: Some(source),
            scheme: Some(scheme),
            ..ConnectionInfo::default()
        };
        request.extensions_mut().insert(info);
    }
    request
}

/// Tells the gateway why the filter has answered.
fn with_details(
    mut response: Response<WasmBody<UpstreamBody>>,
) -> Response<WasmBody<UpstreamBody>> {
    if let Some(LocalReplySent { details, .. }) = response.extensions_mut().remove() {
        response.extensions_mut().insert(Details(Cow::Owned(details.to_string())));
    }
    response
}

/// What the gateway says in an upstream's place, the filter sees as it sees Envoy's own replies.
fn upstream_failure(reply: &LocalReply) -> UpstreamFailure {
    let LocalReply { status, body, details } = reply;
    UpstreamFailure::Reply {
        status: status.as_u16(),
        body: (*body).to_owned(),
        details: details.clone(),
    }
}

/// Starts something with a host whose log makes the refusal, when it is one.
fn started<T>(
    host: Host,
    start: impl FnOnce(Host) -> Result<T, PoolError>,
) -> Result<T, PluginError> {
    let log = Arc::new(FilterLog { starting: Mutex::new(Some(Vec::new())) });
    let started = start(Host { log: Arc::clone(&log) as Arc<dyn LogSink>, ..host });
    let lines = log.end_of_start();
    match started {
        Err(PoolError::Start(StartError::Refused { .. })) => {
            Err(PluginError::Refused(lines.into_iter().map(|line| line.message).collect()))
        }
        Err(error) => Err(PluginError::Start(error)),
        Ok(started) => {
            lines.iter().for_each(print_line);
            Ok(started)
        }
    }
}

/// What the filter logs: while its VMs start every line, but each once, because every VM says the
/// same; then warnings and worse on standard error.
struct FilterLog {
    starting: Mutex<Option<Vec<LogLine>>>,
}

impl FilterLog {
    fn end_of_start(&self) -> Vec<LogLine> {
        self.starting.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

impl LogSink for FilterLog {
    fn log(&self, record: LogRecord<'_>) {
        let message = String::from_utf8_lossy(record.message).into_owned();
        let line = LogLine { level: record.level, plugin: record.plugin.to_owned(), message };
        match &mut *self.starting.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(lines) if lines.contains(&line) => {}
            Some(lines) => lines.push(line),
            None => print_line(&line),
        }
    }

    fn level(&self) -> LogLevel {
        let is_starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_starting { LogLevel::Trace } else { LogLevel::Warn }
    }
}

fn print_line(line: &LogLine) {
    eprintln!("{}: {}", line.level, line.message);
}
