//! What the scenario tests on a real Envoy share beyond `gatepost_testbed::envoy`, which fetches
//! and runs it: where the binary is kept, and where a scenario's manifests are. The tests
//! themselves are in tests/.

pub mod certificate;
pub mod command;
pub mod curl;
pub mod in_mesh;
pub mod scenario;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatepost_testbed::envoy::fetch::{self, FetchError};

/// The release to test with instead of the pinned one, such as `1.37.0`.
pub const RELEASE: &str = "GATEPOST_ENVOY_RELEASE";

/// The Envoy under test: the one that `GATEPOST_ENVOY` names, or the release that [`RELEASE`] names
/// or else the pinned one, in the workspace's `target/`, downloaded by the first test that asks.
///
/// # Errors
/// When there is no Envoy and it cannot be downloaded. A test that needs Envoy then fails; it does
/// not skip.
pub fn envoy() -> Result<PathBuf, FetchError> {
    let release = std::env::var(RELEASE).unwrap_or_else(|_| fetch::VERSION.to_owned());
    fetch::envoy(&release, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"))
}

/// How a program of this crate ends: with the error on standard error, if there is one.
pub fn exit_code(ended: Result<(), Box<dyn std::error::Error>>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_an_envoy_to_test_with() {
        assert!(super::envoy().expect("an Envoy").is_file());
    }
}
