//! Limits as a user sets them, and descriptors: the process takes as many as it may, and clients
//! that hold connections keep nobody out.

use std::io::Read as _;

use gatepost_testbed::client::{VERSIONS, get, send, soon};
use gatepost_testbed::echo::Upstream;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::served::{Folder, Served, serve};

#[tokio::test]
async fn a_routes_timeout_can_be_set_and_turned_off() {
    let (folder, upstream) = (Folder::with("p"), Upstream::start("u", None).await.unwrap());
    let routes = [("*", upstream.addr())];
    for (timeout, status) in [("0.2", 504), ("0", 200), ("60", 200)] {
        let served = Served::start_with(&folder.policy(), &routes, &["--timeout", timeout]).await;
        for version in VERSIONS {
            let late = get("http://a/.echo/delay/1000", &[]);
            let response = send(version, served.address, late).await;
            assert_eq!(response.status(), status, "{timeout} {version:?}");
        }
    }
}

#[tokio::test]
async fn a_limit_that_is_none_is_told_of() {
    let folder = Folder::with("p");
    for limit in ["", "-1", "1h", "NaN", "inf", "1e300"] {
        let mut command = serve(&folder.policy(), "127.0.0.1:0", &[]);
        command.args(["--route", "*=127.0.0.1:1", &format!("--timeout={limit}")]);
        let ended = soon(command.output()).await.unwrap();
        assert_eq!(ended.status.code(), Some(2), "{limit}");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(limit.is_empty() || said.contains("write seconds, as in 15 or 0.5"), "{said}");
    }
}

/// Starts it with these soft and hard limits of descriptors.
async fn with_descriptors(folder: &Folder, upstream: &Upstream, soft: u32, hard: u32) -> Served {
    let command = serve(&folder.policy(), "127.0.0.1:0", &[("*", upstream.addr())]);
    let command = command.as_std();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("set -e; ulimit -Sn {soft}; ulimit -Hn {hard}; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(std::process::Stdio::null());
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    Served::spawn(shell.kill_on_drop(true)).await.0
}

#[tokio::test]
async fn clients_that_hold_connections_keep_nobody_out_whatever_the_descriptors_are() {
    let (folder, upstream) = (Folder::with("p"), Upstream::start("u", None).await.unwrap());
    // The soft limit is raised; and where it cannot be, room is made.
    for (soft, hard) in [(128, 1024), (256, 256)] {
        let served = with_descriptors(&folder, &upstream, soft, hard).await;
        let mut held = Vec::new();
        for begin in [
            "GET / HTTP/1.1\r\nHost: a\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf",
        ] {
            for _ in 0..200 {
                let mut client = TcpStream::connect(served.address).await.unwrap();
                client.write_all(begin.as_bytes()).await.unwrap();
                held.push(client);
            }
            for version in VERSIONS {
                let response = soon(send(version, served.address, get("http://a/", &[]))).await;
                assert_eq!(response.status(), 200, "{hard} {version:?}");
            }
        }
        // An answer is an end, too: a gateway says 408 or nothing before it hangs up.
        let is_open = |client: TcpStream| {
            let error = client.into_std().unwrap().read(&mut [0]).err();
            error.is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        };
        let held_before = held.len();
        let open = held.into_iter().map(is_open).filter(|is_open| *is_open).count();
        let closed = held_before - open;
        assert_eq!(closed > 0, hard < 1024, "{closed} closed with {hard} descriptors");
    }
}
