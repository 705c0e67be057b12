//! What all objects have, and where one was found.

use std::path::PathBuf;
use std::sync::Arc;

use gatepost_authoring::manifest::Manifest;
use gatepost_authoring::tree::{Node, Value};
use gatepost_authoring::{Configuration, Source};
use gatepost_engine::Path;

use crate::field::Field;

/// A Kubernetes object in a file.
#[derive(Clone, Debug)]
pub struct Object {
    /// Where it was found.
    pub origin: Origin,
    /// Its `apiVersion`.
    pub api_version: String,
    source: Arc<Source>,
    root: Node,
    /// Where it is in its document: `items[3]`.
    path: Path,
    /// Policies in texts inside of it, as if they were its own values.
    embedded: Vec<(Node, Path)>,
}

/// Where an object was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its kind.
    pub kind: String,
    /// Its namespace; `default` where the object names none.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl Object {
    /// The object at a place of a file's tree, if there is one: it has an `apiVersion` and a
    /// `kind`.
    pub(crate) fn new(source: &Arc<Source>, root: Node, path: Path) -> Option<Self> {
        let field = Field::root(source, &root, path.clone());
        let api_version = field.get("apiVersion").text().filter(|text| !text.is_empty())?;
        let kind = field.get("kind").text().filter(|text| !text.is_empty())?;
        let metadata = field.get("metadata");
        let name = metadata.get("name").text().or(metadata.get("generateName").text());
        let namespace = metadata.get("namespace").text().unwrap_or("default");
        let origin = Origin {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.unwrap_or_default().to_owned(),
            path: PathBuf::from(source.name()),
        };
        let api_version = api_version.to_owned();
        let mut object =
            Self { origin, api_version, source: Arc::clone(source), root, path, embedded: vec![] };
        if object.is("networking.istio.io", "EnvoyFilter") || object.is("", "ConfigMap") {
            let policies = object.manifest().into_configurations().into_iter();
            let policies = policies.filter(Configuration::is_policy);
            object.embedded = policies.filter_map(|one| one.in_object()).collect();
        }
        Some(object)
    }

    /// The API group: `networking.k8s.io` of `networking.k8s.io/v1`, and nothing for `v1`.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether it is of that group and kind.
    #[must_use]
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.origin.kind == kind && self.group() == group
    }

    /// Its namespace, or `default`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.origin.namespace
    }

    /// Puts it into a namespace, unless it names one.
    pub(crate) fn place_in(&mut self, namespace: &str) {
        if self.at("metadata.namespace").text().is_none() {
            namespace.clone_into(&mut self.origin.namespace);
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.origin.name
    }

    /// The whole object.
    pub(crate) fn root(&self) -> Field<'_> {
        Field::root(&self.source, &self.root, self.path.clone())
    }

    /// The field that names with dots between them lead to.
    pub(crate) fn at(&self, names: &str) -> Field<'_> {
        self.root().at(names)
    }

    /// An annotation.
    pub(crate) fn annotation(&self, name: &str) -> Field<'_> {
        self.at("metadata.annotations").get(name)
    }

    /// A label.
    pub(crate) fn label(&self, name: &str) -> Field<'_> {
        self.at("metadata.labels").get(name)
    }

    /// The policies that an EnvoyFilter or ConfigMap has as texts.
    pub(crate) fn embedded(&self) -> impl Iterator<Item = Field<'_>> {
        let policies = self.embedded.iter();
        policies.map(|(root, path)| Field::root(&self.source, root, path.clone()))
    }

    /// The policies that it embeds, and where a policy would be.
    pub(crate) fn manifest(&self) -> Manifest {
        Manifest::at(Arc::clone(&self.source), self.root.clone(), &self.path)
    }

    /// How many bytes its text has, which is more than what etcd stores of it.
    pub(crate) fn size(&self) -> usize {
        self.root.to_json().len()
    }

    /// Whether it is a list of objects.
    pub(crate) fn is_list(&self) -> bool {
        self.origin.kind.ends_with("List") && self.at("items").exists()
    }

    /// The objects of a list, each with its place in the document.
    pub(crate) fn into_items(self) -> Vec<(Node, Path)> {
        let path = self.path.key("items");
        let Value::Mapping(members) = self.root.value else { return Vec::new() };
        let items = members.into_iter().find(|member| member.key == "items");
        let Some(Value::Sequence(items)) = items.map(|items| items.value.value) else {
            return Vec::new();
        };
        let paths = (0..).map(|index| path.clone().index(index));
        items.into_iter().zip(paths).collect()
    }
}
