//! EnvoyFilters that bring a policy: a wasm filter inside the listener, or one that is discovered
//! (ECDS), whose place another patch says.

use crate::field::Field;
use crate::object::Object;
use crate::plugin::{Attachment, Module, Plugin, Words, targets};

const WORDS: Words = Words {
    selector: "workloadSelector: { labels: { istio: ingressgateway } }",
    ports: "match.listener.portNumber",
    traffic: "write `context: GATEWAY`",
    early: "write `operation: INSERT_FIRST`",
    fail_closed: "write `failure_policy: FAIL_RELOAD`",
};

/// The filter that forwards a request: what is before it has all others behind.
const ROUTER: &str = "envoy.filters.http.router";

/// The filter of connections that has all filters of HTTP inside it.
pub(crate) const CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";

/// The policies of an object as plugins, if it is an EnvoyFilter.
pub(crate) fn plugins<'m>(object: &'m Object, root_namespace: &str) -> Vec<Plugin<'m>> {
    if !object.is("networking.istio.io", "EnvoyFilter") {
        return Vec::new();
    }
    let patches = object.at("spec.configPatches").items();
    let mut plugins = Vec::new();
    for policy in object.embedded() {
        let brings = patches.iter().find(|patch| patch.holds(&policy));
        plugins.extend(brings.map(|brings| {
            let attachment = attachment(object, &patches, brings);
            Plugin::with(object, module(brings), attachment, policy, root_namespace)
        }));
    }
    plugins
}

/// The module of the wasm filter that a patch brings.
fn module<'m>(patch: &Field<'m>) -> Module<'m> {
    let (code, config) = code(patch);
    let file = code.at("local.filename");
    let remote = code.get("remote");
    let uri = remote.spelt(["http_uri", "httpUri"]).get("uri");
    // Of a filter inside the listener Istio's agent knows nothing.
    let is_fetched = patch.get("applyTo").is("EXTENSION_CONFIG");
    let url = match (file.text(), uri.text()) {
        (Some(file), _) => format!("file://{file}"),
        (None, Some(uri)) if is_fetched => uri.to_owned(),
        _ => String::new(),
    };
    let runtime = config.spelt(["vm_config", "vmConfig"]).get("runtime");
    let policy = config.spelt(["failure_policy", "failurePolicy"]);
    let flag = config.spelt(["fail_open", "failOpen"]);
    let fail_open = match (policy.is("FAIL_OPEN"), flag.is_true()) {
        (true, _) => Some(policy),
        (false, true) => Some(flag),
        (false, false) => None,
    };
    let place = if file.exists() { file } else { uri };
    let digest = remote.get("sha256");
    Module { place, url, digest, fail_open, pull_secret: None, runtime: Some(runtime) }
}

/// Whether a patch takes a filter away.
fn is_removal(patch: &Field<'_>) -> bool {
    patch.at("patch.operation").is("REMOVE")
}

/// The code of the wasm filter that a patch brings, and the `config` around it.
pub(crate) fn code<'m>(patch: &Field<'m>) -> (Field<'m>, Field<'m>) {
    let wasm = patch.at("patch.value").spelt(["typed_config", "typedConfig"]);
    let wasm = if wasm.get("config").exists() { wasm } else { wasm.get("value") };
    let config = wasm.get("config");
    (config.spelt(["vm_config", "vmConfig"]).get("code"), config)
}

/// Where the filter is that the patch `brings`.
fn attachment<'m>(object: &'m Object, patches: &[Field<'m>], brings: &Field<'m>) -> Attachment<'m> {
    let spec = object.at("spec");
    // What is discovered is put into listeners by its name.
    let name = brings.at("patch.value.name");
    let is_discovered = brings.get("applyTo").is("EXTENSION_CONFIG");
    let places = patches.iter().filter(|patch| match is_discovered {
        true => {
            let named = patch.at("patch.value.name");
            let is_place = patch.get("applyTo").is("HTTP_FILTER") && !is_removal(patch);
            is_place && named.text() == name.text()
        }
        false => patch.holds(brings),
    });
    let places: Vec<&Field<'m>> = places.collect();
    let each =
        |names: &str| -> Vec<Field<'m>> { places.iter().map(|patch| patch.at(names)).collect() };
    // Without any another object says where.
    let contexts = match places.is_empty() {
        true => vec![brings.at("match.context")],
        false => each("match.context"),
    };
    let ports = each("match.listener.portNumber");
    let is_beside_router = |patch: &&&Field<'m>, operation: &str| {
        let beside = patch.at("match.listener.filterChain.filter.subFilter.name");
        patch.at("patch.operation").is(operation) && beside.is(ROUTER)
    };
    let mut filters =
        each("match.listener.filterChain.filter.name").into_iter().filter(Field::exists);
    let late = places.iter().find(|patch| is_beside_router(patch, "INSERT_BEFORE"));
    let after_router = places.iter().find(|patch| {
        let is_added = patch.get("applyTo").is("HTTP_FILTER");
        let is_last = is_added && patch.at("patch.operation").is("ADD");
        is_last || is_beside_router(patch, "INSERT_AFTER")
    });
    let misnamed = (is_discovered && places.is_empty())
        .then(|| other_name(patches, name.text()?).map(|other| (name, other)))
        .flatten();
    Attachment {
        selector: spec.get("workloadSelector"),
        labels: spec.at("workloadSelector.labels"),
        targets: targets(&spec),
        is_for_gateways: contexts.iter().all(|one| one.is("GATEWAY")),
        listeners: spec.get("configPatches"),
        is_on_every_listener: !ports.iter().all(Field::exists),
        ports: ports.into_iter().filter(Field::exists).collect(),
        other_traffic: contexts
            .into_iter()
            .find(|context| context.is("SIDECAR_INBOUND") || context.is("SIDECAR_OUTBOUND")),
        late: late.map(|patch| patch.at("patch.operation")),
        after_router: after_router.map(|patch| patch.at("patch.operation")),
        misnamed,
        outside_http: filters.find(|name| !name.is(CONNECTION_MANAGER)),
        of_connections: None,
        words: &WORDS,
        spec,
    }
}

/// The name by which listeners look for a filter that no patch brings, while none looks for the one
/// of this name.
fn other_name<'m>(patches: &[Field<'m>], name: &str) -> Option<&'m str> {
    let brought = patches.iter().filter(|patch| patch.get("applyTo").is("EXTENSION_CONFIG"));
    let brought: Vec<_> = brought.filter_map(|patch| patch.at("patch.value.name").text()).collect();
    let discovers = |patch: &&Field<'m>| {
        let value = patch.at("patch.value");
        !is_removal(patch) && value.spelt(["config_discovery", "configDiscovery"]).exists()
    };
    let looked_for = patches.iter().filter(discovers);
    let mut others = looked_for.filter_map(|patch| patch.at("patch.value.name").text());
    others.find(|other| *other != name && !brought.contains(other))
}
