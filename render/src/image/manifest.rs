//! The documents of an image: a manifest names its parts, an index names manifests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::Digest;

/// Media types.
pub mod media_type {
    /// A manifest of the OCI image specification.
    pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// A list of manifests.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// A manifest as Docker writes it.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// A list of manifests as Docker writes it.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// The configuration of an image that a container runtime can unpack.
    pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A layer of files.
    pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// A layer of files as Docker writes it.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// What is said about a module beside it.
    pub const WASM_CONFIG: &str = "application/vnd.module.wasm.config.v1+json";
    /// A module, as it is.
    pub const WASM_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
}

/// What a document says of another: its kind, its content and its length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its kind, one of [`media_type`]. Docker's tools leave it out in some places.
    #[serde(default)]
    pub media_type: String,
    /// Of its bytes.
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    /// The system that it is for, in an [`Index`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Names for people and tools.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Describes these bytes.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// A system that an image is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As Go names it.
    pub architecture: String,
    /// As Go names it.
    pub os: String,
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// Its own kind. May be missing in OCI manifests.
    #[serde(default)]
    pub media_type: String,
    /// What a runtime reads before it unpacks the layers.
    pub config: Descriptor,
    /// In the order in which they are unpacked.
    pub layers: Vec<Descriptor>,
}

/// Images of one name, for several systems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// 2.
    pub schema_version: u32,
    /// Its own kind.
    #[serde(default)]
    pub media_type: String,
    /// The images.
    pub manifests: Vec<Descriptor>,
}
