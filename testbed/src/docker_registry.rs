//! A real registry for tests: Debian's docker-registry, with its content in a folder of its own.
//!
//! It is written for tests: what goes wrong is a panic.

use std::fs;
use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::reserved_address;

/// Who may use a registry with a password, and the password.
pub const USER: (&str, &str) = ("alice", "topsecret");

/// The same, as the registry has it.
const USERS: &str = "alice:$2y$04$rXLOz954wdeGG4uUTbJ/yOvuXyn7dihDaclPEaFFrn57LMkKA3czS\n";

/// What the registry asks of its clients.
#[derive(Clone, Copy, Debug)]
pub enum Needs<'a> {
    /// Nothing.
    Nothing,
    /// The password of [`USER`].
    Password {
        /// What it calls itself when it asks for that.
        realm: &'a str,
    },
    /// TLS. `authority.crt` in its folder is to be trusted.
    Tls,
}

/// A running registry, ended when this is dropped.
#[derive(Debug)]
pub struct DockerRegistry {
    host: String,
    folder: TempDir,
    process: Child,
    _port: TcpSocket,
}

impl DockerRegistry {
    /// Starts it at an address of this machine, on a port that is free.
    ///
    /// # Panics
    /// When there is no docker-registry, or it does not listen within a minute.
    #[must_use]
    pub fn start(address: IpAddr, needs: Needs<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, address) = reserved_address(address).expect("a port");
        let at = folder.path().display();
        let (tls, auth) = match needs {
            Needs::Nothing => (String::new(), String::new()),
            Needs::Password { realm } => {
                fs::write(folder.path().join("users"), USERS).expect("a file");
                let auth =
                    format!("auth: {{ htpasswd: {{ realm: {realm:?}, path: {at}/users }} }}\n");
                (String::new(), auth)
            }
            Needs::Tls => {
                certificates(folder.path());
                let files = format!("certificate: {at}/server.crt, key: {at}/server.key");
                (format!(", tls: {{ {files} }}"), String::new())
            }
        };
        let config = format!(
            "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {at}/content }} }}\n\
             http: {{ addr: {address}{tls} }}\n{auth}"
        );
        let file = folder.path().join("config.yml");
        fs::write(&file, config).expect("a file");
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry runs: apt-get install docker-registry");
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "docker-registry does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Self { host: address.to_string(), folder, process, _port: port }
    }

    /// Its host and port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where its certificates are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An authority, and a certificate of its for this address.
fn certificates(folder: &Path) {
    let make = |name: &str, more: &[&str]| {
        let file = |end: &str| folder.join(format!("{name}.{end}"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
            .arg("-keyout")
            .arg(file("key"))
            .arg("-out")
            .arg(file("crt"))
            .args(more)
            .current_dir(folder)
            .output()
            .expect("openssl runs: apt-get install openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    make("authority", &[]);
    let name = ["-addext", "subjectAltName=IP:127.0.0.1"];
    let is_none = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let by = ["-CA", "authority.crt", "-CAkey", "authority.key"];
    make("server", &[&name[..], &is_none, &by].concat());
}
