//! Debian's nginx as a shared cache in front of a gateway.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

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
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        listener.set_nonblocking(true).expect("a socket");
        std::fs::write(folder.path().join("nginx.conf"), configuration(address, gateway))
            .expect("a file");
        let process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "errors"])
            // It takes over this socket, as from an nginx that it replaces. A port that is free and
            // given by its number may be somebody else's when it listens.
            .stdin(OwnedFd::from(listener))
            .env("NGINX", "0;")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx runs: apt-get install nginx");
        Self { address, process, _folder: folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It ends its workers. An error means that it has ended already.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// All in one folder. The workers are this user's, so that they may write there; without workers
/// nginx ends when it takes over a socket.
fn configuration(address: SocketAddr, gateway: SocketAddr) -> String {
    format!(
        "daemon off;
user root;
worker_processes 1;
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
