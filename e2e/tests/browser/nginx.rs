//! Debian's nginx as a shared cache in front of a gateway.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running nginx, ended when this is dropped. It says in `x-cache` whether an answer came from
/// its cache: `MISS` or `HIT`.
pub struct Nginx {
    pub address: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Nginx {
    pub fn start(gateway: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = port.local_addr().expect("an address");
        std::fs::write(folder.path().join("nginx.conf"), configuration(address, gateway))
            .expect("a file");
        drop(port);
        let process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "errors"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx runs: apt-get install nginx");
        let started = Instant::now();
        let nginx = Self { address, process, _folder: folder };
        while TcpStream::connect(address).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// All in one process and one folder, so that ending the process ends it all.
fn configuration(address: SocketAddr, gateway: SocketAddr) -> String {
    format!(
        "daemon off;
master_process off;
pid pid;
events {{ }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    proxy_cache_path cache keys_zone=pages:1m;
    server {{
        listen {address};
        location / {{
            proxy_pass http://{gateway};
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_cache pages;
            add_header x-cache $upstream_cache_status always;
        }}
    }}
}}
"
    )
}
