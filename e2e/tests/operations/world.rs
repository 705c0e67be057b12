//! Two gateway pods with a balancer in front, in a mesh of their own.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gatepost_e2e::in_mesh::TARGET;
use gatepost_e2e::scenario::write_module;
use gatepost_testbed::mesh::{Mesh, RunningPod};

use crate::balancer::{Balancer, Check, Kubectl};

/// The listener that the balancer sends to.
pub const LISTENER: u16 = 8080;

/// The balancer's question that goes through the filter.
pub const THROUGH_THE_FILTER: Check = Check { port: LISTENER, path: "/" };

/// Istio's own readiness.
pub const READINESS: Check = Check { port: 15021, path: "/healthz/ready" };

/// The host of the application of `shop.yaml`.
pub const APPLICATION: &str = "app.shop.example";

/// The gateway's pods.
const PODS: &str = "istio=ingressgateway";

/// What a gateway's log says of a policy that its filter refuses.
pub const REFUSED: &str = "gatepost: configuration refused";

/// How long the mesh may take to do what an object says.
const WITHIN: Duration = Duration::from_secs(120);

/// What tests share: that only one of them has a mesh.
#[derive(Default)]
pub struct Worlds(Option<World>);

impl Worlds {
    /// The gateways of `deploy/knative-gclb/today`, which have the filter. A pod of theirs has a
    /// shorter drain: the balancer of the tests sees it in two seconds, and not in sixty.
    pub fn today(&mut self) -> &mut World {
        let deploy =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").canonicalize().unwrap();
        write_module(&deploy).unwrap();
        self.start(THROUGH_THE_FILTER, "my-service.test.com", |mesh| {
            for folder in ["knative-gclb/today", "knative-gclb/knative-made/today"] {
                let folder = deploy.join(folder);
                let rendered = mesh.kubectl(&["kustomize", &folder.to_string_lossy()]).unwrap();
                let rendered = rendered
                    .replace("terminationDrainDuration: 70s", "terminationDrainDuration: 10s")
                    .replace(
                        "terminationGracePeriodSeconds: 80",
                        "terminationGracePeriodSeconds: 20",
                    );
                mesh.apply(&rendered).unwrap();
            }
        })
    }

    /// Istio's own gateway without the filter, and an application behind it. Its pods drain for
    /// longer than the balancer takes to see it.
    pub fn without_filter(&mut self) -> &mut World {
        self.start(READINESS, APPLICATION, |mesh| {
            mesh.apply_gateway().unwrap();
            let annotation = r#"{"proxy.istio.io/config":"terminationDrainDuration: 10s"}"#;
            let template = format!(r#"{{"metadata":{{"annotations":{annotation}}}}}"#);
            let patch = format!(r#"{{"spec":{{"template":{template}}}}}"#);
            let deployment = "deployment/istio-ingressgateway";
            mesh.kubectl(&["patch", deployment, "-n", "istio-system", "--patch", &patch]).unwrap();
            mesh.apply(include_str!("shop.yaml")).unwrap();
        })
    }

    fn start(&mut self, check: Check, host: &'static str, apply: impl FnOnce(&Mesh)) -> &mut World {
        // The last one ends before.
        self.0 = None;
        let mut mesh = Mesh::start(Path::new(TARGET)).unwrap();
        apply(&mesh);
        mesh.kubectl(&[
            "scale",
            "deployment/istio-ingressgateway",
            "--namespace=istio-system",
            "--replicas=2",
        ])
        .unwrap();
        mesh.converge().unwrap();
        let kubectl = Kubectl {
            program: mesh.programs().join("kubectl"),
            kubeconfig: mesh.kubeconfig().to_owned(),
        };
        let balancer = Balancer::start(kubectl, check, host);
        let world = self.0.insert(World { mesh, balancer });
        world.until("two pods are healthy", |world| world.balancer.healthy().len() == 2);
        world
    }
}

pub struct World {
    pub mesh: Mesh,
    pub balancer: Balancer,
}

impl World {
    /// The pods of the gateway, oldest first.
    pub fn pods(&self) -> Vec<RunningPod> {
        self.mesh.pods(PODS).unwrap()
    }

    /// Waits until a deleted pod is gone and another runs in its place, and gives that one. `stays`
    /// is the other pod from before.
    pub fn successor(&mut self, deleted: &RunningPod, stays: &RunningPod) -> RunningPod {
        self.until("the pod is gone, and another runs", |world| {
            let pods = world.pods();
            pods.len() == 2 && pods.iter().all(|pod| pod.name != deleted.name)
        });
        let mut pods = self.pods();
        pods.retain(|pod| pod.name != stays.name);
        pods.remove(0)
    }

    /// The gateway's two pods.
    pub fn two_pods(&self) -> [RunningPod; 2] {
        self.pods().try_into().unwrap()
    }

    /// Lets pods start and end until something is so.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&mut Self) -> bool) {
        let started = Instant::now();
        loop {
            self.mesh.step().unwrap();
            if is_so(self) {
                return;
            }
            assert!(started.elapsed() < WITHIN, "not within {WITHIN:?}: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Goes on until the clients have got so many answers more.
    pub fn answers(&mut self, more: usize) {
        let before = self.balancer.total();
        self.until("clients get answers", |world| world.balancer.total() >= before + more);
    }

    /// Makes a change, and waits until each pod has logged this text because of it: until then
    /// istiod may give a pod that starts what was before.
    pub fn change_until_logged(&mut self, text: &str, change: impl FnOnce(&mut Self)) {
        let logged = |world: &Self, pod: &RunningPod| world.mesh.log(pod).matches(text).count();
        let pods = self.pods().into_iter();
        let before: Vec<_> = pods.map(|pod| (logged(self, &pod), pod)).collect();
        change(self);
        self.until(&format!("each pod has logged {text}"), |world| {
            before.iter().all(|(count, pod)| logged(world, pod) > *count)
        });
    }

    /// Runs a block of a page's commands in a folder, with `gatepost` and the mesh's programs, and
    /// gives what they printed. The first command that fails ends it.
    pub fn shell(&mut self, block: &str, folder: &Path) -> Result<String, String> {
        let programs = folder.join("bin");
        std::fs::create_dir_all(&programs).unwrap();
        let gatepost: PathBuf = programs.join("gatepost");
        if !gatepost.exists() {
            std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &gatepost).unwrap();
        }
        let line = format!("set -e; PATH={}:$PATH\n{block}", programs.display());
        self.mesh.shell(&line, folder).map_err(|error| error.to_string())
    }

    /// Deletes a pod, and does not wait.
    pub fn delete(&self, pod: &RunningPod) {
        let arguments = ["delete", "pod", &pod.name, "--namespace", &pod.namespace];
        self.mesh.kubectl(&[&arguments[..], &["--wait=false"]].concat()).unwrap();
    }

    /// Changes the object that loads the filter.
    pub fn patch_plugin(&self, patch: &str) {
        self.try_patch_plugin(patch).unwrap();
    }

    /// The same, or what `kubectl` says against it.
    pub fn try_patch_plugin(&self, patch: &str) -> Result<String, String> {
        let object = ["patch", "trafficextension/gatepost", "--namespace=istio-system"];
        let patched =
            self.mesh.kubectl(&[&object[..], &["--type=json", "--patch", patch]].concat());
        patched.map_err(|error| error.to_string())
    }

    /// The status of a path at a pod's port, for a host.
    pub fn status_of(
        &self,
        pod: Ipv4Addr,
        check: Check,
        user_agent: &str,
        host: &str,
    ) -> Option<u16> {
        let url = format!("http://{pod}:{}{}", check.port, check.path);
        let curl = std::process::Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "5", "--output", "/dev/null"])
            .args(["--write-out", "%{http_code}", "--user-agent", user_agent])
            .args(["--header", &format!("host: {host}"), &url])
            .output()
            .unwrap();
        if !curl.status.success() {
            eprint!("{url} for {host}: {}", String::from_utf8_lossy(&curl.stderr));
        }
        String::from_utf8(curl.stdout).unwrap().parse().ok().filter(|status| *status > 0)
    }
}
