//! What Istio's agent makes of an image: which layer it takes the module from, and what it extracts
//! from that layer. An image that is refused here leaves a gateway without its filter.
//!
//! One image is refused here that the agent would take: one whose last layer is of the kind of
//! [`Layout::Compat`] and cannot be read, beside a layer of [`Layout::Artifact`].

use std::io::{self, Read as _};
use std::path::Path;

use flate2::read::GzDecoder;

use super::build::{FILE, Layout};
use super::manifest::{Descriptor, Index, Manifest, media_type};
use super::module::{LARGEST_MODULE, NoWasm, check_module};

/// Why the agent finds no module in an image.
#[derive(Debug, thiserror::Error)]
pub enum NoModule {
    /// An index without an image that the agent takes.
    #[error("the index has no image for linux/amd64, which is the one that Istio's agent takes")]
    Platform,
    /// Neither layout.
    #[error(
        "Istio's agent reads neither layout: compat wants the last of the layers to be \
         {}, and artifact wants exactly two layers, one of them {}. These are: {}",
        media_type::LAYER,
        media_type::WASM_LAYER,
        .0.join(", ")
    )]
    Layout(Vec<String>),
    /// A layer that is no archive.
    #[error("the last layer is no tar.gz: {0}")]
    Archive(io::Error),
    /// An archive without the file.
    #[error("the last layer has no file {FILE}")]
    File,
    /// Bytes that are no module.
    #[error("what Istio's agent extracts are {0}")]
    Wasm(#[from] NoWasm),
}

/// The image of an index that the agent takes: go-containerregistry's default.
///
/// # Errors
/// When there is none.
pub fn choose(index: &Index) -> Result<&Descriptor, NoModule> {
    let is_default = |descriptor: &&Descriptor| {
        // Without a platform the agent's library assumes the default.
        descriptor.platform.as_ref().is_none_or(|platform| {
            (platform.os.as_str(), platform.architecture.as_str()) == ("linux", "amd64")
        })
    };
    index.manifests.iter().find(is_default).ok_or(NoModule::Platform)
}

/// The layer that the agent takes the module from.
///
/// # Errors
/// When the image has neither layout.
pub fn layer(manifest: &Manifest) -> Result<(Layout, &Descriptor), NoModule> {
    let is_docker = manifest.media_type == media_type::DOCKER_MANIFEST;
    let compat = if is_docker { media_type::DOCKER_LAYER } else { media_type::LAYER };
    let layers = manifest.layers.as_slice();
    if let Some(last) = layers.last().filter(|last| last.media_type == compat) {
        return Ok((Layout::Compat, last));
    }
    let module = layers.iter().find(|layer| layer.media_type == media_type::WASM_LAYER);
    match module {
        Some(module) if layers.len() == 2 && !is_docker => Ok((Layout::Artifact, module)),
        _ => {
            let types = layers.iter().map(|layer| layer.media_type.clone());
            Err(NoModule::Layout(types.collect()))
        }
    }
}

/// The module in the bytes of that layer.
///
/// # Errors
/// When the layer holds none.
pub fn module(layout: Layout, layer: Vec<u8>) -> Result<Vec<u8>, NoModule> {
    let module = match layout {
        Layout::Compat => extract(&layer)?,
        Layout::Artifact => layer,
    };
    check_module(&module)?;
    Ok(module)
}

/// The first file of this name in an archive, in whichever folder.
fn extract(layer: &[u8]) -> Result<Vec<u8>, NoModule> {
    // The agent stops there as well, so an archive cannot take more memory than that.
    let files = GzDecoder::new(layer).take(LARGEST_MODULE);
    let mut archive = tar::Archive::new(files);
    for entry in archive.entries().map_err(NoModule::Archive)? {
        let mut entry = entry.map_err(NoModule::Archive)?;
        let path = entry.path().map_err(NoModule::Archive)?;
        if path.file_name() == Path::new(FILE).file_name() {
            let mut module = Vec::new();
            entry.read_to_end(&mut module).map_err(NoModule::Archive)?;
            return Ok(module);
        }
    }
    Err(NoModule::File)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::image::{Image, Platform};

    const MODULE: &[u8] = b"\0asm\x01\0\0\0";

    fn manifest(types: &[&str]) -> Manifest {
        let layers = types.iter().map(|kind| Descriptor::of(kind, kind.as_bytes()));
        Manifest {
            schema_version: 2,
            media_type: media_type::MANIFEST.to_owned(),
            config: Descriptor::of(media_type::CONFIG, b"{}"),
            layers: layers.collect(),
        }
    }

    /// A layer with these files.
    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, *content).unwrap();
        }
        let writer = Vec::new();
        let mut writer = flate2::write::GzEncoder::new(writer, flate2::Compression::fast());
        writer.write_all(&archive.into_inner().unwrap()).unwrap();
        writer.finish().unwrap()
    }

    #[test]
    fn the_agent_extracts_the_module_that_went_into_an_image() {
        for layout in [Layout::Compat, Layout::Artifact] {
            let image = Image::of(MODULE, layout).unwrap();
            let manifest: Manifest = serde_json::from_slice(&image.manifest().bytes).unwrap();
            let (found, descriptor) = layer(&manifest).unwrap();
            let is_it = |blob: &&crate::image::Blob| blob.descriptor.digest == descriptor.digest;
            let blob = image.blobs().iter().find(is_it).unwrap();
            assert_eq!(
                (found, module(found, blob.bytes.clone()).unwrap().as_slice()),
                (layout, MODULE)
            );
        }
    }

    #[test]
    fn the_last_layer_counts() {
        let manifest = manifest(&["other", media_type::LAYER]);
        assert_eq!(layer(&manifest).unwrap(), (Layout::Compat, &manifest.layers[1]));
    }

    /// 43 repositories of one vendor were broken so.
    #[test]
    fn an_artifact_with_the_module_alone_is_refused() {
        for types in [
            &[media_type::WASM_LAYER][..],
            &[media_type::WASM_LAYER, "other", "other"],
            &["other", "other"],
            &[media_type::LAYER, "other"],
            &[media_type::DOCKER_LAYER],
            &[],
        ] {
            let refused = layer(&manifest(types)).unwrap_err();
            assert!(matches!(refused, NoModule::Layout(_)), "{types:?}: {refused}");
        }
    }

    #[test]
    fn an_image_of_dockers_needs_dockers_layer() {
        let mut docker = manifest(&[media_type::DOCKER_LAYER]);
        docker.media_type = media_type::DOCKER_MANIFEST.to_owned();
        assert_eq!(layer(&docker).unwrap().0, Layout::Compat);
        let mut mixed = manifest(&[media_type::LAYER]);
        mixed.media_type = media_type::DOCKER_MANIFEST.to_owned();
        assert!(layer(&mixed).is_err());
    }

    #[test]
    fn the_file_is_found_in_any_folder_and_by_no_other_name() {
        let good = archive(&[("readme", b"text"), ("some/folder/plugin.wasm", MODULE)]);
        assert_eq!(module(Layout::Compat, good).unwrap(), MODULE);
        let bad = archive(&[("filter.wasm", MODULE)]);
        assert!(matches!(module(Layout::Compat, bad), Err(NoModule::File)));
    }

    #[test]
    fn what_is_no_archive_and_no_module_is_refused() {
        for bytes in [&b"\0asm\x01\0\0\0"[..], b"", &[0x1f, 0x8b, 8, 0]] {
            let refused = module(Layout::Compat, bytes.to_vec()).unwrap_err();
            assert!(matches!(refused, NoModule::Archive(_)), "{refused}");
        }
        let cut = archive(&[("plugin.wasm", MODULE)]);
        let cut = cut[..cut.len() / 2].to_vec();
        assert!(matches!(module(Layout::Compat, cut), Err(NoModule::Archive(_))));
        let text = archive(&[("plugin.wasm", b"(module)")]);
        assert!(matches!(module(Layout::Compat, text), Err(NoModule::Wasm(_))));
        let text = b"(module)".to_vec();
        assert!(matches!(module(Layout::Artifact, text), Err(NoModule::Wasm(_))));
    }

    #[test]
    fn of_an_index_the_image_for_linux_on_amd64_is_taken() {
        let of = |architecture: &str| {
            let mut descriptor = Descriptor::of(media_type::MANIFEST, architecture.as_bytes());
            let (architecture, os) = (architecture.to_owned(), "linux".to_owned());
            descriptor.platform = Some(Platform { architecture, os });
            descriptor
        };
        let index = |manifests| Index { schema_version: 2, media_type: String::new(), manifests };
        let both = index(vec![of("arm64"), of("amd64")]);
        assert_eq!(choose(&both).unwrap(), &both.manifests[1]);
        assert!(matches!(choose(&index(vec![of("arm64")])), Err(NoModule::Platform)));
    }
}
