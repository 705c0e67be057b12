//! Images as GKE's objects name them.

use std::fmt;
use std::str::FromStr;

/// An image in Artifact Registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpImage(String);

/// A text that the CRD's pattern refuses.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "write REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME@sha256:DIGEST, in lower case and without \
     a scheme: the platform reads plugins from Artifact Registry alone"
)]
pub struct NoGcpImage;

impl fmt::Display for GcpImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for GcpImage {
    type Err = NoGcpImage;

    fn from_str(text: &str) -> Result<Self, NoGcpImage> {
        let image = text.strip_prefix("oci://").unwrap_or(text);
        let (registry, path) = image.split_once('/').ok_or(NoGcpImage)?;
        let of_path = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-./:@".contains(&byte)
        };
        let is_image = (registry.ends_with(".pkg.dev") || registry.ends_with("gcr.io"))
            && !path.is_empty()
            && image.len() <= 2000
            && image.bytes().all(of_path);
        if is_image { Ok(Self(image.to_owned())) } else { Err(NoGcpImage) }
    }
}
