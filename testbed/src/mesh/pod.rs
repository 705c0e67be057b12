//! A pod: namespaces with an address, and processes in them.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::address::{HOST, PREFIX};
use super::error::MeshError;
use super::inside::{BRIDGE, ip, run};
use super::process::{Process, folder};

/// What keeps the namespaces open. The agent stores modules below /var/lib/istio/data, which an
/// image of Istio's has.
const PAUSE: &str = "mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/istio/data && \
                     echo ready && exec sleep infinity";

/// A pod without a container yet.
#[derive(Debug)]
pub(super) struct Pod {
    pause: Process,
    address: Ipv4Addr,
}

impl Pod {
    /// Makes the namespaces and connects them.
    pub fn new(name: &str, address: Ipv4Addr, parent: &Path) -> Result<Self, MeshError> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--mount", "sh", "-c", PAUSE]);
        let folder = folder(parent, &format!("{name}-pause"))?;
        let mut pause = Process::start(&format!("the pod {name}"), &mut command, &folder)?;
        let log = folder.join("log");
        let is_ready = || std::fs::read_to_string(&log).ok().filter(|log| log.contains("ready"));
        pause.ready(Duration::from_secs(10), is_ready)?;
        let pod = Self { pause, address };
        let (id, end) = (pod.id().to_string(), format!("pod{}", pod.id()));
        ip(&["link", "add", &end, "type", "veth", "peer", "name", "eth0", "netns", &id])?;
        ip(&["link", "set", &end, "master", BRIDGE, "up"])?;
        pod.ip(&["link", "set", "lo", "up"])?;
        pod.ip(&["address", "add", &format!("{address}/{PREFIX}"), "dev", "eth0"])?;
        pod.ip(&["link", "set", "eth0", "up"])?;
        pod.ip(&["route", "add", "default", "via", &HOST.to_string()])?;
        Ok(pod)
    }

    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// A process that has the pod's namespaces.
    pub fn id(&self) -> u32 {
        self.pause.id()
    }

    /// A command in the pod.
    pub fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--net", "--mount", "--target", &self.id().to_string()])
            .arg(format!("--wd={}", folder.display()))
            .arg(program);
        command
    }

    fn ip(&self, arguments: &[&str]) -> Result<(), MeshError> {
        let id = self.id().to_string();
        run("nsenter", &[&["--net", "--target", &id, "ip"], arguments].concat())
    }
}
