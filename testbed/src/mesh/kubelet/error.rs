//! Why a pod does not run.

use std::path::PathBuf;

use super::super::error::MeshError;

/// Why a pod does not run.
#[derive(Debug, thiserror::Error)]
pub(in crate::mesh) enum PodError {
    /// A kind of volume that nothing here provides.
    #[error(
        "volume `{name}`: {kind} volumes cannot be mounted here. ConfigMap, Secret, projected, \
         downward API and emptyDir volumes can"
    )]
    Volume { name: String, kind: &'static str },
    /// An object that a volume or a variable names.
    #[error("{kind} `{name}` in namespace `{namespace}` does not exist. Create it")]
    Missing { kind: &'static str, name: String, namespace: String },
    /// A key of such an object.
    #[error("{kind} `{name}` has no key `{key}`")]
    Key { kind: &'static str, name: String, key: String },
    /// A mount of a volume that the pod does not declare.
    #[error("container `{container}` mounts `{volume}`, and the pod has no such volume")]
    Mount { container: String, volume: String },
    /// A field of the pod that a variable or a file asks for.
    #[error("the field `{path}` of a pod cannot be read here")]
    Field { path: String },
    /// A placeholder that Istio's webhook replaces.
    #[error(
        "container `{container}` has the image `auto`, which Istio's injection has not replaced. \
         Label the pod or its namespace: istio.io/rev=default for the namespace, \
         sidecar.istio.io/inject=\"true\" for the pod"
    )]
    NotInjected { container: String },
    /// No image is fetched, so only the programs of the mesh can run.
    #[error("container `{container}` runs `{command}`, which no image of the mesh has")]
    Command { container: String, command: String },
    /// A path of a volume.
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    /// An echo upstream.
    #[error("container `{container}` cannot listen on port {port}: {source}")]
    Listen { container: String, port: u16, source: std::io::Error },
    /// The API server refuses a token or a status.
    #[error("the API server: {0}")]
    Api(#[from] kube::Error),
    /// The system.
    #[error(transparent)]
    System(#[from] Box<MeshError>),
}

impl From<MeshError> for PodError {
    fn from(error: MeshError) -> Self {
        Self::System(Box::new(error))
    }
}

impl PodError {
    /// Whether an object that comes later can mend it.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Key { .. } | Self::Api(_))
    }
}
