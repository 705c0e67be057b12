//! The Envoy binary that commands run: the one that `GATEPOST_ENVOY` names, or the pinned release,
//! which is downloaded once.

use std::env;
use std::path::{Path, PathBuf};

use gatepost_testbed::envoy::fetch;

use super::exit::CommandError;
use crate::cache;

pub fn binary() -> Result<PathBuf, CommandError> {
    let executable = env::current_exe().unwrap_or_default();
    let folder = match downloads(&executable, cache::directory()) {
        Some(folder) => folder,
        // A binary that is named needs no download.
        None if env::var_os("GATEPOST_ENVOY").is_some() => PathBuf::new(),
        None => {
            let why = "there is no folder of yours for the download of Envoy; set HOME or \
                       XDG_CACHE_HOME, or name a binary in GATEPOST_ENVOY";
            return Err(CommandError::Other(why.into()));
        }
    };
    fetch::envoy(fetch::VERSION, &folder).map_err(CommandError::other)
}

/// The folder for downloads. Under `cargo run` it is the build's `target`, so that the tests share
/// the download; otherwise it is the user's cache. Never one that others may write to: what is
/// there is run.
fn downloads(executable: &Path, cache: Option<PathBuf>) -> Option<PathBuf> {
    let is_target = |folder: &&Path| folder.file_name().is_some_and(|name| name == "target");
    executable.ancestors().find(is_target).map(Path::to_owned).or(cache)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_goes_to_the_build_or_to_the_users_cache_and_nowhere_else() {
        let built = Path::new("/home/me/gatepost/target/release/gatepost");
        let installed = Path::new("/home/me/.cargo/bin/gatepost");
        let cache = || Some(PathBuf::from("/home/me/.cache/gatepost"));
        assert_eq!(downloads(built, cache()), Some("/home/me/gatepost/target".into()));
        assert_eq!(downloads(installed, cache()), cache());
        assert_eq!(downloads(installed, None), None);
    }
}
