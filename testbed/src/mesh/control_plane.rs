//! The control plane: the API server with its etcd, and istiod.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::address::{API_SERVER, HOST, ISTIOD, SERVICES};
use super::error::MeshError;
use super::kubectl::Kubectl;
use super::objects;
use super::pod::Pod;
use super::process::{Process, folder, status, write};
use super::programs::Programs;

const READY_WITHIN: Duration = Duration::from_secs(120);

/// The one user. The group may do everything.
const TOKEN: &str = "mesh";
const USERS: &str = "mesh,admin,admin,system:masters\n";

/// Kubernetes' API server.
#[derive(Debug)]
pub(super) struct ApiServer {
    // Dropped, and so ended, with this.
    _process: Process,
    kubeconfig: PathBuf,
}

impl ApiServer {
    pub fn start(programs: &Programs, parent: &Path) -> Result<Self, MeshError> {
        let folder = folder(parent, "kube-apiserver")?;
        write(&folder.join("users.csv"), USERS)?;
        let kubeconfig = parent.join("kubeconfig");
        write(&kubeconfig, &config())?;
        let mut command = Command::new(programs.program("kube-apiserver"));
        command.current_dir(&folder).args([
            &format!("--bind-address={HOST}"),
            &format!("--advertise-address={HOST}"),
            &format!("--secure-port={API_SERVER}"),
            &format!("--service-cluster-ip-range={SERVICES}"),
            "--cert-dir=certificates",
            "--token-auth-file=users.csv",
            "--authorization-mode=RBAC",
            // It would refuse pods whose service account no controller has made yet.
            "--disable-admission-plugins=ServiceAccount",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=service-accounts.key",
            "--service-account-signing-key-file=service-accounts.key",
        ]);
        let mut process = Process::start("kube-apiserver", &mut command, &folder)?;
        let kubectl = Kubectl::new(programs, &kubeconfig);
        process.ready(READY_WITHIN, || kubectl.run(&["get", "--raw", "/readyz"], "").ok())?;
        Ok(Self { _process: process, kubeconfig })
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

/// How clients reach the API server. Its certificate is its own.
fn config() -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: mesh\n\
         clusters:\n- name: mesh\n  cluster:\n    server: https://{HOST}:{API_SERVER}\n    \
         insecure-skip-tls-verify: true\n\
         contexts:\n- name: mesh\n  context: {{cluster: mesh, user: admin}}\n\
         users:\n- name: admin\n  user: {{token: {TOKEN}}}\n"
    )
}

/// Istio's control plane, in a pod of its own.
#[derive(Debug)]
pub(super) struct Istiod {
    _process: Process,
    _pod: Pod,
}

impl Istiod {
    pub fn start(programs: &Programs, kubectl: &Kubectl, parent: &Path) -> Result<Self, MeshError> {
        let folder = folder(parent, "istiod")?;
        let pod = Pod::new("istiod", ISTIOD, parent)?;
        let mut command = pod.command(programs.program("pilot-discovery"), &folder);
        command
            .args(["discovery", "--ctrlz_port", "0", "--kubeconfig"])
            .arg(parent.join("kubeconfig"))
            .envs([
                ("POD_NAME", "istiod"),
                ("POD_NAMESPACE", "istio-system"),
                ("CLUSTER_ID", "Kubernetes"),
                // A stock Envoy has none of Istio's own filters.
                ("PILOT_ENABLE_METADATA_EXCHANGE", "false"),
                ("PILOT_ENABLE_ALPN_FILTER", "false"),
            ]);
        let mut process = Process::start("istiod", &mut command, &folder)?;
        let ready = format!("http://{ISTIOD}:8080/ready");
        process.ready(READY_WITHIN, || status(&ready).filter(|status| *status == 200))?;
        let root = process.ready(READY_WITHIN, || root_certificate(kubectl).ok())?;
        kubectl.apply(&objects::validation(&root).to_string())?;
        Ok(Self { _process: process, _pod: pod })
    }
}

/// The certificate that istiod and what it signs are trusted by, in PEM. Istiod writes it when it
/// has started.
pub(super) fn root_certificate(kubectl: &Kubectl) -> Result<String, MeshError> {
    let configmap = ["configmap", "istio-ca-root-cert", "--namespace", "istio-system"];
    let output = ["--output", "jsonpath={.data.root-cert\\.pem}"];
    kubectl.run(&[&["get"][..], &configmap, &output].concat(), "")
}
