//! Ingresses that GKE reads otherwise than their author means.

use crate::backend::is_gke_ingress;
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::ingress::CLASS;
use crate::object::Object;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for ingress in cluster.objects("networking.k8s.io", "Ingress") {
        findings.extend(class(ingress));
        if is_gke_ingress(ingress) {
            let paths = ingress.at("spec.rules").each("http.paths");
            findings.extend(paths.iter().filter_map(star));
        }
        if ingress.api_version == "networking.k8s.io/v1" {
            let paths = ingress.at("spec.rules").each("http.paths");
            findings.extend(paths.iter().filter_map(no_path_type));
        }
    }
}

fn class(ingress: &Object) -> Option<Finding> {
    let class = ingress.at("spec.ingressClassName");
    let is_gkes = class.text().is_some_and(|class| matches!(class, "gce" | "gce-internal"));
    (is_gkes && !ingress.annotation(CLASS).exists()).then(|| {
        class.error(
            "ingress-class",
            format!("GKE ignores `ingressClassName`, and so {}", ingress.origin),
            format!("write the annotation `{CLASS}: {}`", class.text().unwrap_or_default()),
        )
    })
}

fn star(path: &Field<'_>) -> Option<Finding> {
    let text = path.get("path");
    let kind = path.get("pathType");
    let has_star = text.text().is_some_and(|text| text.ends_with('*'));
    (has_star && kind.exists() && !kind.is("ImplementationSpecific")).then(|| {
        text.error(
            "ingress-path",
            "GKE reads `*` in a path with `pathType: ImplementationSpecific` only",
            "write that type, or `pathType: Prefix` and the path without `*`",
        )
    })
}

fn no_path_type(path: &Field<'_>) -> Option<Finding> {
    (!path.get("pathType").exists()).then(|| {
        path.error(
            "ingress-path",
            "a path of `networking.k8s.io/v1` needs a `pathType`",
            "write `pathType: Prefix`, or ImplementationSpecific for a path with `*`",
        )
    })
}
