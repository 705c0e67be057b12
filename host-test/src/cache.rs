//! Compiled modules kept on disk, so that a process that starts again need not compile: what a
//! directory must be like, and how often it was of use. wasmtime reads and writes the files and
//! keeps their number and size within bounds.

use std::fs;
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

/// What became of [`EngineOptions::cache`](crate::EngineOptions).
///
/// ```
/// use gatepost_host::{CacheState, Engine, EngineOptions};
/// # use gatepost_host_fixtures::module_on;
///
/// # let directory = tempfile::tempdir()?;
/// let directory = directory.path().join("modules");
/// let options = EngineOptions { cache: Some(directory), ..EngineOptions::default() };
///
/// let first = Engine::new(options.clone())?;
/// module_on(&first, "tag"); // loads a module
/// assert_eq!(first.cache(), CacheState::On { hits: 0, written: 1 });
///
/// // The next process finds it compiled.
/// let next = Engine::new(options)?;
/// module_on(&next, "tag");
/// assert_eq!(next.cache(), CacheState::On { hits: 1, written: 0 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// None was asked for.
    Off,
    /// It is in use.
    On {
        /// Modules that were found there.
        hits: usize,
        /// Modules that were compiled and written there.
        written: usize,
    },
    /// The directory cannot be used, so modules are compiled.
    Unusable(CacheProblem),
}

/// Why a directory cannot be used to keep compiled modules.
///
/// It does not keep an engine from being made: it is told, and modules are compiled.
///
/// ```
/// use gatepost_host::{CacheProblem, CacheState, Engine, EngineOptions};
///
/// # let directory = tempfile::tempdir()?;
/// let file = directory.path().join("a-file");
/// std::fs::write(&file, "")?;
/// let engine = Engine::new(EngineOptions { cache: Some(file), ..EngineOptions::default() })?;
///
/// let CacheState::Unusable(problem) = engine.cache() else { panic!("a file is no directory") };
/// assert!(matches!(problem, CacheProblem::Directory { .. }));
/// assert!(problem.to_string().ends_with("choose another directory for compiled modules"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CacheProblem {
    /// It cannot be made, or not be read.
    #[error("{path}: {reason}: choose another directory for compiled modules")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Whoever can write there can have this process run any code.
    #[error(
        "{path}: belongs to another user, who could put machine code there: choose another directory for compiled modules"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Whoever can write there can have this process run any code.
    #[error(
        "{path}: others may write there, and so put machine code there: take the right from them (chmod go-w)"
    )]
    Shared {
        /// The directory.
        path: PathBuf,
    },
}

/// Opens a cache, and makes its directory where it is missing.
pub(crate) fn open(directory: &Path) -> Result<Cache, CacheProblem> {
    let problem =
        |path: &Path, reason: String| CacheProblem::Directory { path: path.to_owned(), reason };
    let path =
        std::path::absolute(directory).map_err(|error| problem(directory, error.to_string()))?;
    make(&path).map_err(|error| problem(&path, error.to_string()))?;
    check(&path)?;
    let mut config = CacheConfig::new();
    config.with_directory(&path);
    Cache::new(config).map_err(|error| problem(&path, format!("{error:#}")))
}

pub(crate) fn state(cache: &Cache) -> CacheState {
    CacheState::On { hits: cache.cache_hits(), written: cache.cache_misses() }
}

/// Makes the directory for its owner alone, whatever the process's umask.
fn make(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// What lies in the directory is run as it is.
#[cfg(unix)]
fn check(path: &Path) -> Result<(), CacheProblem> {
    use std::os::unix::fs::MetadataExt;

    let path = path.to_owned();
    match fs::metadata(&path) {
        Err(error) => Err(CacheProblem::Directory { path, reason: error.to_string() }),
        Ok(found) if found.uid() != rustix::process::geteuid().as_raw() => {
            Err(CacheProblem::Foreign { path })
        }
        Ok(found) if found.mode() & 0o022 != 0 => Err(CacheProblem::Shared { path }),
        Ok(_) => Ok(()),
    }
}

/// The system's own rights are not looked at here.
#[cfg(not(unix))]
fn check(_: &Path) -> Result<(), CacheProblem> {
    Ok(())
}
