//! Why manifests cannot be used.

use std::path::PathBuf;

use gatepost_authoring::Report;

/// Why manifests cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// The files are too large together.
    #[error("{}: more than the limit of {limit} bytes in all files; give fewer", path.display())]
    TooLarge {
        /// The folder.
        path: PathBuf,
        /// The limit in bytes.
        limit: usize,
    },
    /// There are too many objects.
    #[error(
        "{}: more than the limit of {limit} objects; give those of fewer namespaces, or of the \
         kinds that lead to one gateway",
        path.display()
    )]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The limit.
        limit: usize,
    },
    /// A file is no YAML, or an object has a field of another type than Kubernetes has.
    #[error("{0}")]
    Invalid(Report),
    /// There is no object.
    #[error("{}: no Kubernetes object here", path.display())]
    Nothing {
        /// The file or folder.
        path: PathBuf,
    },
}
