//! Reads an image as Istio's agent does, and the module in it.

use ureq::http::{Method, header};

use super::Registry;
use super::error::RegistryError;
use super::reference::Reference;
use crate::image::{Descriptor, Digest, Index, LARGEST_MODULE, Layout, Manifest, media_type, read};

/// The longest manifest or index. Registries take no longer ones.
const MANIFEST: u64 = 4 * 1024 * 1024;

/// What a registry holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The digest of the manifest or index that the reference names.
    pub digest: Digest,
    /// The layout that the agent finds.
    pub layout: Layout,
    /// The bytes that the agent extracts.
    pub module: Vec<u8>,
}

impl Registry {
    /// Reads the image of a reference.
    ///
    /// # Errors
    /// When there is none, or the agent would not find a module in it.
    pub fn pull(&self, reference: &Reference) -> Result<Pulled, RegistryError> {
        let name = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or("latest").to_owned(),
        };
        let unreadable =
            |problem| RegistryError::NoModule { image: reference.to_string(), problem };
        let (mut bytes, kind) = self.manifest(&name, reference.digest())?;
        let digest = Digest::of(&bytes);
        if matches!(kind.as_str(), media_type::INDEX | media_type::DOCKER_INDEX) {
            let index: Index = self.parse("index", &name, &bytes)?;
            let chosen = read::choose(&index).map_err(unreadable)?.digest;
            bytes = self.manifest(&chosen.to_string(), Some(chosen))?.0;
        }
        let manifest: Manifest = self.parse("manifest", &name, &bytes)?;
        let (layout, layer) = read::layer(&manifest).map_err(unreadable)?;
        let layer = self.blob(layer)?;
        let module = read::module(layout, layer).map_err(unreadable)?;
        Ok(Pulled { digest, layout, module })
    }

    /// A manifest or an index, and which of them it is.
    fn manifest(
        &self,
        name: &str,
        promised: Option<Digest>,
    ) -> Result<(Vec<u8>, String), RegistryError> {
        let session = &self.session;
        let task = format!("read the manifest {name} of {}", session.repository());
        let url = session.url(&task, &format!("manifests/{name}"))?;
        let accept = [media_type::MANIFEST, media_type::INDEX, media_type::DOCKER_MANIFEST];
        let accept = [&accept[..], &[media_type::DOCKER_INDEX]].concat().join(", ");
        let answer = session.send(&task, Method::GET, &url, &[(header::ACCEPT, &accept)], &[])?;
        if !answer.status.is_success() {
            return Err(session.error(&task, answer, "Nothing of this name was pushed"));
        }
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_owned();
        let stated = answer.header("docker-content-digest").and_then(|text| text.parse().ok());
        let bytes = session.body(&task, answer, MANIFEST)?;
        self.check(&task, &bytes, promised.or(stated))?;
        Ok((bytes, kind))
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let session = &self.session;
        let task = format!("read the layer {} of {}", descriptor.digest, session.repository());
        if descriptor.size > LARGEST_MODULE {
            let what = format!("a layer of {} bytes, more than the agent takes", descriptor.size);
            return Err(session.malformed(&task, &what));
        }
        let url = session.url(&task, &format!("blobs/{}", descriptor.digest))?;
        let answer = session.send(&task, Method::GET, &url, &[], &[])?;
        if !answer.status.is_success() {
            let advice = "Its manifest names it, so the registry has lost it: push it again";
            return Err(session.error(&task, answer, advice));
        }
        let bytes = session.body(&task, answer, descriptor.size)?;
        self.check(&task, &bytes, Some(descriptor.digest))?;
        Ok(bytes)
    }

    fn check(
        &self,
        task: &str,
        bytes: &[u8],
        promised: Option<Digest>,
    ) -> Result<(), RegistryError> {
        let found = Digest::of(bytes);
        match promised {
            Some(promised) if promised != found => Err(RegistryError::WrongBytes {
                task: task.to_owned(),
                server: self.session.server().to_owned(),
                promised,
                found,
            }),
            _ => Ok(()),
        }
    }

    fn parse<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        name: &str,
        bytes: &[u8],
    ) -> Result<T, RegistryError> {
        serde_json::from_slice(bytes).map_err(|error| {
            let task = format!("read the {what} {name} of {}", self.session.repository());
            self.session.malformed(&task, &format!("no {what}: {error}"))
        })
    }
}
