//! A module on `gatepost-host` with one plugin, and streams through it. The headers of a request
//! are built once and cloned for each stream.

use std::path::Path;

use bytes::Bytes;
use gatepost_host::{
    CacheState, Engine, EngineOptions, FinalMaps, Headers, Host, Module, Outcome, Plugin,
    PluginConfig, StreamInfo, Vm, VmOptions,
};

use super::workload::Workload;
use crate::error::BenchError;

/// The plain module made with the Rust SDK `proxy-wasm` 0.2.5: it reads three request headers and
/// sets one.
pub const THREE_HEADERS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/three-headers.wasm"));

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

    /// The state of the engine's cache.
    #[must_use]
    pub fn cache(&self) -> CacheState {
        self.engine.cache()
    }

    /// The compiled module.
    #[must_use]
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// The configuration that the plugin is started with.
    #[must_use]
    pub fn config(&self) -> PluginConfig {
        PluginConfig {
            name: "bench".to_owned(),
            configuration: self.configuration.clone(),
            ..PluginConfig::default()
        }
    }

    /// Its name.
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

    /// A VM with its plugin, ready for streams.
    ///
    /// # Errors
    /// When it does not start.
    pub fn running(&self, host: &Host) -> Result<Running, BenchError> {
        let mut vm = self.vm(host)?;
        let plugin = vm.start_plugin(self.config())?;
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
    /// Runs one complete stream: create, request headers, log, done, delete. Callbacks that the
    /// module does not export are skipped, as in Envoy. The guest's changes stay in the headers.
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

    /// Runs one stream and checks that the module did what the workload says.
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

    /// Runs `count` streams, one after the other.
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
