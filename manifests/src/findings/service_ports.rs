//! Ports of Services and ServiceEntries to which requests are sent, and which they have not.

use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::findings::agent::AGENT;
use crate::object::Object;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for object in &cluster.manifests.objects {
        let references = match (object.group(), object.origin.kind.as_str()) {
            ("networking.k8s.io" | "extensions", "Ingress") => of_ingress(object),
            ("gateway.networking.k8s.io", "HTTPRoute" | "GRPCRoute") => of_route(object),
            ("networking.istio.io", "VirtualService") => of_virtual_service(object),
            _ => continue,
        };
        findings.extend(references.iter().filter_map(|reference| missing(cluster, reference)));
    }
}

/// What requests are sent to.
struct Reference<'m> {
    namespace: &'m str,
    /// A Service's name, or a host.
    name: &'m str,
    /// Its number, or its name.
    port: Field<'m>,
}

fn of_ingress(ingress: &Object) -> Vec<Reference<'_>> {
    let spec = ingress.at("spec");
    let paths = spec.get("rules").each("http.paths").into_iter();
    let backends = paths.map(|path| path.get("backend")).chain([spec.get("defaultBackend")]);
    let references = backends.map(|backend| {
        let service = backend.get("service");
        let [number, name] = ["port.number", "port.name"].map(|port| service.at(port));
        (service.get("name"), if number.exists() { number } else { name })
    });
    named(ingress.namespace(), references)
}

fn of_route(route: &Object) -> Vec<Reference<'_>> {
    let backends = route.at("spec.rules").each("backendRefs").into_iter();
    // A `Hostname` is one of a ServiceEntry.
    let is_known = |backend: &Field<'_>| {
        let kind = backend.get("kind");
        !kind.exists() || kind.is("Service") || kind.is("Hostname")
    };
    let references = backends.filter(is_known).map(|backend| {
        let namespace = backend.get("namespace").text().unwrap_or(route.namespace());
        named(namespace, [(backend.get("name"), backend.get("port"))].into_iter())
    });
    references.flatten().collect()
}

fn of_virtual_service(route: &Object) -> Vec<Reference<'_>> {
    let kinds = ["spec.http", "spec.tls", "spec.tcp"];
    let routes = kinds.into_iter().flat_map(|kind| route.at(kind).each("route"));
    let destinations = routes.map(|route| route.get("destination"));
    let references = destinations.map(|to| (to.get("host"), to.at("port.number")));
    named(route.namespace(), references)
}

/// Those that say a name and a port.
fn named<'m>(
    namespace: &'m str,
    references: impl Iterator<Item = (Field<'m>, Field<'m>)>,
) -> Vec<Reference<'m>> {
    references
        .filter(|(_, port)| port.exists())
        .filter_map(|(name, port)| Some(Reference { namespace, name: name.text()?, port }))
        .collect()
}

/// A port that the object of that name has not.
fn missing(cluster: &Cluster<'_>, reference: &Reference<'_>) -> Option<Finding> {
    let (object, number) = referred(cluster, reference)?;
    let ports = object.at("spec.ports").items();
    let is_it = |port: &Field<'_>| {
        let by_number = port.get(number).port().is_some_and(|it| Some(it) == reference.port.port());
        by_number || reference.port.text().is_some_and(|name| port.get("name").is(name))
    };
    // The agent's port is no Service's, which is another finding.
    let is_agent = reference.port.port() == Some(AGENT);
    if ports.is_empty() || ports.iter().any(is_it) || (is_agent && number == "port") {
        return None;
    }
    let known = ports.iter().filter_map(|port| {
        let number = port.get(number).port()?;
        Some(
            port.get("name").text().map_or(number.to_string(), |name| format!("{number} ({name})")),
        )
    });
    let known: Vec<String> = known.collect();
    let wanted = reference.port.port().map(|number| number.to_string());
    let wanted = wanted.or_else(|| reference.port.text().map(str::to_owned))?;
    Some(reference.port.error(
        "backend-port",
        format!("{} has no port {wanted}: it has {}", object.origin, known.join(", ")),
        "write one of these, and not a port of its pods",
    ))
}

/// The Service or ServiceEntry of a name, and what the number of a port is called there.
fn referred<'m>(
    cluster: &Cluster<'m>,
    reference: &Reference<'_>,
) -> Option<(&'m Object, &'static str)> {
    let host = reference.name.trim_end_matches(".cluster.local").trim_end_matches(".svc");
    let (name, namespace) = host.split_once('.').unwrap_or((host, reference.namespace));
    let service = cluster.object("", "Service", namespace, name);
    if service.is_some() {
        return service.map(|service| (service, "port"));
    }
    let mut entries = cluster.objects("networking.istio.io", "ServiceEntry");
    let has_host =
        |entry: &&Object| entry.at("spec.hosts").items().iter().any(|host| host.is(reference.name));
    entries.find(has_host).map(|entry| (entry, "number"))
}
