//! What several commands do with their arguments: read a policy or manifests, parse an address,
//! start a runtime.

use std::net::SocketAddr;
use std::path::Path;

use gatepost_authoring::PolicyFile;
use gatepost_manifests::{ManifestError, Manifests};

use super::exit::CommandError;
use super::output::{file_error, findings};

/// Reads a policy. One with errors is refused, and its findings are printed on standard error.
pub fn read_policy(path: &Path) -> Result<PolicyFile, CommandError> {
    PolicyFile::read(path).map_err(file_error)
}

/// Reads manifests. What is wrong with a file as text is printed on standard error.
pub fn read_manifests(path: &Path) -> Result<Manifests, CommandError> {
    Manifests::read(path).and_then(Manifests::without_errors).map_err(|error| match error {
        ManifestError::Invalid(report) => findings(report),
        error => CommandError::other(error),
    })
}

/// Parses an address to listen on. Names are not resolved, because a name may have several
/// addresses.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "write an IP address and a port, as in 127.0.0.1:8080 or [::1]:8080".to_owned()
    })
}

/// Parses the name of a Kubernetes object (RFC 1123 §2.1).
pub fn object_name(text: &str) -> Result<String, String> {
    let of_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=63).contains(&text.len())
        && text.bytes().all(of_name)
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_name {
        Ok(text.to_owned())
    } else {
        Err("a name in Kubernetes has a-z, 0-9 and inner `-`, and at most 63 of them".to_owned())
    }
}

/// A runtime for the commands that use the network.
pub fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CommandError::other)
}
