//! What answers an authority: the Services that a file of services or a cluster's manifests name.

use gatepost_manifests::{Manifests, ServedHosts, Service, ServicePort};

use super::backend::{Backend, CLUSTER_DOMAIN, Protocol, is_match};
use super::services_file::ServicesFile;

/// The port of an authority without one.
const HTTP: u16 = 80;

/// What is known of the services of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Backends {
    /// What a person wrote down. It wins.
    pub listed: ServicesFile,
    /// What the cluster's manifests say.
    pub manifests: Manifests,
}

/// What answers an authority.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'b> {
    /// This Service.
    Backend(Backend),
    /// A route that is there already.
    Route(&'b ServedHosts),
    /// Nothing that is known.
    Unknown,
}

impl Backends {
    /// What answers an authority.
    pub(super) fn answer(&self, authority: &str) -> Answer<'_> {
        let (host, port) = split(authority);
        if let Some(backend) = self.listed.backend(host) {
            return Answer::Backend(backend);
        }
        if let Some(route) = self.manifests.routes.iter().find(|route| route.serves(host)) {
            return Answer::Route(route);
        }
        let Some((name, namespace)) = service_name(host) else { return Answer::Unknown };
        let is_it = |service: &&Service| {
            service.origin.name == name && service.origin.namespace == namespace
        };
        let found = self.manifests.services.iter().find(is_it);
        let port = found.and_then(|service| port_of(service, port)).unwrap_or(ServicePort {
            name: String::new(),
            port: port.unwrap_or(HTTP),
            app_protocol: String::new(),
        });
        Answer::Backend(Backend {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            port: port.port,
            protocol: if port.protocol() == "grpc" { Protocol::Grpc } else { Protocol::Http },
        })
    }

    /// The authorities that a pattern stands for, as far as they are known: those of the file, and
    /// the hosts of the cluster's Services.
    pub(super) fn known(&self, pattern: &str) -> Vec<String> {
        let (host, port) = split(pattern);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let services = self.manifests.services.iter().map(|service| {
            format!("{}.{}{CLUSTER_DOMAIN}", service.origin.name, service.origin.namespace)
        });
        let listed = self.listed.hosts().map(str::to_owned);
        let mut known: Vec<String> = services
            .chain(listed)
            .filter(|known| is_match(host, known))
            .map(|host| host + &port)
            .collect();
        known.sort();
        known.dedup();
        known
    }
}

/// The port that a request for an authority with this port is meant for.
fn port_of(service: &Service, port: Option<u16>) -> Option<ServicePort> {
    let speaks_http =
        |port: &&ServicePort| matches!(port.protocol(), "http" | "http2" | "grpc" | "grpc-web");
    let ports = &service.ports;
    let named = ports.iter().find(|known| Some(known.port) == port);
    let only = || if let [only] = &ports[..] { Some(only) } else { None };
    named.or_else(only).or_else(|| ports.iter().find(speaks_http)).cloned()
}

/// The host and the port of an authority in canonical form.
pub(super) fn split(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

/// The name and the namespace of the Service that has this host.
fn service_name(host: &str) -> Option<(&str, &str)> {
    let (name, namespace) = host.strip_suffix(CLUSTER_DOMAIN)?.split_once('.')?;
    (!namespace.contains('.')).then_some((name, namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_the_cluster_is_its_service() {
        assert_eq!(service_name("a.b.svc.cluster.local"), Some(("a", "b")));
        for host in ["a.svc.cluster.local", "a.b.c.svc.cluster.local", "a.example"] {
            assert_eq!(service_name(host), None, "{host}");
        }
        assert_eq!(split("[::1]:80"), ("[::1]", Some(80)));
        assert_eq!(split("[::1]"), ("[::1]", None));
    }
}
