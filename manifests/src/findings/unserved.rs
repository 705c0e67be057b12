//! What a policy writes, and no route of the gateway takes: 404 for everybody who is led there.

use std::collections::HashSet;

use crate::binding::Binding;
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::findings::binding;
use crate::findings::knative::VISIBILITY;
use crate::gateway::{Gateway, is_route};
use crate::hosts::Hosts;
use crate::object::Object;
use crate::policy::PolicyDocument;
use crate::route::{may_meet, rules};

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let gateways = cluster.gateways.iter().filter(|gateway| !gateway.is_local());
    let gateways: Vec<_> = gateways.map(|gateway| (gateway, Routes::of_gateway(gateway))).collect();
    let everywhere = Routes::everywhere(cluster);
    let unbound = Routes::unbound(cluster);
    for document in &cluster.policies {
        let here = gateways.iter().filter(|(gateway, _)| cluster.runs(document, gateway));
        let here = here.map(|(_, routes)| routes);
        let here = AllRoutes(here.chain([&everywhere, &unbound]).collect());
        // Without any the routes are somewhere else.
        if here.0.iter().all(|routes| routes.hosts.is_empty()) {
            continue;
        }
        health_checks(document, &here, findings);
        environments(document, &here, findings);
        mappings(document, &here, findings);
    }
}

/// The routes of the gateways that a policy runs on.
struct AllRoutes<'r>(Vec<&'r Routes<'r>>);

impl AllRoutes<'_> {
    /// Whether one of them takes an authority.
    fn serve(&self, authority: &str) -> bool {
        self.0.iter().any(|routes| routes.serve(authority))
    }

    /// Whether one of them takes a path of that authority. Envoy asks the routes of a host by its
    /// name before those of a wildcard; what is no route of a gateway's may take any path.
    fn serve_path(&self, authority: &str, path: &str) -> bool {
        let host = without_port(authority);
        let objects: Vec<_> = self.0.iter().flat_map(|routes| &routes.objects).collect();
        let is_named = |route: &&&Object| {
            let hosts = binding::hosts(route);
            let mut hosts = hosts.iter().filter_map(Field::text);
            hosts.any(|name| name.eq_ignore_ascii_case(host))
        };
        let may_take = |route: &&Object| {
            let rules = rules(route);
            rules.is_empty() || rules.iter().any(|rule| may_meet(rule, path))
        };
        let mut named = objects.into_iter().filter(is_named).peekable();
        match named.peek() {
            Some(_) => named.any(may_take),
            None => self.0.iter().any(|routes| routes.serve_path(authority, may_take)),
        }
    }

    /// Whether one of them matches a header.
    fn match_header(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        self.0.iter().any(|routes| routes.headers.contains(&name))
    }
}

/// Routes of one gateway, or of all.
#[derive(Default)]
struct Routes<'c> {
    hosts: Hosts,
    /// The routes themselves, where they are a gateway's.
    objects: Vec<&'c Object>,
    /// The hosts of the gateway's servers; nothing for those of all gateways.
    servers: Option<&'c Binding<'c>>,
    /// What begins each host of a Knative service, whose domain is Knative's: `name.namespace.`.
    knative: Vec<String>,
    /// Headers that a route matches.
    headers: Vec<String>,
}

impl<'c> Routes<'c> {
    fn of_gateway(gateway: &'c Gateway<'_>) -> Self {
        let objects = gateway.routes.clone();
        let mut routes = Self { objects, servers: Some(&gateway.binding), ..Self::default() };
        gateway.routes.iter().for_each(|route| routes.add_route(route));
        routes
    }

    /// What is made for every gateway: by EnvoyFilters, and by Knative.
    fn everywhere(cluster: &Cluster<'_>) -> Self {
        let mut routes = Self::default();
        for filter in cluster.objects("networking.istio.io", "EnvoyFilter") {
            routes.add_virtual_hosts(filter);
        }
        for service in cluster.objects("serving.knative.dev", "Service") {
            if !service.label(VISIBILITY).is("cluster-local") {
                routes.knative.push(format!("{}.{}.", service.name(), service.namespace()));
            }
        }
        let mappings = cluster.objects("serving.knative.dev", "DomainMapping");
        routes.hosts.extend(mappings.map(Object::name));
        routes
    }

    /// Those that their gateway does not take, which is a finding of its own.
    fn unbound(cluster: &Cluster<'_>) -> Self {
        let mut routes = Self::default();
        for route in cluster.manifests.objects.iter().filter(|object| is_route(object)) {
            for unbound in binding::unbound(cluster, route) {
                routes.add_hosts(route, &unbound.hosts);
            }
        }
        routes
    }

    /// A route of the Gateway API without a name takes those of its listener; a VirtualService
    /// without one is the rest of another.
    fn add_hosts(&mut self, route: &Object, hosts: &[Field<'_>]) {
        if hosts.is_empty() && route.group() == "gateway.networking.k8s.io" {
            self.hosts.insert("*");
        }
        self.hosts.extend(hosts.iter().filter_map(Field::text));
    }

    fn add_route(&mut self, route: &Object) {
        self.add_hosts(route, &binding::hosts(route));
        let of_istio = route.at("spec.http").each("match").into_iter();
        let of_istio = of_istio.flat_map(|one| one.get("headers").members());
        self.headers.extend(of_istio.map(|(name, _)| name.to_ascii_lowercase()));
        let of_rules = route.at("spec.rules").each("matches").into_iter();
        let of_rules = of_rules.flat_map(|one| one.get("headers").items());
        let names = of_rules.filter_map(|header| header.get("name").text());
        self.headers.extend(names.map(str::to_ascii_lowercase));
    }

    /// The virtual hosts that an EnvoyFilter adds.
    fn add_virtual_hosts(&mut self, filter: &Object) {
        for patch in filter.at("spec.configPatches").items() {
            let value = patch.at("patch.value");
            let domains = value.get("domains").items();
            let domains = domains.iter().filter_map(Field::text);
            self.hosts.extend(domains.map(without_port));
            for route in value.get("routes").items() {
                let headers = route.at("match.headers").items();
                self.headers.extend(
                    headers
                        .iter()
                        .filter_map(|header| header.get("name").text())
                        .map(str::to_ascii_lowercase),
                );
            }
        }
    }

    /// Whether a route takes an authority, in which a `*` stands for a label that is not known.
    fn serve(&self, authority: &str) -> bool {
        let host = without_port(authority);
        let of_knative = |prefix: &String| host.starts_with(prefix.as_str());
        let is_open = self.servers.is_none_or(|servers| servers.serves(host));
        self.knative.iter().any(of_knative) || (self.hosts.take(host) && is_open)
    }

    /// Whether a route of the gateway that takes an authority may take the path, too.
    fn serve_path(&self, authority: &str, may_take: impl Fn(&&Object) -> bool) -> bool {
        let host = without_port(authority);
        let takes = |route: &&Object| {
            let mut own = Self::default();
            own.add_hosts(route, &binding::hosts(route));
            own.hosts.take(host) && may_take(route)
        };
        self.serve(authority) && (self.objects.is_empty() || self.objects.iter().any(takes))
    }
}

/// An authority without its port; an IPv6 address keeps its brackets.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

const HELP: &str = "`gatepost render routes` writes what is missing";

fn unserved(place: &Field<'_>, authority: &str) -> Finding {
    let message = format!("no route of the gateway is for `{}`", without_port(authority));
    place.warning("result-unserved", message, HELP)
}

fn health_checks(
    document: &PolicyDocument<'_>,
    routes: &AllRoutes<'_>,
    findings: &mut Vec<Finding>,
) {
    let rewrites = document.policy.results().rewrites;
    for check in document.health_checks() {
        let written = rewrites.iter().find(|rewrite| check.get("name").is(&rewrite.check));
        let Some(authority) = written.and_then(|rewrite| rewrite.authority.as_deref()) else {
            continue;
        };
        if !routes.serve(authority) {
            findings.push(unserved(&check.at("rewrite.authority"), authority));
            continue;
        }
        let own = check.at("match.path.exact");
        let path = written.and_then(|rewrite| rewrite.path.as_deref()).or(own.text());
        if let Some(path) = path.filter(|path| !routes.serve_path(authority, path)) {
            let place = check.at("rewrite.path");
            let place = if place.exists() { place } else { check.get("rewrite") };
            let host = without_port(authority);
            let message = format!("no route of the gateway for `{host}` takes {path}");
            findings.push(place.warning("result-unserved", message, HELP));
        }
    }
}

fn environments(
    document: &PolicyDocument<'_>,
    routes: &AllRoutes<'_>,
    findings: &mut Vec<Finding>,
) {
    let Some(results) = document.policy.results().environments else { return };
    let hints = document.root.at("environments.hints");
    if let Some(authority) = &results.authority {
        let listed = results.names.iter().filter_map(|name| authority.for_environment(name));
        let open = results.is_open.then(|| authority.pattern());
        let missing: Vec<String> =
            listed.chain(open).filter(|written| !routes.serve(written)).collect();
        if let Some(first) = missing.first() {
            let others = match missing.len() {
                1 => String::new(),
                2 => ", nor for another environment".to_owned(),
                count => format!(", nor for {} other environments", count - 1),
            };
            let first = without_port(first);
            findings.push(hints.get("authority").warning(
                "result-unserved",
                format!("no route of the gateway is for `{first}`{others}"),
                HELP,
            ));
        }
        return;
    }
    let is_matched = results.headers.iter().any(|(name, _)| routes.match_header(name));
    if !results.headers.is_empty() && !is_matched {
        let names: Vec<&str> = results.headers.iter().map(|(name, _)| name.as_str()).collect();
        findings.push(hints.get("headers").warning(
            "result-unserved",
            format!("no route of the gateway matches {}", names.join(" or ")),
            "match it in a route of each environment, or write `hints.authority`",
        ));
    }
}

fn mappings(document: &PolicyDocument<'_>, routes: &AllRoutes<'_>, findings: &mut Vec<Finding>) {
    let missing: HashSet<String> = document
        .policy
        .results()
        .mapped
        .iter()
        .map(|written| written.literal().map_or_else(|| written.pattern(), str::to_owned))
        .filter(|written| !routes.serve(written))
        .collect();
    if missing.is_empty() {
        return;
    }
    for mapping in document.root.at("hosts.mappings").items() {
        let authority = mapping.get("authority");
        let result = result_of(authority.text().unwrap_or_default());
        if missing.contains(&result) {
            findings.push(unserved(&authority, &result));
        }
    }
}

/// What a mapping writes, of its authority as the author wrote it.
fn result_of(text: &str) -> String {
    let mut stars = String::new();
    for part in text.split('{') {
        match part.split_once('}') {
            Some((_, rest)) => stars.extend(["*", rest]),
            None => stars.push_str(part),
        }
    }
    stars.trim_end_matches('.').to_ascii_lowercase()
}
