//! Kubernetes manifests that hold a policy: Istio's WasmPlugin and TrafficExtension have it in
//! `spec.pluginConfig`. Any other manifest is no policy.

use crate::tree::{Node, Value};
use gatepost_diagnostics::{Diagnostic, Source, Span};
use gatepost_engine::Path;

/// A policy inside a document.
pub(crate) struct Document<'d> {
    pub policy: &'d Node,
    /// Where the policy is in the document.
    pub path: Path,
}

/// A manifest without a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ManifestError {
    /// A kind that can hold a policy.
    #[error("this {kind} has no `{path}`, where its policy would be")]
    NoConfiguration {
        /// The manifest's kind.
        kind: String,
        /// Where its policy would be.
        path: String,
    },
    /// A kind that holds none.
    #[error("this is a Kubernetes manifest of kind {0}, and no policy")]
    OtherKind(String),
}

impl ManifestError {
    pub(crate) fn diagnostic(&self, source: &Source, span: Span) -> Diagnostic {
        let help = match self {
            Self::NoConfiguration { .. } => "write the policy there",
            Self::OtherKind(_) => {
                "a policy begins with `apiVersion: gatepost/v1`; in a WasmPlugin it is \
                 `spec.pluginConfig`, and in a TrafficExtension `spec.wasm.pluginConfig`"
            }
        };
        Diagnostic::error("manifest", self.to_string())
            .at(source, span)
            .with_help(Some(help.to_owned()))
    }
}

/// The policy of a document: the document itself, unless it is a manifest of Kubernetes, which has
/// a `kind`.
pub(crate) fn embedded_in(root: &Node) -> Result<Document<'_>, ManifestError> {
    let whole = || Ok(Document { policy: root, path: Path::default() });
    let Some(kind) = text(root, "kind") else { return whole() };
    let Some(version) = text(root, "apiVersion").filter(|text| !text.starts_with("gatepost/"))
    else {
        return whole();
    };
    let holds_policy = version.starts_with("extensions.istio.io/")
        && matches!(kind, "WasmPlugin" | "TrafficExtension");
    if !holds_policy {
        return Err(ManifestError::OtherKind(kind.to_owned()));
    }
    let mut at = root;
    // A TrafficExtension has the fields of a WasmPlugin one level deeper.
    let wasm = ["spec", "wasm", "pluginConfig"];
    let names = if kind == "WasmPlugin" { &["spec", "pluginConfig"][..] } else { &wasm[..] };
    let mut path = Path::default();
    for name in names {
        let Some(member) = at.member(name) else {
            return Err(ManifestError::NoConfiguration {
                kind: kind.to_owned(),
                path: names.join("."),
            });
        };
        (at, path) = (&member.value, path.key(name));
    }
    Ok(Document { policy: at, path })
}

fn text<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    match &node.member(name)?.value.value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
