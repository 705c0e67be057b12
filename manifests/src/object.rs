//! What all objects have, and where one was found.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

/// An object of any kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object {
    #[serde(default)]
    pub api_version: String,
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub metadata: Metadata,
    #[serde(default)]
    pub spec: Value,
    /// The objects of a `List`.
    #[serde(default)]
    pub items: Vec<Object>,
}

/// `ObjectMeta`, as far as it is read.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default)]
    pub name: String,
    /// Without one the object is in the namespace of the one who applies it.
    pub namespace: Option<String>,
    #[serde(default)]
    pub annotations: std::collections::BTreeMap<String, Value>,
}

impl Object {
    /// The API group: `networking.k8s.io` of `networking.k8s.io/v1`, and nothing for `v1`.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

/// Where an object was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its kind.
    pub kind: String,
    /// Its namespace; `default` where the object names none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}
