//! A running container: a program in the pod's namespaces, or an echo upstream in this process.

use std::cell::Cell;
use std::path::Path;

use k8s_openapi::api::core::v1::{Container as Specification, Pod as Object, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use super::super::address::{API_SERVER, HOST};
use super::super::error::MeshError;
use super::super::pod::Pod;
use super::super::process::{Process, folder, status};
use super::environment::{expand, variables};
use super::error::PodError;
use super::lookup::Lookup;
use super::program::Program;
use crate::echo::Upstream;

/// A running container.
#[derive(Debug)]
pub(super) struct Container {
    specification: Specification,
    /// Whether its startup probe has passed once. Until then no other is asked.
    is_started: Cell<bool>,
    runs: Runs,
}

#[derive(Debug)]
enum Runs {
    Process(Process),
    // Dropped, and so ended, with this.
    Echo { _upstreams: Vec<Upstream> },
}

impl Container {
    pub async fn start(
        specification: &Specification,
        object: &Object,
        pod: &Pod,
        lookup: &Lookup<'_>,
        parent: &Path,
    ) -> Result<Self, PodError> {
        let program = Program::of(specification)?;
        let variables = variables(specification, object, lookup)?;
        let runs = if program == Program::Echo {
            let env = variables.get("ENV").map(String::as_str);
            let name = workload(object);
            Runs::Echo { _upstreams: echo(specification, pod, &name, env).await? }
        } else {
            let words = |words: &Option<Vec<String>>| {
                words.iter().flatten().map(|word| expand(word, &variables)).collect()
            };
            let (args, command) = (words(&specification.args), words(&specification.command));
            let line = program.command_line(specification, args, command)?;
            let folder = folder(parent, &specification.name)?;
            let mut command = pod.command(&line);
            command
                .env_clear()
                .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
                .env("HOSTNAME", object.name_any())
                .env("KUBERNETES_SERVICE_HOST", HOST.to_string())
                .env("KUBERNETES_SERVICE_PORT", API_SERVER.to_string())
                .envs(variables);
            Runs::Process(Process::start(&specification.name, &mut command, &folder)?)
        };
        let is_started = Cell::new(specification.startup_probe.is_none());
        Ok(Self { specification: specification.clone(), is_started, runs })
    }

    pub fn specification(&self) -> &Specification {
        &self.specification
    }

    /// What it printed. An echo upstream prints nothing.
    pub fn log(&self) -> String {
        match &self.runs {
            Runs::Process(process) => process.log(),
            Runs::Echo { .. } => String::new(),
        }
    }

    /// Why it does not run any more, if so.
    pub fn ended(&mut self) -> Option<MeshError> {
        match &mut self.runs {
            Runs::Process(process) => process.ended(),
            Runs::Echo { .. } => None,
        }
    }

    /// Whether a program runs that may end by itself.
    pub fn runs(&mut self) -> bool {
        match &mut self.runs {
            Runs::Process(process) => process.ended().is_none(),
            Runs::Echo { .. } => false,
        }
    }

    /// Asks the program to end.
    pub fn terminate(&self) {
        if let Runs::Process(process) = &self.runs {
            // The container's own process enters the pod's namespaces, and starts the program.
            process.terminate_children();
        }
    }

    /// Whether its startup probe has passed, and its readiness probe passes.
    pub fn is_ready(&self, pod: &Pod) -> bool {
        let passes =
            |probe: &Option<Probe>| probe.as_ref().is_none_or(|probe| self.passes(probe, pod));
        if !self.is_started.get() {
            self.is_started.set(passes(&self.specification.startup_probe));
        }
        self.is_started.get() && passes(&self.specification.readiness_probe)
    }

    /// Whether a probe passes. One that is no HTTP or TCP has passed: the program that it asks is
    /// not there.
    fn passes(&self, probe: &Probe, pod: &Pod) -> bool {
        if let Some(get) = &probe.http_get {
            if get.scheme.as_deref() == Some("HTTPS") {
                return true;
            }
            let Some(port) = self.port(&get.port) else { return false };
            let path = get.path.as_deref().unwrap_or("/");
            let url = format!("http://{}:{port}{path}", pod.address());
            let headers = get.http_headers.iter().flatten();
            let headers = headers.map(|header| (&*header.name, &*header.value)).collect::<Vec<_>>();
            status(&url, &headers).is_some_and(|status| (200..400).contains(&status))
        } else if let Some(socket) = &probe.tcp_socket {
            let port = self.port(&socket.port);
            port.is_some_and(|port| std::net::TcpStream::connect((pod.address(), port)).is_ok())
        } else {
            true
        }
    }

    fn port(&self, port: &IntOrString) -> Option<u16> {
        match port {
            IntOrString::Int(port) => u16::try_from(*port).ok(),
            IntOrString::String(name) => {
                let mut ports = self.specification.ports.iter().flatten();
                let found = ports.find(|port| port.name.as_ref() == Some(name))?;
                u16::try_from(found.container_port).ok()
            }
        }
    }
}

/// An upstream on each TCP port of a container.
async fn echo(
    container: &Specification,
    pod: &Pod,
    name: &str,
    env: Option<&str>,
) -> Result<Vec<Upstream>, PodError> {
    let mut upstreams = Vec::new();
    for port in container.ports.iter().flatten() {
        let is_tcp = port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP");
        let Some(number) = u16::try_from(port.container_port).ok().filter(|_| is_tcp) else {
            continue;
        };
        let failed =
            |source| PodError::Listen { container: container.name.clone(), port: number, source };
        let listener = pod.listen(number).map_err(failed)?;
        upstreams.push(Upstream::start_with(listener, name, env).map_err(failed)?);
    }
    Ok(upstreams)
}

/// The name of the Deployment that made a pod, or the pod's own. The pod's name has those of its
/// ReplicaSet and a hash before.
fn workload(pod: &Object) -> String {
    let name = pod.name_any();
    let hash: Option<&String> = pod.labels().get("pod-template-hash");
    let before = hash.and_then(|hash| name.rsplit_once(&format!("-{hash}-")));
    before.map_or(name.clone(), |(before, _)| before.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_echo_upstream_is_named_after_the_deployment() {
        let name = |name: &str, labels: serde_json::Value| {
            let pod = json!({ "metadata": { "name": name, "labels": labels } });
            workload(&serde_json::from_value(pod).unwrap())
        };
        let hash = json!({ "pod-template-hash": "7d4b9c" });
        assert_eq!(name("my-app-7d4b9c-x2x4z", hash), "my-app");
        assert_eq!(name("my-app", json!({})), "my-app");
    }
}
