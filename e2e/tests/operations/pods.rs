//! Pods that end and start while clients send requests: none of them fails.

use std::net::Ipv4Addr;

use gatepost_testbed::mesh::RunningPod;

use crate::world::{READINESS, REFUSED, THROUGH_THE_FILTER, World, Worlds};

/// What the balancer and the kubelet ask with.
const BALANCER: &str = "GoogleHC/1.0";

/// Answers that clients get while nothing may go wrong: some five seconds of them.
const SOME: usize = 1000;

/// The status of the balancer's probe, through the filter.
fn probe(world: &World, pod: Ipv4Addr) -> Option<u16> {
    world.status_of(pod, THROUGH_THE_FILTER, BALANCER, "10.0.0.1")
}

/// The status of Istio's own readiness, which the filter is no part of.
fn readiness(world: &World, pod: Ipv4Addr) -> Option<u16> {
    world.status_of(pod, READINESS, "curl", "10.0.0.1")
}

/// All in one mesh: each leaves two pods that serve.
pub fn start_and_end(worlds: &mut Worlds) {
    let world = worlds.today();
    end_and_start(world);
    refused_policy(world);
    missing_module(world);
}

/// A pod that ends, and the one that takes its place.
fn end_and_start(world: &mut World) {
    world.answers(SOME);
    let [ending, stays] = world.two_pods();
    assert!(world.balancer.answered(ending.address) > 0);
    world.delete(&ending);
    // It drains: the probe fails, and requests go on to be answered until the balancer has seen it.
    world.until("the probe fails", |world| probe(world, ending.address) == Some(503));
    world.until("the balancer has seen it", |world| {
        !world.balancer.healthy().contains(&ending.address)
    });
    let started = world.successor(&ending, &stays).address;
    serves(world, started);
}

/// The balancer sends requests to a pod, and none fails.
fn serves(world: &mut World, pod: Ipv4Addr) {
    world.until("it is healthy", |world| world.balancer.healthy().contains(&pod));
    world.answers(SOME);
    assert!(world.balancer.answered(pod) > 0);
    assert_eq!(world.balancer.failed(), Vec::<String>::new());
}

/// A policy that the filter refuses: the pods that run keep theirs.
fn refused_policy(world: &mut World) {
    let path = "/spec/wasm/pluginConfig/hosts/unmapped";
    let add = |value: &str| format!(r#"[{{"op":"add","path":"{path}","value":"{value}"}}]"#);
    world.change_until_logged(REFUSED, |world| world.patch_plugin(&add("nonsense")));
    let started = starts_in_vain(world);
    world.patch_plugin(&add("pass"));
    // The same pod serves, once the object is mended.
    serves(world, started);
}

/// A file that no volume has: the pods that run keep their module.
fn missing_module(world: &mut World) {
    let replace = |url: &str| {
        format!(r#"[{{"op":"replace","path":"/spec/wasm/url","value":"file:///var/lib/{url}"}}]"#)
    };
    world.change_until_logged("missing.wasm", |world| {
        world.patch_plugin(&replace("gatepost/missing.wasm"));
    });
    let started = starts_in_vain(world);
    world.patch_plugin(&replace("gatepost/filter.wasm"));
    serves(world, started);
}

/// A pod is replaced by one that answers 500. It says that it is ready, and gets no request.
fn starts_in_vain(world: &mut World) -> Ipv4Addr {
    let [ending, stays] = world.two_pods();
    world.delete(&ending);
    let RunningPod { name, address: started, .. } = world.successor(&ending, &stays);
    world.until("it says that it is ready", |world| readiness(world, started) == Some(200));
    world.answers(SOME);
    assert_eq!(world.status_of(started, THROUGH_THE_FILTER, "curl", "x.example"), Some(500));
    assert_ne!(probe(world, started), Some(200));
    let is_ready = world.pods().iter().any(|pod| pod.name == name && pod.ready);
    assert!(!is_ready, "the kubelet asks through the filter as well");
    assert!(!world.balancer.healthy().contains(&started));
    assert_eq!(world.balancer.answered(started), 0);
    assert_eq!(world.balancer.failed(), Vec::<String>::new());
    started
}
