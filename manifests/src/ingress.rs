//! Ingresses.

use serde::Deserialize;

use crate::object::{Metadata, Origin};

/// The annotation by which GKE selects Ingresses. It ignores `ingressClassName` alone.
const CLASS: &str = "kubernetes.io/ingress.class";

/// An Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// Where it was found.
    pub origin: Origin,
    /// Its class.
    class: Option<String>,
}

impl Ingress {
    pub(crate) fn new(origin: Origin, metadata: &Metadata, spec: Spec) -> Self {
        let annotated = metadata.annotations.get(CLASS).and_then(|class| class.as_str());
        Self { origin, class: annotated.map(str::to_owned).or(spec.ingress_class_name) }
    }

    /// Whether GKE makes a load balancer of it: its class is one of GKE's, or it has none.
    #[must_use]
    pub fn is_of_gke(&self) -> bool {
        self.class.as_deref().is_none_or(|class| matches!(class, "gce" | "gce-internal"))
    }
}

/// `IngressSpec`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    ingress_class_name: Option<String>,
}
