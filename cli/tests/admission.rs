//! `gatepost admission` as a process: its certificate as Kubernetes mounts it, its pages, its end.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use gatepost_testbed::client::soon;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

const HOST: &str = "gatepost-admission.gatepost.svc";

const REVIEW: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{
"uid":"1","operation":"CREATE","namespace":"edge","name":"gatepost","object":{"apiVersion":"v1",
"kind":"ConfigMap","metadata":{},"data":{"policy.yaml":
"apiVersion: gatepost/v1\nhosts: {unmaped: reject}\n"}}}}"#;

/// A folder with a certificate as the kubelet mounts a Secret: names are links through `..data`.
struct Secret {
    folder: TempDir,
    versions: usize,
}

impl Secret {
    fn new() -> Self {
        let mut secret = Self { folder: tempfile::tempdir().expect("a folder"), versions: 0 };
        for name in ["tls.crt", "tls.key"] {
            symlink(format!("..data/{name}"), secret.path(name)).expect("a link");
        }
        secret.replace();
        secret
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new certificate, in one change.
    fn replace(&mut self) {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).expect("a certificate");
        self.replace_by(&made.cert.pem(), &made.signing_key.serialize_pem());
    }

    fn replace_by(&mut self, chain: &str, key: &str) {
        self.versions += 1;
        let version = format!("..{}", self.versions);
        std::fs::create_dir(self.path(&version)).expect("a folder");
        std::fs::write(self.path(&version).join("tls.crt"), chain).expect("a file");
        std::fs::write(self.path(&version).join("tls.key"), key).expect("a file");
        symlink(version, self.path("..new")).expect("a link");
        std::fs::rename(self.path("..new"), self.path("..data")).expect("a link");
    }
}

/// The running command.
struct Webhook {
    child: Child,
    stderr: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
    admin: SocketAddr,
}

fn command(secret: &Secret) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatepost"));
    command
        .args(["admission", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--tls-cert"])
        .arg(secret.path("tls.crt"))
        .arg("--tls-key")
        .arg(secret.path("tls.key"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Webhook {
    async fn start(secret: &Secret) -> Self {
        let mut child = command(secret).spawn().expect("it can be started");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut address = async |scheme: &str| {
            let line = soon(stderr.next_line()).await.expect("text").expect("a line");
            let rest = line.split(scheme).nth(1).unwrap_or_else(|| panic!("{line}"));
            let address = rest.split('/').next().expect("an address");
            address.parse().unwrap_or_else(|_| panic!("{line}"))
        };
        let admin = address("http://").await;
        let address = address("https://").await;
        Self { child, stderr, address, admin }
    }

    /// Reads standard error until a line has this.
    async fn says(&mut self, what: &str) {
        loop {
            let line = soon(self.stderr.next_line()).await.expect("text");
            if line.expect("it never says so").contains(what) {
                return;
            }
        }
    }

    /// What curl prints when it sends the review, and trusts this certificate.
    async fn asks(&self, root: &Path) -> Option<String> {
        let port = self.address.port();
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--data-binary", REVIEW])
            .args(["--header", "content-type: application/json", "--max-time", "60"])
            .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1"), "--cacert"])
            .arg(root)
            .arg(format!("https://{HOST}:{port}/validate"))
            .output()
            .await
            .expect("curl");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn page(&self, path: &str) -> (String, String) {
        let output = Command::new("curl")
            .args(["--silent", "--noproxy", "*", "--write-out", "\n%{http_code}"])
            .arg(format!("http://{}{path}", self.admin))
            .output()
            .await
            .expect("curl");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let (page, status) = printed.rsplit_once('\n').expect("a status");
        (status.to_owned(), page.to_owned())
    }
}

#[tokio::test]
async fn a_review_is_denied_logged_and_counted() {
    let secret = Secret::new();
    let mut webhook = Webhook::start(&secret).await;
    assert_eq!(webhook.page("/readyz").await, ("200".to_owned(), "ok\n".to_owned()));
    let answer = webhook.asks(&secret.path("tls.crt")).await.expect("an answer");
    assert!(answer.contains("unknown field `unmaped`"), "{answer}");
    webhook.says("denied ConfigMap edge/gatepost: data[\"policy.yaml\"].hosts.unmaped: ").await;
    let (status, metrics) = webhook.page("/metrics").await;
    assert_eq!(status, "200");
    for line in [
        "gatepost_admission_reviews_total{verdict=\"denied\"} 1",
        "gatepost_admission_certificate_loads_total{outcome=\"accepted\"} 1",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    assert_eq!(webhook.page("/validate").await.0, "404");
}

#[tokio::test]
async fn a_secret_that_changes_is_followed_and_a_bad_one_changes_nothing() {
    let mut secret = Secret::new();
    let mut webhook = Webhook::start(&secret).await;
    let first = secret.path("first");
    std::fs::copy(secret.path("tls.crt"), &first).expect("a file");
    secret.replace_by("no certificate", "no key");
    webhook.says("the certificate that was in use stays in use").await;
    assert!(webhook.asks(&first).await.is_some());
    secret.replace();
    webhook.says("the new certificate is in use").await;
    assert!(webhook.asks(&secret.path("tls.crt")).await.is_some());
    assert!(webhook.asks(&first).await.is_none(), "the old one is gone");
    let metrics = webhook.page("/metrics").await.1;
    assert!(metrics.contains("certificate_loads_total{outcome=\"refused\"}"), "{metrics}");
}

/// Twenty reviews of eight megabytes at once, as bad as they can be: of as many values as fit.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn large_and_hostile_reviews_stay_within_the_memory_of_the_deployment() {
    let secret = Secret::new();
    let webhook = Webhook::start(&secret).await;
    let root = secret.path("tls.crt");
    webhook.asks(&root).await.expect("an answer");
    let values = "0,".repeat(4_000_000 - 200);
    let hostile = REVIEW.replace("\"data\":{", &format!("\"data\":{{\"gatepost/v1\":[{values}0],"));
    let file = secret.path("hostile.json");
    std::fs::write(&file, &hostile).expect("a file");
    let url = format!("https://{HOST}:{}/validate", webhook.address.port());
    let attacks: Vec<Child> = (0..20)
        .map(|_| {
            Command::new("curl")
                .args(["--silent", "--insecure", "--noproxy", "*", "--output", "/dev/null"])
                .args(["--resolve", &format!("{HOST}:{}:127.0.0.1", webhook.address.port())])
                .arg("--data-binary")
                .arg(format!("@{}", file.display()))
                .arg(&url)
                .kill_on_drop(true)
                .spawn()
                .expect("curl")
        })
        .collect();
    for mut attack in attacks {
        soon(attack.wait()).await.expect("its end");
    }
    // What it judges for nobody ends, and then it answers again.
    soon(async { while !webhook.asks(&root).await.expect("an answer").contains("unmaped") {} })
        .await;
    let status = format!("/proc/{}/status", webhook.child.id().expect("it runs"));
    let status = std::fs::read_to_string(status).expect("its status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(peak < 512 * 1024, "{peak} KiB");
}

#[tokio::test]
async fn it_ends_when_it_is_told_to() {
    let secret = Secret::new();
    let mut webhook = Webhook::start(&secret).await;
    let pid = webhook.child.id().expect("it runs");
    let sent = std::process::Command::new("sh").arg("-c").arg(format!("kill -TERM {pid}")).status();
    assert!(sent.expect("a shell").success());
    assert!(soon(webhook.child.wait()).await.expect("its end").success());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_told_at_the_start() {
    let mut secret = Secret::new();
    secret.replace_by("no certificate", "no key");
    let output = soon(command(&secret).output()).await.expect("it can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("tls.crt: no certificate in PEM"), "{said}");
}
