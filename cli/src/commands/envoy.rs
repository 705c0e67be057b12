//! Which Envoy the command uses: the one that `GATEPOST_ENVOY` names, or the pinned release, downloaded once.

use std::path::{Path, PathBuf};

use gatepost_deploy::envoy::fetch;

use super::CommandError;

pub fn binary() -> Result<PathBuf, CommandError> {
    fetch::envoy(fetch::VERSION, &downloads()).map_err(CommandError::other)
}

/// Beside the build, when the command runs out of one (`cargo run`), so that its tests share the download; else in the user's
/// cache.
fn downloads() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let target = executable.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "target"));
    if let Some(target) = target {
        return target.to_owned();
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    cache.or_else(home).unwrap_or_else(std::env::temp_dir).join("gatepost")
}
