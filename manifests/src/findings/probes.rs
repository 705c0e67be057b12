//! What the kubelet asks a gateway's pods for their health, and whether the filter takes it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::pods::Labels;
use crate::probe::Probe;

const USER_AGENT: &str = "user-agent";

/// The probes of a container, each with what comes of one that fails.
const KINDS: [(&str, &str); 3] = [
    ("startupProbe", "the pod never becomes ready"),
    ("readinessProbe", "the pod never becomes ready"),
    ("livenessProbe", "the pod is restarted for ever"),
];

/// Why a probe of pods with these labels in a namespace is not taken.
type Known<'m> = HashMap<(Labels<'m>, &'m str, Probe<'m>), Option<String>>;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    // Pods of one gateway have the same probes.
    let mut known = Known::new();
    for workload in cluster.workloads() {
        for container in workload.template.at("spec.containers").items() {
            for (kind, outcome) in KINDS {
                let request = container.at(kind).get("httpGet");
                let Some(probe) = probe(&container, &request) else { continue };
                let message = format!(
                    "the kubelet's probe for {} as {}: {outcome}",
                    probe.path,
                    user_agent(&probe)
                );
                let port = probe.port;
                let pods = (workload.labels.clone(), workload.object.namespace(), probe);
                let why = match known.entry(pods) {
                    Entry::Occupied(why) => why.into_mut(),
                    Entry::Vacant(pods) => {
                        let gateways = cluster.gateways.iter();
                        let gateways: Vec<_> =
                            gateways.filter(|gateway| gateway.pods.means(workload)).collect();
                        let plugins = cluster.plugins.iter();
                        // A policy without checks leaves them to a plugin that may be elsewhere.
                        let plugins = plugins.filter(|plugin| {
                            let policy = plugin.policy.as_ref();
                            policy.is_some_and(|policy| !policy.health_checks().is_empty())
                                && plugin.pods.iter().any(|pods| pods.means(workload))
                        });
                        let untaken = pods.key().2.untaken(&gateways, plugins);
                        pods.insert(untaken.map(|untaken| untaken.why(port)))
                    }
                };
                findings.extend(why.as_ref().map(|why| {
                    request.error(
                        "health-check-unanswered",
                        format!("{why} {message}"),
                        "ask what a health check of the policy takes, or port 15021",
                    )
                }));
            }
        }
    }
}

/// What the kubelet sends to the pod itself, if it is HTTP without TLS.
fn probe<'m>(container: &Field<'m>, request: &Field<'m>) -> Option<Probe<'m>> {
    let number = request.get("port");
    let port = number.port().or_else(|| port_named(container, number.text()?))?;
    if request.get("host").exists() || request.get("scheme").is("HTTPS") {
        return None;
    }
    let headers = request.get("httpHeaders").items();
    let headers = headers.iter().filter_map(|header| {
        Some((header.get("name").text()?.to_ascii_lowercase(), header.get("value").text()?))
    });
    let (hosts, mut headers): (Vec<_>, Vec<_>) = headers.partition(|(name, _)| name == "host");
    if !headers.iter().any(|(name, _)| name == USER_AGENT) {
        headers.push((USER_AGENT.to_owned(), "kube-probe/1.34"));
    }
    Some(Probe {
        port,
        host: hosts.first().map_or("10.0.0.1", |(_, host)| host),
        path: request.get("path").text().unwrap_or("/"),
        headers,
        source: None,
    })
}

fn user_agent<'m>(probe: &Probe<'m>) -> &'m str {
    let named = probe.headers.iter().find(|(name, _)| name == USER_AGENT);
    named.map_or("", |(_, value)| value)
}

/// The port of a container by its name.
fn port_named(container: &Field<'_>, name: &str) -> Option<u16> {
    let ports = container.get("ports").items();
    let port = ports.iter().find(|port| port.get("name").is(name))?;
    port.get("containerPort").port()
}
