//! Files of tests, and what runs them: the module under test, compiled once, and its limits.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use gatepost_host::{Engine, EngineOptions, Limits, Module, ModuleError, VmOptions};

use crate::fault::FileError;
use crate::report::FileReport;
use crate::{suite, textproto};

/// A file of tests, read and without faults.
#[derive(Clone, Debug)]
pub enum TestFile {
    /// Gatepost's own, in YAML or JSON.
    Suite(Box<suite::Suite>),
    /// Google's `tests.textpb`.
    Textproto(textproto::Suite),
}

impl TestFile {
    /// Reads a file. One called `.yaml`, `.yml` or `.json` is in Gatepost's format, any other in
    /// Google's.
    ///
    /// # Errors
    /// When the file cannot be read, or has faults.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| FileError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(path, &text)
    }

    /// As [`read`](Self::read), with the file's text. Other files that it names are found by its
    /// path.
    ///
    /// # Errors
    /// When the file has faults.
    pub fn parse(path: &Path, text: &str) -> Result<Self, FileError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml" | "json") => {
                suite::Suite::parse(path, text).map(|suite| Self::Suite(Box::new(suite)))
            }
            _ => textproto::Suite::parse(path, text).map(Self::Textproto),
        }
    }
}

/// What keeps a file's tests from being run at all.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// A file that the tests need cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The module is something else than wasm.
    #[error("{module}: not a wasm module: its first bytes are not those of wasm")]
    NotWasm {
        /// The module, as it was named.
        module: String,
    },
    /// The module cannot be loaded.
    #[error(transparent)]
    Module(#[from] ModuleError),
}

/// The most fuel, about one unit for each instruction, that a callback may use: some seconds.
const FUEL: u64 = 5_000_000_000;

/// Runs files of tests against one module.
#[derive(Clone, Debug)]
pub struct Runner {
    engine: Engine,
    module: Module,
    /// The plugin configuration of the module under test; none takes what a file gives.
    pub configuration: Option<Bytes>,
    /// What each VM may use. A callback's fuel is limited, so that a module that loops fails its
    /// test and no more.
    pub limits: Limits,
}

impl Runner {
    /// A runner for a module in a file. Compiled modules are kept in a directory, if there is one:
    /// see [`EngineOptions::cache`].
    ///
    /// # Errors
    /// When the file cannot be read, or is no proxy-wasm module.
    pub fn read(path: &Path, cache: Option<PathBuf>) -> Result<Self, RunnerError> {
        let engine = engine(cache)?;
        let module = load(&engine, path)?;
        Ok(Self::with(engine, module))
    }

    /// A runner for a module. The name stands in reports.
    ///
    /// # Errors
    /// When the bytes are no proxy-wasm module.
    pub fn new(name: &str, wasm: &[u8]) -> Result<Self, RunnerError> {
        let engine = engine(None)?;
        let module = compile(&engine, name, wasm)?;
        Ok(Self::with(engine, module))
    }

    fn with(engine: Engine, module: Module) -> Self {
        let limits = Limits { fuel_per_callback: Some(FUEL), ..Limits::default() };
        Self { engine, module, configuration: None, limits }
    }

    /// The module.
    #[must_use]
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Runs a file's tests.
    ///
    /// # Errors
    /// When a file that all of them need cannot be read, or a module that they name beside this one
    /// cannot be loaded. What one test lacks is a difference of that test.
    pub fn run(&self, file: &TestFile) -> Result<FileReport, RunnerError> {
        match file {
            TestFile::Suite(suite) => Ok(suite::Run::new(
                suite,
                &self.engine,
                &self.module,
                self.configuration.as_ref(),
                &self.limits,
            )?
            .run()),
            TestFile::Textproto(suite) => {
                let configuration = match &self.configuration {
                    Some(given) => given.clone(),
                    None => textproto::configuration(suite)
                        .map_err(|(path, error)| RunnerError::Unreadable { path, error })?
                        .unwrap_or_default(),
                };
                let options = || VmOptions { limits: self.limits.clone(), ..VmOptions::default() };
                Ok(suite.run(&self.module, &configuration, options))
            }
        }
    }
}

fn engine(cache: Option<PathBuf>) -> Result<Engine, ModuleError> {
    Engine::new(EngineOptions { fuel: true, cache, ..EngineOptions::default() })
}

/// A module in a file.
pub(crate) fn load(engine: &Engine, path: &Path) -> Result<Module, RunnerError> {
    let wasm = std::fs::read(path)
        .map_err(|error| RunnerError::Unreadable { path: path.to_owned(), error })?;
    compile(engine, &path.display().to_string(), &wasm)
}

fn compile(engine: &Engine, name: &str, wasm: &[u8]) -> Result<Module, RunnerError> {
    if !wasm.starts_with(crate::inspect::MAGIC) {
        return Err(RunnerError::NotWasm { module: name.to_owned() });
    }
    Ok(Module::new(engine, name, wasm)?)
}
