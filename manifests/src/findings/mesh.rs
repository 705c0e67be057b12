//! Namespaces whose pods get no sidecar, meshes that take no plugin, and routes for clients outside
//! of the mesh.

use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::object::Object;
use crate::pods::{ROOT_NAMESPACE, Workload};

const REVISION: &str = "istio.io/rev";
const INJECTION: &str = "istio-injection";

/// What the names of namespaces begin with that are no user's.
const OF_PLATFORM: [&str; 3] = ["gke-", "gmp-", "kube-"];

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let namespaces: Vec<&Object> = cluster.objects("", "Namespace").collect();
    let is_in_mesh = |namespace: &&Object| {
        namespace.label(REVISION).exists() || namespace.label(INJECTION).is("enabled")
    };
    let mesh_is_known = namespaces.iter().any(is_in_mesh);
    for namespace in &namespaces {
        findings.extend(two_labels(namespace));
        if mesh_is_known && !is_in_mesh(namespace) {
            findings.extend(no_label(cluster, namespace));
        }
    }
    findings.extend(managed(cluster, &namespaces));
    for route in cluster.objects("networking.istio.io", "VirtualService") {
        external(cluster, route, findings);
    }
}

fn two_labels(namespace: &Object) -> Option<Finding> {
    let injection = namespace.label(INJECTION);
    (injection.exists() && namespace.label(REVISION).exists()).then(|| {
        injection.warning(
            "revision-label",
            format!("`{INJECTION}` wins over `{REVISION}`, and the revision is not used"),
            format!("keep `{REVISION}` alone"),
        )
    })
}

/// A namespace with pods that get no sidecar, beside one whose pods do.
fn no_label(cluster: &Cluster<'_>, namespace: &Object) -> Option<Finding> {
    let name = namespace.name();
    let is_of_platform = OF_PLATFORM.iter().any(|prefix| name.starts_with(prefix));
    let is_ambient = namespace.label("istio.io/dataplane-mode").exists();
    if namespace.label(INJECTION).exists()
        || is_ambient
        || is_of_platform
        || [ROOT_NAMESPACE, &cluster.mesh.root_namespace].contains(&name)
    {
        return None;
    }
    let decides = |pod: &Workload<'_>| {
        let labels = pod.template.at("metadata.labels");
        let annotations = pod.template.at("metadata.annotations");
        let inject = "sidecar.istio.io/inject";
        labels.get(inject).exists()
            || labels.get(REVISION).exists()
            || annotations.get(inject).exists()
            || pod.template.at("spec.hostNetwork").is_true()
    };
    let pod = cluster.workloads_in(namespace.name()).find(|pod| !decides(pod))?;
    Some(namespace.at("metadata.name").warning(
        "revision-label",
        format!("{} gets no sidecar: its namespace has no `{REVISION}`", pod.object.origin),
        "label the namespace; where no sidecar is meant, label the pods with \
         `sidecar.istio.io/inject: \"false\"`",
    ))
}

/// Google's managed control plane takes no plugin.
fn managed(cluster: &Cluster<'_>, namespaces: &[&Object]) -> Option<Finding> {
    let plugin = cluster.plugins.first()?;
    let mut labels = namespaces.iter().map(|namespace| namespace.label(REVISION));
    let managed =
        labels.find(|label| label.text().is_some_and(|text| text.starts_with("asm-managed")))?;
    Some(plugin.object.at("kind").error(
        "managed-mesh",
        format!(
            "Cloud Service Mesh with revision {} ignores {}",
            managed.text().unwrap_or_default(),
            plugin.object.origin.kind
        ),
        "run an Envoy of your own before the mesh (deploy/envoy), or a plugin of the balancer",
    ))
}

/// Routes on the gateway `external-mesh`, which Cloud Run's sidecars read.
fn external(cluster: &Cluster<'_>, route: &Object, findings: &mut Vec<Finding>) {
    let gateways = route.at("spec.gateways").items();
    let Some(external) = gateways.iter().find(|gateway| gateway.is("external-mesh")) else {
        return;
    };
    let is_of_mesh = |gateway: &Field<'_>| gateway.is("mesh") || gateway.is("mesh/default");
    if gateways.iter().any(|gateway| gateway.text() != external.text() && !is_of_mesh(gateway)) {
        findings.push(external.warning(
            "external-mesh",
            "a VirtualService for `external-mesh` is one of its own",
            "write a second object, so that fields that are ignored there stay for the others",
        ));
    }
    let destinations = route.at("spec.http").each("route").into_iter();
    for host in destinations.map(|route| route.at("destination.host")) {
        let labels: Vec<&str> = host.text().unwrap_or_default().split('.').collect();
        let is_there =
            |namespace: &str, name: &str| cluster.object("", "Service", namespace, name).is_some();
        let elsewhere = match labels[..] {
            [name] => {
                let mut services = cluster.objects("", "Service");
                !is_there(route.namespace(), name) && services.any(|service| service.name() == name)
            }
            [name, namespace] => namespace != route.namespace() && is_there(namespace, name),
            [_, namespace, "svc", ..] => namespace != route.namespace(),
            _ => false,
        };
        if elsewhere {
            findings.push(host.error(
                "external-mesh",
                format!("the Service is not in {}, where this object is", route.namespace()),
                "put the VirtualService into the namespace of its destination",
            ));
        }
    }
    let spec = route.at("spec");
    let matches = spec.get("http").each("match");
    let ignored = ["exportTo", "tls", "tcp"].map(|name| spec.get(name)).into_iter();
    let ignored =
        ignored.chain(matches.iter().flat_map(|one| {
            ["sourceLabels", "sourceNamespace", "gateways"].map(|name| one.get(name))
        }));
    for field in ignored.filter(Field::exists) {
        findings.push(field.warning(
            "external-mesh",
            "this field is ignored outside of the mesh",
            "remove it, or route by hosts, paths and headers",
        ));
    }
}
