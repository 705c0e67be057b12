//! Conditions on the source address, where the gateway does not see the client's.

use std::collections::HashMap;

use crate::backend::{Backend, backends};
use crate::cluster::Cluster;
use crate::finding::Finding;
use crate::gateway::Gateway;
use crate::object::Object;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let conditions = cluster.policies.iter().filter_map(|document| {
        let checks = document.health_checks();
        let mut sources = checks.iter().map(|check| check.at("match.sources"));
        Some((document, sources.find(|sources| !sources.items().is_empty())?))
    });
    let conditions: Vec<_> = conditions.collect();
    let backends = backends(cluster);
    let replacing = replacing(cluster, &backends);
    for gateway in cluster.gateways.iter().filter(|gateway| !gateway.is_local()) {
        let here = conditions.iter().filter(|(document, _)| cluster.runs(document, gateway));
        let here: Vec<_> = here.collect();
        if here.is_empty() {
            continue;
        }
        let is_of_google = backends.iter().any(|backend| gateway.is_behind(backend.service));
        findings.extend(forged(cluster, gateway, is_of_google));
        let mut services = replacing.iter().filter(|service| gateway.is_behind(service));
        let Some(service) = services.next().map(|service| &service.origin) else { continue };
        findings.extend(here.into_iter().map(|(_, sources)| {
            sources.warning(
                "sources-snat",
                format!(
                    "kube-proxy puts a node's address in place of the client's on the way through \
                     {service}: no balancer's range matches, and a cluster's range matches \
                     everybody"
                ),
                "use NEGs, or `externalTrafficPolicy: Local`",
            )
        }));
    }
}

/// The Services through which clients come to the pods by a node. Google's balancers send to the
/// pods where a Service has NEGs, but an Ingress does not use those of `exposed_ports`.
fn replacing<'m>(cluster: &Cluster<'m>, backends: &[Backend<'m>]) -> Vec<&'m Object> {
    let mut is_of_ingress = HashMap::new();
    for backend in backends {
        let name = (backend.service.namespace(), backend.service.name());
        is_of_ingress.entry(name).or_insert(backend.is_of_ingress());
    }
    let has_negs = |service: &Object| {
        let neg = service.annotation("cloud.google.com/neg").text().unwrap_or_default();
        let neg = serde_json::from_str::<serde_json::Value>(neg).unwrap_or_default();
        let is_made = neg.get("ingress").and_then(serde_json::Value::as_bool) == Some(true);
        match is_of_ingress.get(&(service.namespace(), service.name())) {
            Some(is_of_ingress) => is_made || !is_of_ingress,
            None => is_made || neg.get("exposed_ports").is_some(),
        }
    };
    let services = cluster.objects("", "Service").filter(|service| {
        let kind = service.at("spec.type");
        (kind.is("NodePort") || kind.is("LoadBalancer"))
            && !service.at("spec.externalTrafficPolicy").is("Local")
            && !has_negs(service)
    });
    services.collect()
}

fn forged(cluster: &Cluster<'_>, gateway: &Gateway<'_>, is_of_google: bool) -> Option<Finding> {
    let trusted = cluster.mesh.trusted_proxies(cluster.selected(&gateway.pods))?;
    let number = trusted.number;
    // Google's balancers append the client's address and their own.
    let (appended, help) = match is_of_google {
        true => (2, "write at most 2: the balancer appends the client's address and its own"),
        false => {
            (1, "write 1 behind one load balancer, and 0 where clients reach the gateway itself")
        }
    };
    (number > appended).then(|| {
        trusted.place.warning(
            "sources-forged",
            format!(
                "`sources` are compared with entry {number} from the end of x-forwarded-for, which \
                 a client writes unless the proxies before the gateway append {number}"
            ),
            help,
        )
    })
}
