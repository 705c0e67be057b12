//! Routes of a gateway that match headers which any client can send.

use crate::binding::parents;
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::gateway::Gateway;
use crate::object::Object;
use crate::policy::PolicyDocument;

/// Headers that Envoy writes anew, unless a proxy that it trusts has written them.
const OF_ENVOY: [&str; 2] = ["x-forwarded-client-cert", "x-forwarded-proto"];

/// Headers by which a client says what it wants, and no one is trusted.
const NEGOTIATION: [&str; 17] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "access-control-request-headers",
    "access-control-request-method",
    "authorization",
    "connection",
    "content-encoding",
    "content-type",
    "cookie",
    "expect",
    "host",
    "origin",
    "range",
    "te",
    "upgrade",
    "x-requested-with",
];

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for gateway in cluster.gateways.iter().filter(|gateway| !gateway.is_local()) {
        let policies = policies_on(cluster, gateway);
        for route in &gateway.routes {
            for (name, place) in conditions(route) {
                findings.extend(forgeable(name, &place, &policies));
            }
        }
    }
    // A policy without an object may run on a gateway that is not here.
    let anywhere = cluster.policies.iter().filter(|document| document.pods.is_none());
    let anywhere: Vec<_> = anywhere.collect();
    for route in cluster.objects("networking.istio.io", "VirtualService") {
        let mut parents = parents(route);
        parents.retain(|parent| !parent.field.is("mesh"));
        if !parents.is_empty() && !parents.iter().any(|parent| is_known(cluster, &parent.gateway)) {
            for (name, place) in conditions(&route) {
                findings.extend(forgeable(name, &place, &anywhere));
            }
        }
    }
}

fn is_known(cluster: &Cluster<'_>, [_, namespace, name]: &[&str; 3]) -> bool {
    cluster.object("networking.istio.io", "Gateway", namespace, name).is_some()
}

/// The policies of a gateway.
fn policies_on<'c, 'm>(
    cluster: &'c Cluster<'m>,
    gateway: &Gateway<'m>,
) -> Vec<&'c PolicyDocument<'m>> {
    cluster.policies.iter().filter(|document| cluster.runs(document, gateway)).collect()
}

/// The headers that a route matches for gateways, each with its place.
fn conditions<'m>(route: &&'m Object) -> Vec<(&'m str, Field<'m>)> {
    let is_for_sidecars = |one: &Field<'_>| {
        let gateways = one.get("gateways").items();
        !gateways.is_empty() && gateways.iter().all(|gateway| gateway.is("mesh"))
    };
    let of_istio = route.at("spec.http").each("match").into_iter();
    let of_istio = of_istio.filter(|one| !is_for_sidecars(one));
    let of_istio = of_istio.flat_map(|one| one.get("headers").members());
    let of_gateway_api = route.at("spec.rules").each("matches").into_iter();
    let of_gateway_api = of_gateway_api.flat_map(|one| one.get("headers").items());
    let of_gateway_api = of_gateway_api.filter_map(|header| {
        let name = header.get("name");
        Some((name.text()?, name))
    });
    of_istio.chain(of_gateway_api).collect()
}

fn forgeable(name: &str, place: &Field<'_>, policies: &[&PolicyDocument<'_>]) -> Option<Finding> {
    let name = name.to_ascii_lowercase();
    let document = policies.first()?;
    let is_guarded = policies.iter().any(|document| document.policy.guards(name.as_bytes()));
    let is_free = NEGOTIATION.contains(&name.as_str()) || OF_ENVOY.contains(&name.as_str());
    if is_guarded || is_free || name.starts_with(':') {
        return None;
    }
    let environments = document.root.get("environments");
    let sources = environments.get("sources").items();
    let is_source = sources.iter().any(|source| {
        source.get("header").text().is_some_and(|header| header.eq_ignore_ascii_case(&name))
    });
    let hints = environments.at("hints.headers").members();
    let help = match hints.first() {
        Some((hint, _)) if is_source => {
            format!("match the hint `{hint}`, which the policy takes from clients")
        }
        _ if is_source => "let the policy write a hint, and match that".to_owned(),
        _ if name == "user-agent" => {
            "let a health check of the policy take probes: it looks at more than this".to_owned()
        }
        _ => format!("add `{name}` to the policy's `strip`, unless clients may choose this route"),
    };
    Some(place.warning(
        "forgeable-header",
        format!("this route trusts `{name}`, which any client can send"),
        help,
    ))
}
