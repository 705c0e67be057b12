//! What gateways of the mesh show of their policies, through their agents: as `gatepost status`
//! reads it.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use gatepost_engine::compile_json;
use gatepost_status::{Shown, ask, pods};
use serde_json::{Value, json};

use crate::mistakes::{one_pod, second_pod};
use crate::plugins::{ENV2, policy, refuse};
use crate::world::{LISTENER, World};

/// The listener of a plugin that is gone drains for 45 seconds.
const WITHIN: Duration = Duration::from_secs(120);

pub fn asked(address: Ipv4Addr) -> Shown {
    let url = format!("http://{address}:15020/stats/prometheus");
    let answer = ask::all(&[url], Duration::from_secs(10), None).remove(0);
    answer.unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// Asks until this holds, and gives what the gateway shows.
pub fn until(address: Ipv4Addr, what: &str, holds: impl Fn(&Shown) -> bool) -> Shown {
    let started = Instant::now();
    loop {
        let shown = asked(address);
        if holds(&shown) {
            return shown;
        }
        assert!(started.elapsed() < WITHIN, "{what}: {shown:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn fingerprint(policy: &Value) -> u64 {
    compile_json(policy.to_string().as_bytes()).expect("a good policy").fingerprint()
}

/// The policy goes through the API server and istiod, which make a Struct of it, and is the same.
pub fn of_a_plugin(world: &mut World) {
    let first = world.gateway().address;
    // Plugins that were there before may drain.
    until(first, "nothing", |shown| shown.plugins.is_empty() && shown.counts.is_empty());

    let (plugin, wanted) = ("istio-system.shown", fingerprint(&policy()));
    world.mesh.apply(&world.plugin("shown", &policy(), Some(LISTENER)).to_string()).unwrap();
    world.ask_until(200, "app.example", &ENV2);
    let shown = until(first, "a plugin", |shown| shown.has(wanted, Some(plugin)));
    assert!(!shown.plugins[0].observes);
    let selected = |shown: &Shown| {
        let found = shown.counts.iter().find(|one| one.name == "selected");
        found.map_or(0, |one| one.count)
    };
    until(first, "a request", |shown| selected(shown) > 0);

    let mut observing = policy();
    observing["mode"] = json!("observe");
    world.mesh.apply(&world.plugin("shown", &observing, Some(LISTENER)).to_string()).unwrap();
    let observed = fingerprint(&observing);
    let shown = until(first, "another policy", |shown| shown.has(observed, Some(plugin)));
    assert!(shown.plugins[0].observes);

    world.delete_plugin("shown");
    until(first, "no plugin", |shown| shown.plugins.is_empty());
}

/// A running gateway counts it. A pod that starts with it shows nothing of the filter's: only its
/// agent says that there was a plugin.
pub fn of_a_refused_policy(world: &mut World) {
    let first = world.gateway().address;
    let wanted = fingerprint(&policy());
    world.mesh.apply(&world.plugin("shown-2", &policy(), Some(LISTENER)).to_string()).unwrap();
    world.ask_until(200, "app.example", &ENV2);
    until(first, "a plugin", |shown| shown.has(wanted, None));
    let before = asked(first).refused_policies;
    refuse(world, "shown-2");
    let shown = until(first, "a refusal", |shown| shown.refused_policies > before);
    assert!(shown.has(wanted, None), "{shown:?}");

    let second = second_pod(world);
    world.ask_until_at((second.address, LISTENER).into(), 500, "app.example", &ENV2);
    let shown = asked(second.address);
    assert_eq!((shown.plugins, shown.counts, shown.refused_policies), (vec![], vec![], 0));
    assert!(shown.sent_plugins > 0);

    // As an operator asks, who is outside: the API server leads to the pods.
    let list = ["get", "pods", "-n", "istio-system", "-l", "istio=ingressgateway", "-o", "json"];
    let listed = pods::read(&world.mesh.kubectl(&list).unwrap()).unwrap();
    let urls: Vec<String> =
        listed.iter().filter_map(|pod| pod.url(15020, Some("http://127.0.0.1:8001"))).collect();
    let answers = ask::all(&urls, Duration::from_secs(10), None);
    let have = answers.iter().map(|answer| answer.as_ref().unwrap().has(wanted, None));
    assert_eq!(have.filter(|has| *has).count(), 1, "{answers:?}");
    let addresses: Vec<_> = listed.iter().map(|pod| (pod.address, pod.is_ready)).collect();
    assert!(addresses.contains(&(Some(second.address.into()), true)), "{addresses:?}");
    assert!(addresses.contains(&(Some(first.into()), true)), "{addresses:?}");

    one_pod(world);
    world.delete_plugin("shown-2");
    world.ask_until(404, "app.example", &ENV2);
}

pub fn of_a_module_that_is_not_fetched(world: &mut World) {
    let first = world.gateway().address;
    let before = asked(first).failed_fetches;
    let mut plugin = world.plugin("shown-3", &policy(), Some(LISTENER));
    plugin["spec"]["url"] = json!("http://127.0.0.1:9/filter.wasm");
    world.mesh.apply(&plugin.to_string()).unwrap();
    world.ask_until(403, "app.example", &ENV2);
    assert!(asked(first).failed_fetches > before);
    world.delete_plugin("shown-3");
    world.ask_until(404, "app.example", &ENV2);
}
