//! The validating webhook as deploy/admission installs it, before the real API server: what
//! `kubectl` is told, and what happens when the webhook is down or gets another certificate.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gatepost_testbed::mesh::{MeshError, RunningPod};
use serde_json::{Value, json};

use crate::plugins::policy;
use crate::world::{World, list};

/// How long the mesh may take to do what an object says.
const WITHIN: Duration = Duration::from_secs(90);

/// How an API server says that a webhook denied.
const DENIED: &str = "denied the request";

/// How it says that it did not reach one.
const UNREACHED: &str = "failed calling webhook";

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

const CONFIGURATION: &str = "validatingwebhookconfiguration/gatepost-admission";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/admission")
}

fn pods(world: &World) -> Vec<RunningPod> {
    world.mesh.pods("app=gatepost-admission").unwrap()
}

/// Installs the webhook as its README says, unless it is there.
fn install(world: &mut World) {
    if world.mesh.kubectl(&["get", CONFIGURATION]).is_ok() {
        return;
    }
    world.mesh.apply_folder(&folder()).unwrap();
    certify(world);
    world.mesh.converge().unwrap();
    deny_until(world);
}

/// Waits until a bad policy is denied. The API server and `kube-proxy` follow their objects within
/// moments.
fn deny_until(world: &World) {
    let started = Instant::now();
    while !denied(world.mesh.dry_run(&bad(world, "denied").to_string())) {
        assert!(started.elapsed() < WITHIN, "nothing is denied");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn certify(world: &mut World) {
    world.mesh.shell("./certificate.sh", &folder()).unwrap();
}

/// Takes the webhook away, as its README says.
fn uninstall(world: &mut World) {
    world.mesh.kubectl(&["delete", CONFIGURATION]).unwrap();
    forget_until(world);
    // Its pods end meanwhile.
    let gone = "kubectl delete namespace gatepost-admission --timeout=60s";
    world.mesh.shell(gone, &folder()).unwrap();
}

/// The same, if it is there.
fn remove(world: &mut World) {
    if world.mesh.kubectl(&["get", CONFIGURATION]).is_ok() {
        uninstall(world);
    }
}

/// Waits until the API server asks nobody.
fn forget_until(world: &World) {
    let started = Instant::now();
    while world.mesh.dry_run(&bad(world, "denied").to_string()).is_err() {
        assert!(started.elapsed() < WITHIN, "it is still asked");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn denied(applied: Result<String, MeshError>) -> bool {
    applied.is_err_and(|error| error.to_string().contains(DENIED))
}

/// What `kubectl` prints of an object that is denied.
fn denial(world: &World, object: &Value) -> String {
    let error = world.mesh.apply(&object.to_string()).unwrap_err().to_string();
    assert!(error.contains(DENIED), "{error}");
    error
}

/// A plugin for no pod.
fn plugin(world: &World, name: &str, policy: &Value) -> Value {
    let mut plugin = world.plugin(name, policy, None);
    plugin["spec"]["selector"]["matchLabels"] = json!({ "app": "no-pod" });
    plugin
}

fn bad(world: &World, name: &str) -> Value {
    let mut bad = policy();
    bad["environments"]["sourcess"] = json!([]);
    plugin(world, name, &bad)
}

fn config_map(name: &str, key: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "shop" },
        "data": { key: text },
    })
}

fn is_stored(world: &World, kind: &str, name: &str, namespace: &str) -> bool {
    world.mesh.kubectl(&["get", kind, name, "--namespace", namespace]).is_ok()
}

fn labelled(mut object: Value) -> Value {
    object["metadata"]["labels"] = json!({ "app.kubernetes.io/name": "gatepost" });
    object
}

/// Each kind is denied with the place, and nothing of it is stored; the good ones are.
pub fn kinds(world: &mut World) {
    install(world);
    let said = denial(world, &bad(world, "denied"));
    for part in [
        r#"admission webhook "plugins.gatepost.internal" denied the request: gatepost finds an"#,
        "unknown field `sourcess`",
        "path: spec.pluginConfig.environments.sourcess",
        "help: did you mean `sources`?",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!is_stored(world, "wasmplugin", "denied", "istio-system"));

    let filter = |text: &str| {
        json!({
            "apiVersion": "networking.istio.io/v1alpha3", "kind": "EnvoyFilter",
            "metadata": { "name": "judged", "namespace": "shop" },
            "spec": {
                "workloadSelector": { "labels": { "app": "no-pod" } },
                "configPatches": [{
                    "applyTo": "EXTENSION_CONFIG",
                    "match": { "context": "GATEWAY" },
                    "patch": { "operation": "ADD", "value": {
                        "name": "judged",
                        "typed_config": {
                            "@type": WASM,
                            "config": { "configuration": {
                                "@type": "type.googleapis.com/google.protobuf.StringValue",
                                "value": text,
                            } },
                        },
                    } },
                }],
            },
        })
    };
    let extension = |policy: &Value| {
        json!({
            "apiVersion": "extensions.istio.io/v1alpha1", "kind": "TrafficExtension",
            "metadata": { "name": "judged", "namespace": "shop" },
            "spec": {
                "selector": { "matchLabels": { "app": "no-pod" } },
                "wasm": { "url": "file:///filter.wasm", "pluginConfig": policy },
            },
        })
    };
    let good = policy();
    let mut wrong = policy();
    wrong["environments"]["unknown"] = json!("refuse");
    for (kind, object) in [
        (
            "envoyfilter",
            &(|policy: &Value| filter(&policy.to_string())) as &dyn Fn(&Value) -> Value,
        ),
        ("trafficextension", &extension),
        ("configmap", &|policy| config_map("judged", "policy.yaml", &policy.to_string())),
        ("wasmplugin", &|policy| {
            let mut plugin = plugin(world, "judged", policy);
            plugin["metadata"]["namespace"] = json!("shop");
            plugin
        }),
    ] {
        let said = denial(world, &object(&wrong));
        assert!(said.contains("`refuse` is no choice here"), "{kind}: {said}");
        assert!(!is_stored(world, kind, "judged", "shop"));
        world.mesh.apply(&object(&good).to_string()).unwrap();
        world.mesh.kubectl(&["delete", kind, "judged", "--namespace", "shop"]).unwrap();
    }
}

/// `kubectl` says the same on the client's side, in a dry run, and for a name that is not made yet.
pub fn ways(world: &mut World) {
    install(world);
    let file = world.mesh.folder().join("object.json");
    let file = file.to_string_lossy();
    let run = |object: &Value, arguments: &[&str]| {
        std::fs::write(&*file, object.to_string()).unwrap();
        world.mesh.kubectl(&[arguments, &["--filename", &file]].concat())
    };
    let (bad, good) = (bad(world, "by-ways"), plugin(world, "by-ways", &policy()));
    for arguments in [
        &["apply"][..],
        &["create"],
        &["apply", "--dry-run=server"],
        &["apply", "--server-side", "--dry-run=server"],
    ] {
        assert!(denied(run(&bad, arguments)), "{arguments:?}");
        run(&good, arguments).unwrap();
        let is_dry = arguments.iter().any(|argument| argument.starts_with("--dry-run"));
        let is_there = world.mesh.kubectl(&["get", "wasmplugin", "by-ways", "-n", "istio-system"]);
        assert_eq!(is_there.is_ok(), !is_dry, "{arguments:?}");
        if !is_dry {
            world.delete_plugin("by-ways");
        }
    }
    let mut unnamed = bad.clone();
    unnamed["metadata"] = json!({ "generateName": "unnamed-", "namespace": "istio-system" });
    assert!(denied(run(&unnamed, &["create"])));

    // What an author should know.
    let mut old = policy();
    old["hosts"]["invalid"] = json!("reject");
    let said = run(&plugin(world, "by-ways", &old), &["apply", "--server-side"]).unwrap();
    assert!(said.contains("Warning: gatepost["), "{said}");
    assert!(said.contains("spec.pluginConfig.hosts.invalid"), "{said}");
    world.delete_plugin("by-ways");
}

/// Objects that say that they are Gatepost's need a policy, and others are left alone.
pub fn others(world: &mut World) {
    install(world);
    let other = json!({ "rules": [{ "apiVersion": "other/v1" }] });
    let objects = [
        plugin(world, "other", &other),
        config_map("other", "policy.yaml", "package authz\n"),
        // A ConfigMap may have 1 MiB.
        config_map("other", "data", &"0123456789abcdef".repeat(65_000)),
        config_map(
            "other",
            "README.md",
            "# It\n\n```yaml\napiVersion: gatepost/v1\nhosts: [\n```\n",
        ),
    ];
    for object in objects {
        let said = world.mesh.apply(&object.to_string()).unwrap();
        assert!(!said.contains("Warning"), "{said}");
    }
    world.delete_plugin("other");
    world.mesh.kubectl(&["delete", "configmap", "other", "--namespace", "shop"]).unwrap();
    for object in [
        labelled(plugin(world, "labelled", &other)),
        labelled(config_map("labelled", "notes", "no policy")),
        config_map("mistyped", "policy.yaml", "apiVersion: gatepost/1\n"),
    ] {
        denial(world, &object);
    }
    let module = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "module", "namespace": "shop" },
        "binaryData": { "filter.wasm": "AGFzbQ==" },
    });
    world.mesh.apply(&labelled(module).to_string()).unwrap();
    world.mesh.kubectl(&["delete", "configmap", "module", "--namespace", "shop"]).unwrap();
}

/// As large as etcd takes, as deep as the API server takes, and what a terminal would obey.
pub fn hostile(world: &mut World) {
    install(world);
    let mapping = |number| {
        json!({ "host": format!("customer-{number:06}.example.com"),
        "authority": "shop.default.svc.cluster.local" })
    };
    let mut mappings: Vec<Value> = (0..16_000).map(mapping).collect();
    let large = |mappings: &[Value]| {
        let hosts = json!({ "mappings": mappings });
        json!({ "apiVersion": "gatepost/v1", "hosts": hosts })
    };
    let good = plugin(world, "large", &large(&mappings)).to_string();
    assert!(good.len() > 1_300_000, "{}", good.len());
    world.mesh.apply(&good).unwrap();
    mappings[15_999]["hots"] = json!("x");
    let said = denial(world, &plugin(world, "large", &large(&mappings)));
    assert!(said.contains("hosts.mappings[15999].hots"), "{said}");
    world.delete_plugin("large");

    let mut deep = json!([]);
    for _ in 0..300 {
        deep = json!([deep]);
    }
    let mut nested = policy();
    nested["strip"] = deep;
    let said = denial(world, &plugin(world, "deep", &nested));
    assert!(said.contains("more than 100 lists and objects inside each other"), "{said}");

    let mut escapes = policy();
    escapes["mode"] = json!("\u{1b}[2J\u{7}\r\u{202e}");
    let said = denial(world, &plugin(world, "escapes", &escapes));
    assert!(!said.contains('\u{1b}') && said.contains(r"\u{1b}[2J"), "{said:?}");

    // Every mapping is wrong: the answer stays short.
    for mapping in &mut mappings {
        mapping["authority"] = json!("not a host");
    }
    let said = denial(world, &plugin(world, "large", &large(&mappings)));
    assert!(said.len() < 100_000 && said.contains("more: `gatepost check`"), "{}", said.len());
}

/// A bad object that was there before the webhook can be deleted, and its metadata changed.
pub fn earlier(world: &mut World) {
    remove(world);
    let mut object = bad(world, "earlier");
    object["metadata"]["finalizers"] = json!(["gatepost.example/held"]);
    world.mesh.apply(&object.to_string()).unwrap();
    install(world);

    let on = ["wasmplugin", "earlier", "--namespace", "istio-system"];
    let kubectl = |world: &World, command: &[&str], more: &[&str]| {
        world.mesh.kubectl(&[command, &on, more].concat())
    };
    kubectl(world, &["annotate"], &["example.com/note=x"]).unwrap();
    let status = r#"{"status":{"observedGeneration":1}}"#;
    let on_status = ["--subresource=status", "--type=merge", "--patch", status];
    kubectl(world, &["patch"], &on_status).unwrap();
    let worse = r#"{"spec":{"priority":7}}"#;
    assert!(denied(kubectl(world, &["patch"], &["--type=merge", "--patch", worse])));

    kubectl(world, &["delete"], &["--wait=false"]).unwrap();
    let free = r#"{"metadata":{"finalizers":null}}"#;
    kubectl(world, &["patch"], &["--type=merge", "--patch", free]).unwrap();
    kubectl(world, &["wait", "--for=delete"], &[]).unwrap();
    assert!(!is_stored(world, "wasmplugin", "earlier", "istio-system"));
}

/// Without the webhook no plugin changes while the policy is Fail, and every one does while it is
/// Ignore. What is deleted is deleted in both cases.
pub fn down(world: &mut World) {
    install(world);
    world.mesh.apply(&plugin(world, "before", &policy()).to_string()).unwrap();
    scale(world, 0);
    let good = plugin(world, "down", &policy()).to_string();
    let error = world.mesh.apply(&good).unwrap_err().to_string();
    assert!(error.contains(UNREACHED), "{error}");
    world.delete_plugin("before");
    // Other people's objects are not held up.
    world.mesh.apply(&config_map("other", "data", "of others").to_string()).unwrap();
    world.mesh.kubectl(&["delete", "configmap", "other", "--namespace", "shop"]).unwrap();

    failure_policy(world, "Ignore");
    let bad = bad(world, "down").to_string();
    let started = Instant::now();
    while let Err(error) = world.mesh.apply(&bad) {
        assert!(started.elapsed() < WITHIN, "{error}");
    }
    world.delete_plugin("down");
    failure_policy(world, "Fail");
    scale(world, 2);
    deny_until(world);
}

fn scale(world: &mut World, replicas: usize) {
    let replicas = format!("--replicas={replicas}");
    let deployment = ["deployment", "gatepost-admission", "-n", "gatepost-admission"];
    world.mesh.kubectl(&[&["scale"][..], &deployment, &[&replicas]].concat()).unwrap();
    world.mesh.converge().unwrap();
}

fn failure_policy(world: &World, policy: &str) {
    let patch: Vec<Value> = (0..2)
        .map(|webhook| {
            let path = format!("/webhooks/{webhook}/failurePolicy");
            json!({ "op": "replace", "path": path, "value": policy })
        })
        .collect();
    let patch = json!(patch).to_string();
    world.mesh.kubectl(&["patch", CONFIGURATION, "--type=json", "--patch", &patch]).unwrap();
}

/// No apply fails while the certificate is replaced, and the new one is used.
pub fn certificate(world: &mut World) {
    install(world);
    let bad = bad(world, "certified").to_string();
    let serial = |world: &World| {
        let secret = ["get", "secret", "gatepost-admission-tls", "-n", "gatepost-admission"];
        world.mesh.kubectl(&[&secret[..], &["-o", "jsonpath={.data.tls\\.crt}"]].concat()).unwrap()
    };
    let before = serial(world);
    certify(world);
    assert_ne!(before, serial(world));
    let started = Instant::now();
    loop {
        let said = world.mesh.apply(&bad).unwrap_err().to_string();
        assert!(said.contains(DENIED), "{said}");
        let uses_new =
            |pod: &RunningPod| world.mesh.log(pod).contains("the new certificate is in use");
        if pods(world).iter().all(uses_new) {
            break;
        }
        assert!(started.elapsed() < WITHIN, "the pods keep the old certificate");
        world.mesh.step().unwrap();
    }
    // New pods have only ever had the new one.
    scale(world, 0);
    scale(world, 2);
    deny_until(world);
}

/// A kustomization of one's own with the component for cert-manager, rendered.
fn kustomized(world: &World) -> Vec<Value> {
    let own = world.mesh.folder().join("own");
    std::fs::create_dir_all(&own).unwrap();
    // From the folder to the root, and from there to the component.
    let up = "../".repeat(own.canonicalize().unwrap().components().count() - 1);
    let base = format!("{up}{}", folder().canonicalize().unwrap().display());
    let text = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [base],
        "components": [format!("{base}/cert-manager")],
        "images": [{ "name": "registry.invalid/gatepost", "newName": "example.com/gatepost" }],
    });
    std::fs::write(own.join("kustomization.yaml"), text.to_string()).unwrap();
    let rendered = world.mesh.kubectl(&["kustomize", &own.to_string_lossy()]).unwrap();
    serde_saphyr::from_multiple(&rendered).unwrap()
}

/// One Secret for the pods, and an authority that is written into the configuration. No API server
/// here has cert-manager's kinds.
pub fn cert_manager(world: &mut World) {
    let objects = kustomized(world);
    let named = |kind: &str, name: &str| {
        let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
        objects.iter().find(is_it).unwrap_or_else(|| panic!("no {kind} {name}"))
    };
    let certificate = named("Certificate", "gatepost-admission");
    let deployment = named("Deployment", "gatepost-admission");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["containers"][0]["image"], "example.com/gatepost:0.1.0");
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], certificate["spec"]["secretName"]);
    let configuration = named("ValidatingWebhookConfiguration", "gatepost-admission");
    let annotations = &configuration["metadata"]["annotations"];
    let from = "gatepost-admission/gatepost-admission";
    assert_eq!(annotations["cert-manager.io/inject-ca-from"], from);
    for webhook in configuration["webhooks"].as_array().unwrap() {
        let service = &webhook["clientConfig"]["service"];
        let host = |part: &str| service[part].as_str().unwrap().to_owned();
        let host = format!("{}.{}.svc", host("name"), host("namespace"));
        assert_eq!(certificate["spec"]["dnsNames"], json!([host]));
    }
    let issuer = named("Issuer", "gatepost-admission");
    let authority = named("Certificate", "gatepost-admission-authority");
    assert_eq!(issuer["spec"]["ca"]["secretName"], authority["spec"]["secretName"]);
}

/// What Helm installs is what the kustomization has, and it denies.
pub fn chart(world: &mut World) {
    const NAME: &str = "gatepost-admission";
    const IMAGE: &str = "admission.image=example.com/gatepost:0.1.0";
    let chart = folder().join("../chart");
    let chart = chart.to_string_lossy();
    let helm = |world: &World, command: &str, more: &[&str]| {
        let fixed = [command, NAME, &chart, "--namespace", NAME, "--set", "admission.enabled=true"];
        world.mesh.run("helm", &[&fixed[..], &["--set", IMAGE], more].concat()).unwrap()
    };
    let rendered = helm(world, "template", &["--set", "admission.certManager=true"]);
    let rendered: Vec<Value> = serde_saphyr::from_multiple(&rendered).unwrap();
    let sorted = |mut objects: Vec<Value>| {
        objects.retain(|object| object["kind"] != "Namespace");
        objects.sort_by_key(|object| (object["kind"].to_string(), object["metadata"].to_string()));
        objects
    };
    assert_eq!(sorted(rendered), sorted(kustomized(world)));

    remove(world);
    helm(world, "install", &["--create-namespace"]);
    certify(world);
    world.mesh.converge().unwrap();
    deny_until(world);
    world.mesh.run("helm", &["uninstall", NAME, "--namespace", NAME]).unwrap();
    forget_until(world);
    world.mesh.apply(&plugin(world, "after", &policy()).to_string()).unwrap();
    world.delete_plugin("after");
}

/// A thousand applies, a third of them denied, leave the webhook's memory as it was.
pub fn thousand(world: &mut World) {
    const ROUNDS: usize = 10;
    const EACH: usize = 100;
    install(world);
    let mut sizes = Vec::new();
    for round in 0..ROUNDS {
        let object = |number: usize| {
            let mapping = |host: usize| {
                let host = format!("h{host}-{round}.example");
                json!({ "host": host, "authority": "a.default" })
            };
            let mut policy = json!({
                "apiVersion": "gatepost/v1",
                "hosts": { "mappings": (0..200).map(mapping).collect::<Vec<_>>() },
            });
            if number.is_multiple_of(3) {
                policy["hosts"]["unmaped"] = json!("reject");
            }
            config_map(&format!("many-{number}"), "policy.yaml", &policy.to_string())
        };
        let objects = list((0..EACH).map(object).collect());
        let said = world.mesh.apply(&objects.to_string()).unwrap_err().to_string();
        let others = said.lines().find(|line| line.contains("Error") && !line.contains(DENIED));
        assert_eq!((said.matches(DENIED).count(), others), (EACH.div_ceil(3), None));
        sizes.push(resident());
    }
    println!("resident KiB after each hundred: {sizes:?}");
    // The first rounds fill what the allocator keeps.
    let (early, last) = (sizes[2], sizes[ROUNDS - 1]);
    assert!(last < early + early / 10 + 2048, "{sizes:?}");
    let made = ["delete", "configmaps", "--namespace", "shop", "--all", "--wait=false"];
    world.mesh.kubectl(&made).unwrap();
    uninstall(world);
}

/// What all processes of the webhook have in memory, in KiB.
fn resident() -> u64 {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let sizes = processes.filter_map(|process| {
        let line = std::fs::read(process.path().join("cmdline")).ok()?;
        if !line.starts_with(b"/usr/local/bin/gatepost\0admission\0") {
            return None;
        }
        let status = std::fs::read_to_string(process.path().join("status")).ok()?;
        let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        size.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    let sizes: Vec<u64> = sizes.collect();
    assert_eq!(sizes.len(), 2, "{sizes:?}");
    sizes.iter().sum()
}
