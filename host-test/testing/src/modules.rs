//! Loading the modules of a test, and what keeps tests from being run at all.

use std::path::{Path, PathBuf};

use gatepost_diagnostics::{MAX_MODULE_FILE, read_file};
use gatepost_host::{Engine, Module, ModuleError};

use crate::inspect::MAGIC;

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

/// A module in a file.
pub(crate) fn load(engine: &Engine, path: &Path) -> Result<Module, RunnerError> {
    let wasm = read_file(path, MAX_MODULE_FILE)
        .map_err(|error| RunnerError::Unreadable { path: path.to_owned(), error })?;
    compile(engine, &path.display().to_string(), &wasm)
}

/// A module from its bytes. The name is in reports and errors.
pub(crate) fn compile(engine: &Engine, name: &str, wasm: &[u8]) -> Result<Module, RunnerError> {
    if !wasm.starts_with(MAGIC) {
        return Err(RunnerError::NotWasm { module: name.to_owned() });
    }
    Ok(Module::new(engine, name, wasm)?)
}
