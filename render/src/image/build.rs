//! A module as an image. The same module gives the same bytes on every machine: no times, no
//! owners, and one way to compress.

use std::io::{self, Write as _};

use flate2::{Compression, GzBuilder};
use serde::Serialize;

use super::digest::Digest;
use super::manifest::{Descriptor, Manifest, media_type};

/// The name of the file that Istio's agent looks for in a layer.
pub(super) const FILE: &str = "plugin.wasm";

/// The name of the file that Google's load balancers take a plugin's configuration from
/// (`pluginConfigURI` of a GCPWasmPlugin).
const CONFIGURATION: &str = "plugin.config";

/// What an image of a module looks like. Istio's agent reads both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// An image as every container runtime has it: one layer, which holds the file `plugin.wasm`.
    /// Every registry takes it, and a kubelet can mount it as an image volume.
    #[default]
    Compat,
    /// An artifact: the module as it is in one layer of two, with media types of its own. No
    /// container runtime unpacks it.
    Artifact,
}

impl Layout {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Compat => "compat",
            Self::Artifact => "artifact",
        }
    }
}

/// Some bytes with what a manifest says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What they are.
    pub descriptor: Descriptor,
    /// They themselves.
    pub bytes: Vec<u8>,
}

impl Blob {
    fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        Self { descriptor: Descriptor::of(media_type, &bytes), bytes }
    }

    fn titled(mut self, title: &str) -> Self {
        let key = "org.opencontainers.image.title".to_owned();
        self.descriptor.annotations.insert(key, title.to_owned());
        self
    }
}

/// An image: its manifest, and the blobs that the manifest names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    manifest: Blob,
    blobs: Vec<Blob>,
}

impl Image {
    /// Brings a module into an image.
    ///
    /// # Errors
    /// When the archive cannot be written, which memory does not refuse.
    pub fn of(module: &[u8], layout: Layout) -> io::Result<Self> {
        match layout {
            Layout::Compat => Self::of_file(FILE, module),
            Layout::Artifact => {
                let nothing = || Blob::new(media_type::WASM_CONFIG, b"{}".to_vec());
                let module = Blob::new(media_type::WASM_LAYER, module.to_vec());
                // With the module alone the agent refuses the image: it wants exactly two layers.
                let layers = vec![module.titled(FILE), nothing().titled("runtime-config.json")];
                Self::assemble(nothing(), layers)
            }
        }
    }

    /// Brings a policy, as JSON, into an image for Google's load balancers: its one file is
    /// `plugin.config`.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_policy(policy: &str) -> io::Result<Self> {
        Self::of_file(CONFIGURATION, policy.as_bytes())
    }

    fn of_file(name: &str, content: &[u8]) -> io::Result<Self> {
        let files = archive(name, content)?;
        let config = Config::of(&files);
        let layer = Blob::new(media_type::LAYER, compressed(&files)?);
        Self::assemble(Blob::new(media_type::CONFIG, json(&config)?), vec![layer])
    }

    fn assemble(config: Blob, layers: Vec<Blob>) -> io::Result<Self> {
        let manifest = Manifest {
            schema_version: 2,
            media_type: media_type::MANIFEST.to_owned(),
            config: config.descriptor.clone(),
            layers: layers.iter().map(|layer| layer.descriptor.clone()).collect(),
        };
        let manifest = Blob::new(media_type::MANIFEST, json(&manifest)?);
        let mut blobs = vec![config];
        for layer in layers {
            if blobs.iter().all(|blob| blob.descriptor.digest != layer.descriptor.digest) {
                blobs.push(layer);
            }
        }
        Ok(Self { manifest, blobs })
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> &Blob {
        &self.manifest
    }

    /// What the manifest names, each content once.
    #[must_use]
    pub fn blobs(&self) -> &[Blob] {
        &self.blobs
    }

    /// The digest of the manifest, by which the image is named.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.manifest.descriptor.digest
    }
}

/// The configuration of an image. A wasm module runs everywhere, but a container runtime that
/// mounts the image compares these names with its own, and has none for wasm.
#[derive(Serialize)]
struct Config {
    architecture: &'static str,
    os: &'static str,
    config: Empty,
    rootfs: Files,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Files {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: [Digest; 1],
}

impl Config {
    fn of(files: &[u8]) -> Self {
        Self {
            architecture: "amd64",
            os: "linux",
            config: Empty {},
            rootfs: Files { kind: "layers", diff_ids: [Digest::of(files)] },
        }
    }
}

fn json(value: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(io::Error::from)
}

/// The one file of a tar archive, readable by everybody.
fn archive(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, name, content)?;
    archive.into_inner()
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    // The writer's default names neither a time nor a system.
    let mut writer = GzBuilder::new().write(Vec::new(), Compression::best());
    writer.write_all(bytes)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    /// Also after a library's update, which would be noticed here.
    #[test]
    fn the_same_module_gives_the_same_digest_always() {
        let content = (0..100_000u32).map(|number| (number * 7 % 251 + number % 4) as u8);
        let module: Vec<u8> = MODULE.iter().copied().chain(content).collect();
        let digest = |layout| Image::of(&module, layout).unwrap().digest().to_string();
        assert_eq!(
            (digest(Layout::Compat).as_str(), digest(Layout::Artifact).as_str()),
            (
                "sha256:cfb00f4c68bd83a9b7720dbad13dfe520106db1b7f7db132cd1e42e80d54ce26",
                "sha256:d52ca64022f3e08a85b46e73ee24de64682a8f0be5ee1a527f8d35c270ce25fd",
            )
        );
    }

    #[test]
    fn a_policy_is_the_one_file_of_its_image() {
        use std::io::Read as _;
        let policy = r#"{"apiVersion":"gatepost/v1"}"#;
        let image = Image::of_policy(policy).unwrap();
        let layer = flate2::read::GzDecoder::new(image.blobs()[1].bytes.as_slice());
        let mut archive = tar::Archive::new(layer);
        let files: Vec<(String, String)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = String::new();
                entry.read_to_string(&mut content).unwrap();
                (entry.path().unwrap().display().to_string(), content)
            })
            .collect();
        assert_eq!(files, [("plugin.config".to_owned(), policy.to_owned())]);
    }

    #[test]
    fn a_manifest_names_every_blob() {
        for layout in [Layout::Compat, Layout::Artifact] {
            let image = Image::of(MODULE, layout).unwrap();
            let manifest: Manifest = serde_json::from_slice(&image.manifest().bytes).unwrap();
            for named in manifest.layers.iter().chain([&manifest.config]) {
                let held = image.blobs().iter().find(|blob| blob.descriptor.digest == named.digest);
                let held = held.unwrap_or_else(|| panic!("{layout:?}: {named:?}"));
                assert_eq!(named.size, held.bytes.len() as u64);
                assert_eq!(named.digest, Digest::of(&held.bytes));
            }
        }
    }

    #[test]
    fn the_artifact_has_exactly_two_layers() {
        let image = Image::of(MODULE, Layout::Artifact).unwrap();
        let manifest: Manifest = serde_json::from_slice(&image.manifest().bytes).unwrap();
        assert_eq!(manifest.layers.len(), 2);
        assert_eq!(manifest.layers[0].media_type, media_type::WASM_LAYER);
    }
}
