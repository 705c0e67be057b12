//! Debian's Chromium without a window: it opens one page, runs its scripts, and shows what became
//! of it. It knows the names below `.test`, which all lead to the gateway, and no other.

use std::net::SocketAddr;
use std::process::Stdio;

use gatepost_testbed::client::soon;
use tempfile::TempDir;
use tokio::process::Command;

/// A user of the browser, who keeps cookies that last.
pub struct User {
    profile: TempDir,
}

impl User {
    pub fn new() -> Self {
        Self { profile: tempfile::tempdir().expect("a folder") }
    }

    /// The document at a URL, as HTML, once nothing is being loaded any more. One that cannot be
    /// loaded is empty.
    pub async fn open(&self, url: &str, gateway: SocketAddr) -> String {
        let chromium = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"])
            .args(["--no-proxy-server", "--password-store=basic"])
            .arg(format!("--user-data-dir={}", self.profile.path().display()))
            .arg(format!("--host-resolver-rules=MAP *.test {gateway}, MAP * ~NOTFOUND"))
            // In the page's own time, which stands still while something is being loaded.
            .arg("--virtual-time-budget=10000")
            .args(["--dump-dom", url])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = soon(chromium).await.expect("chromium runs: apt-get install chromium");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{url}: {}: {log}", output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
