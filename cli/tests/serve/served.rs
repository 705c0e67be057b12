//! A running `gatepost serve`, and what it prints.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gatepost_testbed::client::soon;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// The process. Dropping it kills it.
pub struct Served {
    pub address: SocketAddr,
    child: Child,
    /// What it prints, if anybody reads it.
    stderr: Option<Lines<BufReader<ChildStderr>>>,
    stdout: Option<Lines<BufReader<ChildStdout>>>,
}

impl Served {
    /// Starts it on a free port, and waits until it serves.
    pub async fn start(policy: &Path, routes: &[(&str, SocketAddr)]) -> Self {
        Self::start_with(policy, routes, &[]).await
    }

    pub async fn start_with(policy: &Path, routes: &[(&str, SocketAddr)], more: &[&str]) -> Self {
        Self::spawn(serve(policy, "127.0.0.1:0", routes).args(more)).await.0
    }

    /// Starts a command, and waits until it serves. The text is what it printed until then.
    pub async fn spawn(command: &mut Command) -> (Self, String) {
        let mut child = command.spawn().expect("it can be started");
        let mut stderr = lines(child.stderr.take());
        let stdout = lines(child.stdout.take());
        let mut said = String::new();
        loop {
            let line = soon(stderr.next_line()).await.expect("text");
            said += &line.unwrap_or_else(|| panic!("it never says where it serves, but: {said}"));
            if let Some(address) =
                said.rsplit("http://").next().and_then(|address| address.parse().ok())
            {
                let (stderr, stdout) = (Some(stderr), Some(stdout));
                return (Self { address, child, stderr, stdout }, said);
            }
            said.push('\n');
        }
    }

    /// A process that was started to listen here, and whose output nobody reads. Waits until it
    /// serves.
    pub async fn unread(child: Child, address: SocketAddr) -> Self {
        soon(async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        Self { address, child, stderr: None, stdout: None }
    }

    /// Reads standard error until a line contains `what`, and returns all of it.
    pub async fn says(&mut self, what: &str) -> String {
        let mut said = String::new();
        loop {
            let stderr = self.stderr.as_mut().expect("it is read");
            let line = soon(stderr.next_line()).await.expect("text");
            said += &line.unwrap_or_else(|| panic!("it never says {what}, but: {said}"));
            said.push('\n');
            if said.lines().next_back().is_some_and(|line| line.contains(what)) {
                return said;
            }
        }
    }

    /// The next line of its access log.
    pub async fn logs(&mut self) -> String {
        let stdout = self.stdout.as_mut().expect("it is read");
        soon(stdout.next_line()).await.expect("text").expect("a line")
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs");
        let sent =
            std::process::Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status();
        assert!(sent.expect("a shell").success());
    }

    pub async fn ends(&mut self) -> ExitStatus {
        soon(self.child.wait()).await.expect("it can be waited for")
    }
}

/// The command line.
pub fn serve(policy: &Path, listen: &str, routes: &[(&str, SocketAddr)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command.args(["serve", "--listen", listen, "--workers", "2", "--policy"]).arg(policy);
    for (host, address) in routes {
        command.arg("--route").arg(format!("{host}=http://{address}"));
    }
    // The tests must not use the user's cache.
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_remove("CLICOLOR_FORCE")
        .kill_on_drop(true);
    command
}

fn lines<R: AsyncRead + Unpin>(stream: Option<R>) -> Lines<BufReader<R>> {
    BufReader::new(stream.expect("it is piped")).lines()
}

/// A folder with a policy that may change. Each policy puts its name into the header `x-policy` of
/// every request.
pub struct Folder(TempDir);

impl Folder {
    pub fn with(name: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write(&policy(name));
        folder
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn policy(&self) -> PathBuf {
        self.path().join("policy.yaml")
    }

    /// Writes as an editor does that writes in place: the file is empty for a moment.
    pub fn write(&self, text: &str) {
        std::fs::write(self.policy(), text).expect("it can be written");
    }

    /// Writes as an editor does that writes a new file and renames it.
    pub fn replace(&self, text: &str) {
        let new = self.path().join("policy.yaml.new");
        std::fs::write(&new, text).expect("it can be written");
        std::fs::rename(new, self.policy()).expect("it can be renamed");
    }
}

pub fn policy(name: &str) -> String {
    format!(
        "apiVersion: gatepost/v1
environments:
  sources: [{{ header: env }}]
  default: {name}
  hints: {{ headers: {{ x-policy: \"{{env}}\" }} }}
"
    )
}

/// One of the policies that ship.
pub fn shipped(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies")).join(name).join("policy.yaml")
}
