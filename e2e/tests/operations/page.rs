//! docs/operations.md, done: its commands run in their order, and what they say happens.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use gatepost_testbed::docker_registry::{DockerRegistry, Needs};
use gatepost_testbed::mesh::{RunningPod, address};

use crate::balancer::Check;
use crate::world::{APPLICATION, LISTENER, READINESS, REFUSED, THROUGH_THE_FILTER, World, Worlds};

const PAGE: &str = include_str!("../../../docs/operations.md");
const POLICY: &str = include_str!("../../../docs/examples/operations/policy.yaml");

/// The domain that the policy maps, and those that changes of it add.
const MAPPED: &str = "www.customer.example";
const NEXT: &str = "next.customer.example";
const OF_TEAM: &str = "team.customer.example";

/// Answers that clients get after a change, before the next: some five seconds of them.
const SOME: usize = 1000;

/// A section of the page: its title, and its blocks of commands.
struct Section {
    title: String,
    blocks: Vec<String>,
}

fn sections() -> Vec<Section> {
    let parts = PAGE.split("\n## ").skip(1);
    let of_part = |part: &str| {
        let blocks = part.split("\n```sh\n").skip(1);
        let blocks = blocks.map(|block| block.split("\n```").next().unwrap_or_default().to_owned());
        let title = part.lines().next().unwrap_or_default().to_owned();
        Section { title, blocks: blocks.collect() }
    };
    parts.map(of_part).collect()
}

/// The page's policy with a mapping more.
fn policy_with(host: &str) -> String {
    let mapping = format!("  - {{ host: {host}, authority: {APPLICATION} }}\n");
    POLICY.replace("mode: observe\n", "") + &mapping
}

pub fn follow(worlds: &mut Worlds) {
    let world = worlds.without_filter();
    let folder = world.mesh.folder().join("operations");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("policy.yaml", POLICY);
    write("next.yaml", &policy_with(NEXT));
    let team = format!(
        "apiVersion: gatepost/v1\nhosts:\n  mappings:\n  - {{ host: {OF_TEAM}, authority: \
         {APPLICATION} }}\n"
    );
    write("team.yaml", &team);
    // Its agents fetch from it until the end.
    let registry = DockerRegistry::start(address::HOST.into(), Needs::Nothing);
    let mut figures = String::new();
    let is_fire = |section: &Section| section.title == "It is on fire";
    let (fire, changes): (Vec<_>, Vec<_>) = sections().into_iter().partition(is_fire);
    for section in changes {
        let before = world.balancer.total();
        follow_section(world, &section, &folder, registry.host());
        world.answers(SOME);
        let failed = world.balancer.failed();
        assert!(failed.is_empty(), "{}: {failed:?}", section.title);
        let answered = world.balancer.total() - before;
        figures += &format!("| {} | {answered} | {} |\n", section.title, failed.len());
    }
    println!("{figures}");
    // What follows are outages.
    world.balancer.close();
    burn(world, &fire[0], &folder);
}

/// Each outage of the last section, and what its commands say.
fn burn(world: &mut World, section: &Section, folder: &Path) {
    let [status, not_found, unavailable, once_more, be_rid] = section.blocks.as_slice() else {
        panic!("{} blocks", section.blocks.len())
    };
    let apply = "kubectl apply --server-side --filename routes.yaml --filename plugin.yaml";
    run(world, apply, folder);
    let roll_back = "kubectl replace --filename plugin.yaml";
    until_served(world, MAPPED, 200);

    let url = r#"{"spec":{"url":"http://10.10.0.1:9/filter.wasm"}}"#;
    patch(world, url, folder);
    until_served(world, MAPPED, 403);
    says(world, status, folder, &["could not fetch 1 module"]);
    run(world, roll_back, folder);
    until_served(world, MAPPED, 200);

    // A fetch that fails after the roll back takes the filter away again.
    let silent = silent_server();
    let url = format!(r#"{{"spec":{{"url":"http://{}/filter.wasm"}}}}"#, silent.address);
    patch(world, &url, folder);
    world.until("an agent fetches", |_| silent.is_asked());
    run(world, roll_back, folder);
    until_served(world, MAPPED, 200);
    until_served(world, MAPPED, 403);
    run(world, once_more, folder);
    until_served(world, MAPPED, 200);
    run(world, roll_back, folder);

    let nonsense = r#"{"spec":{"pluginConfig":{"hosts":{"unmapped":"nonsense"}}}}"#;
    world.change_until_logged(REFUSED, |world| patch(world, nonsense, folder));
    let [replaced, stays] = world.two_pods();
    world.delete(&replaced);
    let started = world.successor(&replaced, &stays);
    world.until("the new pod answers 500", |world| {
        world.status_of(started.address, THROUGH_THE_FILTER, "curl", MAPPED) == Some(500)
    });
    let refused = "Istio sent it a plugin, which is gone or was refused";
    says(world, status, folder, &["refused 1 policy", refused]);
    run(world, roll_back, folder);
    world.until("the new pod serves", |world| {
        world.status_of(started.address, THROUGH_THE_FILTER, "curl", MAPPED) == Some(200)
    });

    until_served(world, "shop.internal.svc", 404);
    says(world, not_found, folder, &["private", "0 errors"]);

    run(world, "kubectl scale deployment/app --namespace shop --replicas 0", folder);
    until_served(world, MAPPED, 503);
    says(world, unavailable, folder, &["<unset>"]);
    run(world, "kubectl scale deployment/app --namespace shop --replicas 1", folder);
    until_served(world, MAPPED, 200);

    run(world, be_rid, folder);
    until_served(world, MAPPED, 404);
}

/// A server that takes connections and never answers.
struct Silent {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<TcpStream>>>,
}

impl Silent {
    fn is_asked(&self) -> bool {
        !self.asked.lock().unwrap().is_empty()
    }
}

fn silent_server() -> Silent {
    let listener = TcpListener::bind((address::HOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::default();
    let kept = Arc::clone(&asked);
    std::thread::spawn(move || {
        let asked: Arc<Mutex<Vec<TcpStream>>> = kept;
        listener.incoming().flatten().for_each(|client| asked.lock().unwrap().push(client));
    });
    Silent { address, asked }
}

/// Changes the plugin past every check.
fn patch(world: &mut World, patch: &str, folder: &Path) {
    let plugin = "kubectl patch wasmplugin gatepost --namespace istio-system --type merge";
    run(world, &format!("{plugin} --patch '{patch}'"), folder);
}

/// Waits until every pod but a canary gives this status to a request for a host.
fn until_served(world: &mut World, host: &str, status: u16) {
    let check = Check { port: LISTENER, path: "/" };
    world.until(&format!("{host} gets {status}"), |world| {
        let mut pods = stable(world).into_iter();
        pods.all(|pod| world.status_of(pod.address, check, "curl", host) == Some(status))
    });
}

/// The pods of the gateway that are no canary.
fn stable(world: &World) -> Vec<RunningPod> {
    world.mesh.pods("istio=ingressgateway,track=stable").unwrap()
}

/// Runs commands until they print all of these: what they show follows the outage within moments.
/// Some of them end with findings.
fn says(world: &mut World, block: &str, folder: &Path, texts: &[&str]) {
    world.until(&format!("{block}\nsays {texts:?}"), |world| {
        let printed = world.shell(block, folder).unwrap_or_else(|printed| printed);
        texts.iter().all(|text| printed.contains(text))
    });
}

/// Does a section, with what a person does between its blocks, and looks whether it is done.
fn follow_section(world: &mut World, section: &Section, folder: &Path, registry: &str) {
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    let blocks: Vec<&str> = section.blocks.iter().map(String::as_str).collect();
    match (section.title.as_str(), blocks.as_slice()) {
        ("Put it in", [module, observe, readiness]) => {
            run(world, module, folder);
            run(world, observe, folder);
            // It observes.
            until_served(world, MAPPED, 404);
            // The person removes the mode, and rolls that out.
            write("policy.yaml", &POLICY.replace("mode: observe\n", ""));
            let roll_out = sections().into_iter().find(|one| one.title == "Roll a policy out");
            roll_out.unwrap().blocks.iter().for_each(|block| run(world, block, folder));
            until_served(world, MAPPED, 200);
            // Pods from before have no filter. The balancer sends to them until they have ended.
            world.until("they have ended", |world| {
                let stable = stable(world).into_iter();
                world.balancer.healthy() == stable.map(|pod| pod.address).collect()
            });
            world.balancer.set_check(THROUGH_THE_FILTER);
            world.balancer.set_host(MAPPED);
            run(world, readiness, folder);
        }
        ("Roll a policy out", [check, roll_out]) => {
            // A mistake ends it before anything is applied.
            write("policy.yaml", &policy_with(NEXT).replace("private:", "privat:"));
            let refused = world.shell(check, folder).unwrap_err();
            assert!(refused.contains("unknown field `privat`"), "{refused}");
            // One that may be none is said, and the person reads it.
            let unrouted = policy_with(NEXT) + "  - { host: a.example, authority: b.example }\n";
            write("policy.yaml", &unrouted);
            let said = world.shell(check, folder).unwrap();
            assert!(said.contains("no route of the gateway is for `b.example`"), "{said}");
            write("policy.yaml", &policy_with(NEXT));
            finds_nothing(world, check, folder);
            run(world, roll_out, folder);
            until_served(world, NEXT, 200);
        }
        ("Roll it back", [roll_back]) => {
            run(world, roll_back, folder);
            until_served(world, NEXT, 404);
            write("policy.yaml", &POLICY.replace("mode: observe\n", ""));
        }
        ("Try it on one pod", [check, begin, end]) => {
            finds_nothing(world, check, folder);
            run(world, begin, folder);
            let canary = world.mesh.pods("track=canary").unwrap().remove(0);
            let check = Check { port: LISTENER, path: "/" };
            assert_eq!(world.status_of(canary.address, check, "curl", NEXT), Some(200));
            // The other pods have the policy from before.
            until_served(world, NEXT, 404);
            world.until("it gets its share", |world| world.balancer.answered(canary.address) > 0);
            run(world, end, folder);
        }
        ("Upgrade the module", [upgrade, fetched]) => {
            // Nobody answers there, so nothing is applied.
            let image = "IMAGE=10.10.0.1:9/mesh/gatepost:1\n";
            let refused = world.shell(&format!("{image}{fetched}"), folder).unwrap_err();
            assert!(refused.contains("10.10.0.1:9"), "{refused}");
            let before = world.pods();
            run(world, upgrade, folder);
            world.until("the pods from before are gone", |world| {
                let is_new = |pod: &RunningPod| before.iter().all(|old| old.name != pod.name);
                world.pods().iter().all(is_new)
            });

            // This registry has no TLS, which these two commands accept when they are told to.
            let push = format!("IMAGE=$(gatepost push --insecure {registry}/mesh/gatepost:1)\n");
            let fetched = fetched.replace("gatepost verify", "gatepost verify --insecure");
            run(world, &(push + &fetched), folder);
            world.until("each agent has fetched it", |world| {
                world.pods().iter().all(|pod| has_fetched(pod.address))
            });
            until_served(world, MAPPED, 200);
        }
        ("Several teams", [check, add, remove]) => {
            finds_nothing(world, check, folder);
            run(world, add, folder);
            until_served(world, OF_TEAM, 200);
            until_served(world, MAPPED, 200);
            run(world, remove, folder);
            until_served(world, OF_TEAM, 404);
            // Those who never had a team have no such file.
            std::fs::remove_file(folder.join("team-plugin.yaml")).unwrap();
        }
        ("Take it out", [remove]) => {
            world.balancer.set_check(READINESS);
            world.balancer.set_host(APPLICATION);
            run(world, remove, folder);
            let oldest = world.pods().remove(0).address;
            let check = Check { port: LISTENER, path: "/" };
            world.until("the filter is gone", move |world| {
                world.status_of(oldest, check, "curl", MAPPED) == Some(404)
            });
        }
        (title, blocks) => panic!("the section {title} has {} blocks", blocks.len()),
    }
}

fn run(world: &mut World, block: &str, folder: &Path) {
    if let Err(printed) = world.shell(block, folder) {
        panic!("{block}\n{printed}");
    }
}

/// Runs the commands of a check, and none of them finds anything.
fn finds_nothing(world: &mut World, block: &str, folder: &Path) {
    let printed = world.shell(block, folder).unwrap_or_else(|printed| panic!("{block}\n{printed}"));
    assert!(printed.contains("0 errors, 0 warnings"), "{printed}");
    assert!(!printed.contains("warning["), "{printed}");
}

/// Whether the agent of a pod has fetched a module.
fn has_fetched(pod: Ipv4Addr) -> bool {
    let url = format!("http://{pod}:15020/stats/prometheus");
    let curl = Command::new("curl").args(["--silent", "--max-time", "5", &url]).output().unwrap();
    String::from_utf8_lossy(&curl.stdout)
        .contains("istio_agent_wasm_remote_fetch_count{result=\"success\"}")
}
