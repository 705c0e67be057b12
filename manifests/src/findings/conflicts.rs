//! What a policy writes or maps, and a policy refuses: its own, or that of another plugin on the same
//! listeners, which each request goes through as well.

use gatepost_engine::{Counter, Mode, Request, Verdict};

use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::plugin::Plugin;
use crate::policy::PolicyDocument;

/// How many plugins are compared with each other.
const MAX_COMPARED: usize = 256;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for document in &cluster.policies {
        findings.extend(refused_mappings(document));
    }
    let plugins = cluster.plugins.iter().take(MAX_COMPARED);
    for (number, second) in plugins.clone().enumerate() {
        for first in plugins.clone().take(number) {
            if first.object.origin == second.object.origin {
                continue;
            }
            if is_one_filter(first, second) {
                findings.push(second.object.at("metadata.name").error(
                    "plugin-twice",
                    format!("Envoy has one filter of this name for it and for {}", first.name()),
                    "delete one of them, or give it another name",
                ));
            } else if meet(cluster, first, second) {
                findings.extend(refused(first, second).or_else(|| refused(second, first)));
            }
        }
    }
}

/// Mappings of hosts that the same policy refuses before.
fn refused_mappings(document: &PolicyDocument<'_>) -> Vec<Finding> {
    let mappings = document.root.at("hosts.mappings").items().into_iter();
    let hosts = mappings.map(|mapping| mapping.get("host"));
    let is_refused = |host: &Field<'_>| {
        host.text().is_some_and(|text| refuses(document, &text.replace('*', "any"), "/"))
    };
    let refused = hosts.filter(is_refused).map(|host| {
        host.error(
            "mapping-refused",
            format!(
                "the policy refuses `{}` as a private host before it is mapped",
                host.text().unwrap_or_default()
            ),
            "take it out of `hosts.private`, or remove the mapping",
        )
    });
    refused.collect()
}

/// Istio names a plugin's filter by namespace and name, whatever the kind.
fn is_one_filter(first: &Plugin<'_>, second: &Plugin<'_>) -> bool {
    let is_of_istio = |plugin: &Plugin<'_>| plugin.object.group() == "extensions.istio.io";
    let name = |plugin: &Plugin<'_>| {
        (plugin.object.namespace().to_owned(), plugin.object.name().to_owned())
    };
    let kinds = (&first.object.origin.kind, &second.object.origin.kind);
    is_of_istio(first) && is_of_istio(second) && kinds.0 != kinds.1 && name(first) == name(second)
}

/// Whether both are on some listener.
fn meet(cluster: &Cluster<'_>, first: &Plugin<'_>, second: &Plugin<'_>) -> bool {
    let ports = |plugin: &Plugin<'_>| -> Vec<u16> {
        plugin.attachment.ports.iter().filter_map(Field::port).collect()
    };
    let on_one = ports(first).iter().any(|port| second.attachment.is_on(*port))
        || ports(second).iter().any(|port| first.attachment.is_on(*port))
        || (first.attachment.is_on_every_listener && second.attachment.is_on_every_listener);
    on_one && first.pods.iter().any(|pods| cluster.are_among(pods, &second.pods))
}

/// What the first writes and the second refuses, unless the second runs before.
fn refused(first: &Plugin<'_>, second: &Plugin<'_>) -> Option<Finding> {
    let (writer, judge) = (first.policy.as_ref()?, second.policy.as_ref()?);
    let enforces = |document: &PolicyDocument<'_>| document.policy.mode() == Mode::Enforce;
    if order(second) < order(first) || !enforces(writer) || !enforces(judge) {
        return None;
    }
    let results = writer.policy.results();
    let rewrites = results.rewrites.iter().filter_map(|rewrite| {
        let path = rewrite.path.clone().unwrap_or_else(|| "/".to_owned());
        Some((rewrite.authority.clone()?, path))
    });
    let environments = results.environments.iter().flat_map(|environments| {
        let authority = environments.authority.as_ref();
        let names = environments.names.iter();
        names.filter_map(move |name| authority?.for_environment(name))
    });
    let mapped = results.mapped.iter().filter_map(|written| written.literal());
    let hosts = environments.chain(mapped.map(str::to_owned)).map(|host| (host, "/".to_owned()));
    let (host, _) =
        rewrites.chain(hosts).find(|(authority, path)| refuses(judge, authority, path))?;
    let place = second.object.at("metadata.name");
    let message =
        format!("{} refuses `{host}`, to which {} leads requests", second.name(), first.name());
    let help = format!(
        "let one plugin have the private hosts, and run first by a higher `priority` than that of {}",
        first.name()
    );
    // Where nobody says which runs first it may be the right one, for as long as both are there.
    Some(match order(first) < order(second) {
        true => place.error("plugin-conflict", message, help),
        false => place.warning("plugin-conflict", message, help),
    })
}

/// The order in which Istio's plugins run: by the phase, and then the higher priority. Of those that
/// are alike the age decides.
fn order(plugin: &Plugin<'_>) -> (usize, i64) {
    let spec = plugin.object.at("spec");
    let phase = spec.get("phase").text();
    let phases = ["AUTHN", "AUTHZ", "STATS"];
    let place = phases.iter().position(|one| Some(*one) == phase).unwrap_or(phases.len());
    (place, -spec.get("priority").integer().unwrap_or_default())
}

/// Whether a policy refuses a host.
fn refuses(document: &PolicyDocument<'_>, host: &str, path: &str) -> bool {
    let headers = [(":method", "GET"), (":path", path), (":authority", host)];
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let source: Option<std::net::IpAddr> = None;
    let decision = document.policy.decide(&Request { headers, source: &source });
    let mut counters = decision.counters.iter();
    let by_host = |counter| matches!(counter, Counter::HostPrivate | Counter::HostUnmapped);
    matches!(decision.verdict, Verdict::Reply(_)) && counters.any(by_host)
}
