//! Which objects are Gatepost's, beside those that say so by a label or by the version of a policy:
//! those whose plugin the operator lists.

use gatepost_authoring::PluginIdentity;

/// The label of all that `gatepost render` and the charts write.
pub(crate) const LABEL: (&str, &str) = ("app.kubernetes.io/name", "gatepost");

/// Plugins that are Gatepost's filter, whatever their configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ours {
    urls: Vec<String>,
    digests: Vec<String>,
    names: Vec<String>,
}

impl Ours {
    /// `urls` are those of modules; an image without tag and digest stands for all its versions.
    /// `digests` are those of modules or images, with or without `sha256:`. `names` are those that
    /// Envoy knows plugins by, which Istio makes of namespace and name: `istio-system.gatepost`.
    #[must_use]
    pub fn new(urls: &[String], digests: &[String], names: &[String]) -> Self {
        Self {
            urls: urls.iter().map(|url| without_scheme(url).to_owned()).collect(),
            digests: digests.iter().map(|digest| without_kind(digest)).collect(),
            names: names.to_vec(),
        }
    }

    pub(crate) fn has(&self, plugin: &PluginIdentity) -> bool {
        let PluginIdentity { name, url, sha256 } = plugin;
        let url = url.as_deref().map(without_scheme);
        let digest = url.and_then(|url| url.split_once("@sha256:")).map(|(_, digest)| digest);
        let digests = [sha256.as_deref(), digest];
        name.as_ref().is_some_and(|name| self.has_name(name))
            || url.is_some_and(|url| self.urls.iter().any(|ours| is_version_of(url, ours)))
            || digests.iter().flatten().any(|digest| self.digests.contains(&without_kind(digest)))
    }

    /// Whether a plugin is listed by the name that Istio gives it.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.names.iter().any(|ours| ours == name)
    }

    /// Everything that is listed, to look for in an object that cannot be read.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        let words = self.urls.iter().chain(&self.digests).chain(&self.names);
        words.map(String::as_str)
    }
}

/// Istio reads a URL without a scheme as that of an image.
fn without_scheme(url: &str) -> &str {
    url.strip_prefix("oci://").unwrap_or(url)
}

fn without_kind(digest: &str) -> String {
    digest.strip_prefix("sha256:").unwrap_or(digest).to_ascii_lowercase()
}

fn is_version_of(url: &str, ours: &str) -> bool {
    let version = url.strip_prefix(ours);
    version.is_some_and(|version| version.is_empty() || version.starts_with([':', '@']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_known_by_its_image_its_digest_or_its_name() {
        let owned = |text: &str| vec![text.to_owned()];
        let digest = "AB".repeat(32);
        let ours = Ours::new(
            &owned("oci://registry.example/gatepost"),
            &owned(&format!("sha256:{digest}")),
            &owned("edge"),
        );
        let url = |url: &str| PluginIdentity { url: Some(url.to_owned()), ..Default::default() };
        for (plugin, expected) in [
            (url("oci://registry.example/gatepost:1"), true),
            (url("registry.example/gatepost"), true),
            (url("oci://registry.example/gatepost-other:1"), false),
            (url(&format!("oci://other.example/x@sha256:{}", digest.to_lowercase())), true),
            (url("file:///gatepost.wasm"), false),
            (PluginIdentity { sha256: Some(digest.clone()), ..Default::default() }, true),
            (PluginIdentity { name: Some("edge".to_owned()), ..Default::default() }, true),
            (PluginIdentity { name: Some("edges".to_owned()), ..Default::default() }, false),
            (PluginIdentity::default(), false),
        ] {
            assert_eq!(ours.has(&plugin), expected, "{plugin:?}");
        }
    }
}
