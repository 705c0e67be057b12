//! The module's ways into a gateway: an image in a registry, which Istio's agent fetches, and a
//! ConfigMap. The registry is Debian's docker-registry, inside the mesh's network.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_render::image::{Image, Layout};
use gatepost_render::registry::{Access, Credentials, Options, Reference, Registry};
use gatepost_testbed::docker_registry::{DockerRegistry, Needs, USER};
use gatepost_testbed::mesh::{MeshError, address};
use serde_json::json;

use crate::world::{ENVIRONMENT, LISTENER, World};

/// What `gatepost push` does outside of loopback with a registry that has no TLS.
const OPTIONS: Options = Options {
    insecure: true,
    timeout: Duration::from_secs(30),
    notice: |text| eprintln!("{text}"),
};

/// A host that no route has. A plugin leads it to the application.
const HOST: &str = "delivered.example";

/// Pushes the filter, checks that the agent could read it, and gives the plugin's `url`.
fn push(registry: &DockerRegistry, layout: Layout, credentials: &Credentials) -> String {
    let name = format!("{}/mesh/gatepost:{}", registry.host(), layout.name());
    let reference: Reference = name.parse().unwrap();
    let image = Image::of(gatepost_filter_wasm::MODULE, layout).unwrap();
    let registry =
        Registry::connect(&reference, Access::Push, credentials.clone(), &OPTIONS).unwrap();
    registry.push(&reference, &image).unwrap();
    let pulled = registry.pull(&reference).unwrap();
    assert_eq!((pulled.layout, pulled.module.as_slice()), (layout, gatepost_filter_wasm::MODULE));
    reference.pinned(image.digest())
}

/// Applies a plugin with its module at this URL.
fn apply(world: &World, name: &str, url: &str, secret: Option<&str>) {
    let mapping = json!({ "host": HOST, "authority": ENVIRONMENT });
    let policy = json!({ "apiVersion": "gatepost/v1", "hosts": { "mappings": [mapping] } });
    let mut plugin = world.plugin(name, &policy, Some(LISTENER));
    plugin["spec"]["url"] = json!(url);
    if let Some(secret) = secret {
        plugin["spec"]["imagePullSecret"] = json!(secret);
    }
    world.mesh.apply(&plugin.to_string()).unwrap();
}

fn remove(world: &World, name: &str) {
    world.delete_plugin(name);
    world.ask_until(404, HOST, &[]);
}

pub fn from_a_registry(world: &mut World) {
    let registry = DockerRegistry::start(address::HOST.into(), Needs::Nothing);
    for layout in [Layout::Compat, Layout::Artifact] {
        apply(world, "delivered", &push(&registry, layout, &Credentials::none()), None);
        world.ask_until(200, HOST, &[]);
        remove(world, "delivered");
    }
}

/// The agent takes a realm for a URL that it must not be led to, also where it is a text for
/// people. `gatepost verify` warns of that.
pub fn from_a_private_registry(world: &mut World) {
    let folder = tempfile::tempdir().unwrap();
    for (realm, status) in [("Registry", 403), ("https://registry.example", 200)] {
        let registry = DockerRegistry::start(address::HOST.into(), Needs::Password { realm });
        let file = folder.path().join("config.json");
        std::fs::write(&file, configuration(registry.host())).unwrap();
        let credentials = Credentials::of_file(&file, registry.host()).unwrap();
        let url = push(&registry, Layout::Compat, &credentials);
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "registry", "namespace": "istio-system" },
            "type": "kubernetes.io/dockerconfigjson",
            "data": { ".dockerconfigjson": STANDARD.encode(configuration(registry.host())) },
        });
        world.mesh.apply(&secret.to_string()).unwrap();
        apply(world, "delivered", &url, Some("registry"));
        world.ask_until(status, HOST, &[]);
        remove(world, "delivered");
    }
    let log = world.gateway_log();
    assert!(log.contains("rejected unsafe bearer realm"), "{log}");
}

fn configuration(host: &str) -> String {
    let (user, password) = USER;
    let entry = STANDARD.encode(format!("{user}:{password}"));
    json!({ "auths": { host: { "auth": entry } } }).to_string()
}

/// An update to a file that is not there is refused, and the running filter stays.
pub fn missing_file(world: &mut World) {
    // A name of its own: a plugin that is made anew after this has no effect at first.
    let name = "missing-file";
    let module = world.mesh.folder().join("delivered.wasm");
    std::fs::write(&module, gatepost_filter_wasm::MODULE).unwrap();
    apply(world, name, &format!("file://{}", module.display()), None);
    world.ask_until(200, HOST, &[]);

    apply(world, name, "file:///var/lib/gatepost/missing.wasm", None);
    world.log_until("missing.wasm", 0);
    assert_eq!(world.ask(HOST, &[]).0, 200);
    remove(world, name);
}

/// The components of deploy/, around the gateway that is there.
pub fn components(world: &mut World) {
    let folder = tempfile::tempdir().unwrap();
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let copied = Command::new("cp")
        .arg("-r")
        .arg(repository.join("deploy"))
        .arg(folder.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let module = folder.path().join("deploy/components/module-configmap/filter.wasm");
    std::fs::write(module, gatepost_filter_wasm::MODULE).unwrap();

    let built = |component: &str| {
        let file = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n\
             resources: [deploy/gateway, plugin.yaml]\n\
             components: [deploy/components/{component}]\n"
        );
        std::fs::write(folder.path().join("kustomization.yaml"), file).unwrap();
        let plugin = world.plugin("gatepost", &json!({ "apiVersion": "gatepost/v1" }), None);
        std::fs::write(folder.path().join("plugin.yaml"), plugin.to_string()).unwrap();
        world.mesh.kubectl(&["kustomize", &folder.path().to_string_lossy()]).unwrap()
    };
    let with_configmap = built("module-configmap");
    let said = world.mesh.dry_run(&with_configmap).unwrap();
    assert!(said.contains("configmap/gatepost-filter-"), "{said}");
    let name = with_configmap.split("gatepost-filter-").nth(1).unwrap();
    let name = format!("gatepost-filter-{}", name.split_whitespace().next().unwrap());
    assert_eq!(with_configmap.matches(&name).count(), 2, "{name} and its mount");

    let file = folder.path().join("built.yaml");
    std::fs::write(&file, &with_configmap).unwrap();
    let file = file.to_string_lossy();
    let client_side = ["apply", "--dry-run=server", "--filename", &file];
    let error = world.mesh.kubectl(&client_side).unwrap_err();
    let MeshError::Kubectl { printed, .. } = &error else { panic!("{error}") };
    assert!(printed.contains("may not be more than 262144 bytes"), "{printed}");

    let with_image = built("module-image-volume");
    assert!(with_image.contains("file:///var/lib/gatepost/plugin.wasm"), "{with_image}");
    world.mesh.dry_run(&with_image).unwrap();
}
