//! Routes that no gateway takes: each gateway that they name is for other namespaces or hosts.
//! Istio says nothing of a VirtualService, and of a route of the Gateway API only in its status.

use crate::binding::{Parent, parents};
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::gateway::{Gateway, is_route};
use crate::object::Object;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for route in cluster.manifests.objects.iter().filter(|object| is_route(object)) {
        findings.extend(unbound(cluster, route).into_iter().map(|unbound| unbound.finding));
    }
}

/// Hosts of a route that no gateway takes, and why.
pub(super) struct Unbound<'m> {
    pub hosts: Vec<Field<'m>>,
    finding: Finding,
}

/// What keeps a route from its gateways.
pub(super) fn unbound<'m>(cluster: &Cluster<'m>, route: &'m Object) -> Vec<Unbound<'m>> {
    let hosts = hosts(route);
    let (for_sidecars, parents): (Vec<_>, Vec<_>) =
        parents(route).into_iter().partition(|parent| parent.field.is("mesh"));
    let misnamed = parents.iter().filter_map(|parent| misnamed(cluster, route, parent));
    let misnamed: Vec<_> =
        misnamed.map(|finding| Unbound { hosts: hosts.clone(), finding }).collect();
    if !misnamed.is_empty() {
        return misnamed;
    }
    let gateways = parents.iter().map(|parent| {
        let gateway = cluster.gateway(&parent.gateway)?;
        (!gateway.servers.is_empty()).then_some((parent, gateway))
    });
    // One that is not among the manifests may take it.
    let Some(gateways) = gateways.collect::<Option<Vec<_>>>() else { return Vec::new() };
    let Some((parent, gateway)) = gateways.first() else { return Vec::new() };
    if !gateways.iter().any(|(_, gateway)| cluster.is_exported(route, gateway)) {
        return vec![Unbound { hosts, finding: not_exported(cluster, route, gateway) }];
    }
    let namespace = route.namespace();
    if !gateways.iter().any(|(parent, gateway)| gateway.binding.admits(parent, namespace)) {
        return vec![Unbound { hosts, finding: not_admitted(route, parent, gateway) }];
    }
    let is_taken = |host: &Field<'_>| {
        let mut host = host.text().unwrap_or_default().to_ascii_lowercase();
        // Istio takes a name without dots for a Service's.
        if !host.contains(['.', '*']) {
            host = format!("{host}.{namespace}.svc.cluster.local");
        }
        let mut gateways = gateways.iter();
        gateways.any(|(parent, gateway)| gateway.binding.takes(parent, namespace, &host))
    };
    let others: Vec<Field<'m>> = hosts.iter().filter(|host| !is_taken(host)).cloned().collect();
    // Some of its hosts may be for the sidecars.
    if !for_sidecars.is_empty() && others.len() < hosts.len() {
        return Vec::new();
    }
    let of_host = |host: Field<'m>| {
        let finding = of_other_host(&host, gateway);
        Unbound { hosts: vec![host], finding }
    };
    others.into_iter().map(of_host).collect()
}

/// The hosts of a route; none where it is for those of its gateway.
pub(super) fn hosts(route: &Object) -> Vec<Field<'_>> {
    let hosts = ["spec.hosts", "spec.hostnames"].map(|names| route.at(names).items());
    hosts.into_iter().flatten().filter(|host| host.text().is_some()).collect()
}

/// A gateway that is in another namespace than the route, which gives its name alone.
fn misnamed(cluster: &Cluster<'_>, route: &Object, parent: &Parent<'_>) -> Option<Finding> {
    let [group, namespace, name] = parent.gateway;
    if !parent.is_name_alone || cluster.object(group, "Gateway", namespace, name).is_some() {
        return None;
    }
    let mut objects = cluster.manifests.objects.iter();
    let other = objects.find(|other| other.is(group, "Gateway") && other.name() == name)?;
    let place = parent.field.get("name");
    let place = if place.exists() { place } else { parent.field.clone() };
    let found = other.namespace();
    let help = match parent.field.text() {
        Some(_) => format!("write `{found}/{name}`"),
        None => format!("write `namespace: {found}`"),
    };
    let message = format!(
        "{} is for no gateway: {namespace} has no Gateway `{name}`, and {found} has one",
        route.origin
    );
    Some(place.error("route-unbound", message, help))
}

fn not_exported(cluster: &Cluster<'_>, route: &Object, gateway: &Gateway<'_>) -> Finding {
    let pods = cluster.selected(&gateway.pods).next();
    let namespace = pods.map_or(gateway.object.namespace(), |pod| pod.object.namespace());
    let message = format!(
        "{} is not exported to {namespace}, where the pods of {} are",
        route.origin, gateway.object.origin
    );
    let help = format!("add `{namespace}` to `exportTo`, or remove it");
    route.at("spec.exportTo").error("route-unbound", message, help)
}

/// No server is for routes of that namespace, or for what the route says of its listener.
fn not_admitted(route: &Object, parent: &Parent<'_>, gateway: &Gateway<'_>) -> Finding {
    let origin = &gateway.object.origin;
    if gateway.binding.admits_namespace(route.namespace()) {
        let listeners = gateway.servers.iter().map(|server| {
            let name = server.field.get("name");
            format!("`{}` on {}", name.text().unwrap_or_default(), server.port)
        });
        let listeners: Vec<_> = listeners.take(4).collect();
        return parent.field.error(
            "route-unbound",
            format!("{origin} has no such listener for {}", route.origin),
            format!("`sectionName` and `port` are those of a listener: {}", listeners.join(", ")),
        );
    }
    let own = gateway.object.namespace();
    let help = match parent.field.text() {
        Some(_) => format!(
            "write a server's host as `host` for the routes of every namespace, or as \
             `{namespace}/host` for those of {namespace}",
            namespace = route.namespace()
        ),
        None => format!(
            "a listener takes the routes of {own} alone, unless it has `allowedRoutes: {{ \
             namespaces: {{ from: All }} }}`"
        ),
    };
    let message = format!("no server of {origin} takes routes of {}", route.namespace());
    parent.field.error("route-unbound", message, help)
}

fn of_other_host(host: &Field<'_>, gateway: &Gateway<'_>) -> Finding {
    let known = gateway.servers.iter().flat_map(|server| &server.hosts);
    let mut known: Vec<&str> = known.filter_map(Field::text).take(5).collect();
    known.dedup();
    let help = match known.len() {
        1..=4 => format!("its servers are for {}: add the host to one of them", known.join(", ")),
        _ => "add the host to a server or listener".to_owned(),
    };
    let name = host.text().unwrap_or_default();
    let message = format!("no server of {} is for `{name}`", gateway.object.origin);
    host.error("route-unbound", message, help)
}
