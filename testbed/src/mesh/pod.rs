//! A pod's namespaces: a network with an address, processes, and a root folder that has the
//! system's programs, what an image of Istio's or Envoy's has, and the pod's volumes.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::address::{HOST, PREFIX};
use super::error::MeshError;
use super::inside::{BRIDGE, ip, run};
use super::process::{Process, folder};

/// Mounts the root folder ($1) and pairs of a path outside and its path in the pod, and keeps the
/// namespaces open. As the init of the pod's processes it ends them all when it ends. It is ready
/// when its own root is the pod's, which the containers' processes take from it.
const PAUSE: &str = r#"set -e
root=$1
shift
mount -t tmpfs tmpfs "$root"
mkdir "$root/proc" "$root/tmp" "$root/run"
while [ $# -gt 0 ]; do
    to=$root$2
    mkdir -p "${to%/*}"
    if [ -L "$1" ]; then
        cp -P "$1" "$to"
    elif [ -d "$1" ]; then
        mkdir -p "$to"
        mount --rbind "$1" "$to"
    else
        [ -e "$to" ] || : > "$to"
        mount --bind "$1" "$to"
    fi
    shift 2
done
mount -t proc proc "$root/proc"
exec chroot "$root" sh -c 'echo ready; exec sleep infinity'"#;

/// The parts of the system that programs need. /usr/local is the image's own.
const SYSTEM: [&str; 8] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/dev", "/sys"];
const ETC: [&str; 7] =
    ["resolv.conf", "nsswitch.conf", "passwd", "group", "ssl", "ld.so.cache", "ca-certificates"];

/// A path outside and the path in a pod that it is mounted at.
pub(super) type Mount = (PathBuf, PathBuf);

/// The mounts of the system.
pub(super) fn system() -> Vec<Mount> {
    let of_usr = std::fs::read_dir("/usr").into_iter().flatten().flatten();
    let of_usr = of_usr
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name != "local"));
    let fixed = SYSTEM.iter().map(PathBuf::from);
    let of_etc = ETC.iter().map(|name| Path::new("/etc").join(name));
    let all = fixed.chain(of_etc).chain(of_usr);
    all.filter(|path| path.symlink_metadata().is_ok()).map(|path| (path.clone(), path)).collect()
}

/// The namespaces of a pod, which end with this.
#[derive(Debug)]
pub(super) struct Pod {
    // Dropped, and so ended, with this.
    _pause: Process,
    /// The init of the pod's processes.
    init: u32,
    address: Ipv4Addr,
}

impl Pod {
    /// Makes the namespaces and connects them.
    pub fn new(
        name: &str,
        address: Ipv4Addr,
        parent: &Path,
        mounts: &[Mount],
    ) -> Result<Self, MeshError> {
        let root = folder(parent, "root")?;
        let folder = folder(parent, "pause")?;
        let mut command = Command::new("unshare");
        command
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", PAUSE, "pause"])
            .arg(&root)
            .args(mounts.iter().flat_map(|(outside, inside)| [outside, inside]));
        let mut pause = Process::start(&format!("the pod {name}"), &mut command, &folder)?;
        let log = folder.join("log");
        let is_ready = || std::fs::read_to_string(&log).ok().filter(|log| log.ends_with("ready\n"));
        pause.ready(Duration::from_secs(20), is_ready)?;
        let children = format!("/proc/{id}/task/{id}/children", id = pause.id());
        let init = || std::fs::read_to_string(&children).ok()?.trim().parse().ok();
        let init = pause.ready(Duration::from_secs(10), init)?;
        let pod = Self { _pause: pause, init, address };
        let (id, end) = (init.to_string(), format!("pod{init}"));
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

    /// A command in the pod, in its root folder.
    pub fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--net", "--mount", "--pid", "--root", "--wd", "--target"])
            .arg(self.init.to_string())
            .args(words);
        command
    }

    /// A socket of this process that listens in the pod's network, on all its addresses.
    pub fn listen(&self, port: u16) -> std::io::Result<TcpListener> {
        let network = File::open(format!("/proc/{}/ns/net", self.init))?;
        // A socket belongs to the network of the thread that made it.
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        });
        thread.join().unwrap_or_else(|_| Err(std::io::Error::other("a thread panicked")))
    }

    fn ip(&self, arguments: &[&str]) -> Result<(), MeshError> {
        let id = self.init.to_string();
        run("nsenter", &[&["--net", "--target", &id, "ip"], arguments].concat())
    }
}
