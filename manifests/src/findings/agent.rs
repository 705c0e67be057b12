//! The port of Istio's agent: it answers for its pod alone, and who reaches all of it can end the
//! gateway.

use gatepost_engine::{Request, Verdict};

use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::findings::binding;
use crate::gateway::Gateway;
use crate::object::Object;
use crate::policy::PolicyDocument;
use crate::route::{has_expression, may_meet, rules};

/// The agent's own port. That of its readiness alone is another one.
pub(super) const AGENT: u16 = 15020;

/// What ends the gateway.
const QUIT: &str = "/quitquitquit";

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for service in cluster.objects("", "Service") {
        let ports = service.at("spec.ports").items();
        findings.extend(ports.iter().filter_map(|port| agent_of_service(cluster, service, port)));
    }
    for route in cluster.objects("networking.istio.io", "VirtualService") {
        findings.extend(agent_behind_service(route));
    }
    for gateway in cluster.gateways.iter().filter(|gateway| !gateway.is_local()) {
        let documents = cluster.policies.iter();
        let documents = documents.filter(|document| cluster.runs(document, gateway));
        let documents: Vec<_> = documents.collect();
        findings.extend(gateway.routes.iter().flat_map(|route| open(gateway, route, &documents)));
    }
}

fn agent_of_service<'m>(
    cluster: &Cluster<'m>,
    service: &'m Object,
    port: &Field<'m>,
) -> Option<Finding> {
    let [target, own] = ["targetPort", "port"].map(|name| port.get(name));
    let is_agent = cluster.target_port(service, port) == Some(AGENT);
    let number = Some(if target.exists() { target } else { own }).filter(|_| is_agent)?;
    Some(number.warning(
        "agent-port",
        "15020 leads to the agent of any of the pods: a probe is answered by another pod, and its \
         metrics are open to everybody who reaches the Service",
        "remove the port; `gatepost render routes` leads probes to the pod itself",
    ))
}

/// A route to the agent by a Service, and not to the pod's own, which a ServiceEntry names.
fn agent_behind_service(route: &Object) -> Vec<Finding> {
    let is_service = |host: &str| {
        !host.contains('.') || host.ends_with(".svc") || host.ends_with(".svc.cluster.local")
    };
    let destinations = route.at("spec.http").each("route").into_iter();
    let destinations = destinations.map(|route| route.get("destination"));
    destinations
        .filter(|destination| {
            destination.at("port.number").port() == Some(AGENT)
                && destination.get("host").text().is_some_and(is_service)
        })
        .map(|destination| {
            destination.at("port.number").warning(
                "agent-port",
                "through a Service this probe is answered by the agent of another pod",
                "lead it to 127.0.0.1 by a ServiceEntry, as `gatepost render routes` does",
            )
        })
        .collect()
}

/// Routes by which a client reaches all of the agent: the policies let the host through, and the
/// conditions every path.
fn open(gateway: &Gateway<'_>, route: &Object, documents: &[&PolicyDocument<'_>]) -> Vec<Finding> {
    let to_agent = rules(route).into_iter().filter(leads_to_agent);
    let open = to_agent.filter(|rule| may_meet(rule, QUIT) && !has_expression(rule));
    let open: Vec<Field<'_>> = open.collect();
    let hosts = binding::hosts(route).into_iter().filter_map(|host| host.text());
    let is_let_in = |host: &str| documents.iter().all(|document| lets_in(document, host));
    let mut let_in = hosts.filter(|host| gateway.binding.serves(host) && is_let_in(host));
    if open.is_empty() || documents.is_empty() {
        return Vec::new();
    }
    let Some(host) = let_in.next() else { return Vec::new() };
    let found = open.iter().map(|rule| {
        rule.error(
            "agent-open",
            format!(
                "a client who asks for {host} reaches all of the agent: `POST {QUIT}` ends the \
                 gateway"
            ),
            "let the route match its one path exactly, as `gatepost render routes` does",
        )
    });
    found.collect()
}

/// Whether requests go to the agent of the pod itself.
fn leads_to_agent(rule: &Field<'_>) -> bool {
    let of_istio = rule.get("route").items().into_iter();
    let of_istio = of_istio.map(|route| route.at("destination.port.number"));
    let of_rules = rule.get("backendRefs").items().into_iter().map(|backend| backend.get("port"));
    of_istio.chain(of_rules).any(|port| port.port() == Some(AGENT))
}

/// Whether a policy lets a client's request for a host go on. Of a wildcard some host may be asked.
fn lets_in(document: &PolicyDocument<'_>, host: &str) -> bool {
    let host = host.replace('*', "any");
    let headers =
        [(":method", "POST"), (":path", QUIT), (":authority", &host), ("user-agent", "client")];
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let source: Option<std::net::IpAddr> = None;
    let decision = document.policy.decide(&Request { headers, source: &source });
    matches!(decision.verdict, Verdict::Forward(_))
}
