//! Debian's docker-registry, with its content in a folder of the test's.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// `alice` and `topsecret`.
const USERS: &str = "alice:$2y$04$rXLOz954wdeGG4uUTbJ/yOvuXyn7dihDaclPEaFFrn57LMkKA3czS\n";

/// What the registry asks of its clients.
pub enum Needs {
    Nothing,
    Password,
    Tls,
}

/// A running registry, ended when this is dropped.
pub struct DockerRegistry {
    /// Its address.
    pub host: String,
    folder: TempDir,
    process: Child,
}

impl DockerRegistry {
    pub fn start(needs: &Needs) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = port.local_addr().expect("an address");
        let at = folder.path().display();
        let more = match needs {
            Needs::Nothing => String::new(),
            Needs::Password => {
                fs::write(folder.path().join("users"), USERS).expect("a file");
                format!("auth: {{ htpasswd: {{ realm: Registry, path: {at}/users }} }}\n")
            }
            Needs::Tls => {
                certificates(folder.path());
                String::new()
            }
        };
        let tls = match needs {
            Needs::Tls => {
                format!(", tls: {{ certificate: {at}/server.crt, key: {at}/server.key }}")
            }
            _ => String::new(),
        };
        let config = format!(
            "version: 0.1\nstorage: {{ filesystem: {{ rootdirectory: {at}/content }} }}\n\
             http: {{ addr: {address}{tls} }}\n{more}"
        );
        let file = folder.path().join("config.yml");
        fs::write(&file, config).expect("a file");
        drop(port);
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry runs; `just test-registry` installs it");
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "docker-registry does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Self { host: address.to_string(), folder, process }
    }

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
        run(Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
            .arg("-keyout")
            .arg(file("key"))
            .arg("-out")
            .arg(file("crt"))
            .args(more)
            .current_dir(folder));
    };
    make("authority", &[]);
    let name = ["-addext", "subjectAltName=IP:127.0.0.1"];
    let is_none = ["-addext", "basicConstraints=critical,CA:FALSE"];
    let by = ["-CA", "authority.crt", "-CAkey", "authority.key"];
    make("server", &[&name[..], &is_none, &by].concat());
}

/// Runs a command that must succeed, and gives what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {printed}");
    String::from_utf8(output.stdout).expect("UTF-8")
}
