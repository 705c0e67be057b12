//! The namespaces of a mesh. The process runs itself again inside them: as root, or else by a user
//! namespace in which it is root. It is the init of what runs in there: when it ends, the kernel
//! ends all others.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::address::{HOST, PREFIX, SERVICES};
use super::error::MeshError;
use super::process::{Failed, output, write};
use crate::FileError;

/// Marks a process that is inside. Its value is the process outside that has the namespaces.
const VARIABLE: &str = "GATEPOST_INSIDE_MESH";

/// The bridge that connects the pods.
pub(super) const BRIDGE: &str = "pods";

/// Whether this process is inside.
pub(super) fn is_entered() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Continues inside: outside, this program starts again and this never returns; inside, it sets the
/// network up.
///
/// # Errors
/// When the kernel refuses, or a program for it is missing.
pub(super) fn enter() -> Result<(), MeshError> {
    if !is_entered() {
        return Err(again());
    }
    ip(&["link", "set", "lo", "up"])?;
    ip(&["link", "add", BRIDGE, "type", "bridge"])?;
    ip(&["address", "add", &format!("{HOST}/{PREFIX}"), "dev", BRIDGE])?;
    ip(&["link", "set", BRIDGE, "up"])?;
    // What leads the addresses of Services to pods must be there, and the host must pass it on.
    run("nft", &["list", "ruleset"])?;
    ip(&["route", "add", SERVICES, "dev", BRIDGE])?;
    write(Path::new("/proc/sys/net/ipv4/ip_forward"), "1")
}

/// The number of the process that holds the namespaces, as it is outside of them: for `nsenter`.
#[must_use]
pub fn holder() -> String {
    std::env::var(VARIABLE).unwrap_or_default()
}

/// Whether the namespaces belong to a user namespace, because nobody was root outside.
#[must_use]
pub fn is_user_namespace() -> bool {
    // Outside of every user namespace all users are mapped to themselves.
    std::fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().nth(2) == Some("1"))
}

/// Runs this program again, inside. Returns only when that fails.
fn again() -> MeshError {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return FileError::when("find", Path::new("this program"))(error).into(),
    };
    let mut arguments: Vec<OsString> =
        ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
            .map(OsString::from)
            .into();
    if !rustix::process::getuid().is_root() {
        arguments.extend(["--user", "--map-root-user"].map(OsString::from));
    }
    // What the kernel refuses is found here, where it can be explained.
    let mut attempt = Command::new("unshare");
    if let Err(failed) = output(attempt.args(&arguments).arg("true")) {
        return refused("unshare", failed);
    }
    let mut inside = Command::new("unshare");
    inside.args(arguments).arg(program).args(std::env::args_os().skip(1));
    // `exec` keeps the number.
    inside.env(VARIABLE, std::process::id().to_string());
    refused("unshare", Failed::NotRun(inside.exec()))
}

/// Runs `ip`.
pub(super) fn ip(arguments: &[&str]) -> Result<(), MeshError> {
    run("ip", arguments)
}

/// Runs a program that sets up the network.
pub(super) fn run(program: &'static str, arguments: &[&str]) -> Result<(), MeshError> {
    let done = output(Command::new(program).args(arguments));
    done.map(drop).map_err(|failed| refused(program, failed))
}

fn refused(program: &'static str, failed: Failed) -> MeshError {
    match failed {
        Failed::NotRun(source) => MeshError::Missing {
            program,
            advice: "On Debian and Ubuntu: apt-get install iproute2 nftables util-linux",
            source,
        },
        Failed::Said(printed) => MeshError::Namespaces { program, printed },
    }
}
