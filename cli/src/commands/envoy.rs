//! Which Envoy the command uses: the one that `GATEPOST_ENVOY` names, or the pinned release,
//! downloaded once.

use std::path::PathBuf;

use gatepost_testbed::envoy::fetch;

use super::exit::CommandError;
use crate::cache;

pub fn binary() -> Result<PathBuf, CommandError> {
    fetch::envoy(fetch::VERSION, &downloads()).map_err(CommandError::other)
}

/// Beside the build, when the command runs out of one (`cargo run`), so that its tests share the
/// download; else in the user's cache.
fn downloads() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let target = executable
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "target"));
    if let Some(target) = target {
        return target.to_owned();
    }
    cache::directory().unwrap_or_else(|| std::env::temp_dir().join("gatepost"))
}
