//! VirtualServices of one host on one gateway. Istio joins their routes in an order that nobody
//! chooses, so two routes that take the same request are a matter of luck.

use std::collections::BTreeMap;

use crate::binding::full_name;
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::object::Object;

/// A gateway's namespace and name, and a host.
type GatewayHost<'m> = ([&'m str; 2], String);

/// How many VirtualServices of one host and gateway are compared with each other.
const MAX_COMPARED: usize = 256;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let mut by_host: BTreeMap<GatewayHost<'_>, Vec<(&Object, Field<'_>)>> = BTreeMap::new();
    for route in cluster.objects("networking.istio.io", "VirtualService") {
        let gateways = route.at("spec.gateways").items();
        let gateways: Vec<[&str; 2]> =
            gateways.iter().filter_map(|gateway| gateway_name(gateway, route)).collect();
        for host in route.at("spec.hosts").items() {
            let name = host.text().unwrap_or_default().to_ascii_lowercase();
            for gateway in &gateways {
                let known = by_host.entry((*gateway, name.clone())).or_default();
                if known.len() < MAX_COMPARED {
                    known.push((route, host.clone()));
                }
            }
        }
    }
    for ((gateway, _), routes) in &by_host {
        let routes = routes.iter().map(|(route, host)| (route, host, requests(route, *gateway)));
        let routes: Vec<_> = routes.collect();
        for (number, (second, host, theirs)) in routes.iter().enumerate() {
            // One that is in two files is no second one.
            let others = routes.iter().take(number);
            let mut others = others.filter(|(first, ..)| !is_same(first, second));
            findings.extend(others.find_map(|(first, _, known)| {
                let both = theirs
                    .iter()
                    .find(|second| known.iter().any(|first| !are_apart(first, second)))?;
                Some(chance(first, second, host, both))
            }));
        }
    }
}

/// A gateway with its namespace. Sidecars merge nothing.
fn gateway_name<'m>(gateway: &Field<'m>, route: &'m Object) -> Option<[&'m str; 2]> {
    let name = gateway.text().filter(|name| *name != "mesh")?;
    Some(full_name(name, route.namespace()))
}

fn chance(first: &Object, second: &Object, host: &Field<'_>, both: &Field<'_>) -> Finding {
    both.warning(
        "virtual-service-merge",
        format!(
            "{} and {} both route {} on one gateway, and nobody chooses which comes first",
            first.origin,
            second.origin,
            host.text().unwrap_or_default()
        ),
        "put both routes into one VirtualService, or let them differ by a header or a path",
    )
}

fn is_same(one: &Object, other: &Object) -> bool {
    one.namespace() == other.namespace() && one.name() == other.name()
}

/// The conditions of a VirtualService's routes on a gateway. A route without any takes every
/// request, and is itself in the list.
fn requests<'o>(object: &'o Object, gateway: [&str; 2]) -> Vec<Field<'o>> {
    let is_here = |one: &Field<'_>| {
        let gateways = one.get("gateways").items();
        let mut names = gateways.iter().filter_map(|gateway| gateway_name(gateway, object));
        gateways.is_empty() || names.any(|name| name == gateway)
    };
    let routes = object.at("spec.http").items().into_iter();
    routes
        .flat_map(|route| match route.get("match").items() {
            matches if matches.is_empty() => vec![route],
            matches => matches.into_iter().filter(is_here).collect(),
        })
        .collect()
}

/// Whether no request meets both conditions, as far as can be told without solving expressions.
fn are_apart(one: &Field<'_>, other: &Field<'_>) -> bool {
    let texts = ["uri", "method", "authority", "scheme"];
    let of_text = texts.iter().any(|name| texts_are_apart(&one.get(name), &other.get(name)));
    let headers = one.get("headers").members().into_iter();
    let queries = one.get("queryParams").members().into_iter();
    let mut of_headers = headers.map(|(name, value)| (value, other.get("headers").get(name)));
    let mut of_queries = queries.map(|(name, value)| (value, other.get("queryParams").get(name)));
    let (mine, theirs) = (one.get("port").port(), other.get("port").port());
    of_text
        || lacks(one, other)
        || lacks(other, one)
        || of_headers.any(|(mine, theirs)| texts_are_apart(&mine, &theirs))
        || of_queries.any(|(mine, theirs)| texts_are_apart(&mine, &theirs))
        || mine.zip(theirs).is_some_and(|(mine, theirs)| mine != theirs)
}

/// Whether one is for requests without a header that the other asks for.
fn lacks(one: &Field<'_>, other: &Field<'_>) -> bool {
    let headers = other.get("headers");
    one.get("withoutHeaders").members().into_iter().any(|(name, without)| {
        let wanted = headers.get(name);
        let is_any = without.members().is_empty();
        let texts = ["exact", "prefix", "regex"].map(|kind| (without.get(kind), wanted.get(kind)));
        let is_it = texts.iter().any(|(one, other)| one.exists() && one.text() == other.text());
        wanted.exists() && (is_any || is_it)
    })
}

/// Whether no text meets both conditions. Of two expressions, or of an expression and a text, only
/// their authors know.
fn texts_are_apart(one: &Field<'_>, other: &Field<'_>) -> bool {
    let [exact, prefix] = ["exact", "prefix"].map(|kind| one.get(kind).text());
    let [their_exact, their_prefix] = ["exact", "prefix"].map(|kind| other.get(kind).text());
    match (exact, prefix, their_exact, their_prefix) {
        (Some(mine), _, Some(theirs), _) => mine != theirs,
        (Some(mine), _, _, Some(theirs)) => !mine.starts_with(theirs),
        (_, Some(mine), Some(theirs), _) => !theirs.starts_with(mine),
        (_, Some(mine), _, Some(theirs)) => !mine.starts_with(theirs) && !theirs.starts_with(mine),
        _ => {
            let [mine, theirs] = [one, other].map(|condition| condition.get("regex"));
            let both_are_there = !one.members().is_empty() && !other.members().is_empty();
            both_are_there && (mine.exists() || theirs.exists()) && mine.text() != theirs.text()
        }
    }
}
