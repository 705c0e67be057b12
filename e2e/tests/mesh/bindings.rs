//! Routes that a gateway takes, and routes that it does not: Envoy and `check --manifests` agree.

use std::net::SocketAddr;

use gatepost_manifests::{Manifests, judge};
use serde_json::{Value, json};

use crate::rendered::delete;
use crate::world::{LISTENER, World, gateway, list, made_gateway, namespace};

/// What a gateway answers where a route of this test takes the request.
const TAKEN: u16 = 418;
const REDIRECTED: u16 = 302;

/// What the judge needs beside a route.
const KINDS: &str =
    "deployments,gateways.networking.istio.io,gateways.gateway.networking.k8s.io,pods,services";

struct Case {
    route: Value,
    /// A host of the route.
    host: &'static str,
    is_taken: bool,
}

/// A VirtualService in a namespace, for these gateways and one host.
fn classic(namespace: &str, gateways: &[&str], host: &'static str, is_taken: bool) -> Case {
    let route = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": { "name": host.split('.').next(), "namespace": namespace },
        "spec": { "gateways": gateways, "hosts": [host], "http": [{
            "directResponse": { "status": TAKEN },
        }] },
    });
    Case { route, host, is_taken }
}

/// The same of a route of the Gateway API.
fn of_gateway_api(namespace: &str, parent: &Value, host: &'static str, is_taken: bool) -> Case {
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": { "name": host.split('.').next(), "namespace": namespace },
        "spec": { "parentRefs": [parent], "hostnames": [host], "rules": [{ "filters": [{
            "type": "RequestRedirect",
            "requestRedirect": { "statusCode": REDIRECTED, "path": {
                "type": "ReplaceFullPath", "replaceFullPath": "/moved",
            } },
        }] }] },
    });
    Case { route, host, is_taken }
}

impl Case {
    fn with(mut self, field: &str, value: Value) -> Self {
        self.route["spec"][field] = value;
        self
    }
}

/// A gateway whose servers are for some hosts and namespaces.
fn narrow() -> Value {
    let port = json!({ "number": 80, "name": "http", "protocol": "HTTP" });
    let hosts = [
        "*.narrow.example",
        "one.wide.example",
        "other/*.other.example",
        "./*.own.example",
        "*.shop.svc.cluster.local",
    ];
    gateway("narrow", json!([{ "port": port, "hosts": hosts }]))
}

fn classic_cases() -> Vec<Case> {
    let istio = json!(["istio-system"]);
    vec![
        classic("shop", &["public"], "own-name.public.example", true),
        classic("other", &["public"], "name-alone.public.example", false),
        classic("other", &["shop/public"], "full-name.public.example", true),
        classic("other", &["public.shop.svc.cluster.local"], "old-name.public.example", true),
        classic("other", &["shop/public"], "hidden.public.example", false)
            .with("exportTo", json!(["."])),
        classic("other", &["shop/public"], "exported.public.example", true).with("exportTo", istio),
        classic("shop", &["narrow"], "below.narrow.example", true),
        classic("shop", &["narrow"], "narrow.example", false),
        classic("shop", &["narrow"], "elsewhere.example", false),
        classic("shop", &["mesh", "narrow"], "sidecars.example", false),
        classic("shop", &["narrow"], "two-gateways.public.example", true)
            .with("gateways", json!(["narrow", "public"])),
        classic("shop", &["narrow"], "one.wide.example", true)
            .with("hosts", json!(["*.wide.example"])),
        // The name of a Service alone.
        classic("shop", &["narrow"], "short.shop.svc.cluster.local", true)
            .with("hosts", json!(["short"])),
        classic("other", &["shop/narrow"], "of-other.other.example", true),
        classic("shop", &["narrow"], "of-shop.other.example", false),
        classic("shop", &["narrow"], "of-own.own.example", true),
        classic("other", &["shop/narrow"], "from-other.own.example", false),
    ]
}

fn gateway_api_cases() -> Vec<Case> {
    let whole = json!({ "name": "bound", "namespace": "shop" });
    let section = |name: &str| json!({ "name": "bound", "sectionName": name });
    vec![
        of_gateway_api("shop", &json!({ "name": "bound" }), "api-own.own.example", true),
        of_gateway_api("other", &whole, "api-not-allowed.own.example", false),
        of_gateway_api("other", &whole, "api-allowed.all.example", true),
        of_gateway_api("other", &json!({ "name": "bound" }), "api-alone.all.example", false),
        of_gateway_api("shop", &section("own"), "api-section.own.example", true),
        of_gateway_api("shop", &section("all"), "api-other-section.own.example", false),
        of_gateway_api("shop", &section("https"), "api-no-section.own.example", false),
    ]
}

pub fn taken_and_not(world: &mut World) {
    let mut bound = made_gateway("bound");
    let listener = |name: &str, from: &str| {
        json!({
            "name": name, "port": LISTENER, "protocol": "HTTP",
            "hostname": format!("*.{name}.example"),
            "allowedRoutes": { "namespaces": { "from": from } },
        })
    };
    bound["spec"]["listeners"] = json!([listener("own", "Same"), listener("all", "All")]);
    world.mesh.apply(&list(vec![namespace("other"), narrow(), bound]).to_string()).unwrap();
    let [of_istio, of_gateway_api] = [classic_cases(), gateway_api_cases()];
    let routes = of_istio.iter().chain(&of_gateway_api).map(|case| case.route.clone());
    let routes = list(routes.collect()).to_string();
    world.mesh.apply(&routes).unwrap();
    world.mesh.converge().unwrap();
    let pod = world.mesh.pods("gateway.networking.k8s.io/gateway-name=bound").unwrap().remove(0);

    agree(world, (world.gateway().address, LISTENER).into(), &of_istio, TAKEN);
    agree(world, (pod.address, LISTENER).into(), &of_gateway_api, REDIRECTED);

    delete(world, &routes);
    delete(world, &list(vec![narrow(), made_gateway("bound")]).to_string());
    world.mesh.converge().unwrap();
}

/// First the routes that are taken, which shows that the gateway has them all.
fn agree(world: &mut World, address: SocketAddr, cases: &[Case], taken: u16) {
    for case in cases.iter().filter(|case| case.is_taken) {
        world.ask_path_until_at(address, taken, case.host, "/", &[]);
    }
    world.settle();
    for case in cases.iter().filter(|case| !case.is_taken) {
        world.ask_path_until_at(address, 404, case.host, "/", &[]);
    }
    let printed = world.mesh.kubectl(&["get", KINDS, "--all-namespaces", "--output", "json"]);
    let mut objects: Value = serde_json::from_str(&printed.unwrap()).unwrap();
    for Case { route, host, is_taken } in cases {
        let items = objects["items"].as_array_mut().unwrap();
        items.push(route.clone());
        let manifests = Manifests::read_from("m.json", objects.to_string().as_bytes()).unwrap();
        let reports = judge(&manifests, &[]);
        let found = reports.iter().flat_map(|report| &report.diagnostics);
        let found: Vec<_> = found.filter(|found| found.code == "route-unbound").collect();
        assert_eq!(found.is_empty(), *is_taken, "{host}: {found:?}");
        objects["items"].as_array_mut().unwrap().pop();
    }
}
