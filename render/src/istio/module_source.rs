//! Where a gateway gets the filter's module from.

/// Where a gateway gets the filter's module from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModuleSource {
    /// An OCI image, fetched by Istio's agent.
    Image(ImageReference),
    /// A file on an HTTP server, fetched by Istio's agent.
    Http {
        /// `http://` or `https://`.
        url: String,
        /// The SHA-256 of the module, in hexadecimal.
        sha256: Option<String>,
    },
    /// A file in the gateway's container, by its absolute path. Nothing is fetched, so nothing can
    /// fail to be.
    File(String),
    /// Not chosen yet.
    Missing,
}

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// Without `oci://` and digest: `registry.example/team/gatepost:1.0`.
    name: String,
    /// The SHA-256 of the manifest, in hexadecimal.
    digest: Option<String>,
}

/// Why a text does not say where a module is.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModuleSourceError {
    /// No image.
    #[error(
        "`{text}` is no image: write REGISTRY/NAME@sha256:DIGEST, as `gatepost push` prints it, \
         or REGISTRY/NAME:TAG"
    )]
    Image {
        /// The text.
        text: String,
    },
    /// No URL.
    #[error("`{text}` is no URL: write https://HOST/PATH")]
    Url {
        /// The text.
        text: String,
    },
    /// No digest.
    #[error("`{text}` is no SHA-256: 64 characters from 0-9 and a-f")]
    Sha256 {
        /// The text.
        text: String,
    },
    /// A relative path.
    #[error("`{text}` is no absolute path in the gateway's container, as /var/lib/gatepost is")]
    RelativePath {
        /// The text.
        text: String,
    },
}

impl ModuleSource {
    /// Reads an image's reference, with or without `oci://`.
    ///
    /// # Errors
    /// When the text is none.
    pub fn image(text: &str) -> Result<Self, ModuleSourceError> {
        let error = || ModuleSourceError::Image { text: text.to_owned() };
        let reference = text.strip_prefix("oci://").unwrap_or(text);
        let (name, digest) = match reference.split_once('@') {
            None => (reference, None),
            Some((name, digest)) => {
                let digest = digest.strip_prefix("sha256:").ok_or_else(error)?;
                (name, Some(sha256(digest).map_err(|_| error())?))
            }
        };
        let (registry, path) = name.split_once('/').ok_or_else(error)?;
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/[]".contains(&byte);
        let is_name = !registry.is_empty()
            && !path.is_empty()
            && !path.starts_with('/')
            && name.bytes().all(of_name)
            && !name.contains("//");
        if !is_name {
            return Err(error());
        }
        Ok(Self::Image(ImageReference { name: name.to_owned(), digest }))
    }

    /// Reads the URL of a module, and its digest.
    ///
    /// # Errors
    /// When the texts are none.
    pub fn http(url: &str, digest: Option<&str>) -> Result<Self, ModuleSourceError> {
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let is_url = rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
            && url.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_url {
            return Err(ModuleSourceError::Url { text: url.to_owned() });
        }
        let sha256 = digest.map(sha256).transpose()?;
        Ok(Self::Http { url: url.to_owned(), sha256 })
    }

    /// Reads the path of a file in the gateway's container, with or without `file://`.
    ///
    /// # Errors
    /// When the path is not absolute.
    pub fn file(text: &str) -> Result<Self, ModuleSourceError> {
        let path = text.strip_prefix("file://").unwrap_or(text);
        let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_path {
            return Err(ModuleSourceError::RelativePath { text: text.to_owned() });
        }
        Ok(Self::File(path.to_owned()))
    }

    /// The URL as Istio's objects have it.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Image(ImageReference { name, digest: None }) => format!("oci://{name}"),
            Self::Image(ImageReference { name, digest: Some(digest) }) => {
                format!("oci://{name}@sha256:{digest}")
            }
            Self::Http { url, .. } => url.clone(),
            Self::File(path) => format!("file://{path}"),
            Self::Missing => "oci://REPLACE-ME/gatepost@sha256:DIGEST".to_owned(),
        }
    }

    /// What Istio's agent compares: of an image the manifest's SHA-256, of another file its own,
    /// and nothing of a local file.
    pub(super) fn sha256(&self) -> Option<&str> {
        match self {
            Self::Image(image) => image.digest.as_deref(),
            Self::Http { sha256, .. } => sha256.as_deref(),
            Self::File(_) | Self::Missing => None,
        }
    }

    /// What a person should know about the choice.
    pub(super) fn comment(&self) -> &'static str {
        match self {
            Self::Image(ImageReference { digest: Some(_), .. })
            | Self::Http { sha256: Some(_), .. } => {
                "a failed fetch denies everybody: `gatepost push --verify` reads it back before"
            }
            Self::Image(ImageReference { digest: None, .. }) => {
                "a tag can move: prefer @sha256:…, as `gatepost push` prints it"
            }
            Self::Http { sha256: None, .. } => "unchecked: give its --sha256",
            Self::File(_) => "a file in the gateway's container: nothing is fetched",
            Self::Missing => "REPLACE ME: render again with --image, --url or --file",
        }
    }
}

fn sha256(text: &str) -> Result<String, ModuleSourceError> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    if text.len() == 64 && text.bytes().all(is_hex) {
        Ok(text.to_owned())
    } else {
        Err(ModuleSourceError::Sha256 { text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_read_as_registries_name_it() {
        let digest = "a".repeat(64);
        for (text, url) in [
            ("registry.example/gatepost:1.0", "oci://registry.example/gatepost:1.0".to_owned()),
            ("oci://localhost:5000/a/b", "oci://localhost:5000/a/b".to_owned()),
            (
                &format!("registry.example/a:1@sha256:{digest}"),
                format!("oci://registry.example/a:1@sha256:{digest}"),
            ),
        ] {
            assert_eq!(ModuleSource::image(text).map(|image| image.url()), Ok(url), "{text}");
        }
        for text in ["", "gatepost", "/a", "a/", "https://a/b", "a//b", "a/b@sha256:1", "a/b c"] {
            let error = ModuleSourceError::Image { text: text.to_owned() };
            assert_eq!(ModuleSource::image(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_the_agent_compares_is_part_of_the_source() {
        let digest = "0".repeat(64);
        let image = ModuleSource::image(&format!("a.example/b@sha256:{digest}")).expect("valid");
        assert_eq!(image.sha256(), Some(&*digest));
        let http = ModuleSource::http("https://a.example/f.wasm", Some(&digest)).expect("valid");
        assert_eq!(http.sha256(), Some(&*digest));
        assert!(ModuleSource::http("https://a.example/f.wasm", Some("00")).is_err());
        assert!(ModuleSource::http("ftp://a.example/f.wasm", None).is_err());
        let file = ModuleSource::file("file:///lib/f.wasm").expect("valid");
        assert_eq!((file.url().as_str(), file.sha256()), ("file:///lib/f.wasm", None));
        assert!(ModuleSource::file("f.wasm").is_err());
    }
}
