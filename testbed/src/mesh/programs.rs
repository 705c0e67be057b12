//! The Go programs of the mesh, built from the module e2e/mesh. Go keeps what it compiled, so only
//! the first build takes minutes.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::MeshError;
use super::pod::Mount;
use super::process::{Failed, output};
use crate::FileError;
use crate::envoy::fetch;

/// The Go module.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/mesh");

/// The release of Kubernetes, as go.mod has it. Without it `kubectl` warns of another version.
const KUBERNETES: &str = "v1.36.1";

/// The release of Istio that go.mod's commit leads to, which agents tell istiod.
const ISTIO: &str = "1.31.0";

/// What is built: two programs of our own, and two as they are.
const PACKAGES: [&str; 4] = [
    "./kubernetes",
    "./istio",
    "helm.sh/helm/v4/cmd/helm",
    "github.com/fullstorydev/grpcurl/cmd/grpcurl",
];

/// The names that each program is called by.
const NAMES: [(&str, &[&str]); 2] = [
    ("kubernetes", &["kube-apiserver", "kube-controller-manager", "kube-proxy", "kubectl"]),
    ("istio", &["pilot-discovery", "pilot-agent", "istioctl"]),
];

/// Where an image has the `gatepost` command. It is the program that has started the mesh, which
/// must be that command when it is called so.
pub const GATEPOST: &str = "/usr/local/bin/gatepost";

/// The package whose folder has the definitions of Knative's kinds.
const KNATIVE: &str = "knative.dev/serving/config/core/300-resources";

const NO_GO: &str = "The mesh is built with Go 1.26 or newer: install it from your system's \
                     packages or from go.dev";

/// Programs that are ready to run.
#[derive(Debug)]
pub struct Programs {
    folder: PathBuf,
    envoy: PathBuf,
    istio: PathBuf,
    definitions: [PathBuf; 3],
}

impl Programs {
    /// Builds them into `mesh` below a folder, and fetches Envoy.
    ///
    /// # Errors
    /// When Go is missing, or a program does not build.
    pub fn built(downloads: &Path) -> Result<Self, MeshError> {
        let folder = downloads.join("mesh");
        std::fs::create_dir_all(&folder).map_err(FileError::when("create", &folder))?;
        let envoy = fetch::envoy(fetch::VERSION, downloads)?;
        if !folder.join("istio").is_file() {
            eprintln!("building Kubernetes and Istio: some ten minutes, once");
        }
        let version = format!(
            "-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES} \
             -X k8s.io/component-base/version.gitMajor=1 \
             -X k8s.io/component-base/version.gitMinor=36 \
             -X istio.io/istio/pkg/version.buildVersion={ISTIO}"
        );
        let mut out = folder.clone().into_os_string();
        out.push("/");
        go(Command::new("go")
            .args(["build", "-trimpath", "-buildvcs=false", "-ldflags", &version])
            .arg("-o")
            .arg(out)
            .args(PACKAGES))?;
        for (program, names) in NAMES {
            for name in names {
                let link = folder.join(name);
                if link.symlink_metadata().is_err() {
                    std::os::unix::fs::symlink(program, &link)
                        .map_err(FileError::when("create", &link))?;
                }
            }
        }
        let source = |module: &str| {
            let listed = go(Command::new("go").args(["list", "-m", "-f", "{{.Dir}}", module]));
            listed.map(|folder| PathBuf::from(folder.trim()))
        };
        let istio = source("istio.io/istio")?;
        // The definitions of Knative's kinds are files of a module as well, of another version of
        // everything: so it stands in a module of its own, beside those of GKE's kinds.
        let gke = Path::new(MODULE).join("definitions");
        let list = ["list", "-f", "{{.Dir}}", KNATIVE];
        let knative = go_in(&gke, Command::new("go").args(list))?;
        let gateway_api = source("sigs.k8s.io/gateway-api")?.join("config/crd/standard");
        let definitions = [gateway_api, PathBuf::from(knative.trim()), gke];
        Ok(Self { folder, envoy, istio, definitions })
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of them, by its name.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Folders with the definitions of kinds that Istio does not bring: the Gateway API's,
    /// Knative's and GKE's.
    pub(super) fn definitions(&self) -> &[PathBuf] {
        &self.definitions
    }

    /// What images of Istio, Envoy and Gatepost have, and where they have it.
    pub(super) fn images(&self) -> Vec<Mount> {
        let bootstrap = self.istio.join("tools/packaging/common/envoy_bootstrap.json");
        let this = std::env::current_exe().unwrap_or_default();
        [
            (this, GATEPOST),
            (self.program("pilot-discovery"), "/usr/local/bin/pilot-discovery"),
            (self.program("pilot-agent"), "/usr/local/bin/pilot-agent"),
            (self.envoy.clone(), "/usr/local/bin/envoy"),
            (bootstrap, "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"),
        ]
        .map(|(outside, inside)| {
            // A link would lead out of the pod.
            (outside.canonicalize().unwrap_or(outside), PathBuf::from(inside))
        })
        .into()
    }
}

fn go(command: &mut Command) -> Result<String, MeshError> {
    go_in(Path::new(MODULE), command)
}

fn go_in(module: &Path, command: &mut Command) -> Result<String, MeshError> {
    output(command.current_dir(module)).map_err(|failed| match failed {
        Failed::NotRun(source) => MeshError::Missing { program: "go", advice: NO_GO, source },
        Failed::Said(printed) => MeshError::Build { printed },
    })
}
