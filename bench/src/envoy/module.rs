//! The figures of the module itself: its size, the time to accept a policy, and the memory that a
//! policy needs. They are measured on `gatepost-host`, whose VM is that of one worker.

use std::time::Duration;

use bytes::Bytes;
use gatepost_host::{
    Engine, EngineOptions, Headers, Host, Module, PluginConfig, StreamInfo, Vm, VmOptions,
};
use serde::Serialize;

use super::plan::{LARGEST, SMALL};
use super::policy::{SHIPPED_MAPPING, Shape, Size};
use crate::clock::thread_time;
use crate::error::BenchError;
use crate::goal::Goal;
use crate::report::table;
use crate::rounds::Spread;

/// Bytes that the module may have.
const MODULE: usize = 256 << 10;
/// Milliseconds to accept the largest policy.
const ACCEPTED: f64 = 150.0;
/// Linear memory with the largest policy, when it was loaded first.
const LOADED: usize = 14 << 20;
/// Linear memory with the largest policy, after reloads.
const RELOADED: usize = 20 << 20;
/// Reloads of the largest policy.
const RELOADS: usize = 100;
/// Streams that are open at once, to see what each takes.
const STREAMS: usize = 10_000;
/// The reload after which memory may not grow any more.
const SETTLED: usize = 5;

/// The figures of one module.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModuleFigures {
    /// The arm.
    pub arm: String,
    /// The module's bytes.
    pub bytes: usize,
    /// Bytes of the largest policy's document.
    pub document_bytes: usize,
    /// Milliseconds of processor time to accept the largest policy in a fresh VM.
    pub accepted: Spread,
    /// Linear memory with the smallest policy.
    pub small_memory: usize,
    /// Linear memory with the largest policy.
    pub large_memory: usize,
    /// Linear memory with the largest policy after the fifth reload, and after the hundredth.
    pub reloaded_memory: [usize; 2],
    /// Linear memory for each open stream: of a host that passes, and of one that is mapped, whose
    /// response owes the client's host.
    pub stream_memory: [usize; 2],
}

/// Measures a module.
///
/// # Errors
/// When it does not start, or refuses a policy.
pub fn measure(arm: &str, wasm: &[u8], rounds: usize) -> Result<ModuleFigures, BenchError> {
    let module = Module::new(&Engine::new(EngineOptions::default())?, "gatepost", wasm)?;
    let (small, large) = (configuration(SMALL)?, configuration(LARGEST)?);
    let document_bytes = large.configuration.len();
    let mut accepted = Vec::new();
    let mut large_memory = 0;
    for _ in 0..rounds {
        let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
        let before = thread_time();
        vm.start_plugin(large.clone())?;
        accepted.push((thread_time() - before).as_secs_f64() * 1e3);
        large_memory = vm.memory_bytes();
    }
    let stream_memory = [
        streams(&module, &small, "shop.example.com")?,
        streams(&module, &small, SHIPPED_MAPPING.0)?,
    ];
    let mut vm = Vm::new(&module, Host::default(), VmOptions::default())?;
    vm.start_plugin(small)?;
    Ok(ModuleFigures {
        arm: arm.to_owned(),
        bytes: wasm.len(),
        document_bytes,
        accepted: Spread::of(&accepted),
        small_memory: vm.memory_bytes(),
        large_memory,
        reloaded_memory: reload(&module, &large)?,
        stream_memory,
    })
}

fn configuration(size: Size) -> Result<PluginConfig, BenchError> {
    let configuration = Bytes::from(Shape::Knative.configuration(size)?);
    Ok(PluginConfig { name: "bench".to_owned(), configuration, ..PluginConfig::default() })
}

/// Reloads as Envoy does: the new policy is started while the old one is in force, and then the old
/// one is stopped.
fn reload(module: &Module, config: &PluginConfig) -> Result<[usize; 2], BenchError> {
    let mut vm = Vm::new(module, Host::default(), VmOptions::default())?;
    let mut running = vm.start_plugin(config.clone())?;
    let mut settled = 0;
    for number in 1..=RELOADS {
        let next = vm.start_plugin(config.clone())?;
        vm.stop_plugin(running)?;
        running = next;
        if number == SETTLED {
            settled = vm.memory_bytes();
        }
    }
    Ok([settled, vm.memory_bytes()])
}

/// Opens streams for a host, and leaves them open.
fn streams(module: &Module, config: &PluginConfig, host: &str) -> Result<usize, BenchError> {
    let mut vm = Vm::new(module, Host::default(), VmOptions::default())?;
    let plugin = vm.start_plugin(config.clone())?;
    let before = vm.memory_bytes();
    for _ in 0..STREAMS {
        let stream = vm.stream(plugin, StreamInfo::default())?;
        let mut headers =
            Headers::request([(":method", "GET"), (":path", "/"), (":authority", host)]);
        let _ = vm.request_headers(stream, &mut headers, false)?;
    }
    Ok((vm.memory_bytes() - before) / STREAMS)
}

impl ModuleFigures {
    /// What they must reach, and whether they do.
    pub(super) fn goals(&self) -> Vec<Goal> {
        let memory = |what: &str, bytes: usize, most: usize| Goal {
            what: what.to_owned(),
            goal: format!("at most {}", kib(most)),
            figure: kib(bytes),
            met: bytes <= most,
        };
        let [settled, last] = self.reloaded_memory;
        let accepted = Duration::from_secs_f64(self.accepted.median / 1e3);
        vec![
            memory("filter.wasm", self.bytes, MODULE),
            Goal {
                what: "accepting 100,000 mappings in one VM".to_owned(),
                goal: format!("at most {ACCEPTED:.0} ms"),
                figure: format!("{accepted:.1?}"),
                met: self.accepted.median <= ACCEPTED,
            },
            memory("linear memory with 100,000 mappings", self.large_memory, LOADED),
            memory("linear memory with 100,000 mappings, after reloads", last, RELOADED),
            Goal {
                what: format!("growth of linear memory from reload {SETTLED} to {RELOADS}"),
                goal: "nothing".to_owned(),
                figure: kib(last.saturating_sub(settled)),
                met: last <= settled,
            },
        ]
    }
}

/// The figures as a table, one column for each module.
pub(super) fn text(modules: &[ModuleFigures]) -> String {
    type Row = (&'static str, fn(&ModuleFigures) -> String);
    let rows: [Row; 9] = [
        ("size", |module| kib(module.bytes)),
        ("linear memory with 3 mappings", |module| kib(module.small_memory)),
        ("linear memory with 100,000 mappings", |module| kib(module.large_memory)),
        ("the same after the fifth reload", |module| kib(module.reloaded_memory[0])),
        ("the same after a hundred", |module| kib(module.reloaded_memory[1])),
        ("for each open stream that passes", |module| format!("{} B", module.stream_memory[0])),
        ("for each open stream of a mapped host", |module| {
            format!("{} B", module.stream_memory[1])
        }),
        ("the document of 100,000 mappings", |module| kib(module.document_bytes)),
        ("CPU to accept it", |module| {
            format!(
                "{:.1} ms ({:.1} to {:.1})",
                module.accepted.median, module.accepted.least, module.accepted.most
            )
        }),
    ];
    let header = [String::new()]
        .into_iter()
        .chain(modules.iter().map(|module| module.arm.clone()))
        .collect();
    let row = |(what, figure): Row| {
        [what.to_owned()].into_iter().chain(modules.iter().map(figure)).collect()
    };
    table(header, rows.into_iter().map(row))
}

fn kib(bytes: usize) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}
