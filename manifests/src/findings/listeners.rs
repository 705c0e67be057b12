//! What a balancer meets at the listener that it sends to.

use crate::backend::{Backend, backends};
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::gateway::Gateway;
use crate::object::Object;
use crate::server::Server;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let backends = backends(cluster);
    for gateway in &cluster.gateways {
        let of_gateway = backends.iter().filter(|backend| gateway.is_behind(backend.service));
        let of_gateway: Vec<&Backend<'_>> = of_gateway.collect();
        let mut by_http = Vec::new();
        for server in &gateway.servers {
            let listeners = &server.listeners;
            let leads_there = |backend: &&&Backend<'_>| {
                backend.target_port(cluster).is_some_and(|port| listeners.contains(&port))
            };
            let Some(backend) = of_gateway.iter().find(leads_there) else { continue };
            if server.needs_sni() && !answers_without_name(cluster, gateway, server) {
                findings.extend(sni(backend, server));
            }
            findings.extend(protocol(backend, server));
            if !server.is_tls() && !trusts_a_proxy(cluster, gateway) {
                findings.extend(redirect(server, backend));
                by_http.push((server, *backend));
            }
        }
        if let Some((_, backend)) = by_http.first() {
            findings.extend(route_redirects(gateway, backend));
            let servers: Vec<_> = by_http.iter().map(|(server, _)| *server).collect();
            findings.extend(rule_redirects(gateway, &servers, backend));
        }
    }
}

/// Whether another server of the same listener takes connections without a server name.
fn answers_without_name(cluster: &Cluster<'_>, gateway: &Gateway<'_>, server: &Server<'_>) -> bool {
    let here = cluster.gateways.iter().filter(|other| {
        std::ptr::eq(*other, gateway) || cluster.overlap(&other.pods, &gateway.pods)
    });
    let mut servers = here.flat_map(|gateway| &gateway.servers);
    servers.any(|other| {
        let is_same_port = other.listeners.iter().any(|port| server.listeners.contains(port));
        is_same_port && other.is_tls() && !other.needs_sni()
    })
}

fn sni(backend: &Backend<'_>, server: &Server<'_>) -> Option<Finding> {
    Some(server.hosts.first()?.error(
        "sni",
        format!(
            "the balancer of {} sends no server name, and this listener has nothing for a \
             connection without one: 502",
            backend.object.origin
        ),
        "write `*` as the server's host and leave hosts to the routes, or send to the port of HTTP",
    ))
}

fn protocol(backend: &Backend<'_>, server: &Server<'_>) -> Option<Finding> {
    if backend.is_tls() == server.is_tls() {
        return None;
    }
    let (theirs, ours) = if server.is_tls() { ("HTTP", "TLS") } else { ("TLS", "HTTP") };
    let name = backend.port.get("name").text().unwrap_or_default();
    let help = match (backend.is_of_ingress(), server.is_tls()) {
        (true, true) => {
            format!("annotate the Service: `app-protocols: '{{\"{name}\":\"HTTPS\"}}'`")
        }
        (true, false) => format!("take `{name}` out of the Service's annotation `app-protocols`"),
        (false, true) => "write `appProtocol: HTTPS` or HTTP2 at the Service's port".to_owned(),
        (false, false) => "take `appProtocol` from the Service's port".to_owned(),
    };
    let message = format!(
        "the balancer speaks {theirs} to a listener that speaks {ours} (port {name} of {})",
        backend.service.origin
    );
    Some(backend.reference.error("backend-protocol", message, help))
}

/// With a proxy that it trusts, a gateway knows from `x-forwarded-proto` that the client has TLS.
fn trusts_a_proxy(cluster: &Cluster<'_>, gateway: &Gateway<'_>) -> bool {
    cluster
        .mesh
        .trusted_proxies(cluster.selected(&gateway.pods))
        .is_some_and(|trusted| trusted.number > 0)
}

fn redirect(server: &Server<'_>, backend: &Backend<'_>) -> Option<Finding> {
    let redirect = server.field.at("tls.httpsRedirect");
    redirect.is_true().then(|| redirect_loop(&redirect, backend))
}

fn route_redirects(gateway: &Gateway<'_>, backend: &Backend<'_>) -> Vec<Finding> {
    // To another host, or to another path, it is no loop.
    let leads_away = |route: &Object, rule: &Field<'_>| {
        let redirect = rule.get("redirect");
        let authority = redirect.get("authority");
        let hosts = route.at("spec.hosts").items();
        let is_own = hosts.iter().any(|host| host.text() == authority.text());
        redirect.get("uri").exists() || (authority.exists() && !is_own)
    };
    let routes = gateway.routes.iter().flat_map(|route| {
        let rules = route.at("spec.http").items().into_iter();
        rules.filter(|rule| !leads_away(route, rule))
    });
    let looks_at_scheme = |route: &Field<'_>| {
        let matches = route.get("match").items();
        let of_scheme = |one: &Field<'_>| {
            let headers = ["headers", "withoutHeaders"].map(|name| one.get(name));
            let is_told = |headers: &Field<'_>| headers.get("x-forwarded-proto").exists();
            one.get("scheme").exists() || headers.iter().any(is_told)
        };
        !matches.is_empty() && matches.iter().all(of_scheme)
    };
    routes
        .filter(|route| route.at("redirect.scheme").is("https") && !looks_at_scheme(route))
        .map(|route| redirect_loop(&route.at("redirect.scheme"), backend))
        .collect()
}

/// Redirects of the routes of the Gateway API that are attached to one of these listeners.
fn rule_redirects(
    gateway: &Gateway<'_>,
    by_http: &[&Server<'_>],
    backend: &Backend<'_>,
) -> Vec<Finding> {
    let is_attached = |route: &&&Object| {
        let parents = route.at("spec.parentRefs").items();
        let mut parents = parents.iter().filter(|one| one.get("name").is(gateway.object.name()));
        parents.any(|parent| {
            let section = parent.get("sectionName");
            let is_section =
                |server: &&Server<'_>| server.field.get("name").text() == section.text();
            !section.exists() || by_http.iter().any(is_section)
        })
    };
    let looks_at_scheme = |rule: &Field<'_>| {
        let headers = rule.get("matches").each("headers");
        headers.iter().any(|header| header.get("name").is("x-forwarded-proto"))
    };
    let rules = gateway.routes.iter().filter(is_attached);
    let rules = rules.flat_map(|route| route.at("spec.rules").items());
    let redirects = rules.filter(|rule| !looks_at_scheme(rule)).flat_map(|rule| {
        let filters = rule.get("filters").items().into_iter();
        filters.map(|filter| filter.get("requestRedirect"))
    });
    redirects
        .filter(|redirect| {
            let leads_away = redirect.get("hostname").exists() || redirect.get("path").exists();
            redirect.get("scheme").is("https") && !leads_away
        })
        .map(|redirect| redirect_loop(&redirect.get("scheme"), backend))
        .collect()
}

fn redirect_loop(place: &Field<'_>, backend: &Backend<'_>) -> Finding {
    let help = match backend.is_of_ingress() {
        true => {
            "let the balancer redirect: a FrontendConfig with `redirectToHttps`, or \
             `kubernetes.io/ingress.allow-http: \"false\"`"
        }
        false => {
            "let the balancer redirect: an HTTPRoute with this filter on the HTTP listener of its \
             own Gateway"
        }
    };
    place.error(
        "redirect-loop",
        "behind the balancer, which ends TLS, every request comes here by HTTP and is redirected \
         again",
        help,
    )
}
