//! The control plane of the cluster: the API server with its etcd, Kubernetes' controllers, and a
//! door to the API server for this process. And its `kube-proxy`, which leads the addresses of
//! Services to pods.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kube::Client;
use serde_json::json;

use super::address::{API_SERVER, HOST, NODE, PODS, SERVICES};
use super::error::MeshError;
use super::kubectl::Kubectl;
use super::process::{Process, folder, status, write};
use super::programs::Programs;

const READY_WITHIN: Duration = Duration::from_secs(120);

/// The one user. The group may do everything.
const TOKEN: &str = "mesh";
const USERS: &str = "mesh,admin,admin,system:masters\n";

/// What of a cluster's controllers the mesh needs. The others are for nodes, volumes and clouds.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,endpointslice-controller,\
                           serviceaccount-controller,root-ca-certificate-publisher-controller,\
                           garbage-collector-controller,namespace-controller";

/// Where this process reaches the API server without TLS: on the host's own loopback, which no pod
/// and nothing outside the mesh reaches.
const DOOR: &str = "http://127.0.0.1:8001";

/// The running control plane. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct ControlPlane {
    // Dropped, and so ended, in this order.
    _proxy: Process,
    _controllers: Process,
    _door: Process,
    _api_server: Process,
    kubeconfig: PathBuf,
}

impl ControlPlane {
    pub fn start(programs: &Programs, parent: &Path) -> Result<Self, MeshError> {
        let kubeconfig = parent.join("kubeconfig");
        write(&kubeconfig, &config())?;
        let kubectl = Kubectl::new(programs, &kubeconfig);
        let api = folder(parent, "kube-apiserver")?;
        let mut api_server = api_server(programs, &api)?;
        api_server.ready(READY_WITHIN, || kubectl.run(&["get", "--raw", "/readyz"], "").ok())?;

        let door_in = folder(parent, "kubectl-proxy")?;
        let mut command = Command::new(programs.program("kubectl"));
        command.arg("--kubeconfig").arg(&kubeconfig).args(["proxy", "--port=8001"]);
        let mut door = Process::start("kubectl proxy", &mut command, &door_in)?;
        let ready = format!("{DOOR}/readyz");
        door.ready(READY_WITHIN, || status(&ready, &[]).filter(|status| *status == 200))?;

        let controllers_in = folder(parent, "kube-controller-manager")?;
        let mut command = Command::new(programs.program("kube-controller-manager"));
        command
            .current_dir(&controllers_in)
            .arg("--kubeconfig")
            .arg(&kubeconfig)
            .arg("--root-ca-file")
            .arg(api.join("certificates/apiserver.crt"))
            .arg(format!("--controllers={CONTROLLERS}"))
            .args(["--leader-elect=false", "--cert-dir=certificates"]);
        let controllers = Process::start("kube-controller-manager", &mut command, &controllers_in)?;

        let proxy_in = folder(parent, "kube-proxy")?;
        let configuration = proxy_in.join("configuration.yaml");
        write(&configuration, &proxy(&kubeconfig))?;
        let mut command = Command::new(programs.program("kube-proxy"));
        command.arg("--config").arg(&configuration);
        let proxy = Process::start("kube-proxy", &mut command, &proxy_in)?;
        Ok(Self {
            _proxy: proxy,
            _controllers: controllers,
            _door: door,
            _api_server: api_server,
            kubeconfig,
        })
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }
}

/// A client of the API server.
pub(super) fn client() -> Result<Client, kube::Error> {
    Client::try_from(kube::Config::new(http::Uri::from_static(DOOR)))
}

fn api_server(programs: &Programs, folder: &Path) -> Result<Process, MeshError> {
    write(&folder.join("users.csv"), USERS)?;
    let mut command = Command::new(programs.program("kube-apiserver"));
    command.current_dir(folder).args([
        &format!("--bind-address={HOST}"),
        &format!("--advertise-address={HOST}"),
        &format!("--secure-port={API_SERVER}"),
        &format!("--service-cluster-ip-range={SERVICES}"),
        "--cert-dir=certificates",
        "--token-auth-file=users.csv",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=service-accounts.key",
        "--service-account-signing-key-file=service-accounts.key",
    ]);
    Process::start("kube-apiserver", &mut command, folder)
}

/// How `kube-proxy` works. Pods answer each other without passing the host. So they must answer to
/// the host what came by the address of a Service: it hides the client.
fn proxy(kubeconfig: &Path) -> String {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": NODE,
        "clusterCIDR": PODS,
        "clientConnection": { "kubeconfig": kubeconfig },
        "nftables": { "masqueradeAll": true, "minSyncPeriod": "0s" },
        // The kernel's tables are for all networks of this machine.
        "conntrack": { "maxPerCore": 0, "min": 0 },
    })
    .to_string()
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
