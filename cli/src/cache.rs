//! The directory where the command keeps compiled modules: the user's cache directory of the XDG
//! Base Directory Specification. What is in it is defined by the host
//! (`gatepost_host::EngineOptions`).

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Once;

use gatepost_host::CacheState;

/// `gatepost` under `$XDG_CACHE_HOME`, or else under `$HOME/.cache`. `None` when neither is an
/// absolute path, as in many containers.
#[must_use]
pub fn directory() -> Option<PathBuf> {
    directory_of(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))
}

fn directory_of(cache: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // The specification says to ignore a relative path. An empty one is relative too.
    let absolute =
        |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(cache).or_else(|| Some(absolute(home)?.join(".cache")))?;
    Some(base.join("gatepost"))
}

/// Says once on standard error why compiled modules are not kept, if they are not.
pub fn report(state: &CacheState) {
    static SAID: Once = Once::new();
    if let CacheState::Unusable(problem) = state {
        SAID.call_once(|| eprintln!("gatepost: compiled modules are not kept: {problem}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_cache_directory_is_taken_or_else_the_home_directory() {
        let of = |cache: &str, home: &str| directory_of(Some(cache.into()), Some(home.into()));
        assert_eq!(of("/var/cache/me", "/home/me"), Some("/var/cache/me/gatepost".into()));
        assert_eq!(of("", "/home/me"), Some("/home/me/.cache/gatepost".into()));
        assert_eq!(of("relative", "/home/me"), Some("/home/me/.cache/gatepost".into()));
        assert_eq!(
            directory_of(None, Some("/home/me".into())),
            Some("/home/me/.cache/gatepost".into())
        );
        assert_eq!(of("", ""), None);
        assert_eq!(directory_of(None, None), None);
    }
}
