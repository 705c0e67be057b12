//! The cache of compiled modules on disk: the checks of its directory, and the counters of its use.
//! wasmtime reads and writes the files and bounds their number and size.

use std::path::{Path, PathBuf};
use std::{fs, io};

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
    /// The directory, one around it or something in it belongs to another user, who could make this
    /// process run any code.
    #[error(
        "{path}: belongs to another user, who could put machine code there: choose another \
         directory for compiled modules"
    )]
    Foreign {
        /// What belongs to the other user.
        path: PathBuf,
    },
    /// Others may write to the directory, to one around it or to something in it.
    #[error(
        "{path}: others may write there, and so put machine code there: remove it, or choose \
         another directory for compiled modules"
    )]
    Shared {
        /// Where others may write.
        path: PathBuf,
    },
    /// The directory, or something in it, is a symbolic link.
    #[error(
        "{path}: is a symbolic link, which is not followed to machine code: choose another \
         directory for compiled modules"
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
}

/// Opens the cache in a directory, which is created if it is missing and made its owner's alone.
pub(crate) fn open(directory: &Path) -> Result<Cache, CacheProblem> {
    let path = std::path::absolute(directory).map_err(|error| problem(directory, &error))?;
    make(&path).map_err(|error| problem(&path, &error))?;
    let path = private::check(&path)?;
    let mut config = CacheConfig::new();
    config.with_directory(&path);
    Cache::new(config)
        .map_err(|error| CacheProblem::Directory { path, reason: format!("{error:#}") })
}

fn problem(path: &Path, error: &io::Error) -> CacheProblem {
    CacheProblem::Directory { path: path.to_owned(), reason: error.to_string() }
}

/// What the cache has done so far.
pub(crate) fn state(cache: &Cache) -> CacheState {
    CacheState::On { hits: cache.cache_hits(), written: cache.cache_misses() }
}

/// Takes the rights of others from what was written since. wasmtime writes files as the process's
/// umask says.
pub(crate) fn tighten(cache: &Cache) {
    private::tighten(cache.directory());
}

fn make(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whether the directory is its owner's alone: it, what is around it and what is in it. A user
/// who can write there makes this process run any code.
#[cfg(unix)]
mod private {
    use std::fs::{self, Metadata, Permissions};
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::{Path, PathBuf};

    use super::{CacheProblem, problem};

    const OTHERS: u32 = 0o077;
    const OTHERS_WRITE: u32 = 0o022;
    /// In a directory with this bit, as `/tmp`, nobody can rename what belongs to another user.
    const STICKY: u32 = 0o1000;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn look(path: &Path) -> Result<Metadata, CacheProblem> {
        fs::symlink_metadata(path).map_err(|error| problem(path, &error))
    }

    /// Checks the directory; the path without symbolic links.
    pub(super) fn check(path: &Path) -> Result<PathBuf, CacheProblem> {
        let own = look(path)?;
        if own.is_symlink() {
            return Err(CacheProblem::Link { path: path.to_owned() });
        }
        // The way that was given may lead over links; those of others can change at any time.
        path.ancestors().skip(1).try_for_each(around)?;
        let path = fs::canonicalize(path).map_err(|error| problem(path, &error))?;
        path.ancestors().skip(1).try_for_each(around)?;
        if own.uid() != me() {
            return Err(CacheProblem::Foreign { path });
        }
        if own.mode() & OTHERS_WRITE != 0 {
            return Err(CacheProblem::Shared { path });
        }
        // Where others cannot enter, the rights of what is in it give them nothing.
        let was_open = own.mode() & OTHERS != 0;
        make_private(&path, &own).map_err(|error| problem(&path, &error))?;
        within(&path, was_open)?;
        Ok(path)
    }

    fn around(path: &Path) -> Result<(), CacheProblem> {
        let found = look(path)?;
        if found.uid() != me() && found.uid() != 0 {
            return Err(CacheProblem::Foreign { path: path.to_owned() });
        }
        let is_open = found.mode() & OTHERS_WRITE != 0 && found.mode() & STICKY == 0;
        if is_open && !found.is_symlink() {
            return Err(CacheProblem::Shared { path: path.to_owned() });
        }
        Ok(())
    }

    fn within(directory: &Path, was_open: bool) -> Result<(), CacheProblem> {
        let entries = fs::read_dir(directory).map_err(|error| problem(directory, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| problem(directory, &error))?.path();
            // Another process may have replaced or removed the file meanwhile.
            let found = match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                found => found.map_err(|error| problem(&path, &error))?,
            };
            if found.is_symlink() {
                return Err(CacheProblem::Link { path });
            }
            if found.uid() != me() {
                return Err(CacheProblem::Foreign { path });
            }
            if was_open && found.mode() & OTHERS_WRITE != 0 {
                return Err(CacheProblem::Shared { path });
            }
            match make_private(&path, &found) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                made => made.map_err(|error| problem(&path, &error))?,
            }
            if found.is_dir() {
                within(&path, was_open)?;
            }
        }
        Ok(())
    }

    fn make_private(path: &Path, found: &Metadata) -> io::Result<()> {
        let mode = if found.is_dir() { 0o700 } else { 0o600 };
        if found.mode() & 0o777 == mode {
            return Ok(());
        }
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    pub(super) fn tighten(directory: &Path) {
        // What cannot be changed lies in a directory that others cannot enter.
        let _ = within(directory, false);
    }
}

#[cfg(not(unix))]
mod private {
    use std::path::{Path, PathBuf};

    use super::CacheProblem;

    #[allow(clippy::unnecessary_wraps, reason = "as on systems with users")]
    pub(super) fn check(path: &Path) -> Result<PathBuf, CacheProblem> {
        Ok(path.to_owned())
    }

    pub(super) fn tighten(_: &Path) {}
}
