//! What `gatepost render` writes, applied as it is: the API server takes it, and the gateway does
//! what it says.

use gatepost_authoring::PolicyFile;
use gatepost_render::istio::{Attachment, Insertion, IstioVersion, ModuleSource, Phase, Plugin};
use gatepost_render::routes::{Api, Backends, GatewayName, Routes, ServicesFile};
use gatepost_render::{FailurePolicy, Rendered};
use serde_json::Value;

use crate::status;
use crate::world::{ENVIRONMENT, LISTENER, World, made_gateway};

/// Health checks, environments, and words that YAML 1.1 takes for something else than texts.
const POLICY: &str = r#"
apiVersion: gatepost/v1
healthChecks:
- name: gclb
  match: { userAgent: { prefix: GoogleHC }, absentHeaders: [via] }
  rewrite:
    authority: istio-ingressgateway.istio-system.svc.cluster.local:15020
    path: /healthz/ready
strip: ["on", x-no]
environments:
  sources: [{ header: env }]
  allow: [env1, env2, "no", "0310"]
  unknown: reject
  hints:
    headers: { x-gatepost-env: "{env}" }
    authority: "app-service.{env}.svc.cluster.local"
hosts:
  private: ["*.svc.cluster.local"]
"#;

const ENV2: [(&str, &str); 1] = [("env", "env2")];
const PROBE: [(&str, &str); 1] = [("user-agent", "GoogleHC/1.0")];

/// A policy that is right.
pub fn policy(text: &str) -> PolicyFile {
    PolicyFile::parse("policy.yaml", text).unwrap()
}

/// The plugin for the public listener.
fn described<'a>(module: &'a ModuleSource, policy: &'a PolicyFile) -> Plugin<'a> {
    Plugin {
        name: "gatepost",
        namespace: "istio-system",
        attachment: Attachment::default(),
        ports: &[LISTENER],
        module,
        pull_secret: None,
        phase: Phase::Authn,
        priority: None,
        on_failure: FailurePolicy::Reload,
        policy: &policy.json,
        istio: IstioVersion::default(),
    }
}

/// The plugin as a WasmPlugin, with the module in a file.
pub fn wasm_plugin(world: &World, policy: &PolicyFile) -> String {
    described(&ModuleSource::File(world.module()), policy).wasm_plugin().unwrap().text
}

/// The plugin as an EnvoyFilter whose filter is discovered.
pub fn envoy_filter(world: &World) -> String {
    let (module, policy) = (ModuleSource::File(world.module()), policy(POLICY));
    described(&module, &policy).envoy_filter(Insertion::Discovered).unwrap().text
}

/// Renders routes for the gateway of the tests. `services` is a file of services.
fn routes(policy: &PolicyFile, api: Api, gateway: &GatewayName, services: &str) -> Rendered {
    routes_in("istio-system", policy, api, gateway, services)
}

/// The same for a gateway whose pods are in this namespace.
fn routes_in(
    namespace: &str,
    policy: &PolicyFile,
    api: Api,
    gateway: &GatewayName,
    services: &str,
) -> Rendered {
    let listed = ServicesFile::parse(services).unwrap();
    let routes = Routes {
        results: &policy.policy.results(),
        gateway: Some(gateway),
        namespace,
        api,
        ports: &[LISTENER],
        selector: &[("istio", "ingressgateway")],
        backends: &Backends { listed, ..Backends::default() },
    };
    routes.render().unwrap()
}

/// Deletes objects.
pub fn delete(world: &World, objects: &str) {
    let file = world.mesh.folder().join("deleted.yaml");
    std::fs::write(&file, objects).unwrap();
    world.mesh.kubectl(&["delete", "--filename", &file.to_string_lossy()]).unwrap();
}

pub fn every_kind_decides(world: &mut World) {
    let module = ModuleSource::File(world.module());
    for number in 0..4 {
        // Another policy for each, because the gauge of one lasts while its listener drains.
        let policy = policy(&POLICY.replace("x-no", &format!("x-{number}")));
        let plugin = described(&module, &policy);
        let rendered = match number {
            0 => plugin.wasm_plugin(),
            1 => plugin.traffic_extension(),
            2 => plugin.envoy_filter(Insertion::Discovered),
            _ => plugin.envoy_filter(Insertion::Inline),
        };
        let objects = &rendered.unwrap().text;
        world.ask_until(404, "app.example", &ENV2);
        world.mesh.apply(objects).unwrap();
        let seen = world.ask_until(200, "app.example", &ENV2);
        assert!(seen["headers"].to_string().contains(r#"["x-gatepost-env","env2"]"#), "{seen}");
        assert_eq!(world.ask(ENVIRONMENT, &[]).0, 404, "a private host");
        assert_eq!(world.ask("app.example", &[("env", "env9")]).0, 404);
        let (name, wanted) = ("istio-system.gatepost", policy.policy.fingerprint());
        status::until(world.gateway().address, name, |shown| shown.has(wanted, Some(name)));
        delete(world, objects);
    }
    world.ask_until(200, ENVIRONMENT, &[]);
}

/// YAML 1.1, which kubectl reads, has other words than the policy's author.
pub fn read_by_kubectl(world: &mut World) {
    let policy = policy(POLICY);
    let objects = wasm_plugin(world, &policy);
    world.mesh.apply(&objects).unwrap();
    let arguments = [
        "get",
        "wasmplugin",
        "gatepost",
        "-n",
        "istio-system",
        "-o",
        "jsonpath={.spec.pluginConfig}",
    ];
    let stored: Value = serde_json::from_str(&world.mesh.kubectl(&arguments).unwrap()).unwrap();
    assert_eq!(stored, serde_json::from_str::<Value>(&policy.json).unwrap());
    delete(world, &objects);
}

pub fn placeholder(world: &mut World) {
    let policy = policy(POLICY);
    let missing = ModuleSource::Missing;
    let plugin = described(&missing, &policy);
    let kinds = [
        plugin.wasm_plugin(),
        plugin.traffic_extension(),
        plugin.envoy_filter(Insertion::Discovered),
    ];
    for rendered in kinds {
        let error = world.mesh.apply(&rendered.unwrap().text).unwrap_err().to_string();
        assert!(error.contains(r#"Invalid value: "REPLACE ME""#), "{error}");
    }
}

/// The probe is answered by the agent of the pod itself, and nothing else of the agent is reached.
pub fn health_route(world: &mut World) {
    let policy = policy(POLICY);
    let gateway = GatewayName::in_namespace("shop", "public");
    let services =
        "services:\n- {authority: app-service.*.svc.cluster.local, service: app.shop, port: 80}\n";
    let routes = routes(&policy, Api::Istio, &gateway, services).text;
    let objects = wasm_plugin(world, &policy);
    world.mesh.apply(&routes).unwrap();
    world.mesh.apply(&objects).unwrap();
    world.ask_until(200, "app.example", &ENV2);
    world.ask_path_until(200, "10.4.0.2", "/", &PROBE);
    delete(world, &objects);

    // Without the filter a client can name the agent's host, and reaches the one path alone.
    let agent = "istio-ingressgateway.istio-system.svc.cluster.local:15020";
    world.ask_until(404, "app.example", &ENV2);
    world.ask_path_until(200, agent, "/healthz/ready", &[]);
    for path in ["/quitquitquit", "/stats/prometheus", "/healthz/ready/", "/debug"] {
        assert_eq!(world.ask_path(agent, path, &[]), 404, "{path}");
    }
    delete(world, &routes);
}

/// The plugin, and one virtual host for all environments.
pub fn for_any_environment(world: &World, policy: &PolicyFile) -> (String, String) {
    let gateway = GatewayName::in_namespace("shop", "public");
    let routes = routes(policy, Api::Istio, &gateway, "services: []").text;
    (wasm_plugin(world, policy), routes)
}

/// The same results by HTTPRoutes, on a gateway that Istio makes: environments, and probes that
/// reach the agent of the pod.
pub fn gateway_api(world: &mut World) {
    world.mesh.apply(&made_gateway("edge").to_string()).unwrap();
    let policy = policy(POLICY);
    let gateway = GatewayName::in_namespace("shop", "edge");
    let services =
        "services:\n- {authority: app-service.*.svc.cluster.local, service: app.shop, port: 80}\n";
    let routes = routes_in("shop", &policy, Api::Gateway, &gateway, services).text;
    world.mesh.apply(&routes).unwrap();
    world.mesh.converge().unwrap();
    let pod = world.mesh.pods("gateway.networking.k8s.io/gateway-name=edge").unwrap().remove(0);
    let address = (pod.address, LISTENER).into();
    world.ask_until_at(address, 404, "app.example", &ENV2);

    let module = ModuleSource::File(world.module());
    let plugin = Plugin {
        namespace: "shop",
        attachment: Attachment::Targets(vec!["edge".to_owned()]),
        ..described(&module, &policy)
    };
    for rendered in [plugin.wasm_plugin(), plugin.traffic_extension()] {
        let objects = rendered.unwrap().text;
        world.mesh.apply(&objects).unwrap();
        world.ask_until_at(address, 200, "app.example", &ENV2);
        world.ask_path_until_at(address, 200, "10.4.0.2", "/", &PROBE);
        assert_eq!(world.ask_at(address, ENVIRONMENT, &[]).0, 404, "a private host");
        delete(world, &objects);
        world.ask_until_at(address, 404, "app.example", &ENV2);
    }
    delete(world, &routes);
    let made = "gateways.gateway.networking.k8s.io/edge";
    world.mesh.kubectl(&["delete", made, "--namespace", "shop"]).unwrap();
    world.mesh.converge().unwrap();
}

pub fn cluster_header(world: &mut World) {
    let policy = policy(
        r#"
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }]
  allow: ["ap*"]
  unknown: reject
  hints:
    headers: { x-gatepost-cluster: "outbound|80||{env}.shop.svc.cluster.local" }
    authority: "{env}.previews.internal"
hosts: { private: ["*.previews.internal"] }
"#,
    );
    let (objects, routes) = for_any_environment(world, &policy);
    // The Service `app` is all that there is; no route names it.
    world.mesh.apply(&routes).unwrap();
    world.mesh.apply(&objects).unwrap();
    world.ask_until(200, "any.example", &[("env", "app")]);
    assert_eq!(world.ask("any.example", &[("env", "app2")]).0, 404, "it has no Service");
    assert_eq!(world.ask("any.example", &[("env", "prod")]).0, 404, "it is not allowed");
    let forged = [("x-gatepost-cluster", "outbound|80||app.shop.svc.cluster.local")];
    assert_eq!(world.ask("app.previews.internal", &forged).0, 404, "a client chooses no cluster");
    delete(world, &objects);
    delete(world, &routes);
}
