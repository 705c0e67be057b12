//! The real filter.wasm, compiled once and started with a policy. A started filter runs either in a
//! pool of VMs ([`PolicyFilter`](crate::PolicyFilter)), or here as a worker that handles one
//! request after the other without a network.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepost_host::{
    CacheState, Chain, ChainOptions, ChainPlugin, Engine, EngineOptions, FailPolicy, Host,
    LogLevel, LogLine, LogRecord, LogSink, Module, ModuleError, PluginConfig, StartError,
    VirtualClock, Vm, VmOptions, Worker,
};
use gatepost_host_tower::PoolError;

/// The plugin's name in logs and properties.
const NAME: &str = "gatepost";

/// The compiled filter, from which plugins are started. Compiling takes longer than all other steps
/// of a start together, so do it once in a process.
#[derive(Clone, Debug)]
pub struct FilterModule(Module);

/// Why a policy was not put in force.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The filter refused the configuration: one line for each error, each with the path in the
    /// document.
    #[error("the filter refuses the policy:\n{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// The VMs did not start.
    #[error(transparent)]
    Start(PoolError),
}

impl FilterModule {
    /// The target of the lines that the filter logs, for loggers that tell them from others.
    pub const LOG_TARGET: &str = "gatepost::filter";

    /// Compiles the filter that is built into this program.
    ///
    /// # Errors
    /// When wasmtime does not work on this machine.
    pub fn compile() -> Result<Self, ModuleError> {
        Self::load(None).map(|(module, _)| module)
    }

    /// Reads the compiled filter from a cache directory, or else compiles it and writes it there.
    /// The second value says whether the cache could be used.
    ///
    /// # Errors
    /// When wasmtime does not work on this machine. A directory that cannot be used is not an
    /// error.
    pub fn load(cache: Option<PathBuf>) -> Result<(Self, CacheState), ModuleError> {
        let engine = Engine::new(EngineOptions { cache, ..EngineOptions::default() })?;
        let module = Module::new(&engine, NAME, gatepost_filter_wasm::MODULE)?;
        Ok((Self(module), engine.cache()))
    }

    /// Uses another module as the filter.
    #[must_use]
    pub fn of(module: Module) -> Self {
        Self(module)
    }

    /// Starts the filter with a plugin configuration (a policy as JSON) in one VM,
    /// which reads its time from `clock`. A VM that trapped is replaced at once.
    ///
    /// # Errors
    /// When the filter refuses the configuration, with every line that it logged.
    pub fn worker(&self, configuration: &str, clock: VirtualClock) -> Result<Worker, PolicyError> {
        let options = ChainOptions { reload_backoff: Duration::ZERO, ..ChainOptions::default() };
        let chain = self.chain(configuration, options);
        start_with_log(Host { clock: Arc::new(clock), ..Host::default() }, |host| {
            Worker::new(&chain, host).map_err(PoolError::from)
        })
    }

    /// How much linear memory the filter has taken when it holds a policy, in bytes.
    ///
    /// # Errors
    /// When the filter refuses the configuration, with every line that it logged.
    pub fn memory_bytes(&self, configuration: &str) -> Result<usize, PolicyError> {
        start_with_log(Host::default(), |host| {
            let mut vm = Vm::new(&self.0, host, VmOptions::default())?;
            vm.start_plugin(config(configuration))?;
            Ok(vm.memory_bytes())
        })
    }

    /// A chain with this filter alone. With `FAIL_RELOAD`, a VM that trapped fails requests until
    /// the back-off is over, and is then replaced.
    pub(crate) fn chain(&self, configuration: &str, options: ChainOptions) -> Chain {
        let config = config(configuration);
        Chain::with_options(vec![ChainPlugin { module: self.0.clone(), config }], options)
    }
}

fn config(configuration: &str) -> PluginConfig {
    PluginConfig {
        name: NAME.to_owned(),
        configuration: configuration.to_owned().into(),
        fail_policy: FailPolicy::Reload,
        ..PluginConfig::default()
    }
}

/// Starts VMs with a host that keeps what the filter logs. When the filter refuses its
/// configuration, these lines are the error.
pub(crate) fn start_with_log<T>(
    host: Host,
    start: impl FnOnce(Host) -> Result<T, PoolError>,
) -> Result<T, PolicyError> {
    let log = Arc::new(FilterLog { starting: Mutex::new(Some(Vec::new())) });
    let started = start(Host { log: Arc::clone(&log) as Arc<dyn LogSink>, ..host });
    let lines = log.end_of_start();
    match started {
        Err(PoolError::Start(StartError::Refused { .. })) => {
            Err(PolicyError::Refused(lines.into_iter().map(|line| line.message).collect()))
        }
        Err(error) => Err(PolicyError::Start(error)),
        Ok(started) => {
            lines.iter().for_each(log_line);
            Ok(started)
        }
    }
}

/// Keeps every line that the filter logs while its VMs start. All VMs log the same lines, so each
/// is kept once. After the start, warnings and errors go to the program's log.
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
            None => log_line(&line),
        }
    }

    fn level(&self) -> LogLevel {
        let is_starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if is_starting { LogLevel::Trace } else { LogLevel::Warn }
    }
}

/// The filter's own lines have the filter's name as their target.
fn log_line(line: &LogLine) {
    let level = match line.level {
        LogLevel::Trace => log::Level::Trace,
        LogLevel::Debug => log::Level::Debug,
        LogLevel::Info => log::Level::Info,
        LogLevel::Warn => log::Level::Warn,
        LogLevel::Error | LogLevel::Critical => log::Level::Error,
    };
    log::log!(target: FilterModule::LOG_TARGET, level, "{}", line.message);
}
