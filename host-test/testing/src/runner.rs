//! Files of tests, and what runs them: the module under test, compiled once, and its limits.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use gatepost_diagnostics::{FileError, Report, Source};
use gatepost_host::{CacheState, Engine, EngineOptions, Limits, Module, ModuleError, VmOptions};

use crate::modules::{RunnerError, compile, load};
use crate::report::FileReport;
use crate::{suite, textproto};

/// A file of tests, read and without errors.
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
    /// When the file cannot be read, or has errors.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        Ok(Self::from_source(path, Source::read(path)?)?)
    }

    /// As [`read`](Self::read), with the file's text. Other files that it names are found by its
    /// path.
    ///
    /// # Errors
    /// When the file has errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Report> {
        Self::from_source(path, Source::new(path.display().to_string(), text))
    }

    fn from_source(path: &Path, source: Source) -> Result<Self, Report> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("yaml" | "yml") if textproto::is_googles(source.text()) => {
                textproto::Suite::parse_yaml(path, source).map(Self::Textproto)
            }
            Some("yaml" | "yml" | "json") => {
                suite::Suite::parse(path, source).map(|suite| Self::Suite(Box::new(suite)))
            }
            _ => textproto::Suite::parse(path, source).map(Self::Textproto),
        }
    }
}

/// How much fuel a callback may use, about one unit for an instruction: some seconds.
const FUEL: u64 = 5_000_000_000;

/// Runs files of tests against one module.
#[derive(Clone, Debug)]
pub struct Runner {
    engine: Engine,
    module: Module,
    /// The plugin configuration of the module under test; `None` for what a file gives.
    pub configuration: Option<Bytes>,
    /// A part of the names of the tests that are run; none for all.
    pub only: Option<String>,
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

    /// A runner for a module. The name is in reports.
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
        Self { engine, module, configuration: None, only: None, limits }
    }

    /// The state of the cache of compiled modules.
    #[must_use]
    pub fn cache(&self) -> CacheState {
        self.engine.cache()
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
                self.only.as_deref(),
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
                Ok(suite.run(&self.module, &configuration, options, self.only.as_deref()))
            }
        }
    }
}

fn engine(cache: Option<PathBuf>) -> Result<Engine, ModuleError> {
    Engine::new(EngineOptions { fuel: true, quick: true, cache, ..EngineOptions::default() })
}
