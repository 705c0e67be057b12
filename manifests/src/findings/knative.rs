//! Knative's DomainMappings beside a policy.

use crate::cluster::Cluster;
use crate::finding::Finding;
use crate::object::Object;

const SERVING: &str = "serving.knative.dev";

/// The label that keeps a service inside the cluster.
pub(super) const VISIBILITY: &str = "networking.knative.dev/visibility";

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for mapping in cluster.objects(SERVING, "DomainMapping") {
        findings.extend(node_port(cluster, mapping));
        findings.extend(mapped_twice(cluster, mapping));
        findings.extend(private(cluster, mapping));
    }
}

fn node_port(cluster: &Cluster<'_>, mapping: &Object) -> Option<Finding> {
    let mut public = cluster.gateways.iter().filter(|gateway| !gateway.is_local());
    let service = public.find_map(|gateway| {
        gateway.services.all().iter().find(|service| service.at("spec.type").is("NodePort"))
    })?;
    Some(mapping.at("metadata.name").warning(
        "domain-mapping-node-port",
        format!(
            "{} waits with `Waiting for Gateway IP`, because {} is a NodePort; requests are routed \
             all the same",
            mapping.origin, service.origin
        ),
        "use a ClusterIP Service with NEGs, or let the policy map the host",
    ))
}

fn mapped_twice(cluster: &Cluster<'_>, mapping: &Object) -> Option<Finding> {
    let name = mapping.name();
    let mapped = cluster.policies.iter().find_map(|document| {
        let mappings = document.root.at("hosts.mappings").items();
        let hosts = mappings.into_iter().map(|mapping| mapping.get("host"));
        hosts.into_iter().find(|host| {
            host.text().is_some_and(|host| host.trim_end_matches('.').eq_ignore_ascii_case(name))
        })
    })?;
    Some(mapping.at("metadata.name").warning(
        "domain-mapping-twice",
        format!("the policy maps {name} as well ({}), before Knative's route", mapped.place()),
        "keep one of them: the policy rewrites the host, and the DomainMapping's route is never \
         used",
    ))
}

fn private(cluster: &Cluster<'_>, mapping: &Object) -> Option<Finding> {
    let name = mapping.at("spec.ref.name");
    let service = cluster.object(SERVING, "Service", mapping.namespace(), name.text()?)?;
    service.label(VISIBILITY).is("cluster-local").then(|| {
        name.error(
            "domain-mapping-private",
            format!(
                "{} is for the cluster alone, and this mapping makes it public",
                service.origin
            ),
            "map another service, or take the label from this one",
        )
    })
}
