//! What all Kubernetes objects have.

use std::collections::BTreeMap;

use serde::Serialize;

/// The label of everything that is rendered, by its recommended name.
const NAME: (&str, &str) = ("app.kubernetes.io/name", "gatepost");

/// A label that no API server takes, because of the blanks. It keeps an object out of a cluster
/// until everything in it was chosen.
const PLACEHOLDER: (&str, &str) = ("gatepost/placeholder", "REPLACE ME");

/// A Kubernetes object.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object<'a, S> {
    pub api_version: &'static str,
    pub kind: &'static str,
    pub metadata: Metadata<'a>,
    pub spec: S,
}

/// `ObjectMeta`.
#[derive(Serialize)]
pub(crate) struct Metadata<'a> {
    name: &'a str,
    namespace: &'a str,
    labels: BTreeMap<&'static str, &'static str>,
}

impl<'a> Metadata<'a> {
    /// `is_complete` says whether the object has no placeholder.
    pub fn new(name: &'a str, namespace: &'a str, is_complete: bool) -> Self {
        let placeholder = (!is_complete).then_some(PLACEHOLDER);
        Self { name, namespace, labels: placeholder.into_iter().chain([NAME]).collect() }
    }
}
