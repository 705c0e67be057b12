//! What can be known of a module without running it: its ABI version, imports and exports, the
//! exports that no proxy ever calls, its memory, its size by section, and which of its imports this
//! host serves.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gatepost_host::{AbiVersion, Engine, EngineOptions, ImportState, Module, ModuleError};
use serde::Serialize;
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

/// The properties of a module.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The shape of the JSON form: `gatepost.module-inspect/v1`.
    pub version: &'static str,
    /// The module, as it was named.
    pub module: String,
    /// The ABI version that it exports; `None` when it is no proxy-wasm module, or exports an
    /// unknown version.
    pub abi: Option<AbiVersion>,
    /// Bytes, all sections together.
    pub size: u64,
    /// Bytes by section, largest first; custom sections by their names.
    pub sections: Vec<Section>,
    /// Its own memory, or the one it imports.
    pub memory: Option<Memory>,
    /// What it imports, in order.
    pub imports: Vec<Import>,
    /// What it exports, in order.
    pub exports: Vec<Export>,
    /// Exports that no proxy ever calls. A linker that drops them makes the module smaller.
    pub unused_exports: Vec<String>,
    /// Why this host cannot run it; `None` when it can.
    pub problem: Option<String>,
    /// What Envoy 1.40.0 says when it does not load the module; none if it does, as far as imports
    /// and features tell.
    pub envoy: Option<String>,
}

/// The size of a section, or of all custom sections of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// `code`, `data`, `custom name`, …
    pub name: String,
    /// Its bytes, without the few of its head.
    pub size: u64,
}

/// The limits of a linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Pages of 64 KiB at the start.
    pub min_pages: u64,
    /// How many pages it may have; `None` for as many as the host allows.
    pub max_pages: Option<u64>,
    /// Whether it is imported and not the module's own.
    pub imported: bool,
}

/// One import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Import {
    /// The module it is imported from.
    pub module: String,
    /// Its name.
    pub name: String,
    /// What it is: `function`, `memory`, …
    pub kind: &'static str,
    /// Whether this host serves it.
    pub served: bool,
    /// The status that a call returns when it is not served and the module runs nevertheless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<&'static str>,
    /// Whether Envoy has it.
    pub in_envoy: bool,
}

/// One export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Export {
    /// Its name.
    pub name: String,
    /// What it is: `function`, `memory`, …
    pub kind: &'static str,
    /// What a proxy does with it.
    pub role: Role,
}

/// What a proxy does with an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Names the ABI version.
    Abi,
    /// Called when something happens to a plugin or a stream.
    Callback,
    /// Called once, when a VM starts.
    Startup,
    /// Allocates memory for the host, or is the memory.
    Memory,
    /// Nothing.
    Unused,
}

/// Bytes that cannot be inspected.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// They are something else than wasm.
    #[error("{module}: not a wasm module: its first bytes are not those of wasm")]
    NotWasm {
        /// The module, as it was named.
        module: String,
    },
    /// They begin as wasm, and what follows is invalid.
    #[error("{module}: not a valid wasm module: {error}")]
    Broken {
        /// The module, as it was named.
        module: String,
        /// The parser's message.
        error: wasmparser::BinaryReaderError,
    },
}

/// What every module begins with.
pub(crate) const MAGIC: &[u8] = b"\0asm";

/// Every callback of the ABI, all versions together.
const CALLBACKS: [&str; 25] = [
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_validate_configuration",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_queue_ready",
    "proxy_on_new_connection",
    "proxy_on_downstream_data",
    "proxy_on_upstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_upstream_connection_close",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_request_metadata",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_response_metadata",
    "proxy_on_http_call_response",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_grpc_close",
    "proxy_on_foreign_function",
];
/// The callbacks at a context's end.
const ENDINGS: [&str; 3] = ["proxy_on_log", "proxy_on_done", "proxy_on_delete"];
const STARTUP: [&str; 3] = ["_initialize", "_start", "main"];
const MEMORY: [&str; 3] = ["memory", "malloc", "proxy_on_memory_allocate"];

fn role(name: &str) -> Role {
    match name {
        _ if name.starts_with("proxy_abi_version_") => Role::Abi,
        _ if CALLBACKS.contains(&name) || ENDINGS.contains(&name) => Role::Callback,
        _ if STARTUP.contains(&name) => Role::Startup,
        _ if MEMORY.contains(&name) => Role::Memory,
        _ => Role::Unused,
    }
}

impl Inspection {
    /// Inspects a module's bytes.
    ///
    /// # Errors
    /// When they are no wasm module. A module that this host cannot run is inspected nevertheless.
    pub fn of(name: &str, wasm: &[u8]) -> Result<Self, InspectError> {
        let mut inspection = Self {
            version: "gatepost.module-inspect/v1",
            module: name.to_owned(),
            abi: None,
            size: u64::try_from(wasm.len()).unwrap_or(u64::MAX),
            sections: Vec::new(),
            memory: None,
            imports: Vec::new(),
            exports: Vec::new(),
            unused_exports: Vec::new(),
            problem: None,
            envoy: None,
        };
        if !wasm.starts_with(MAGIC) {
            return Err(InspectError::NotWasm { module: name.to_owned() });
        }
        inspection
            .parse(wasm)
            .map_err(|error| InspectError::Broken { module: name.to_owned(), error })?;
        let exports = &inspection.exports;
        inspection.abi = AbiVersion::ALL
            .into_iter()
            .rev()
            .find(|abi| exports.iter().any(|export| export.name == abi.marker()));
        inspection.unused_exports = exports
            .iter()
            .filter(|export| export.role == Role::Unused)
            .map(|export| export.name.clone())
            .collect();
        let abi = inspection.abi.unwrap_or(AbiVersion::V0_2_1);
        for import in &mut inspection.imports {
            // Envoy makes a memory or a table that a module imports.
            let is_store = ["memory", "table"].contains(&import.kind);
            let state = match import.kind {
                "function" => ImportState::of(abi, &import.module, &import.name),
                _ => ImportState::Unknown,
            };
            import.served = matches!(state, ImportState::Served | ImportState::HostOnly);
            import.in_envoy = is_store || state == ImportState::Served;
            if let ImportState::Stubbed(stub) = state {
                import.answer = Some(stub.name());
            }
        }
        inspection.envoy = inspection
            .imports
            .iter()
            .find(|import| !import.in_envoy)
            .map(|import| format!("missing import: {}.{}", import.module, import.name));
        if let Err(error) = load(name, wasm) {
            if matches!(error, ModuleError::Feature { runs_in_envoy: false, .. }) {
                inspection.envoy = Some("Failed to load Wasm bytecode".to_owned());
            }
            inspection.problem = Some(error.to_string());
        }
        Ok(inspection)
    }

    fn parse(&mut self, wasm: &[u8]) -> wasmparser::Result<()> {
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload?;
            if let Some((_, range)) = payload.as_section() {
                let size = u64::try_from(range.len()).unwrap_or(u64::MAX);
                *sizes.entry(section_name(&payload)).or_default() += size;
            }
            match payload {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        if let TypeRef::Memory(memory) = import.ty {
                            self.memory = Some(Memory {
                                min_pages: memory.initial,
                                max_pages: memory.maximum,
                                imported: true,
                            });
                        }
                        let (module, name, kind) = (
                            import.module.to_owned(),
                            import.name.to_owned(),
                            type_kind(import.ty),
                        );
                        self.imports.push(Import {
                            module,
                            name,
                            kind,
                            served: false,
                            answer: None,
                            in_envoy: false,
                        });
                    }
                }
                Payload::MemorySection(memories) => {
                    for memory in memories {
                        let memory = memory?;
                        let own = Memory {
                            min_pages: memory.initial,
                            max_pages: memory.maximum,
                            imported: false,
                        };
                        self.memory.get_or_insert(own);
                    }
                }
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        let (name, kind) = (export.name.to_owned(), export_kind(export.kind));
                        self.exports.push(Export { role: role(&name), name, kind });
                    }
                }
                _ => {}
            }
        }
        self.sections = sizes.into_iter().map(|(name, size)| Section { name, size }).collect();
        self.sections.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
        Ok(())
    }

    /// Whether this host runs the module and serves all that it imports, and Envoy loads it.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.problem.is_none()
            && self.envoy.is_none()
            && self.imports.iter().all(|import| import.served)
    }

    /// The inspection for people, with terminal colours.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        let abi = self
            .abi
            .map_or_else(|| "none: not a proxy-wasm module".to_owned(), |abi| abi.to_string());
        let _ = writeln!(text, "{}", self.module);
        let _ = writeln!(text, "  abi      {abi}");
        let _ = writeln!(text, "  size     {} bytes", self.size);
        for Section { name, size } in &self.sections {
            let _ = writeln!(text, "           {size:>9} {}", plain(name));
        }
        let memory = self.memory.map_or_else(|| "none".to_owned(), memory_text);
        let _ = writeln!(text, "  memory   {memory}");
        let _ = writeln!(text, "  imports  {}", self.imports.len());
        for import in &self.imports {
            let name = plain(&format!("{}.{}", import.module, import.name));
            let mark = match (import.answer, import.served, import.in_envoy) {
                (_, true, true) => String::new(),
                (_, true, false) => format!("  {BAD}Envoy has none{OFF}"),
                (Some(answer), ..) => {
                    format!("  {BAD}not served: answers {answer}; Envoy has none{OFF}")
                }
                (None, false, true) => format!("  {BAD}not served: Envoy makes one{OFF}"),
                (None, false, false) => {
                    format!("  {BAD}unknown: neither this host nor Envoy has it{OFF}")
                }
            };
            let _ = writeln!(text, "           {name}{mark}");
        }
        let used: Vec<&Export> =
            self.exports.iter().filter(|export| export.role != Role::Unused).collect();
        let _ = writeln!(text, "  exports  {}", self.exports.len());
        for export in used {
            let _ = writeln!(text, "           {}", plain(&export.name));
        }
        let _ = writeln!(text, "  unused   {}", self.unused_exports.len());
        for name in &self.unused_exports {
            let _ = writeln!(text, "           {}", plain(name));
        }
        if let Some(says) = &self.envoy {
            let _ = writeln!(text, "{BAD}Envoy does not load it{OFF}: {}", plain(says));
        }
        let served = self.imports.iter().filter(|import| import.served).count();
        let _ = match &self.problem {
            Some(problem) => writeln!(text, "{BAD}cannot be run{OFF}: {}", plain(problem)),
            None if served == self.imports.len() => {
                writeln!(text, "{GOOD}can be run{OFF}: every import is served")
            }
            None => {
                writeln!(text, "can be run: {served} of {} imports are served", self.imports.len())
            }
        };
        text
    }
}

const GOOD: &str = "\u{1b}[32m";
const BAD: &str = "\u{1b}[31m";
const OFF: &str = "\u{1b}[0m";

/// A name with its control characters escaped: what a module names must not control the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() })
        .collect()
}

fn memory_text(memory: Memory) -> String {
    let pages = |pages: u64| format!("{pages} pages ({} KiB)", pages.saturating_mul(64));
    let max = memory
        .max_pages
        .map_or_else(|| "no maximum".to_owned(), |max| format!("at most {}", pages(max)));
    let imported = if memory.imported { ", imported" } else { "" };
    format!("{}, {max}{imported}", pages(memory.min_pages))
}

fn load(name: &str, wasm: &[u8]) -> Result<Module, ModuleError> {
    Module::new(&Engine::new(EngineOptions::default())?, name, wasm)
}

fn section_name(payload: &Payload<'_>) -> String {
    match payload {
        Payload::TypeSection(_) => "type",
        Payload::ImportSection(_) => "import",
        Payload::FunctionSection(_) => "function",
        Payload::TableSection(_) => "table",
        Payload::MemorySection(_) => "memory",
        Payload::TagSection(_) => "tag",
        Payload::GlobalSection(_) => "global",
        Payload::ExportSection(_) => "export",
        Payload::StartSection { .. } => "start",
        Payload::ElementSection(_) => "element",
        Payload::DataCountSection { .. } => "data count",
        Payload::DataSection(_) => "data",
        Payload::CodeSectionStart { .. } => "code",
        Payload::CustomSection(custom) => return format!("custom {}", custom.name()),
        _ => "other",
    }
    .to_owned()
}

fn type_kind(ty: TypeRef) -> &'static str {
    match ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => "function",
        TypeRef::Table(_) => "table",
        TypeRef::Memory(_) => "memory",
        TypeRef::Global(_) => "global",
        TypeRef::Tag(_) => "tag",
    }
}

fn export_kind(kind: ExternalKind) -> &'static str {
    match kind {
        ExternalKind::Func | ExternalKind::FuncExact => "function",
        ExternalKind::Table => "table",
        ExternalKind::Memory => "memory",
        ExternalKind::Global => "global",
        ExternalKind::Tag => "tag",
    }
}
