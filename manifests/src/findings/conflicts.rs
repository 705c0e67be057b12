//! What a policy writes or maps, and a policy refuses: its own, or that of another plugin on the
//! same listeners, which each request goes through as well.

use std::cmp::Reverse;

use gatepost_engine::{Counter, Mode, Request, Verdict};

use crate::cluster::Cluster;
use crate::field::Field;
use crate::finding::Finding;
use crate::plugin::Plugin;
use crate::policy::PolicyDocument;

/// How many plugins are compared with each other, and how many of the hosts that they write. No
/// gateway has so many, and a hostile list must not take hours.
const MAX_PLUGINS: usize = 256;
const MAX_COMPARED: usize = 1_000_000;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for document in &cluster.policies {
        findings.extend(refused_mappings(document));
    }
    let plugins = cluster.plugins.iter().take(MAX_PLUGINS);
    let plugins: Vec<_> = plugins.map(|plugin| (plugin, written(plugin))).collect();
    let mut left = MAX_COMPARED;
    for (number, (second, by_second)) in plugins.iter().enumerate() {
        for (first, by_first) in &plugins[..number] {
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
                let Some(rest) = left.checked_sub(by_first.len() + by_second.len()) else {
                    return;
                };
                left = rest;
                let other_way = || refused(second, by_second, first);
                findings.extend(refused(first, by_first, second).or_else(other_way));
            }
        }
    }
}

/// An authority and a path that a policy makes of a request's.
type Written = (String, String);

/// What a plugin's policy writes, as far as it depends on nothing but the environment.
fn written(plugin: &Plugin<'_>) -> Vec<Written> {
    let Some(document) = &plugin.policy else { return Vec::new() };
    let results = document.policy.results();
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
    rewrites.chain(hosts).collect()
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
fn refused(first: &Plugin<'_>, written: &[Written], second: &Plugin<'_>) -> Option<Finding> {
    let (writer, judge) = (first.policy.as_ref()?, second.policy.as_ref()?);
    let enforces = |document: &PolicyDocument<'_>| document.policy.mode() == Mode::Enforce;
    if order(second) < order(first) || !enforces(writer) || !enforces(judge) {
        return None;
    }
    let (host, _) = written.iter().find(|(authority, path)| refuses(judge, authority, path))?;
    let place = second.object.at("metadata.name");
    let message =
        format!("{} refuses `{host}`, to which {} leads requests", second.name(), first.name());
    let help =
        format!("let one plugin alone have private hosts, and let it run before {}", first.name());
    // Where nobody says which runs first it may be the right one, for as long as both are there.
    Some(match order(first) < order(second) {
        true => place.error("plugin-conflict", message, help),
        false => place.warning("plugin-conflict", message, help),
    })
}

/// The order in which plugins run: what an EnvoyFilter puts first, then Istio's by their phase, and
/// then the higher priority. Of those that are alike the age decides.
fn order(plugin: &Plugin<'_>) -> (usize, Reverse<i64>) {
    let phases = ["AUTHN", "AUTHZ", "STATS"];
    if plugin.object.origin.kind == "EnvoyFilter" {
        return (if plugin.attachment.late.is_some() { phases.len() + 2 } else { 0 }, Reverse(0));
    }
    let spec = plugin.object.at("spec");
    let phase = spec.get("phase").text();
    let place = phases.iter().position(|one| Some(*one) == phase).unwrap_or(phases.len());
    (place + 1, Reverse(spec.get("priority").integer().unwrap_or_default()))
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
