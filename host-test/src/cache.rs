//! The cache of compiled modules on disk: the checks of its directory, and the counters of its use.
//! wasmtime reads and writes the files and bounds their number and size.

use std::fs;
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

/// The state of [`EngineOptions::cache`](crate::EngineOptions).
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
/// // The next process finds the compiled module.
/// let next = Engine::new(options)?;
/// module_on(&next, "tag");
/// assert_eq!(next.cache(), CacheState::On { hits: 1, written: 0 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheState {
    /// No cache was set.
    Off,
    /// The cache is used.
    On {
        /// Modules that were found in the cache.
        hits: usize,
        /// Modules that were compiled and written to the cache.
        written: usize,
    },
    /// The directory cannot be used: each module is compiled.
    Unusable(CacheProblem),
}

/// Why a directory cannot be used to keep compiled modules.
///
/// An engine works without its cache: it compiles each module.
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
    /// The directory cannot be created or read.
    #[error("{path}: {reason}: choose another directory for compiled modules")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        reason: String,
    },
    /// The directory belongs to another user, who could make this process run any code.
    #[error(
        "{path}: belongs to another user, who could put machine code there: choose another \
         directory for compiled modules"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Other users can write there, and could make this process run any code.
    #[error(
        "{path}: others may write there, and so put machine code there: take the right from them \
         (chmod go-w)"
    )]
    Shared {
        /// The directory.
        path: PathBuf,
    },
}

/// Opens a cache, and creates its directory if it is missing.
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

/// Creates the directory for its owner only, with any umask of the process.
fn make(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Files in the directory are machine code that this process runs, so only its user may write
/// there.
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

/// Access rights of other systems are not checked.
#[cfg(not(unix))]
fn check(_: &Path) -> Result<(), CacheProblem> {
    Ok(())
}
