//! The real filter.wasm with a policy, on wasmtime, as the gateway's filter. Each worker has a VM of its own, as in Envoy; a VM
//! whose guest trapped is built anew (Envoy's `FAIL_RELOAD`, without its back-off).

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Bytes;
use gatepost_host::{
    CacheState, CallError, Engine, EngineOptions, FinalMaps, HeaderScope, Headers, Host, LocalReply as HostReply, LogLevel,
    LogLine, LogRecord, LogSink, MemoryLog, Metrics, Module, ModuleError, Outcome, Plugin, PluginConfig, StartError, StreamInfo,
    Vm, VmOptions,
};

use crate::gateway::{Field, LocalReply, RequestFilter, RequestHead, Verdict};

/// The plugin's name in logs and properties.
const NAME: &str = "gatepost";

/// The compiled filter, from which plugins are started. Compiling takes longer than everything else together, so it is done
/// once for a process.
#[derive(Clone, Debug)]
pub struct FilterModule(Arc<Module>);

/// Why a policy is not in force.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The filter refused the configuration: one line for each fault, each with the path in the document.
    #[error("the filter refuses the policy:\n{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// The VM would not start.
    #[error(transparent)]
    Start(StartError),
}

impl FilterModule {
    /// Compiles the module that this build carries.
    ///
    /// # Errors
    /// When wasmtime cannot work on this machine.
    pub fn compile() -> Result<Self, ModuleError> {
        Self::load(None).map(|(module, _)| module)
    }

    /// Takes the compiled module from a directory where an earlier process has left it, or else compiles it and leaves it there;
    /// and what became of the directory.
    ///
    /// # Errors
    /// When wasmtime cannot work on this machine. A directory that cannot be used is no error.
    pub fn load(cache: Option<PathBuf>) -> Result<(Self, CacheState), ModuleError> {
        let engine = Engine::new(EngineOptions { cache, ..EngineOptions::default() })?;
        let module = Module::new(&engine, NAME, gatepost_filter_wasm::MODULE)?;
        Ok((Self(Arc::new(module)), engine.cache()))
    }
}

/// A policy in force: some VMs with the same configuration.
#[derive(Debug)]
pub struct PolicyPlugin {
    module: FilterModule,
    configuration: Bytes,
    host: Host,
    workers: Vec<Mutex<Worker>>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Worker {
    vm: Vm,
    plugin: Plugin,
}

/// What the filter did with one request.
#[derive(Clone, Debug)]
pub enum Handled {
    /// The request goes on with these headers.
    Forward(Headers),
    /// The filter answers.
    Reply(Box<HostReply>),
    /// The filter stopped the request without an answer, which it only does when the host refused that answer.
    Stopped,
}

impl PolicyPlugin {
    /// Starts the filter with a plugin configuration (a policy as JSON, or nothing) in `workers` VMs. `metrics` may be shared
    /// with earlier plugins, so that counters go on over a reload.
    ///
    /// # Errors
    /// When the filter refuses the configuration, with every line that it logged.
    pub fn start(module: &FilterModule, configuration: &str, workers: usize, metrics: Metrics) -> Result<Self, PluginError> {
        let configuration = Bytes::copy_from_slice(configuration.as_bytes());
        // The first VM decides, as Envoy's canary VM does; what it says is worth reading, what the others repeat is not.
        let log = MemoryLog::default();
        let canary = Host { log: Arc::new(log.clone()), metrics: metrics.clone(), ..Host::default() };
        let first = Worker::start(module, &configuration, canary).map_err(|error| refusal(error, &log))?;
        for line in log.lines() {
            print_line(&line);
        }
        let host = Host { log: Arc::new(StandardError), metrics, ..Host::default() };
        let mut all = vec![Mutex::new(first)];
        for _ in 1..workers {
            let quiet = Host { metrics: host.metrics.clone(), ..Host::default() };
            all.push(Mutex::new(Worker::start(module, &configuration, quiet).map_err(PluginError::Start)?));
        }
        Ok(Self { module: module.clone(), configuration, host, workers: all, turn: AtomicUsize::new(0) })
    }

    /// The counters of the filter.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.host.metrics
    }

    /// Shows the filter a request.
    ///
    /// # Errors
    /// When the guest traps; the next request gets a new VM.
    pub fn handle(&self, mut headers: Headers, end_of_stream: bool, source: SocketAddr) -> Result<Handled, CallError> {
        let mut worker = self.worker();
        if worker.vm.trap().is_some()
            && let Ok(new) = Worker::start(&self.module, &self.configuration, self.host.clone())
        {
            *worker = new;
        }
        let Worker { vm, plugin } = &mut *worker;
        let stream = vm.stream(*plugin, StreamInfo { source: Some(source), ..StreamInfo::default() })?;
        let outcome = vm.request_headers(stream, &mut headers, end_of_stream)?;
        vm.finish(stream, FinalMaps { request_headers: Some(&mut headers), ..FinalMaps::default() })?;
        Ok(match outcome {
            Outcome::LocalReply(reply) => Handled::Reply(reply),
            Outcome::Continue => Handled::Forward(headers),
            Outcome::Pause(_) | Outcome::Close => Handled::Stopped,
        })
    }

    /// A VM that is free, or else the next in turn: a request keeps one for microseconds.
    fn worker(&self) -> MutexGuard<'_, Worker> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (before, after) = self.workers.split_at(turn % self.workers.len());
        for worker in after.iter().chain(before) {
            match worker.try_lock() {
                Ok(worker) => return worker,
                Err(TryLockError::Poisoned(worker)) => return worker.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        let next = &self.workers[turn % self.workers.len()];
        next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn start(module: &FilterModule, configuration: &Bytes, host: Host) -> Result<Self, StartError> {
        let mut vm = Vm::new(&module.0, host, VmOptions::default())?;
        let config = PluginConfig { name: NAME.to_owned(), configuration: configuration.clone(), ..PluginConfig::default() };
        let plugin = vm.start_plugin(config)?;
        Ok(Self { vm, plugin })
    }
}

fn refusal(error: StartError, log: &MemoryLog) -> PluginError {
    match error {
        StartError::Refused { .. } => PluginError::Refused(log.messages()),
        other => PluginError::Start(other),
    }
}

impl RequestFilter for PolicyPlugin {
    fn on_request(&self, head: &mut RequestHead, end_of_stream: bool, source: SocketAddr) -> Verdict {
        let fields = head.fields().iter().map(|(name, value)| (name, value));
        match self.handle(Headers::collect(HeaderScope::Request, fields), end_of_stream, source) {
            Ok(Handled::Forward(headers)) => {
                head.set_fields(shared(&headers));
                Verdict::Forward
            }
            Ok(Handled::Reply(reply)) => local_reply(&reply),
            Ok(Handled::Stopped) => Verdict::Failed,
            Err(error) => {
                eprintln!("gatepost: {error}");
                Verdict::Failed
            }
        }
    }
}

/// The headers as parts of one buffer: they need no memory each.
fn shared(headers: &Headers) -> Vec<Field> {
    let mut text = Vec::with_capacity(headers.byte_size());
    for (name, value) in headers.iter() {
        text.extend_from_slice(name);
        text.extend_from_slice(value);
    }
    let mut text = Bytes::from(text);
    headers.iter().map(|(name, value)| (text.split_to(name.len()), text.split_to(value.len()))).collect()
}

fn local_reply(reply: &HostReply) -> Verdict {
    let bytes = |text: &gatepost_host::Text| Bytes::copy_from_slice(text.as_bytes());
    Verdict::Reply(LocalReply {
        status: u16::try_from(reply.status).unwrap_or(500),
        headers: reply.headers.iter().map(|(name, value)| (bytes(name), bytes(value))).collect(),
        body: bytes(&reply.body),
        details: reply.details.to_string(),
        grpc_status: reply.grpc_status,
    })
}

/// The guest's log lines on standard error, from warnings on.
struct StandardError;

impl LogSink for StandardError {
    fn log(&self, record: LogRecord<'_>) {
        let message = String::from_utf8_lossy(record.message).into_owned();
        print_line(&LogLine { level: record.level, plugin: record.plugin.to_owned(), message });
    }

    fn level(&self) -> LogLevel {
        LogLevel::Warn
    }
}

fn print_line(line: &LogLine) {
    eprintln!("{}: {}", line.level, line.message);
}
