//! Writes an image: its blobs, where the registry has them not yet, and the manifest last, so that
//! nobody sees a half of it.

use ureq::http::{Method, StatusCode, header};

use super::Registry;
use super::error::RegistryError;
use super::reference::Reference;
use crate::image::{Blob, Digest, Image, media_type};

const NO_REPOSITORY: &str =
    "Make the repository first, if this registry does not make it by itself";

/// An image that is in a registry now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// How many blobs were sent; the others were there.
    pub sent: usize,
    /// What the tag named before.
    pub tag: Moved,
}

/// What happened to a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is new.
    New,
    /// It named this image already.
    Same,
    /// It named another one, which its digest still names.
    From(Option<Digest>),
}

impl Registry {
    /// Writes an image under the tag of a reference.
    ///
    /// # Errors
    /// When the registry refuses it, or does not answer as a registry does.
    pub fn push(&self, reference: &Reference, image: &Image) -> Result<Pushed, RegistryError> {
        let tag = reference.tag().unwrap_or("latest");
        let before = self.tagged(tag, image)?;
        let mut sent = 0;
        for blob in image.blobs() {
            sent += usize::from(self.push_blob(blob)?);
        }
        self.push_manifest(tag, image)?;
        Ok(Pushed { sent, tag: before })
    }

    /// What a tag names before it is written.
    fn tagged(&self, tag: &str, image: &Image) -> Result<Moved, RegistryError> {
        let session = &self.session;
        let task = format!("look for {}:{tag}", session.repository());
        let url = session.url(&task, &format!("manifests/{tag}"))?;
        let accept = [media_type::MANIFEST, media_type::INDEX, media_type::DOCKER_MANIFEST];
        let accept = [&accept[..], &[media_type::DOCKER_INDEX]].concat().join(", ");
        let answer = session.send(&task, Method::HEAD, &url, &[(header::ACCEPT, &accept)], &[])?;
        // Some registries say 403 for what is new. What follows says more, if there is more to say.
        if answer.status != StatusCode::OK {
            return Ok(Moved::New);
        }
        let digest = answer.header("docker-content-digest").and_then(|text| text.parse().ok());
        Ok(if digest == Some(image.digest()) { Moved::Same } else { Moved::From(digest) })
    }

    /// Sends a blob, and returns whether that was needed.
    fn push_blob(&self, blob: &Blob) -> Result<bool, RegistryError> {
        let session = &self.session;
        let digest = blob.descriptor.digest;
        let repository = session.repository();
        let task = format!("upload {} bytes to {repository}", blob.bytes.len());
        let known = session.url(&task, &format!("blobs/{digest}"))?;
        let answer = session.send(&task, Method::HEAD, &known, &[], &[])?;
        if answer.status.is_success() {
            return Ok(false);
        }
        let start = session.url(&task, "blobs/uploads/")?;
        let answer = session.send(&task, Method::POST, &start, &[], &[])?;
        if answer.status != StatusCode::ACCEPTED {
            return Err(session.error(&task, answer, NO_REPOSITORY));
        }
        let place = answer.header("location");
        let place = place.ok_or_else(|| session.malformed(&task, "202 without a Location"))?;
        let mut place = session.url(&task, place)?;
        place.query_pairs_mut().append_pair("digest", &digest.to_string());
        let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
        let answer = session.send(&task, Method::PUT, &place, &kind, &blob.bytes)?;
        if answer.status != StatusCode::CREATED {
            return Err(session.error(&task, answer, NO_REPOSITORY));
        }
        Ok(true)
    }

    fn push_manifest(&self, tag: &str, image: &Image) -> Result<(), RegistryError> {
        let session = &self.session;
        let task = format!("write the manifest {}:{tag}", session.repository());
        let url = session.url(&task, &format!("manifests/{tag}"))?;
        let manifest = image.manifest();
        let kind = [(header::CONTENT_TYPE, manifest.descriptor.media_type.as_str())];
        let answer = session.send(&task, Method::PUT, &url, &kind, &manifest.bytes)?;
        if answer.status != StatusCode::CREATED {
            return Err(session.error(&task, answer, NO_REPOSITORY));
        }
        let stored = answer.header("docker-content-digest").and_then(|text| text.parse().ok());
        match stored {
            Some(found) if found != image.digest() => Err(RegistryError::WrongBytes {
                task,
                server: session.server().to_owned(),
                promised: image.digest(),
                found,
            }),
            _ => Ok(()),
        }
    }
}
