//! Ingresses.

use crate::object::{Object, Origin};

/// The annotation by which GKE selects Ingresses. It ignores `ingressClassName` alone.
pub(crate) const CLASS: &str = "kubernetes.io/ingress.class";

/// An Ingress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingress {
    /// Where it was found.
    pub origin: Origin,
    /// Its class.
    class: Option<String>,
}

impl Ingress {
    pub(crate) fn new(object: &Object) -> Self {
        let annotated = object.annotation(CLASS).text();
        let class = annotated.or(object.at("spec.ingressClassName").text());
        Self { origin: object.origin.clone(), class: class.map(str::to_owned) }
    }

    /// Whether GKE makes a load balancer of it: its class is one of GKE's, or it has none.
    #[must_use]
    pub fn is_of_gke(&self) -> bool {
        self.class.as_deref().is_none_or(|class| matches!(class, "gce" | "gce-internal"))
    }
}
