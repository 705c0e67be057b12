//! What is measured: a module on `gatepost-host` with one plugin, and the requests that go through
//! it. A request's headers are made once and cloned for each stream.

use std::path::Path;

use bytes::Bytes;
use gatepost_host::{
    CacheState, CallError, Chain, ChainPlugin, Engine, EngineOptions, FinalMaps, Headers, Host,
    Module, ModuleError, Outcome, Plugin, PluginConfig, StartError, StreamInfo, Vm, VmOptions,
    Worker,
};
use thiserror::Error;

use crate::browser::browser;
use crate::driven::Driven;

/// The plain module made with the Rust SDK `proxy-wasm` 0.2.5: it reads three request headers and
/// sets one.
pub const THREE_HEADERS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/three-headers.wasm"));

/// Why there is no figure.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The policy is missing or wrong.
    #[error("the policy cannot be used: {0}")]
    Policy(#[from] gatepost_authoring::FileError),
    /// The module does not compile.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// The module's VM does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A callback failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The module did something else than what is to be measured.
    #[error("the workload {workload} must {must}, and the stream ended so: {outcome:?}\n{headers}")]
    Workload {
        /// Its name.
        workload: &'static str,
        /// What it is to do.
        must: String,
        /// How the callback ended.
        outcome: Outcome,
        /// The headers it left.
        headers: Box<Headers>,
    },
    /// The same, through the stream driver.
    #[error("the workload {workload} must {must}, and this went upstream: {sent:?}")]
    Driven {
        /// Its name.
        workload: &'static str,
        /// What it is to do.
        must: String,
        /// The request that left the chain.
        sent: Option<Headers>,
    },
    /// Something about the benchmark in Envoy.
    #[error(transparent)]
    Envoy(#[from] crate::envoy::error::EnvoyError),
    /// Something about counting under valgrind.
    #[error(transparent)]
    Counted(#[from] crate::counted::error::CountedError),
    /// A process of the benchmark cannot be run.
    #[error("{what}: {error}")]
    Process {
        /// Which.
        what: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// A process of the benchmark said something unexpected.
    #[error("{what} was expected to answer a number, and said {said:?}")]
    Answer {
        /// Which.
        what: String,
        /// Its words.
        said: String,
    },
}

/// A kind of request, and what the module must make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// What reports call it.
    pub name: &'static str,
    /// The request.
    pub request: &'static [(&'static str, &'static str)],
    /// A header that must stand in it afterwards, with its value.
    pub leaves: (&'static str, &'static str),
}

/// The load balancer's probe, which is rewritten to the gateway's own readiness endpoint.
pub const PROBE: Workload = Workload {
    name: "probe",
    request: &[
        (":authority", "10.0.0.7"),
        (":path", "/"),
        (":method", "GET"),
        (":scheme", "http"),
        ("user-agent", "GoogleHC/1.0"),
        ("connection", "Keep-alive"),
    ],
    leaves: (":path", "/healthz/ready"),
};

/// A request to a customer's domain, which the policy maps.
pub const MAPPED: Workload = Workload {
    name: "mapped host",
    request: &[
        (":authority", "my-service.test.com"),
        (":path", "/api/v1/items?page=2"),
        (":method", "GET"),
        (":scheme", "https"),
        ("user-agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("via", "1.1 google"),
        ("x-forwarded-for", "203.0.113.7, 35.191.0.1"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "5b3a9a5e-8a36-4c36-9e0a-6f5f9a1c2d3e"),
    ],
    leaves: (":authority", "my-service.default.example.com"),
};

/// A browser's request with its twelve ordinary headers, which passes untouched.
pub const PASS_THROUGH: Workload = Workload {
    name: "pass-through",
    request: &browser([
        (":authority", "www.example.com"),
        (":path", "/articles/2024/05/a-long-title-of-an-article?utm_source=newsletter"),
        (":method", "GET"),
        (":scheme", "https"),
    ]),
    leaves: (":authority", "www.example.com"),
};

/// The mapped host's request through [`THREE_HEADERS`].
pub const SDK: Workload =
    Workload { name: "three headers", leaves: ("x-complete", "yes"), ..MAPPED };

/// The policy `knative-gclb` as the filter receives it: read and converted as the command does.
///
/// # Errors
/// When it is not there, or is wrong.
pub fn policy() -> Result<Bytes, BenchError> {
    let path =
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/knative-gclb/policy.yaml"));
    Ok(Bytes::from(gatepost_authoring::PolicyFile::read(path)?.json))
}

/// A compiled module and the configuration of its plugin.
#[derive(Clone, Debug)]
pub struct Guest {
    engine: Engine,
    module: Module,
    wasm: &'static [u8],
    configuration: Bytes,
}

impl Guest {
    /// Gatepost's own filter with the policy `knative-gclb`.
    ///
    /// # Errors
    /// When the policy or the engine is not there.
    pub fn gatepost(options: EngineOptions) -> Result<Self, BenchError> {
        let engine = Engine::new(options)?;
        let module = Module::new(&engine, "gatepost", gatepost_filter_wasm::MODULE)?;
        Ok(Self { engine, module, wasm: gatepost_filter_wasm::MODULE, configuration: policy()? })
    }

    /// The plain SDK module.
    ///
    /// # Errors
    /// When the engine is not there.
    pub fn three_headers(options: EngineOptions) -> Result<Self, BenchError> {
        let engine = Engine::new(options)?;
        let module = Module::new(&engine, "three-headers", THREE_HEADERS)?;
        Ok(Self { engine, module, wasm: THREE_HEADERS, configuration: Bytes::new() })
    }

    /// What became of the engine's cache.
    #[must_use]
    pub fn cache(&self) -> CacheState {
        self.engine.cache()
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        self.module.name()
    }

    /// The module as it was before it was compiled.
    #[must_use]
    pub fn wasm(&self) -> &'static [u8] {
        self.wasm
    }

    /// The configuration of its plugin.
    #[must_use]
    pub fn configuration(&self) -> &[u8] {
        &self.configuration
    }

    /// A VM without a plugin. Effects are not recorded.
    ///
    /// # Errors
    /// When it does not start.
    pub fn vm(&self, host: &Host) -> Result<Vm, BenchError> {
        Ok(Vm::new(&self.module, host.clone(), VmOptions::default())?)
    }

    /// A worker whose chain is the plugin alone.
    ///
    /// # Errors
    /// When it does not start.
    pub fn driven(&self, host: &Host) -> Result<Driven, BenchError> {
        let config = PluginConfig {
            name: "bench".to_owned(),
            configuration: self.configuration.clone(),
            ..PluginConfig::default()
        };
        let chain = Chain::new(vec![ChainPlugin { module: self.module.clone(), config }]);
        Ok(Driven(Worker::new(&chain, host.clone())?))
    }

    /// A VM with its plugin, ready for streams.
    ///
    /// # Errors
    /// When it does not start.
    pub fn running(&self, host: &Host) -> Result<Running, BenchError> {
        let mut vm = self.vm(host)?;
        let config = PluginConfig {
            name: "bench".to_owned(),
            configuration: self.configuration.clone(),
            ..PluginConfig::default()
        };
        let plugin = vm.start_plugin(config)?;
        Ok(Running { vm, plugin })
    }
}

/// A VM whose plugin runs.
#[derive(Debug)]
pub struct Running {
    vm: Vm,
    plugin: Plugin,
}

impl Running {
    /// One complete stream: create, request headers, log, done, delete; callbacks that the module
    /// does not export are skipped, as in Envoy. What the guest makes of the headers stays in them.
    ///
    /// # Errors
    /// When a callback fails.
    pub fn stream(
        &mut self,
        info: StreamInfo,
        headers: &mut Headers,
    ) -> Result<Outcome, BenchError> {
        let stream = self.vm.stream(self.plugin, info)?;
        let outcome = self.vm.request_headers(stream, headers, true)?;
        self.vm
            .finish(stream, FinalMaps { request_headers: Some(headers), ..FinalMaps::default() })?;
        Ok(outcome)
    }

    /// The bytes of the guest's linear memory now.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.vm.memory_bytes()
    }

    /// One stream, which must do what the workload says.
    ///
    /// # Errors
    /// [`BenchError::Workload`] when it does something else.
    pub fn check(&mut self, workload: &Workload) -> Result<(), BenchError> {
        let mut headers = Headers::request(workload.request.iter().copied());
        let outcome = self.stream(info(), &mut headers)?;
        let (name, value) = workload.leaves;
        if outcome == Outcome::Continue && headers.get(name) == Some(value.as_bytes()) {
            return Ok(());
        }
        Err(BenchError::Workload {
            workload: workload.name,
            must: format!("leave {name}: {value}"),
            outcome,
            headers: Box::new(headers),
        })
    }

    /// Many streams, one after the other.
    ///
    /// # Errors
    /// When a callback fails.
    pub fn streams(&mut self, request: &Headers, count: usize) -> Result<(), BenchError> {
        for _ in 0..count {
            let mut headers = request.clone();
            let _ = std::hint::black_box(self.stream(info(), &mut headers)?);
        }
        Ok(())
    }
}

/// What a proxy knows of a stream: the downstream's address, the protocol and the time.
#[must_use]
pub fn info() -> StreamInfo {
    StreamInfo {
        source: Some(([203, 0, 113, 7], 40_000).into()),
        destination: Some(([10, 0, 0, 1], 443).into()),
        protocol: Some("HTTP/2"),
        request_time_nanos: Some(1_700_000_000_000_000_000),
        ..StreamInfo::default()
    }
}
