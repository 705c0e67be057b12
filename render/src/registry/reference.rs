//! The name of an image: `HOST/REPOSITORY:TAG` or `HOST/REPOSITORY@sha256:…`, by the rules of the
//! library that Istio's agent reads it with (go-containerregistry's `name`). One rule is stricter:
//! the registry must be named, since a name without it would mean Docker Hub.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::image::{Digest, NoDigest};

/// The scheme of a plugin's `url`.
const SCHEME: &str = "oci://";

/// Docker Hub's name for people, and the host that it has for tools.
const DOCKER_HUB: (&str, &str) = ("docker.io", "index.docker.io");

/// The name of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    host: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No registry.
    #[error(
        "`{0}` names no registry: write HOST/REPOSITORY:TAG, as in registry.example/gatepost:1 \
         (Docker Hub is docker.io)"
    )]
    Registry(String),
    /// A registry that is no host.
    #[error("`{0}` is no host of a registry: write a name or address, and a port after `:`")]
    Host(String),
    /// A repository with other characters, or of another length.
    #[error(
        "`{0}` is no repository: 2 to 255 lower-case letters, digits, `_`, `-`, `.` and `/`, no \
         part of them empty"
    )]
    Repository(String),
    /// A tag with other characters, or of another length.
    #[error("`{0}` is no tag: 1 to 128 letters, digits, `_`, `-` and `.`")]
    Tag(String),
    /// Something else behind the `@`.
    #[error(transparent)]
    Digest(#[from] NoDigest),
}

impl Reference {
    /// The registry: a host, with its port where it has one.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag. Without a tag and a digest it is `latest`.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match (&self.tag, self.digest) {
            (Some(tag), _) => Some(tag),
            (None, None) => Some("latest"),
            (None, Some(_)) => None,
        }
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The same name for one image, whatever the tag names later.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// What a plugin's `url` names this image by: no tag can move it.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> String {
        format!("{SCHEME}{}/{}@{digest}", self.host, self.repository)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = self.tag() {
            write!(formatter, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(formatter, "@{digest}"))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix(SCHEME).unwrap_or(text);
        let (name, digest) = match name.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (name, None),
        };
        let (host, path) = name
            .split_once('/')
            .filter(|(host, _)| host.contains(['.', ':']))
            .ok_or_else(|| ReferenceError::Registry(text.to_owned()))?;
        let host = if host == DOCKER_HUB.0 { DOCKER_HUB.1 } else { host };
        if !is_host(host) {
            return Err(ReferenceError::Host(host.to_owned()));
        }
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (path, None),
        };
        if let Some(tag) = tag.as_ref().filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag(tag.clone()));
        }
        let mut repository = repository.to_owned();
        if host == DOCKER_HUB.1 && !repository.contains('/') {
            repository.insert_str(0, "library/");
        }
        if !is_repository(&repository) {
            return Err(ReferenceError::Repository(repository));
        }
        Ok(Self { host: host.to_owned(), repository, tag, digest })
    }
}

fn is_tag(text: &str) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(is_of_it)
}

fn is_repository(text: &str) -> bool {
    let is_of_it = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9') || b"_-./".contains(&byte);
    (2..=255).contains(&text.len())
        && text.bytes().all(is_of_it)
        // In a path these would mean another one.
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether a URL has this host and port as they are written here.
fn is_host(text: &str) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let url = format!("https://{text}/");
    text.bytes().all(is_of_it)
        && !text.ends_with(':')
        && Url::parse(&url).is_ok_and(|url| url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn read(text: &str) -> Result<Reference, ReferenceError> {
        text.parse()
    }

    #[test]
    fn a_name_has_a_registry_a_repository_and_a_tag() {
        let reference = read("oci://registry.example:5000/mesh/gatepost:v1.2").unwrap();
        assert_eq!(reference.host(), "registry.example:5000");
        assert_eq!(reference.repository(), "mesh/gatepost");
        assert_eq!((reference.tag(), reference.digest()), (Some("v1.2"), None));
        assert_eq!(reference.to_string(), "registry.example:5000/mesh/gatepost:v1.2");
    }

    #[test]
    fn without_a_tag_it_is_latest_and_a_digest_needs_none() {
        assert_eq!(read("[::1]:5000/gatepost").unwrap().tag(), Some("latest"));
        let pinned = read(&format!("r.example/gatepost@{DIGEST}")).unwrap();
        assert_eq!((pinned.tag(), pinned.digest()), (None, Some(DIGEST.parse().unwrap())));
        let both = read(&format!("r.example/gatepost:v1@{DIGEST}")).unwrap();
        assert_eq!(both.tag(), Some("v1"));
        assert_eq!(both.to_string(), format!("r.example/gatepost:v1@{DIGEST}"));
    }

    #[test]
    fn the_pinned_name_has_no_tag() {
        let pinned = read("r.example/gatepost:v1").unwrap().pinned(DIGEST.parse().unwrap());
        assert_eq!(pinned, format!("oci://r.example/gatepost@{DIGEST}"));
    }

    #[test]
    fn docker_hub_has_another_host_for_tools() {
        let reference = read("docker.io/someone/gatepost:1").unwrap();
        assert_eq!(reference.to_string(), "index.docker.io/someone/gatepost:1");
        assert_eq!(read("docker.io/gatepost").unwrap().repository(), "library/gatepost");
    }

    #[test]
    fn what_names_no_image_is_refused_with_the_part_that_is_wrong() {
        use ReferenceError as E;
        let refused = |text| read(text).unwrap_err();
        for text in ["", "gatepost", "gatepost:v1", "team/gatepost:v1", "https", "/gatepost"] {
            assert_eq!(refused(text), E::Registry(text.to_owned()));
        }
        assert_eq!(refused("r.example/Gatepost"), E::Repository("Gatepost".into()));
        assert_eq!(refused("r.example/a/../b"), E::Repository("a/../b".into()));
        assert_eq!(refused("r.example//b"), E::Repository("/b".into()));
        assert_eq!(refused("r.example/gatepost:"), E::Tag(String::new()));
        assert_eq!(refused("r.example/gatepost:a b"), E::Tag("a b".into()));
        assert_eq!(refused("r.example/gatepost:a:b"), E::Tag("a:b".into()));
        assert_eq!(refused("r.example:0x/gatepost"), E::Host("r.example:0x".into()));
        assert_eq!(
            refused("user:secret@r.example/gatepost"),
            E::Digest(NoDigest("r.example/gatepost".into()))
        );
        assert_eq!(refused("https://r.example/gatepost"), E::Host("https:".into()));
    }
}
