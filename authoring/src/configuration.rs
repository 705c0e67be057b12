//! The configuration of a plugin as an object holds it. It may be a policy: that is judged when
//! somebody asks.

use crate::text::Text;
use crate::tree::{Node, Value, path_text};
use gatepost_diagnostics::{Diagnostic, Source, Span};
use gatepost_engine::Path;
use std::sync::Arc;

/// What every policy's `apiVersion` begins with.
const GROUP: &str = "gatepost/";

/// A plugin's configuration in an object, or a policy in a file.
#[derive(Debug)]
pub struct Configuration {
    pub(crate) content: Content,
    /// The text that has it.
    pub(crate) text: Arc<Text>,
    /// Where it is in that text.
    pub(crate) path: Path,
    /// Whether it says that it is a policy.
    pub(crate) is_policy: bool,
    /// Which plugin it configures.
    pub(crate) plugin: PluginIdentity,
}

/// What a configuration is.
#[derive(Debug)]
pub(crate) enum Content {
    /// A value.
    Tree(Node),
    /// A text that cannot be read; the text has the errors.
    Unreadable,
    /// A value that reaches no filter as a policy.
    Refused(Diagnostic),
}

/// By what a plugin is known: each as its object has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginIdentity {
    /// Its name, for Envoy.
    pub name: Option<String>,
    /// Where its module comes from.
    pub url: Option<String>,
    /// The digest of its module or image, without `sha256:`.
    pub sha256: Option<String>,
}

impl Configuration {
    /// A value of a text.
    pub(crate) fn tree(text: &Arc<Text>, path: Path, node: Node) -> Self {
        let is_policy = has_version(&node);
        Self::new(Content::Tree(node), text, path, is_policy)
    }

    /// A whole inner text, and the value that it was read to.
    pub(crate) fn text(text: Text, root: Option<Node>, is_policy: bool) -> Self {
        let is_policy = root.as_ref().map_or(is_policy, has_version);
        let content = root.map_or(Content::Unreadable, Content::Tree);
        Self::new(content, &Arc::new(text), Path::default(), is_policy)
    }

    /// What cannot be a policy, with the reason.
    pub(crate) fn refused(
        text: &Arc<Text>,
        path: Path,
        why: &(impl std::error::Error + ?Sized),
        help: &str,
        span: Span,
    ) -> Self {
        let found = Diagnostic::error("manifest", why.to_string())
            .at(&text.source, span)
            .with_path(Some(path.to_string()))
            .with_help(Some(help.to_owned()));
        Self::new(Content::Refused(found), text, path, false)
    }

    fn new(content: Content, text: &Arc<Text>, path: Path, is_policy: bool) -> Self {
        let (text, plugin) = (Arc::clone(text), PluginIdentity::default());
        Self { content, text, path, is_policy, plugin }
    }

    pub(crate) fn of(self, plugin: PluginIdentity) -> Self {
        Self { plugin, ..self }
    }

    pub(crate) fn called_policy(self, is_policy: bool) -> Self {
        Self { is_policy, ..self }
    }

    /// Whether it says that it is a policy: its `apiVersion` begins with `gatepost/`.
    #[must_use]
    pub fn is_policy(&self) -> bool {
        self.is_policy
    }

    /// Which plugin it configures.
    #[must_use]
    pub fn plugin(&self) -> &PluginIdentity {
        &self.plugin
    }

    /// Where it is in the object; `None` for the whole.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        path_text(&self.text.path_outward(&self.path))
    }

    /// What it is, as if the object's own text had it: with its path from the object, and the
    /// places of its values there. Where a string is not written as it is, that is the string's
    /// place. `None` for what reaches no filter as a policy.
    #[must_use]
    pub fn in_object(&self) -> Option<(Node, Path)> {
        let Content::Tree(root) = &self.content else { return None };
        let path = self.text.path_outward(&self.path);
        Some((self.text.node_outward(root.clone()), path))
    }

    /// The text of the object, or of the file.
    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.text.outermost().source
    }
}

/// Whether a value says that it is a policy.
pub(crate) fn has_version(node: &Node) -> bool {
    let version = node.member("apiVersion").map(|member| &member.value.value);
    matches!(version, Some(Value::String(version)) if version.starts_with(GROUP))
}

/// Whether a text that cannot be read says so, anywhere.
pub(crate) fn mentions_version(text: &str) -> bool {
    text.match_indices("apiVersion").any(|(at, name)| {
        let behind = text.get(at + name.len()..).unwrap_or_default();
        let value = behind.trim_start_matches(['"', '\'', ' ', '\t', ':']);
        value.len() < behind.len() && value.starts_with(GROUP)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;

    const IN_A_TEXT: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: { name: envoy }
data:
  envoy.yaml: |
    static_resources:
      filter:
        "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
        config:
          configuration:
            "@type": type.googleapis.com/google.protobuf.StringValue
            value: '{ "apiVersion": "gatepost/v1", "strip": ["x-a"] }'
"#;

    /// What the source has where the policy in it has the first of `strip`, and the policy's path.
    fn first_of_strip(text: &str) -> (String, String) {
        let source = Arc::new(Source::new("map.yaml", text));
        let manifest = Manifest::read(Arc::clone(&source)).expect("an object");
        let (root, path) = manifest.configurations()[0].in_object().expect("a policy");
        let strip = root.member("strip").and_then(|strip| strip.value.element(0));
        (source.slice(strip.expect("a header").span).to_owned(), path.to_string())
    }

    #[test]
    fn a_policy_in_a_text_in_a_text_has_its_places_in_the_file() {
        let (place, path) = first_of_strip(IN_A_TEXT);
        assert_eq!(place, "\"x-a\"");
        let outer = "data[\"envoy.yaml\"].static_resources.filter";
        assert_eq!(path, format!("{outer}.config.configuration.value"));
    }

    #[test]
    fn a_policy_in_a_text_with_escapes_has_the_place_of_the_text() {
        let escaped = "\"apiVersion: gatepost/v1\\nstrip: [x-a]\\n\"";
        let text = format!("apiVersion: v1\nkind: ConfigMap\ndata:\n  policy.yaml: {escaped}\n");
        let (place, path) = first_of_strip(&text);
        assert_eq!((place.as_str(), path.as_str()), (escaped, "data[\"policy.yaml\"]"));
    }
}
