//! Plugins that are attached to nothing, or to too much. Kubernetes and Istio accept all of these,
//! and say nothing.

use crate::cluster::Cluster;
use crate::envoy_filter::CONNECTION_MANAGER;
use crate::field::Field;
use crate::finding::Finding;
use crate::gateway::Gateway;
use crate::plugin::{Attachment, Plugin};
use crate::pods::Selection;
use crate::policy::PolicyDocument;

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for plugin in &cluster.plugins {
        findings.extend(both(plugin));
        findings.extend(every_pod(cluster, plugin));
        findings.extend(no_pod(cluster, plugin));
        findings.extend(target(cluster, plugin));
        findings.extend(server_mode(cluster, plugin));
        findings.extend(ports(cluster, plugin));
        findings.extend(local_gateway(cluster, plugin));
        findings.extend(phase(plugin));
        findings.extend(after_router(plugin));
        findings.extend(misnamed(plugin));
        findings.extend(outside_http(plugin));
        findings.extend(of_connections(plugin));
    }
}

/// Envoy refuses the filter, and with it the listener's connections.
fn of_connections(plugin: &Plugin<'_>) -> Option<Finding> {
    plugin.attachment.of_connections.as_ref().map(|kind| {
        kind.error(
            "plugin-type",
            format!("{} is a filter of HTTP, and not of connections", plugin.name()),
            "remove `type`, or write HTTP",
        )
    })
}

/// Istio looks for the filter that is named, and does nothing where it is not.
fn outside_http(plugin: &Plugin<'_>) -> Option<Finding> {
    plugin.attachment.outside_http.as_ref().map(|name| {
        name.error(
            "plugin-filter",
            format!(
                "no filter `{}` has filters of HTTP inside it, so {} is nowhere",
                name.text().unwrap_or_default(),
                plugin.name()
            ),
            format!("write `name: {CONNECTION_MANAGER}`"),
        )
    })
}

fn both(plugin: &Plugin<'_>) -> Option<Finding> {
    let Attachment { spec, selector, targets, .. } = &plugin.attachment;
    (!targets.is_empty() && selector.exists()).then(|| {
        spec.get("targetRefs").error(
            "plugin-selector-and-target",
            format!("{} has both a selector and `targetRefs`", plugin.name()),
            "keep the selector for a classic gateway, and `targetRefs` for one of the Gateway API; \
             the API server refuses both",
        )
    })
}

/// Neither: all pods of the namespace, or of the mesh.
fn every_pod(cluster: &Cluster<'_>, plugin: &Plugin<'_>) -> Option<Finding> {
    let Attachment { spec, is_for_gateways, words, .. } = &plugin.attachment;
    if !plugin.attachment.is_for_all_pods() || *is_for_gateways || !spec.exists() {
        return None;
    }
    let namespace = plugin.object.namespace();
    let pods = match namespace == cluster.mesh.root_namespace {
        true => "every pod of the mesh, sidecars too".to_owned(),
        false => format!("every pod of the namespace {namespace}"),
    };
    Some(spec.warning(
        "plugin-everywhere",
        format!("{} is for {pods}", plugin.name()),
        format!("select the gateway's pods: `{}`", words.selector),
    ))
}

fn no_pod(cluster: &Cluster<'_>, plugin: &Plugin<'_>) -> Option<Finding> {
    let Attachment { labels: selector, targets, .. } = &plugin.attachment;
    if !selector.exists() || !targets.is_empty() || cluster.gateways.is_empty() {
        return None;
    }
    let pods = plugin.pods.first()?;
    let everywhere = Selection { namespace: None, ..pods.clone() };
    let elsewhere = match cluster.selected(pods).next() {
        Some(_) => None,
        None => cluster.selected(&everywhere).next(),
    };
    let is_for = |gateway: &Gateway<'_>| cluster.overlap(&gateway.pods, pods);
    if elsewhere.is_none() && cluster.gateways.iter().any(is_for) {
        return None;
    }
    let help = match elsewhere {
        Some(workload) => format!(
            "those of {} have the labels: a plugin is for the pods of its own namespace, and for \
             all only in {}",
            workload.object.origin, cluster.mesh.root_namespace
        ),
        None => {
            let known: Vec<String> =
                cluster.gateways.iter().map(|gateway| gateway.pods.to_string()).collect();
            format!("the gateways here select {}", one_of(known))
        }
    };
    let message = format!("no gateway has pods with {pods} for {}", plugin.name());
    Some(selector.error("plugin-selects-nothing", message, help))
}

/// Each of several texts once.
fn one_of(mut texts: Vec<String>) -> String {
    texts.sort();
    texts.dedup();
    texts.join(" or ")
}

/// `targetRefs` mean Gateways of the Gateway API; a classic gateway of that name ignores them.
fn target(cluster: &Cluster<'_>, plugin: &Plugin<'_>) -> Option<Finding> {
    plugin.attachment.targets.iter().find_map(|target| {
        let name = target.get("name").text()?;
        if !target.get("kind").is("Gateway") {
            return None;
        }
        let is_named = |gateway: &&Gateway<'_>| gateway.object.name() == name;
        let named = cluster.gateways.iter().filter(is_named);
        let is_of_gateway_api =
            |gateway: &Gateway<'_>| gateway.object.group() == "gateway.networking.k8s.io";
        let mut same_namespace =
            named.clone().filter(|gateway| gateway.object.namespace() == plugin.object.namespace());
        if same_namespace.any(is_of_gateway_api) {
            return None;
        }
        let found = named.clone().next()?;
        let help = if is_of_gateway_api(found) {
            let namespace = found.object.namespace();
            format!("it is in {namespace}: move the plugin there, a reference has no namespace")
        } else {
            "a classic gateway ignores `targetRefs`: use a selector with the labels of its pods"
                .to_owned()
        };
        Some(target.get("name").error(
            "plugin-target",
            format!("no Gateway of the Gateway API is `{name}` for {}", plugin.name()),
            help,
        ))
    })
}

fn server_mode(cluster: &Cluster<'_>, plugin: &Plugin<'_>) -> Option<Finding> {
    let Attachment { other_traffic, words, .. } = &plugin.attachment;
    let traffic = other_traffic.as_ref()?;
    // An EnvoyFilter may be for sidecars, too.
    let is_for_sidecars = plugin.attachment.is_for_all_pods();
    let is_on_gateway = !is_for_sidecars && gateways_of(cluster, plugin).next().is_some();
    if !traffic.is("SERVER") && !is_on_gateway {
        return None;
    }
    Some(traffic.error(
        "plugin-mode",
        format!(
            "{} is for {} traffic, and a gateway has none",
            plugin.name(),
            traffic.text().unwrap_or_default()
        ),
        words.traffic,
    ))
}

/// None of the ports is one of a listener.
fn ports(cluster: &Cluster<'_>, plugin: &Plugin<'_>) -> Option<Finding> {
    let Attachment { ports, is_on_every_listener, .. } = &plugin.attachment;
    if *is_on_every_listener {
        return None;
    }
    let mut listeners = Vec::new();
    for gateway in gateways_of(cluster, plugin) {
        for server in &gateway.servers {
            if server.listeners.is_empty() {
                return None;
            }
            listeners.extend(&server.listeners);
        }
    }
    listeners.sort_unstable();
    listeners.dedup();
    let is_listener = |port: &Field<'_>| port.port().is_some_and(|port| listeners.contains(&port));
    if listeners.is_empty() || ports.iter().any(is_listener) {
        return None;
    }
    let known: Vec<String> = listeners.iter().map(u16::to_string).collect();
    let first = ports.first()?;
    Some(first.error(
        "plugin-port",
        format!("{} is on no listener: the gateway listens on {}", plugin.name(), known.join(", ")),
        "write the listener's port, which is the Service's targetPort, and not the Service's port",
    ))
}

fn gateways_of<'c, 'm>(
    cluster: &'c Cluster<'m>,
    plugin: &'c Plugin<'m>,
) -> impl Iterator<Item = &'c Gateway<'m>> {
    let gateways = cluster.gateways.iter();
    gateways.filter(|gateway| cluster.are_among(&gateway.pods, &plugin.pods))
}

/// A policy with private hosts on a listener for calls inside the cluster.
fn local_gateway(cluster: &Cluster<'_>, plugin: &Plugin<'_>) -> Option<Finding> {
    if !plugin.policy.as_ref().is_some_and(PolicyDocument::has_private_hosts) {
        return None;
    }
    let mut local = gateways_of(cluster, plugin).filter(|gateway| gateway.is_local());
    let Attachment { listeners, ports, is_on_every_listener, words, .. } = &plugin.attachment;
    local.find_map(|gateway| {
        let mut servers = gateway.servers.iter();
        let port = servers.find_map(|server| {
            let mut here = server.listeners.iter().copied();
            here.find(|port| {
                let is_named = ports.iter().any(|named| named.port() == Some(*port));
                *is_on_every_listener || is_named
            })
        })?;
        let named = ports.iter().find(|named| named.port() == Some(port));
        let place = named.cloned().unwrap_or_else(|| listeners.clone());
        let origin = &gateway.object.origin;
        Some(place.error(
            "plugin-on-local-gateway",
            format!(
                "{} is on the listener {port} of {origin} as well, and refuses private hosts to \
                 calls inside the cluster",
                plugin.name()
            ),
            format!("name the public listeners in `{}`", words.ports),
        ))
    })
}

fn phase(plugin: &Plugin<'_>) -> Option<Finding> {
    let late = plugin.attachment.late.as_ref()?;
    if plugin.policy.as_ref()?.health_checks().is_empty() {
        return None;
    }
    Some(late.warning(
        "plugin-phase",
        format!("{} runs after authentication, which probes cannot pass", plugin.name()),
        plugin.attachment.words.early,
    ))
}

fn after_router(plugin: &Plugin<'_>) -> Option<Finding> {
    let operation = plugin.attachment.after_router.as_ref()?;
    Some(operation.error(
        "plugin-after-router",
        format!("{} comes after the router, and Envoy refuses the listener", plugin.name()),
        plugin.attachment.words.early,
    ))
}

fn misnamed(plugin: &Plugin<'_>) -> Option<Finding> {
    let (name, other) = plugin.attachment.misnamed.as_ref()?;
    Some(name.error(
        "plugin-misnamed",
        format!("no listener looks for this filter: they look for `{other}`"),
        format!("write `name: {other}`, or change the name where the listeners have it"),
    ))
}
