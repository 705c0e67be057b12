//! How the module gets into the gateway, and what happens when it does not.

use std::path::Path;

use crate::cluster::Cluster;
use crate::envoy_filter::code;
use crate::finding::Finding;
use crate::object::Object;
use crate::plugin::{Module, Plugin};
use crate::pods::{Mount, Workload};

/// What istiod appends to the name of a filter that it makes of a WasmPlugin.
const TRANSLATED: &str = "istio-translated-wasmplugin";

/// The one engine of Istio's proxy.
const RUNTIME: &str = "envoy.wasm.runtime.v8";

pub(super) fn find(cluster: &Cluster<'_>, findings: &mut Vec<Finding>) {
    for plugin in &cluster.plugins {
        findings.extend(fail_open(plugin));
        findings.extend(misspelt(plugin));
        findings.extend(unknown_runtime(plugin));
        findings.extend(unpinned(plugin));
        findings.extend(unchecked(plugin));
        findings.extend(not_mounted(cluster, plugin));
        findings.extend(no_keychain(plugin));
        findings.extend(pull_secret(cluster, plugin));
    }
    for filter in cluster.objects("networking.istio.io", "EnvoyFilter") {
        findings.extend(remote_in_envoy(filter));
        findings.extend(by_name(filter, cluster));
    }
}

/// A scheme is optional, and `oci` without one.
fn is_image(url: &str) -> bool {
    let is_path = url.is_empty() || url.starts_with('/');
    url.starts_with("oci://") || (!is_path && !url.contains("://"))
}

fn fail_open(plugin: &Plugin<'_>) -> Option<Finding> {
    let write = plugin.attachment.words.fail_closed;
    plugin.module.fail_open.as_ref().map(|place| {
        place.error(
            "module-fail-open",
            format!("without its module {} lets every request through as it came", plugin.name()),
            format!("{write}: the filter alone protects private hosts and guarded headers"),
        )
    })
}

/// A path that lacks its scheme is the name of an image, and one with two slashes has no root.
fn misspelt(plugin: &Plugin<'_>) -> Option<Finding> {
    let Module { place, url, .. } = &plugin.module;
    let path = url.strip_prefix("file://").unwrap_or(url);
    let is_file = url.starts_with("file://") && !path.starts_with('/');
    (is_file || url.starts_with('/')).then(|| {
        place.error(
            "module-url",
            format!("`{url}` is no file in the gateway's container"),
            format!("write `file:///{}`", path.trim_start_matches('/')),
        )
    })
}

/// Envoy refuses the listener, or the discovered filter.
fn unknown_runtime(plugin: &Plugin<'_>) -> Option<Finding> {
    let runtime = plugin.module.runtime.as_ref()?;
    let name = runtime.text().filter(|name| !name.is_empty() && *name != RUNTIME)?;
    Some(runtime.error(
        "module-runtime",
        format!("Istio's proxy has no `{name}` to run modules with"),
        format!("write `runtime: {RUNTIME}`"),
    ))
}

/// Without a digest the module is what the server has at the time, and nobody has verified it.
fn unpinned(plugin: &Plugin<'_>) -> Option<Finding> {
    let Module { place, url, digest, .. } = &plugin.module;
    let is_fetched = is_image(url) || url.starts_with("http://") || url.starts_with("https://");
    if !is_fetched || digest.exists() || url.contains("@sha256:") {
        return None;
    }
    Some(place.warning(
        "module-unpinned",
        format!(
            "{} takes whatever `{url}` is when a gateway fetches it; if that fails, the gateway \
             answers 403 to everybody",
            plugin.name()
        ),
        "verify the module, pin its digest in `sha256`, or deliver a file (docs/delivery.md)",
    ))
}

fn unchecked(plugin: &Plugin<'_>) -> Option<Finding> {
    let Module { url, digest, .. } = &plugin.module;
    (url.starts_with("file://") && digest.exists()).then(|| {
        digest.warning(
            "module-digest-unchecked",
            "Istio does not compare `sha256` with a file",
            "remove it; a ConfigMap or image with a digest in its name pins a file",
        )
    })
}

/// A file that no volume of the gateway's container can hold, or that its ConfigMap has not.
fn not_mounted(cluster: &Cluster<'_>, plugin: &Plugin<'_>) -> Option<Finding> {
    let Module { place, url, .. } = &plugin.module;
    let path = Path::new(url.strip_prefix("file://").filter(|path| path.starts_with('/'))?);
    let mut pods = plugin.pods.iter().flat_map(|pods| cluster.selected(pods));
    pods.find_map(|pod| {
        let mounts = pod.proxy_mounts.as_ref()?.iter();
        let around = mounts.filter(|mount| path.starts_with(mount.path));
        // The innermost covers the others.
        let Some(mount) = around.max_by_key(|mount| Path::new(mount.path).components().count())
        else {
            return Some(place.error(
                "module-not-mounted",
                format!("no volume of {} is at {}", pod.object.origin, path.display()),
                "mount the ConfigMap or the image that holds the module (docs/delivery.md)",
            ));
        };
        let (map, keys) = keys(cluster, pod, mount)?;
        let file = path.strip_prefix(mount.path).ok()?.to_str()?;
        (!keys.contains(&file)).then(|| {
            place.error(
                "module-not-mounted",
                format!(
                    "{} at {} of {} has no `{file}`",
                    map.origin, mount.path, pod.object.origin
                ),
                match keys.is_empty() {
                    true => "put the module into it (docs/delivery.md)".to_owned(),
                    false => format!("name a file that it has: {}", keys.join(", ")),
                },
            )
        })
    })
}

/// The files that a ConfigMap brings into a folder, if that is what is mounted there, and the
/// ConfigMap is among the manifests.
fn keys<'m>(
    cluster: &Cluster<'m>,
    pod: &Workload<'m>,
    mount: &Mount<'m>,
) -> Option<(&'m Object, Vec<&'m str>)> {
    let name = mount.field.get("name").text()?;
    let is_part = ["subPath", "subPathExpr"].iter().any(|part| mount.field.get(part).exists());
    let volumes = pod.template.at("spec.volumes").items();
    let volume = volumes.iter().find(|volume| volume.get("name").is(name) && !is_part)?;
    let map = volume.at("configMap.name").text()?;
    let map = cluster.object("", "ConfigMap", pod.object.namespace(), map)?;
    let items = volume.at("configMap.items").items();
    let chosen = items.iter().filter_map(|item| item.get("path").text());
    let members = ["binaryData", "data"].map(|data| map.at(data).members()).into_iter().flatten();
    let keys = match items.is_empty() {
        true => members.map(|(key, _)| key).collect(),
        false => chosen.collect(),
    };
    Some((map, keys))
}

/// The agent has no credentials of its own for Google's registries.
fn no_keychain(plugin: &Plugin<'_>) -> Option<Finding> {
    let Module { place, url, pull_secret, .. } = &plugin.module;
    let needs_secret = pull_secret.as_ref().is_some_and(|secret| !secret.exists());
    let host = url.trim_start_matches("oci://").split('/').next().unwrap_or_default();
    let is_of_google = host.ends_with("-docker.pkg.dev") || host == "gcr.io";
    let is_of_google = is_of_google || host.ends_with(".gcr.io");
    (is_image(url) && is_of_google && needs_secret).then(|| {
        place.warning(
            "module-pull-secret",
            format!("the gateway's agent signs in to {host} with `imagePullSecret` alone"),
            "name a Secret with a key there, unless everybody may read the image",
        )
    })
}

fn pull_secret(cluster: &Cluster<'_>, plugin: &Plugin<'_>) -> Option<Finding> {
    let field = plugin.module.pull_secret.as_ref()?;
    let name = field.text()?;
    let namespace = plugin.object.namespace();
    let mut named = cluster.objects("", "Secret").filter(|secret| secret.name() == name);
    if named.clone().any(|secret| secret.namespace() == namespace) {
        return None;
    }
    let elsewhere = named.next()?;
    Some(field.error(
        "secret-namespace",
        format!("the Secret `{name}` is in {}, and not in {namespace}", elsewhere.namespace()),
        "a plugin reads Secrets of its own namespace: make it there",
    ))
}

/// Istio's agent fetches a module only for a filter that comes by ECDS.
fn remote_in_envoy(filter: &Object) -> Option<Finding> {
    filter.at("spec.configPatches").items().iter().find_map(|patch| {
        if patch.get("applyTo").is("EXTENSION_CONFIG") {
            return None;
        }
        let (code, _) = code(patch);
        let remote = code.get("remote");
        remote.exists().then(|| {
            remote.warning(
                "module-remote-inline",
                "Envoy fetches this module itself, and serves without the filter until it has it",
                "use a WasmPlugin, an EXTENSION_CONFIG patch, or a file",
            )
        })
    })
}

/// An EnvoyFilter that places itself beside a WasmPlugin's filter by its name.
fn by_name(filter: &Object, cluster: &Cluster<'_>) -> Option<Finding> {
    filter.at("spec.configPatches").items().iter().find_map(|patch| {
        let chain = patch.at("match.listener.filterChain.filter.subFilter.name");
        let name = chain.text()?;
        let mut plugins = cluster.plugins.iter();
        let plugin = plugins.find(|plugin| {
            let object = plugin.object;
            object.origin.kind == "WasmPlugin"
                && name == format!("{}.{}", object.namespace(), object.name())
        })?;
        Some(chain.warning(
            "translated-filter-name",
            format!(
                "from Istio 1.30 on the filter of {} is called `{name}~{TRANSLATED}`, and this \
                 patch finds nothing",
                plugin.name()
            ),
            "place the filter by its phase and priority, or by the name of one of Istio's own",
        ))
    })
}
