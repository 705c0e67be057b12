//! The Helm charts: Gatepost's own, and the example of an application with one release for each
//! environment.

use std::path::{Path, PathBuf};

use gatepost_authoring::PolicyFile;
use gatepost_e2e::scenario;
use gatepost_testbed::mesh::MeshError;
use serde_json::{Value, json};

use crate::plugins::{ENV2, policy};
use crate::rendered;
use crate::world::World;

/// The name of the release and of its plugin, which no other test has: Envoy remembers the last
/// configuration of a name.
const RELEASE: &str = "by-helm";

/// A host that only the filter leads anywhere.
const PUBLIC: &str = "app.example";

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn helm(world: &World, arguments: &[&str]) -> Result<String, MeshError> {
    world.mesh.run("helm", arguments)
}

/// Helm, with Gatepost's chart, this policy and further settings.
fn gatepost(
    world: &World,
    command: &str,
    policy: &Value,
    settings: &[&str],
) -> Result<String, MeshError> {
    let file = world.mesh.folder().join("policy.json");
    std::fs::write(&file, policy.to_string()).unwrap();
    let (chart, file) = (deploy().join("chart"), format!("policy={}", file.display()));
    let chart = chart.to_string_lossy();
    let arguments = [command, RELEASE, &chart, "--namespace", "istio-system", "--set-file", &file];
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    helm(world, &arguments.into_iter().chain(settings).collect::<Vec<_>>())
}

/// The gateway follows each, and what Helm makes is what `gatepost render` writes.
pub fn life(world: &mut World) {
    world.ask_until(404, PUBLIC, &ENV2);
    let module = format!("module.file={}", world.module());
    let settings = [&*module, "ports={8080}", "health.gateway=shop/public"];
    gatepost(world, "install", &policy(), &settings).unwrap();
    world.ask_until(200, PUBLIC, &ENV2);
    let get = ["get", "wasmplugin", RELEASE, "-n", "istio-system", "-o", "jsonpath={.spec}"];
    let by_helm: Value = serde_json::from_str(&world.mesh.kubectl(&get).unwrap()).unwrap();
    let file = PolicyFile::parse("policy.json", &policy().to_string()).unwrap();
    let by_render = rendered::wasm_plugin(world, &file);
    let by_render: Value = serde_saphyr::from_str(&by_render).unwrap();
    assert_eq!(by_helm, by_render["spec"]);

    let mut without = policy();
    without["environments"]["allow"] = json!(["env1"]);
    let wrong = gatepost(world, "upgrade", &without, &["module.file=", "ports={}"]).unwrap_err();
    let wrong = wrong.to_string();
    assert!(wrong.contains("/module/file") && wrong.contains("/ports"), "{wrong}");
    assert_eq!(world.ask(PUBLIC, &ENV2).0, 200, "nothing was sent");

    gatepost(world, "upgrade", &without, &settings).unwrap();
    world.ask_until(404, PUBLIC, &ENV2);
    helm(world, &["rollback", RELEASE, "1", "--namespace", "istio-system"]).unwrap();
    world.ask_until(200, PUBLIC, &ENV2);
    helm(world, &["uninstall", RELEASE, "--namespace", "istio-system"]).unwrap();
    world.ask_until(404, PUBLIC, &ENV2);
    assert_eq!(labelled(world), "");
}

/// Helm keeps a release in a Secret, and the module is in it twice.
pub fn with_the_module(world: &mut World) {
    scenario::write_module(&deploy()).unwrap();
    gatepost(world, "install", &policy(), &["module.configMap=true"]).unwrap();
    let made = labelled(world);
    let module = made.lines().find(|name| name.starts_with("configmap/by-helm-filter-"));
    let module = module.unwrap_or_else(|| panic!("{made}")).to_owned();
    helm(world, &["uninstall", RELEASE, "--namespace", "istio-system"]).unwrap();
    // Pods mount it until their Deployment names another.
    assert_eq!(labelled(world).trim(), module);
    world.mesh.kubectl(&["delete", &module, "--namespace", "istio-system"]).unwrap();
}

/// The names of all that carries Gatepost's label.
fn labelled(world: &World) -> String {
    let kinds =
        "wasmplugins,trafficextensions,envoyfilters,virtualservices,serviceentries,configmaps";
    let label = "app.kubernetes.io/name=gatepost";
    let arguments = ["get", kinds, "-n", "istio-system", "-l", label, "-o", "name"];
    world.mesh.kubectl(&arguments).unwrap()
}

/// What an operator of the gateway has made, with its versions.
fn objects_of_the_gateway(world: &World) -> String {
    let kinds = "gateways.networking.istio.io,virtualservices,envoyfilters,wasmplugins";
    let version =
        "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}\n";
    world.mesh.kubectl(&["get", kinds, "-A", "-o", &format!("{version}{{end}}")]).unwrap()
}

/// A new environment is one release of the application's chart, and nothing else changes.
pub fn environments(world: &mut World) {
    let policy = rendered::policy(
        r#"
apiVersion: gatepost/v1
environments:
  sources: [{ header: env }]
  allow: ["env*"]
  unknown: reject
  hints:
    headers: { x-gatepost-cluster: "outbound|50051||app-service.{env}.svc.cluster.local" }
    authority: "{env}.previews.internal"
hosts: { private: ["*.previews.internal"] }
"#,
    );
    let (plugin, routes) = rendered::for_any_environment(world, &policy);
    world.mesh.apply(&routes).unwrap();
    world.mesh.apply(&plugin).unwrap();
    let before = objects_of_the_gateway(world);
    let env7 = [("env", "env7")];
    world.ask_until(404, PUBLIC, &env7);
    // By their names: an upgrade starts others.
    let pods = |world: &World| -> Vec<String> {
        let pods = world.mesh.pods("app=app").unwrap();
        pods.into_iter().map(|pod| pod.name).collect()
    };

    let chart = deploy().join("asm-grpc-env/chart");
    let chart = chart.to_string_lossy();
    let release = ["app-env7", &chart, "--set", "namespace.name=env7", "--namespace", "default"];
    helm(world, &[&["install"][..], &release].concat()).unwrap();
    world.mesh.converge().unwrap();
    let seen = world.ask_until(200, PUBLIC, &env7);
    assert_eq!(seen["upstream"], "app");
    let first = pods(world);

    helm(world, &[&["upgrade"][..], &release, &["--set", "app.image.tag=2.0.0"]].concat()).unwrap();
    world.mesh.converge().unwrap();
    let second = pods(world);
    assert_ne!(first, second);
    world.ask_until(200, PUBLIC, &env7);
    helm(world, &["rollback", "app-env7", "1", "--namespace", "default"]).unwrap();
    world.mesh.converge().unwrap();
    assert_ne!(second, pods(world));
    world.ask_until(200, PUBLIC, &env7);
    assert_eq!(before, objects_of_the_gateway(world));

    helm(world, &["uninstall", "app-env7", "--namespace", "default"]).unwrap();
    world.mesh.converge().unwrap();
    world.ask_until(404, PUBLIC, &env7);
    rendered::delete(world, &plugin);
    rendered::delete(world, &routes);
}

/// A manifest that begins with a command of Helm's is what that writes today. `UPDATE_DEPLOY=1`
/// writes them anew.
pub fn templates(world: &mut World) {
    const COMMAND: &str = "# $ helm template ";
    let root = deploy().join("..");
    let list = format!("grep --recursive --files-with-matches '^{COMMAND}' deploy");
    for file in world.mesh.shell(&list, &root).unwrap().lines() {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let arguments = text.lines().next().and_then(|line| line.strip_prefix(COMMAND));
        let arguments = arguments.unwrap_or_else(|| panic!("{file}: not its first line"));
        let today = world.mesh.shell(&format!("helm template {arguments}"), &root).unwrap();
        let today = format!("{COMMAND}{arguments}\n{today}");
        if std::env::var_os("UPDATE_DEPLOY").is_some() {
            std::fs::write(root.join(file), &today).unwrap();
        }
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(text == today, "{file} differs from what its command writes");
    }
}
