//! A WasmPlugin as a user would write it, and the mistakes that a user makes.

use gatepost_testbed::mesh::MeshError;
use serde_json::{Value, json};

use crate::status;
use crate::world::{ENVIRONMENT, LISTENER, World};

/// A policy of environments, as all-in-one has it.
pub fn policy() -> Value {
    json!({
        "apiVersion": "gatepost/v1",
        "environments": {
            "sources": [{ "header": "env" }],
            "allow": ["env1", "env2"],
            "unknown": "reject",
            "hints": {
                "headers": { "x-gatepost-env": "{env}" },
                "authority": "app-service.{env}.svc.cluster.local",
            },
        },
        "hosts": { "private": ["*.svc.cluster.local"] },
    })
}

pub const ENV2: [(&str, &str); 1] = [("env", "env2")];

/// The application's host from outside is no route: only the filter leads to it.
pub fn on_the_public_listener(world: &mut World) {
    world.ask_until(404, "app.example", &ENV2);
    // Without the filter a client may name it.
    world.ask_until(200, ENVIRONMENT, &[]);

    let right = world.plugin("gatepost", &policy(), Some(LISTENER));
    world.mesh.apply(&right.to_string()).unwrap();
    let seen = world.ask_until(200, "app.example", &ENV2);
    assert!(seen["headers"].to_string().contains(r#"["x-gatepost-env","env2"]"#), "{seen}");
    assert_eq!(world.ask(ENVIRONMENT, &[]).0, 404, "a private host");

    world.delete_plugin("gatepost");
    world.ask_until(404, "app.example", &ENV2);
}

pub fn misspelt_field(world: &mut World) {
    let mut plugin = world.plugin("misspelt", &policy(), None);
    plugin["spec"]["failStrategi"] = json!("FAIL_CLOSE");
    let error = world.mesh.apply(&plugin.to_string()).unwrap_err();
    let MeshError::Kubectl { printed, .. } = &error else { panic!("{error}") };
    assert!(printed.contains("failStrategi"), "{printed}");
}

/// An EnvoyFilter that patches the gateway's listener.
fn envoy_filter(apply_to: &str, operation: &str, value: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": { "name": "patch", "namespace": "istio-system" },
        "spec": { "configPatches": [{
            "applyTo": apply_to,
            "match": { "context": "GATEWAY", "listener": { "filterChain": { "filter": {
                "name": "envoy.filters.network.http_connection_manager",
            } } } },
            "patch": { "operation": operation, "value": value },
        }] },
    })
}

/// Istiod's validation looks into the patch. It warns, and leaves the field away.
pub fn unknown_field(world: &mut World) {
    let manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.\
                   HttpConnectionManager";
    let filter = |field: &str| {
        let manager = json!({ "@type": manager, field: "gatepost" });
        envoy_filter("NETWORK_FILTER", "MERGE", &json!({ "typed_config": manager }))
    };
    let said = world.mesh.dry_run(&filter("server_name").to_string()).unwrap();
    assert!(!said.contains("unknown field"), "{said}");
    let said = world.mesh.apply(&filter("server_nane").to_string()).unwrap();
    assert!(said.contains("Warning") && said.contains("unknown field \"server_nane\""), "{said}");
    world.settle();
    world.mesh.kubectl(&["delete", "envoyfilter", "patch", "-n", "istio-system"]).unwrap();
}

/// Nobody says so, and until the EnvoyFilter is gone no change of the listener has an effect.
pub fn unknown_type(world: &mut World) {
    let filter = json!({ "name": "misspelt", "typed_config": {
        "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
        "type_url": "type.googleapis.com/envoy.extensions.filters.http.wasn.v3.Wasm",
        "value": {},
    } });
    let unknown = envoy_filter("HTTP_FILTER", "INSERT_FIRST", &filter);
    let said = world.mesh.apply(&unknown.to_string()).unwrap();
    assert!(!said.contains("unknown"), "{said}");

    let rejected = "config rejected";
    let before = world.gateway_log().matches(rejected).count();
    let good = world.plugin("held-up", &policy(), Some(LISTENER));
    world.mesh.apply(&good.to_string()).unwrap();
    world.log_until(rejected, before);
    assert_eq!(world.ask("app.example", &ENV2).0, 404, "no listener takes the plugin");
    world.mesh.kubectl(&["delete", "envoyfilter", "patch", "-n", "istio-system"]).unwrap();
    world.ask_until(200, "app.example", &ENV2);
    world.delete_plugin("held-up");
    world.ask_until(404, "app.example", &ENV2);
}

/// A request to etcd takes 1.5 MiB, and what `kubectl` applies by itself 256 KiB.
pub fn too_large(world: &mut World) {
    let apply = |mappings: usize| {
        let mapping = |number| {
            json!({ "host": format!("customer-{number:06}.example.com"),
            "authority": "shop.default.svc.cluster.local" })
        };
        let mappings: Vec<Value> = (0..mappings).map(mapping).collect();
        let policy = json!({ "apiVersion": "gatepost/v1", "hosts": { "mappings": mappings } });
        let mut plugin = world.plugin("large", &policy, None);
        plugin["spec"]["selector"]["matchLabels"] = json!({ "app": "no-pod" });
        (plugin.to_string(), world.mesh.apply(&plugin.to_string()))
    };
    let (stored, applied) = apply(16_000);
    applied.unwrap();
    assert!(stored.len() > 1_300_000, "{}", stored.len());
    let file = world.mesh.folder().join("large.json");
    std::fs::write(&file, stored).unwrap();
    let client_side = ["apply", "--dry-run=server", "--filename", &file.to_string_lossy()];
    let error = world.mesh.kubectl(&client_side).unwrap_err().to_string();
    assert!(error.contains("may not be more than 262144 bytes"), "{error}");
    let error = apply(20_000).1.unwrap_err().to_string();
    assert!(error.contains("etcdserver: request is too large"), "{error}");
    world.delete_plugin("large");
}

/// `kubectl` says nothing, and the gateway goes on with the policy that it has.
pub fn bad_policy(world: &mut World) {
    let good = world.plugin("gatepost", &policy(), Some(LISTENER));
    world.mesh.apply(&good.to_string()).unwrap();
    world.ask_until(200, "app.example", &ENV2);
    refuse(world, "gatepost");
    assert_eq!(world.ask("app.example", &ENV2).0, 200);

    // Mended in place.
    let mended = world.plugin("gatepost", &with_strip(), Some(LISTENER));
    world.mesh.apply(&mended.to_string()).unwrap();
    world.ask_until_without("x-mended", &ENV2);
    world.delete_plugin("gatepost");
    world.ask_until(404, "app.example", &ENV2);
}

/// Envoy still has the refused policy under the plugin's name, and refuses the listener for it.
pub fn made_anew(world: &mut World) {
    let rejected = "listener '0.0.0.0_8080' config rejected";
    let good = world.plugin("anew", &policy(), Some(LISTENER));
    world.mesh.apply(&good.to_string()).unwrap();
    world.ask_until(200, "app.example", &ENV2);
    refuse(world, "anew");
    world.delete_plugin("anew");
    world.ask_until(404, "app.example", &ENV2);

    let before = world.gateway_log().matches(rejected).count();
    let gateway = world.gateway().address;
    let counted = status::asked(gateway).refused_listeners;
    world.mesh.apply(&good.to_string()).unwrap();
    world.log_until(rejected, before);
    status::until(gateway, "a listener", |shown| shown.refused_listeners > counted);
    assert_eq!(world.ask("app.example", &ENV2).0, 404, "the good policy has no effect");

    // The next change has.
    let changed = world.plugin("anew", &with_strip(), Some(LISTENER));
    world.mesh.apply(&changed.to_string()).unwrap();
    world.ask_until(200, "app.example", &ENV2);
    world.delete_plugin("anew");
    world.ask_until(404, "app.example", &ENV2);
}

/// Another good policy.
fn with_strip() -> Value {
    let mut policy = policy();
    policy["strip"] = json!(["x-mended"]);
    policy
}

/// Applies a policy that the filter refuses, and waits until it has.
pub fn refuse(world: &World, name: &str) {
    let refused = "gatepost: configuration refused";
    let before = world.gateway_log().matches(refused).count();
    let mut bad = policy();
    bad["environments"]["sourcess"] = json!([]);
    let said = world.mesh.apply(&world.plugin(name, &bad, Some(LISTENER)).to_string()).unwrap();
    assert!(!said.contains("Warning"), "{said}");
    world.log_until(refused, before);
}
