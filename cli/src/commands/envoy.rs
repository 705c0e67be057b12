//! The Envoy binary that commands run: the one that `GATEPOST_ENVOY` names, or the pinned release,
//! which is downloaded once.

use std::path::PathBuf;

use gatepost_testbed::envoy::fetch;

use super::exit::CommandError;
use crate::cache;

pub fn binary() -> Result<PathBuf, CommandError> {
    fetch::envoy(fetch::VERSION, &downloads()).map_err(CommandError::other)
}

/// The folder for downloads. Under `cargo run` it is the build's `target`, so that the tests share
/// the download; otherwise it is the user's cache.
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
