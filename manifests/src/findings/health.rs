//! What a balancer's health check asks, and which part of the gateway answers.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use gatepost_engine::Mode;

use crate::backend::{Backend, backends};
use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::findings::agent::AGENT;
use crate::gateway::Gateway;
use crate::object::Object;
use crate::pods::{Selection, labels};
use crate::policy::PolicyDocument;
use crate::probe::{Probe, Untaken};

/// The port of the agent's readiness alone.
const READINESS: u16 = 15021;
const READINESS_PATH: &str = "/healthz/ready";

/// Types of checks that ask for a path.
const HTTP: [&str; 3] = ["HTTP", "HTTPS", "HTTP2"];

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    let backends = backends(cluster);
    let (mut by_config, mut by_service) = (HashMap::new(), HashMap::new());
    for backend in &backends {
        let Backend { service, .. } = backend;
        by_service.entry((service.namespace(), service.name())).or_insert(backend);
        if let Some(name) = backend.configuration().filter(|_| backend.is_of_ingress()) {
            by_config.entry((service.namespace(), name)).or_insert(backend);
        }
    }
    for config in cluster.objects("cloud.google.com", "BackendConfig") {
        let check = Check::of_backend_config(config);
        let backend = by_config.get(&(config.namespace(), config.name().to_owned()));
        check.find(cluster, backend.copied(), findings);
    }
    for policy in cluster.objects("networking.gke.io", "HealthCheckPolicy") {
        let check = Check::of_policy(policy);
        let target = policy.at("spec.targetRef.name").text().unwrap_or_default();
        let backend = by_service.get(&(policy.namespace(), target));
        findings.extend(check.unused_port(policy));
        check.find(cluster, backend.copied(), findings);
    }
}

/// A health check of a balancer.
struct Check<'m> {
    port: Field<'m>,
    path: Field<'m>,
    /// The host that it asks for; nothing for the pod's address.
    host: Field<'m>,
    kind: Field<'m>,
    interval: Field<'m>,
    timeout: Field<'m>,
    is_fixed: Option<Field<'m>>,
}

impl<'m> Check<'m> {
    fn of_backend_config(config: &'m Object) -> Self {
        let check = config.at("spec.healthCheck");
        Self {
            port: check.get("port"),
            path: check.get("requestPath"),
            host: check.get("host"),
            kind: check.get("type"),
            interval: check.get("checkIntervalSec"),
            timeout: check.get("timeoutSec"),
            is_fixed: None,
        }
    }

    fn of_policy(policy: &'m Object) -> Self {
        let all = policy.at("spec.default");
        let kinds = ["httpHealthCheck", "httpsHealthCheck", "http2HealthCheck"];
        let of_kind = kinds.map(|kind| all.get("config").get(kind));
        let found = of_kind.iter().find(|check| check.exists()).cloned();
        let check = found.unwrap_or_else(|| all.at("config.httpHealthCheck"));
        Self {
            port: check.get("port"),
            path: check.get("requestPath"),
            host: check.get("host"),
            kind: all.at("config.type"),
            interval: all.get("checkIntervalSec"),
            timeout: all.get("timeoutSec"),
            is_fixed: Some(check.get("portSpecification")),
        }
    }

    /// GKE takes a port only where it is told that the port is fixed.
    fn unused_port(&self, policy: &Object) -> Option<Finding> {
        let fixed = self.is_fixed.as_ref()?;
        (self.port.exists() && !fixed.is("USE_FIXED_PORT")).then(|| {
            self.port.warning(
                "health-check-port",
                format!("{} asks the serving port, and not this one", policy.origin),
                "write `portSpecification: USE_FIXED_PORT`",
            )
        })
    }

    fn find(
        &self,
        cluster: &Cluster<'m>,
        backend: Option<&Backend<'m>>,
        findings: &mut Vec<Finding>,
    ) {
        findings.extend(self.too_long());
        if self.port.port() == Some(AGENT) {
            findings.push(self.port.error(
                "agent-port",
                "15020 is the agent's own port, and sees neither the filter nor its policy",
                "ask a listener's port: the policy leads the probe to the pod's agent",
            ));
            return;
        }
        // A check by TCP or gRPC asks for no path.
        let asks_by_http = !self.kind.exists() || HTTP.iter().any(|kind| self.kind.is(kind));
        let Some(backend) = backend.filter(|_| asks_by_http) else { return };
        let gateways = cluster.gateways.iter();
        let gateways: Vec<_> =
            gateways.filter(|gateway| gateway.is_behind(backend.service)).collect();
        if gateways.is_empty() {
            return;
        }
        let port = match self.port.port() {
            Some(port) => behind_node(cluster, backend.service, port),
            None => backend.target_port(cluster),
        };
        match port {
            Some(READINESS) => self.readiness(cluster, &gateways, findings),
            Some(port) => self.listener(cluster, &gateways, backend, port, findings),
            None => {}
        }
    }

    /// Google refuses a check that may take longer than the time between two.
    fn too_long(&self) -> Option<Finding> {
        let timeout = self.timeout.integer()?;
        let interval = self.interval.integer()?;
        (timeout > interval).then(|| {
            self.timeout.error(
                "health-check-interval",
                format!("the check may take {timeout} s, and there is one every {interval} s"),
                "write a `timeoutSec` of at most `checkIntervalSec`",
            )
        })
    }

    fn readiness(
        &self,
        cluster: &Cluster<'m>,
        gateways: &[&Gateway<'m>],
        findings: &mut Vec<Finding>,
    ) {
        if !self.path.is(READINESS_PATH) {
            let asked = self.path.text().unwrap_or("/");
            findings.push(self.path.error(
                "health-check-path",
                format!("port {READINESS} answers {READINESS_PATH} alone, and 404 to {asked}"),
                format!("write `requestPath: {READINESS_PATH}`"),
            ));
        }
        if self.kind.exists() && !self.kind.is("HTTP") {
            findings.push(self.kind.error(
                "health-check-type",
                format!("port {READINESS} speaks HTTP without TLS"),
                "write `type: HTTP`",
            ));
        }
        let mut plugins = cluster.plugins.iter();
        let has_checks = plugins.any(|plugin| {
            let policy = plugin.policy.as_ref();
            let is_there = |gateway: &&Gateway<'m>| cluster.are_among(&gateway.pods, &plugin.pods);
            let enforces = |policy: &PolicyDocument<'_>| policy.policy.mode() == Mode::Enforce;
            policy.is_some_and(|policy| !policy.health_checks().is_empty() && enforces(policy))
                && gateways.iter().any(is_there)
        });
        if has_checks {
            findings.push(self.port.warning(
                "health-check-past-filter",
                format!(
                    "port {READINESS} says ready while the filter answers 500 to everybody, \
                     because its policy was refused"
                ),
                "ask a listener's port: the policy's check leads the probe to the pod's agent",
            ));
        }
    }

    fn listener(
        &self,
        cluster: &Cluster<'m>,
        gateways: &[&Gateway<'m>],
        backend: &Backend<'m>,
        port: u16,
        findings: &mut Vec<Finding>,
    ) {
        let servers = gateways.iter().flat_map(|gateway| &gateway.servers);
        let known = servers.flat_map(|server| server.listeners.iter().map(move |at| (server, *at)));
        let known: Vec<_> = known.collect();
        let Some((server, _)) = known.iter().find(|(_, known)| *known == port) else {
            let selector = labels(&backend.service.at("spec.selector"));
            let namespace = Some(backend.service.namespace());
            let pods = Selection { labels: selector, namespace };
            let mut containers = cluster
                .selected(&pods)
                .flat_map(|pod| pod.template.at("spec.containers").each("ports"));
            let is_of_other = containers.any(|one| one.get("containerPort").port() == Some(port));
            let mut servers = gateways.iter().flat_map(|gateway| &gateway.servers);
            if is_of_other || servers.any(|server| server.listeners.is_empty()) {
                return;
            }
            let ports: BTreeSet<u16> = known.iter().map(|(_, port)| *port).collect();
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            findings.push(self.port.error(
                "health-check-port",
                format!("the pods of {} do not listen on {port}", backend.service.origin),
                format!(
                    "the balancer asks the pods themselves: write a listener's port ({}), or \
                     {READINESS}",
                    ports.join(", ")
                ),
            ));
            return;
        };
        if self.kind.is("HTTP") && server.is_tls() {
            findings.push(self.kind.error(
                "health-check-type",
                format!("the listener on {port} speaks TLS"),
                "write `type: HTTPS`, or ask the port of HTTP",
            ));
        }
        if (self.kind.is("HTTPS") || self.kind.is("HTTP2")) && !server.is_tls() {
            findings.push(self.kind.error(
                "health-check-type",
                format!("the listener on {port} speaks HTTP without TLS"),
                "write `type: HTTP`, or ask the port of TLS",
            ));
        }
        let path = self.path.text().unwrap_or("/");
        let probe = Probe {
            port,
            host: self.host.text().unwrap_or("10.0.0.1"),
            path,
            headers: vec![("user-agent".to_owned(), "GoogleHC/1.0")],
            source: Some(IpAddr::from([35, 191, 0, 1])),
        };
        let plugins = cluster.plugins.iter().filter(|plugin| {
            let mut here = gateways.iter();
            here.any(|gateway| cluster.are_among(&gateway.pods, &plugin.pods))
        });
        let Some(untaken) = probe.untaken(gateways, plugins) else { return };
        let (place, help) = match untaken {
            Untaken::NoCheck(_) => (
                &self.path,
                "add a check whose `match` holds for it (`GET`, user agent GoogleHC/1.0, from \
                 35.191.0.0/16 or 130.211.0.0/22), or ask a path that one has",
            ),
            Untaken::NoFilter(_) => (&self.port, "ask a port that the plugin is on"),
            Untaken::Observed(_) => {
                (&self.path, "remove `mode: observe`, or ask port 15021 until then")
            }
        };
        let why = untaken.why(port);
        let message = format!("{why} a probe of GoogleHC for {path}");
        findings.push(place.error("health-check-unanswered", message, help));
    }
}

/// The port of the pods that a port of their nodes leads to, or the same port. A port that the
/// cluster gives to a Service is not known.
fn behind_node<'m>(cluster: &Cluster<'m>, service: &'m Object, port: u16) -> Option<u16> {
    let ports = service.at("spec.ports").items();
    let mut of_node = ports.iter().filter(|one| one.get("nodePort").port() == Some(port));
    match of_node.next() {
        Some(of_node) => cluster.target_port(service, of_node),
        None => Some(port).filter(|port| !(30_000..=32_767).contains(port)),
    }
}
