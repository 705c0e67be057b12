//! An image on disk: the OCI image layout, as skopeo, crane, oras and `docker load` read it. A
//! folder, or the same files in one tar archive.

use std::io;

use super::build::{Blob, Image};
use super::manifest::{Index, media_type};

/// The files of an image layout, with their paths in its folder. The index is last, so that a
/// layout that was not written to its end names nothing that is missing.
///
/// # Errors
/// When the index cannot be written as JSON, which memory does not refuse.
pub fn directory(image: &Image) -> io::Result<Vec<(String, Vec<u8>)>> {
    let path = |blob: &Blob| format!("blobs/sha256/{}", blob.descriptor.digest.hex());
    let index = Index {
        schema_version: 2,
        media_type: media_type::INDEX.to_owned(),
        manifests: vec![image.manifest().descriptor.clone()],
    };
    let mut files = vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())];
    let blobs = image.blobs().iter().chain([image.manifest()]);
    files.extend(blobs.map(|blob| (path(blob), blob.bytes.clone())));
    files.push(("index.json".to_owned(), serde_json::to_vec(&index)?));
    Ok(files)
}

/// The files of [`directory`] in a tar archive, without times and owners.
///
/// # Errors
/// As [`directory`].
pub fn tar(image: &Image) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut append = |path: &str, kind, mode, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, path, bytes)
    };
    for folder in ["blobs/", "blobs/sha256/"] {
        append(folder, tar::EntryType::Directory, 0o755, &[])?;
    }
    for (path, bytes) in directory(image)? {
        append(&path, tar::EntryType::Regular, 0o644, &bytes)?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read as _;

    use super::*;
    use crate::image::{Digest, Layout};

    #[test]
    fn the_archive_holds_the_files_of_the_folder() {
        let image = Image::of(b"\0asm\x01\0\0\0", Layout::Compat).unwrap();
        let bytes = tar(&image).unwrap();
        let mut files = BTreeMap::new();
        for entry in ::tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().to_string_lossy().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            if !path.ends_with('/') {
                files.insert(path, content);
            }
        }
        assert_eq!(files, directory(&image).unwrap().into_iter().collect());
    }

    #[test]
    fn each_blob_has_its_digest_as_its_name() {
        let image = Image::of(b"\0asm\x01\0\0\0", Layout::Artifact).unwrap();
        let files = directory(&image).unwrap();
        let blobs = files.iter().filter_map(|(path, bytes)| {
            Some((path.strip_prefix("blobs/sha256/")?, Digest::of(bytes).hex()))
        });
        let blobs: Vec<_> = blobs.collect();
        assert_eq!(blobs.len(), 3, "{blobs:?}");
        assert!(blobs.iter().all(|(name, digest)| name == digest), "{blobs:?}");
    }
}
