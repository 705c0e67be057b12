//! A policy among the manifests, or beside them.

use std::sync::Arc;

use gatepost_authoring::read::read_documents;
use gatepost_authoring::tree::Node;
use gatepost_authoring::{PolicyFile, Source};
use gatepost_engine::{Path, Policy, compile_json};

use crate::field::Field;
use crate::pods::Selection;

/// A compiled policy with the places of its fields.
#[derive(Clone)]
pub(crate) struct PolicyDocument<'m> {
    pub policy: Arc<Policy>,
    /// The document.
    pub root: Field<'m>,
    /// The pods that it runs in; nothing if no object says so.
    pub pods: Option<Vec<Selection<'m>>>,
}

/// The text of a policy that is beside the manifests, as a tree.
pub(crate) struct PolicyTree {
    source: Arc<Source>,
    root: Option<Node>,
}

impl<'m> PolicyDocument<'m> {
    /// The policy that a value is, if it has no errors.
    pub fn new(root: Field<'m>, pods: Option<Vec<Selection<'m>>>) -> Option<Self> {
        let policy = compile_json(root.node()?.to_json().as_bytes()).ok()?;
        Some(Self { policy: Arc::new(policy), root, pods })
    }

    /// The policy of a file.
    pub fn of(tree: &'m PolicyTree) -> Option<Self> {
        let root = Field::root(&tree.source, tree.root.as_ref()?, Path::default());
        // The file may be a plugin around its policy.
        let paths = ["spec.pluginConfig", "spec.wasm.pluginConfig"];
        let embedded = paths.map(|path| root.at(path)).into_iter().find(Field::exists);
        Self::new(embedded.unwrap_or(root), None)
    }

    /// Whether a value looks like a policy: its `apiVersion` is one of ours.
    pub fn is_one(root: &Field<'_>) -> bool {
        root.get("apiVersion").text().is_some_and(|text| text.starts_with("gatepost/"))
    }

    /// Whether some hosts are refused.
    pub fn has_private_hosts(&self) -> bool {
        self.policy.results().has_private_hosts
    }

    /// The health checks.
    pub fn health_checks(&self) -> Vec<Field<'m>> {
        self.root.get("healthChecks").items()
    }
}

impl PolicyTree {
    pub fn new(file: &PolicyFile) -> Self {
        let root = read_documents(&file.source).0.into_iter().next();
        Self { source: Arc::clone(&file.source), root }
    }
}
