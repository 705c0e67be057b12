//! A gateway's pod: Istio's agent, which starts an Envoy and gets its configuration from istiod.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::address;
use super::control_plane::root_certificate;
use super::error::MeshError;
use super::kubectl::Kubectl;
use super::objects::{self, GatewayPod};
use super::pod::Pod;
use super::process::{Process, folder, status, write};
use super::programs::Programs;

/// Istio's release, which the agent tells istiod.
const ISTIO: &str = "1.31.0";

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    agent: Process,
    pod: Pod,
}

impl Gateway {
    pub(super) fn start(
        programs: &Programs,
        kubectl: &Kubectl,
        parent: &Path,
        of: &GatewayPod<'_>,
        number: u8,
    ) -> Result<Self, MeshError> {
        let GatewayPod { name, namespace, labels } = of;
        let folder = folder(parent, name)?;
        let pod = Pod::new(name, address::gateway(number), parent)?;
        kubectl.apply(&objects::of_gateway(of).to_string())?;
        let status_of = objects::running(pod.address()).to_string();
        let patch = ["--namespace", namespace, "--subresource", "status", "--type", "merge"];
        let patch = [&["patch", "pod", name][..], &patch, &["--patch", &status_of]].concat();
        kubectl.run(&patch, "")?;
        let token = ["create", "token", name, "--namespace", namespace, "--audience", "istio-ca"];
        let token = kubectl.run(&token, "")?;
        write(&folder.join("var/run/secrets/tokens/istio-token"), token.trim())?;
        let root = root_certificate(kubectl)?;
        write(&folder.join("var/run/secrets/istio/root-cert.pem"), &root)?;

        let labels: serde_json::Map<String, Value> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let config = json!({
            "discoveryAddress": "istiod.istio-system.svc:15012",
            "binaryPath": programs.envoy(),
            "configPath": folder.join("etc"),
            "statusPort": 15020,
            "proxyBootstrapTemplatePath": programs.bootstrap(),
        });
        let mut command = pod.command(programs.program("pilot-agent"), &folder);
        command
            .args(["proxy", "router", "--concurrency", "1"])
            .args(["--domain", &format!("{namespace}.svc.cluster.local")])
            .env("POD_NAME", name)
            .env("POD_NAMESPACE", namespace)
            .env("SERVICE_ACCOUNT", name)
            .env("INSTANCE_IP", pod.address().to_string())
            .env("CA_ADDR", "istiod.istio-system.svc:15012")
            .env("ISTIO_META_CLUSTER_ID", "Kubernetes")
            .env("ISTIO_META_ISTIO_VERSION", ISTIO)
            .env("ISTIO_METAJSON_LABELS", Value::Object(labels).to_string())
            .env("PROXY_CONFIG", config.to_string());
        let mut agent = Process::start(name, &mut command, &folder)?;
        let ready = format!("http://{}:15021/healthz/ready", pod.address());
        agent.ready(Duration::from_secs(60), || status(&ready).filter(|status| *status == 200))?;
        Ok(Self { agent, pod })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.pod.address()
    }

    /// What its agent and its Envoy logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.agent.log()
    }
}
