//! What the kubelet asks a gateway's pods for their health, and whether the filter takes it.

use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::gateway::Gateway;
use crate::probe::Probe;

/// The probes of a container, each with what comes of one that fails.
const KINDS: [(&str, &str); 3] = [
    ("startupProbe", "the pod never becomes ready"),
    ("readinessProbe", "the pod never becomes ready"),
    ("livenessProbe", "the pod is restarted for ever"),
];

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for workload in cluster.workloads() {
        let containers = workload.template.at("spec.containers").items();
        let requests = containers.iter().flat_map(|container| {
            KINDS.map(|(kind, outcome)| (container, container.at(kind).get("httpGet"), outcome))
        });
        let requests: Vec<_> = requests.filter(|(_, request, _)| request.exists()).collect();
        if requests.is_empty() {
            continue;
        }
        let gateways = cluster.gateways.iter().filter(|gateway| gateway.pods.means(workload));
        let gateways: Vec<_> = gateways.collect();
        findings.extend(requests.iter().filter_map(|(container, request, outcome)| {
            unanswered(cluster, &gateways, container, request, outcome)
        }));
    }
}

/// A request at a listener that nothing takes.
fn unanswered<'m>(
    cluster: &Cluster<'m>,
    gateways: &[&Gateway<'m>],
    container: &Field<'m>,
    request: &Field<'m>,
    outcome: &str,
) -> Option<Finding> {
    let number = request.get("port");
    let port = number.port().or_else(|| port_named(container, number.text()?))?;
    // Another host than the pod is asked by name.
    if request.get("host").exists() || request.get("scheme").is("HTTPS") {
        return None;
    }
    let headers = request.get("httpHeaders").items();
    let headers = headers.iter().filter_map(|header| {
        Some((header.get("name").text()?.to_ascii_lowercase(), header.get("value").text()?))
    });
    let headers: Vec<(String, &str)> = headers.collect();
    let named = |wanted: &str| headers.iter().find(|(name, _)| name == wanted);
    let host = named("host").map_or("10.0.0.1", |(_, host)| host);
    let user_agent = named("user-agent").map_or("kube-probe/1.34", |(_, agent)| agent);
    let others = headers.iter().map(|(name, value)| (name.as_str(), *value));
    let others = others.filter(|(name, _)| !matches!(*name, "host" | "user-agent"));
    let path = request.get("path").text().unwrap_or("/");
    let probe = Probe {
        port,
        host,
        path,
        headers: others.chain([("user-agent", user_agent)]).collect(),
        source: None,
    };
    let why = probe.untaken(cluster, gateways)?.why(port);
    Some(request.error(
        "health-check-unanswered",
        format!("{why} the kubelet's probe for {path} as {user_agent}: {outcome}"),
        "ask what a health check of the policy takes, or port 15021",
    ))
}

/// The port of a container by its name.
fn port_named(container: &Field<'_>, name: &str) -> Option<u16> {
    let ports = container.get("ports").items();
    let port = ports.iter().find(|port| port.get("name").is(name))?;
    port.get("containerPort").port()
}
