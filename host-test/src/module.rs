//! A compiled module: checked to be proxy-wasm, linked once, for any number of VMs. Its report
//! names the imports that the host does not serve.

use serde::Serialize;
use wasmtime::{ExternType, InstancePre, Val};

use crate::abi::{AbiVersion, Status};
use crate::engine::Engine;
use crate::error::ModuleError;
use crate::features::{self, Beyond};
use crate::hostcalls::{HOSTCALLS, Hostcall};
use crate::state::HostState;
use crate::wasi;

/// An import that the host does not serve.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// // This module imports `proxy_teleport`, which no version of the ABI has.
/// # let module = module("newer");
/// let unserved = &module.capabilities().unserved[0];
/// assert_eq!(unserved.name, "proxy_teleport");
/// assert_eq!(unserved.answer, "Unimplemented");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unserved {
    /// The import's module: `env`, or one of WASI's.
    pub module: String,
    /// The import's name.
    pub name: String,
    /// The answer to a call: `Unimplemented` or `ENOSYS`.
    pub answer: &'static str,
}

/// Whether the host has an imported function, and whether Envoy has it. Envoy 1.40.0 loads no
/// module with an import that it does not have.
///
/// ```
/// use gatepost_host::{AbiVersion, ImportState};
///
/// let state = |name| ImportState::of(AbiVersion::V0_2_1, "env", name);
/// assert_eq!(state("proxy_log"), ImportState::Served);
/// assert_eq!(state("abort"), ImportState::HostOnly); // AssemblyScript's
/// assert!(matches!(state("proxy_dance"), ImportState::Stubbed(_)));
/// assert_eq!(state("unheard_of"), ImportState::Unknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// Both have it.
    Served,
    /// Only the host has it.
    HostOnly,
    /// Neither has it; the host links it with an answer that says so.
    Stubbed(Stub),
    /// Neither has it, and the host does not load the module either.
    Unknown,
}

/// What a function answers that the host does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stub {
    /// Proxy-wasm's status.
    Unimplemented,
    /// WASI's error.
    Enosys,
}

impl Stub {
    fn code(self) -> u32 {
        match self {
            Stub::Unimplemented => Status::Unimplemented.code(),
            Stub::Enosys => wasi::ENOSYS,
        }
    }

    /// The answer's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stub::Unimplemented => "Unimplemented",
            Stub::Enosys => "ENOSYS",
        }
    }
}

impl ImportState {
    /// The state of an import of a module of this version.
    #[must_use]
    pub fn of(abi: AbiVersion, module: &str, name: &str) -> Self {
        let is_served = |call: &Hostcall| call.name == name && call.is_in(abi);
        match module {
            "env" if HOSTCALLS.iter().any(is_served) => {
                if ["abort", "seed"].contains(&name) {
                    Self::HostOnly
                } else {
                    Self::Served
                }
            }
            "env" if name.starts_with("proxy_") => Self::Stubbed(Stub::Unimplemented),
            _ if !wasi::MODULES.contains(&module) => Self::Unknown,
            _ if wasi::FUNCTIONS.contains(&name) => Self::Served,
            _ => Self::Stubbed(Stub::Enosys),
        }
    }
}

/// What a module imports and exports, and what of it the host does not serve.
///
/// ```
/// # use gatepost_host_fixtures::*;
/// # let module = module("tag");
/// let report = module.capabilities();
/// assert_eq!(report.abi, AbiVersion::V0_2_1);
/// assert_eq!(report.imports, ["env.proxy_get_buffer_bytes", "env.proxy_add_header_map_value"]);
/// assert!(report.exports.iter().any(|export| export == "proxy_on_request_headers"));
/// assert!(report.unserved.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CapabilityReport {
    /// The ABI version the module announces.
    pub abi: AbiVersion,
    /// Its imports, `module.name`, in order.
    pub imports: Vec<String>,
    /// Its exports, in order.
    pub exports: Vec<String>,
    /// The imports that are not served. They are linked, and a call answers that they are missing.
    pub unserved: Vec<Unserved>,
}

/// A proxy-wasm module, compiled and linked.
///
/// ```
/// use gatepost_host::{AbiVersion, Engine, EngineOptions, Module};
///
/// // A module that imports `proxy_teleport`, which no version of the ABI has.
/// let wasm = wat::parse_str(r#"(module
///     (import "env" "proxy_teleport" (func (param i32) (result i32)))
///     (memory (export "memory") 1)
///     (func (export "proxy_abi_version_0_2_1"))
///     (func (export "malloc") (param i32) (result i32) (i32.const 1024)))"#)?;
/// let engine = Engine::new(EngineOptions::default())?;
/// let module = Module::new(&engine, "newer", &wasm)?;
/// assert_eq!(module.abi(), AbiVersion::V0_2_1);
///
/// // The module loads, and a call of `proxy_teleport` answers `Unimplemented`.
/// assert_eq!(module.capabilities().unserved[0].answer, "Unimplemented");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Module {
    pub(crate) name: String,
    pub(crate) engine: Engine,
    pub(crate) pre: InstancePre<HostState>,
    pub(crate) malloc: &'static str,
    report: CapabilityReport,
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module")
            .field("name", &self.name)
            .field("abi", &self.report.abi)
            .finish_non_exhaustive()
    }
}

impl Module {
    /// Compiles a module from its bytes. Errors and reports contain the name.
    ///
    /// ```
    /// # use gatepost_host::*;
    /// # let engine = Engine::new(EngineOptions::default())?;
    /// let error = Module::new(&engine, "empty.wasm", b"\0asm\x01\0\0\0").unwrap_err();
    /// assert!(matches!(error, ModuleError::NoAbiVersion { .. }));
    /// assert!(error.to_string().starts_with("empty.wasm: no export proxy_abi_version_0_1_0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the bytes are not a proxy-wasm module, or the module imports something that is neither
    /// proxy-wasm nor WASI.
    pub fn new(engine: &Engine, name: &str, wasm: &[u8]) -> Result<Self, ModuleError> {
        let module = || name.to_owned();
        let compiled = compile(engine, name, wasm)?;
        let has = |export: &str| compiled.get_export(export).is_some();
        let abi = announced_abi(&compiled).ok_or(ModuleError::NoAbiVersion { module: module() })?;
        if !matches!(compiled.get_export("memory"), Some(ExternType::Memory(_))) {
            return Err(ModuleError::MissingExport { module: module(), export: "memory" });
        }
        let malloc = ["malloc", "proxy_on_memory_allocate"].into_iter().find(|name| has(name));
        let malloc = malloc.ok_or(ModuleError::MissingExport {
            module: module(),
            export: "malloc or proxy_on_memory_allocate",
        })?;
        Self::link(engine, name, &compiled, abi, malloc)
    }

    /// Compiles a command: a WASI program that runs once, from `_start` to its end, like a test
    /// binary of `cargo test --target wasm32-wasip1`. It can make hostcalls, outside of every
    /// stream. If it announces no ABI version, 0.2.1 is used.
    /// [`Vm::run_command`](crate::Vm::run_command) runs it.
    ///
    /// # Errors
    /// If the bytes are not a command, or the module imports something that is neither proxy-wasm
    /// nor WASI.
    pub fn command(engine: &Engine, name: &str, wasm: &[u8]) -> Result<Self, ModuleError> {
        let compiled = compile(engine, name, wasm)?;
        if !matches!(compiled.get_export("_start"), Some(ExternType::Func(_))) {
            return Err(ModuleError::NotACommand { module: name.to_owned() });
        }
        // Without an allocator, hostcalls that return values answer an error.
        let malloc = ["malloc", "proxy_on_memory_allocate"]
            .into_iter()
            .find(|name| compiled.get_export(name).is_some());
        Self::link(
            engine,
            name,
            &compiled,
            announced_abi(&compiled).unwrap_or(AbiVersion::V0_2_1),
            malloc.unwrap_or("malloc"),
        )
    }

    fn link(
        engine: &Engine,
        name: &str,
        compiled: &wasmtime::Module,
        abi: AbiVersion,
        malloc: &'static str,
    ) -> Result<Self, ModuleError> {
        let module = || name.to_owned();
        let exports = compiled.exports().map(|export| export.name().to_owned()).collect();
        let mut linker = engine.linker(abi)?;
        let mut unserved: Vec<Unserved> = Vec::new();
        let mut imports = Vec::new();
        let mut unknown = Vec::new();
        for import in compiled.imports() {
            let (from, what) = (import.module(), import.name());
            let whole = format!("{from}.{what}");
            imports.push(whole.clone());
            let answer = match ImportState::of(abi, from, what) {
                ImportState::Served | ImportState::HostOnly => continue,
                ImportState::Stubbed(answer) => answer,
                ImportState::Unknown => {
                    let kind = match import.ty() {
                        ExternType::Memory(_) => "memory",
                        ExternType::Table(_) => "table",
                        _ => {
                            unknown.push(whole);
                            continue;
                        }
                    };
                    let (module, import) = (module(), whole);
                    return Err(ModuleError::ImportedStore { module, kind, import });
                }
            };
            if unserved.iter().any(|have| have.module == from && have.name == what) {
                continue;
            }
            let ExternType::Func(ty) = import.ty() else {
                unknown.push(whole);
                continue;
            };
            let results = ty.results().map(|ty| Val::default_for_ty(&ty)).collect();
            let Some(results) = results else {
                unknown.push(whole);
                continue;
            };
            let results: Vec<Val> = results;
            let code = answer.code();
            linker
                .func_new(from, what, ty, move |_, _, out| {
                    for (out, zero) in out.iter_mut().zip(&results) {
                        *out = if matches!(zero, Val::I32(_)) {
                            Val::I32(code.cast_signed())
                        } else {
                            *zero
                        };
                    }
                    Ok(())
                })
                .map_err(|error| ModuleError::Link { module: module(), error })?;
            let (module, name) = (from.to_owned(), what.to_owned());
            unserved.push(Unserved { module, name, answer: answer.name() });
        }
        if !unknown.is_empty() {
            return Err(ModuleError::UnknownImports { module: module(), imports: unknown });
        }
        let pre = linker
            .instantiate_pre(compiled)
            .map_err(|error| ModuleError::Link { module: module(), error })?;
        let report = CapabilityReport { abi, imports, exports, unserved };
        Ok(Self { name: module(), engine: engine.clone(), pre, malloc, report })
    }

    /// The module's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether both are clones of one compiled module.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.pre.module().image_range() == other.pre.module().image_range()
    }

    /// The ABI version that the module announces.
    #[must_use]
    pub fn abi(&self) -> AbiVersion {
        self.report.abi
    }

    /// What the module imports and exports, and what of it the host does not serve.
    #[must_use]
    pub fn capabilities(&self) -> &CapabilityReport {
        &self.report
    }
}

fn compile(engine: &Engine, name: &str, wasm: &[u8]) -> Result<wasmtime::Module, ModuleError> {
    let module = || name.to_owned();
    let beyond = |Beyond { feature, runs_in_envoy }| ModuleError::Feature {
        module: module(),
        feature,
        runs_in_envoy,
    };
    let compiled = wasmtime::Module::from_binary(&engine.wasmtime, wasm).map_err(|error| {
        features::beyond(wasm)
            .map_or_else(|| ModuleError::Compile { module: module(), error }, beyond)
    })?;
    // wasmtime compiles it, and would refuse each VM.
    if features::has_shared_memory(wasm) {
        return Err(beyond(features::SHARED_MEMORY));
    }
    engine.tighten_cache();
    Ok(compiled)
}

/// The ABI version that a module announces; of several, the newest.
fn announced_abi(compiled: &wasmtime::Module) -> Option<AbiVersion> {
    AbiVersion::ALL.into_iter().rev().find(|abi| compiled.get_export(abi.marker()).is_some())
}
