//! Why manifests cannot be used.

use std::path::PathBuf;

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
    /// A file is no YAML.
    #[error("{}: {error}{}", path.display(), template_hint(*is_template))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser says, with the place.
        error: String,
        /// Whether the file has the braces of a Helm template.
        is_template: bool,
    },
    /// An object has a field of another type than Kubernetes has.
    #[error("{}: {kind} {name}: {error}", path.display())]
    Object {
        /// The file.
        path: PathBuf,
        /// The object's kind.
        kind: String,
        /// The object's name.
        name: String,
        /// What is wrong.
        error: String,
    },
    /// There is no object.
    #[error("{}: no Kubernetes object here", path.display())]
    Nothing {
        /// The file or folder.
        path: PathBuf,
    },
}

fn template_hint(is_template: bool) -> &'static str {
    if is_template { "\n(a Helm template? Give the output of `helm template`)" } else { "" }
}
