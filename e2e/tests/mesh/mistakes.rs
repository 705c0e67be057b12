//! The mistakes of newcomers, each with what is seen of it. Most are silent: `kubectl` says
//! nothing, and the gateway goes on or refuses everybody.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use gatepost_testbed::mesh::{RunningPod, address};
use serde_json::{Value, json};

use crate::plugins::{ENV2, policy, refuse};
use crate::world::{ENVIRONMENT, LISTENER, World, list, local_gateway};

/// A host that only the filter leads anywhere.
const PUBLIC: &str = "app.example";

/// A plugin that is right but for what `change` does to its `spec`.
fn plugin(world: &World, name: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut plugin = world.plugin(name, &policy(), Some(LISTENER));
    change(&mut plugin["spec"]);
    plugin
}

fn remove(world: &World, name: &str) {
    world.delete_plugin(name);
    world.ask_until(404, PUBLIC, &ENV2);
}

/// The port of the Service, the side of a server, and a target for a classic gateway: the gateway
/// does what it did before.
pub fn without_effect(world: &mut World) {
    let target =
        json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public" });
    let on_the_services_port =
        |spec: &mut Value| spec["match"] = json!([{ "ports": [{ "number": 80 }] }]);
    let as_a_server = |spec: &mut Value| spec["match"] = json!([{ "mode": "SERVER" }]);
    let with_a_target = |spec: &mut Value| {
        spec["targetRefs"] = json!([target]);
        spec.as_object_mut().unwrap().remove("selector");
    };
    let mistakes = [
        plugin(world, "elsewhere", on_the_services_port),
        plugin(world, "elsewhere", as_a_server),
        plugin(world, "elsewhere", with_a_target),
    ];
    for mistaken in mistakes {
        let said = world.mesh.apply(&mistaken.to_string()).unwrap();
        assert!(!said.contains("Warning"), "{said}");
        world.settle();
        assert_eq!(world.ask(PUBLIC, &ENV2).0, 404, "{}", mistaken["spec"]);
        remove(world, "elsewhere");
    }
    // The same plugin without a mistake.
    world.mesh.apply(&plugin(world, "elsewhere", |_| {}).to_string()).unwrap();
    world.ask_until(200, PUBLIC, &ENV2);
    remove(world, "elsewhere");
}

/// The listener for the inside of the cluster is on the same pods. Without a port in `match` the
/// filter refuses private hosts there, too.
pub fn without_ports(world: &mut World) {
    let inside: SocketAddr = (world.gateway().address, 8081).into();
    let route = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": { "name": "local", "namespace": "shop" },
        "spec": { "gateways": ["local"], "hosts": [ENVIRONMENT], "http": [{
            "route": [{ "destination": { "host": "app.shop.svc.cluster.local" } }],
        }] },
    });
    world.mesh.apply(&list(vec![local_gateway(), route]).to_string()).unwrap();
    world.ask_until_at(inside, 200, ENVIRONMENT, &[]);

    let everywhere =
        plugin(world, "everywhere", |spec| drop(spec.as_object_mut().unwrap().remove("match")));
    world.mesh.apply(&everywhere.to_string()).unwrap();
    world.ask_until_at(inside, 404, ENVIRONMENT, &[]);

    world.mesh.apply(&plugin(world, "everywhere", |_| {}).to_string()).unwrap();
    world.ask_until_at(inside, 200, ENVIRONMENT, &[]);
    world.ask_until(404, ENVIRONMENT, &[]);

    remove(world, "everywhere");
    let made = ["gateways.networking.istio.io/local", "virtualservices/local"];
    world.mesh.kubectl(&[&["delete", "-n", "shop"][..], &made].concat()).unwrap();
}

/// What the API server refuses, in its words.
pub fn refused(world: &mut World) {
    let refused = |change: &dyn Fn(&mut Value)| {
        let error = world.mesh.dry_run(&plugin(world, "refused", change).to_string()).unwrap_err();
        error.to_string()
    };
    let gateway = json!({ "group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "api" });
    let both = refused(&|spec| spec["targetRefs"] = json!([gateway]));
    assert!(both.contains("only one of targetRefs or selector can be set"), "{both}");
    let ftp = refused(&|spec| spec["url"] = json!("ftp://example.com/filter.wasm"));
    assert!(ftp.contains("url must have schema one of [http, https, file, oci]"), "{ftp}");
}

/// A module that cannot be fetched takes the place of the running filter, and refuses everybody
/// until the object is mended. A pod that starts meanwhile becomes ready, and refuses everybody.
pub fn not_fetched(world: &mut World) {
    world.mesh.apply(&plugin(world, "unreachable", |_| {}).to_string()).unwrap();
    world.ask_until(200, PUBLIC, &ENV2);

    let nobody = format!("http://{}:9/filter.wasm", address::HOST);
    let unreachable = plugin(world, "unreachable", |spec| spec["url"] = json!(nobody));
    world.mesh.apply(&unreachable.to_string()).unwrap();
    world.ask_until(403, PUBLIC, &ENV2);
    let second = second_pod(world);
    assert!(second.ready);
    world.ask_until_at((second.address, LISTENER).into(), 403, PUBLIC, &ENV2);

    world.mesh.apply(&plugin(world, "unreachable", |_| {}).to_string()).unwrap();
    world.ask_until(200, PUBLIC, &ENV2);
    world.ask_until_at((second.address, LISTENER).into(), 200, PUBLIC, &ENV2);
    one_pod(world);
    remove(world, "unreachable");
}

/// The same of a digest that is not the module's.
pub fn wrong_digest(world: &mut World) {
    let url = serve(gatepost_filter_wasm::MODULE);
    let wrong = plugin(world, "other-digest", |spec| {
        spec["url"] = json!(url);
        spec["sha256"] = json!("0".repeat(64));
    });
    world.mesh.apply(&wrong.to_string()).unwrap();
    world.ask_until(403, PUBLIC, &ENV2);
    let log = world.gateway_log();
    assert!(log.contains("which does not match"), "{log}");

    let mended = plugin(world, "other-digest", |spec| spec["url"] = json!(url));
    world.mesh.apply(&mended.to_string()).unwrap();
    world.ask_until(200, PUBLIC, &ENV2);
    remove(world, "other-digest");
}

/// A running pod keeps its policy when the next one is bad. A pod that starts with it is ready by
/// Istio's own check, and answers every request with 500.
pub fn bad_policy_in_a_new_pod(world: &mut World) {
    world.mesh.apply(&plugin(world, "bad-policy", |_| {}).to_string()).unwrap();
    world.ask_until(200, PUBLIC, &ENV2);
    refuse(world, "bad-policy");
    assert_eq!(world.ask(PUBLIC, &ENV2).0, 200, "the running pod");

    let second = second_pod(world);
    assert!(second.ready);
    world.ask_until_at((second.address, LISTENER).into(), 500, PUBLIC, &ENV2);
    assert_eq!(world.ask(PUBLIC, &ENV2).0, 200, "the pod that runs since before");

    one_pod(world);
    remove(world, "bad-policy");
}

/// Starts a second pod of the gateway, and gives it.
pub fn second_pod(world: &mut World) -> RunningPod {
    scale(world, "--replicas=2");
    let first = world.gateway().clone();
    let pods = world.mesh.pods("istio=ingressgateway").unwrap();
    pods.into_iter().find(|pod| pod.name != first.name).unwrap()
}

/// Ends it. A ReplicaSet keeps the pod that runs longest.
pub fn one_pod(world: &mut World) {
    scale(world, "--replicas=1");
    let pods = world.mesh.pods("istio=ingressgateway").unwrap();
    let names: Vec<_> = pods.iter().map(|pod| &pod.name).collect();
    assert_eq!(names, [&world.gateway().name]);
}

fn scale(world: &mut World, replicas: &str) {
    let deployment = ["scale", "deployment", "istio-ingressgateway", "-n", "istio-system"];
    world.mesh.kubectl(&[&deployment[..], &[replicas]].concat()).unwrap();
    world.mesh.converge().unwrap();
}

/// Serves a module for as long as the tests run, and gives its URL.
fn serve(module: &'static [u8]) -> String {
    let listener = TcpListener::bind((address::HOST, 0)).unwrap();
    let url = format!("http://{}/filter.wasm", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            // One that hangs up asks again.
            let _ = client.read(&mut [0; 4096]);
            let length = module.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _ = client.write_all(&[head.as_bytes(), module].concat());
        }
    });
    url
}
